"""A text cut into tokens: words and signs, or characters."""

from __future__ import annotations

from labnotes.data.text import normalise
from labnotes.data.text import tokenize as words_of


def tokenize(text: str, unit: str = "word") -> list[str]:
    """The tokens (词元) of a text, in which accents and spaces have one form each.

    Parameters
    ----------
    text
        Any string.
    unit
        ``"word"`` gives words in lower case, numbers and signs, as :func:`labnotes.data.tokenize`
        does. ``"character"`` gives the characters, capitals included, with one blank in the place
        of each run of white space.

    Raises
    ------
    ValueError
        If `text` is no string, or `unit` is neither.

    Examples
    --------
    >>> tokenize("L\\u2019a\\xa0b!"), tokenize("a\\xa0b", unit="character")
    (["l'a", 'b', '!'], ['a', ' ', 'b'])
    """
    _check_arguments(text, unit)
    return words_of(text) if unit == "word" else list(normalise(text))


def _check_arguments(text: str, unit: str) -> None:
    if not isinstance(text, str):
        raise ValueError(f"text is of {type(text).__name__}: give one string")
    if unit not in ("word", "character"):
        raise ValueError(f'unit is {unit!r}: give "word" or "character"')
