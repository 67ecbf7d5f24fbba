"""Sentences with invented names whose kind only a word far before or after them tells."""

from __future__ import annotations

import random

from labnotes.checks import check_positive

#: What tells the kind of a name. It may stand before the name or after it.
CUES = {
    "person": "singer doctor neighbour teacher pilot".split(),
    "location": "village harbour valley street island".split(),
    "product": "phone album camera game app".split(),
}
FILLERS = (
    "the a our this that old new very much so well today again often we they you all like know "
    "saw about with of and but , still really here maybe then just some one"
).split()
OPENINGS = "Yesterday Perhaps Today Well Still Yes".split()  # capitals that are no names
SYLLABLES = "ba be bo da de do ka ke ki lo lu ma mi mo na ne ra ri ro sa se ta ti to va vi".split()

Sentence = tuple[list[str], list[str]]


def tagged_sentences(count: int, seed: int = 0) -> list[Sentence]:
    """Sentences with one invented name each, as tokens and IOB2 tags.

    A name has one or two words that hardly ever come again, so there is no learning it by heart. Its
    kind (person, location or product, equally often) is that of the one cue in the sentence, which
    stands up to four words before it or, as often, up to four words after it.

    Parameters
    ----------
    count
        Sentences.
    seed
        Other seeds give other sentences.

    Raises
    ------
    ValueError
        If `count` is not a positive integer.

    Examples
    --------
    >>> tokens, tags = tagged_sentences(1)[0]
    >>> len(tokens) == len(tags), sum(tag.startswith("B-") for tag in tags)
    (True, 1)
    """
    check_positive(count=count)
    draw = random.Random(seed)
    return [_sentence(draw) for _ in range(count)]


def _sentence(draw: random.Random) -> Sentence:
    kind = draw.choice(list(CUES))
    name = [_word(draw) for _ in range(draw.choice((1, 2)))]
    cue, between = [draw.choice(CUES[kind])], draw.choices(FILLERS, k=draw.randint(0, 4))
    opening = [draw.choice(OPENINGS)] if draw.random() < 0.5 else []
    first = opening + draw.choices(FILLERS, k=draw.randint(0, 3))
    last = [*draw.choices(FILLERS, k=draw.randint(0, 3)), "."]
    before, after = (cue + between, []) if draw.random() < 0.5 else ([], between + cue)
    outside = len(first + before)
    tokens = [*first, *before, *name, *after, *last]
    inside = [f"B-{kind}"] + [f"I-{kind}"] * (len(name) - 1)
    rest = len(tokens) - outside - len(inside)
    return tokens, ["O"] * outside + inside + ["O"] * rest


def _word(draw: random.Random) -> str:
    return "".join(draw.choices(SYLLABLES, k=draw.randint(3, 4))).capitalize()
