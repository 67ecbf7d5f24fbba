"""IBM model 1: which word is a translation of which, from sentence pairs alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labnotes.checks import check_positive
from labnotes.text.vocabulary import Vocabulary

NOTHING = "<nothing>"  # what stands in every source sentence, for words that translate nothing
Words = Sequence[str]


class IBMModel1:
    r"""Word translation probabilities :math:`t(f \mid e)`, learned by expectation maximization.

    Each word of a translation is taken to come from one word of the source sentence, or from none,
    wherever either stands. In each round every target word is shared out among the source words of
    its sentence, in proportion to :math:`t(f \mid e)`; then the shares that a source word got,
    divided by their sum, are its new probabilities (EM 算法).

    Parameters
    ----------
    pairs
        (source words, target words), both lists of strings; neither may be empty.
    rounds
        Rounds of expectation and maximization.

    Attributes
    ----------
    log_likelihoods : list of float
        Before each round, the sum over all target words of the logarithm of their mean
        :math:`t(f \mid e)` over the source words: it never falls.

    Raises
    ------
    ValueError
        If there is no pair, a sentence is empty or a string, or `rounds` is below 1.

    References
    ----------
    Brown et al., "The Mathematics of Statistical Machine Translation", 1993, section 4.

    Examples
    --------
    >>> pairs = [("the", "house"), ("la", "maison")], [("the", "cat"), ("le", "chat")], \
    ...         [("a", "house"), ("une", "maison")]
    >>> model = IBMModel1(pairs, rounds=10)
    >>> model.translate(["house", "dog"])
    ['maison', 'dog']
    """

    def __init__(self, pairs: Sequence[tuple[Words, Words]], rounds: int = 5):
        check_positive(rounds=rounds)
        _check_pairs(pairs)
        self.source = Vocabulary((s for s, _ in pairs), reserved=[NOTHING])
        self.target = Vocabulary((t for _, t in pairs), reserved=[])
        couples, place = self._couples(pairs)
        # Only words that met in a sentence have a probability above 0: one number for each couple.
        couples, which = np.unique(couples, return_inverse=True)
        self._e, self._f = np.divmod(couples, len(self.target))
        self._t = np.full(len(couples), 1 / len(self.target))
        self._sentence_sizes = np.bincount(place)  # source words for each target word
        self.log_likelihoods = []
        for _ in range(rounds):
            self._round(which, place)
        self._best = self._best_targets()

    def _couples(self, pairs) -> tuple[np.ndarray, np.ndarray]:
        """Each target word beside each word of its source: the couple's number, and whose it is."""
        couples, place, words = [], [], 0
        for source, target in pairs:
            e = np.array(self.source.to_ids([NOTHING, *source]))
            f = np.array(self.target.to_ids(target))
            couples.append(
                (e[None, :] * len(self.target) + f[:, None]).ravel()
            )  # (target * source)
            place.append(np.repeat(np.arange(words, words + len(f)), len(e)))
            words += len(f)
        return np.concatenate(couples), np.concatenate(place)

    def _round(self, which: np.ndarray, place: np.ndarray) -> None:
        t = self._t[which]
        all_t = np.bincount(place, t)  # (target words,): summed over the source words
        self.log_likelihoods.append(float(np.log(all_t / self._sentence_sizes).sum()))
        shares = np.bincount(which, t / all_t[place])  # (couples,), the expectation
        self._t = shares / np.bincount(self._e, shares)[self._e]  # the maximization

    def _best_targets(self) -> dict[str, str]:
        best: dict[str, str] = {}
        for i in np.argsort(-self._t, kind="stable"):
            best.setdefault(self.source.tokens[self._e[i]], self.target.tokens[self._f[i]])
        return best

    def probability(self, target: str, source: str | None) -> float:
        """:math:`t(f \\mid e)`; `source` None is the source word that is none.

        0 for words that never met, and for words that were never seen.
        """
        source = NOTHING if source is None else source
        if source not in self.source or target not in self.target:
            return 0.0
        e, f = self.source.to_ids([source])[0], self.target.to_ids([target])[0]
        found = self._t[(self._e == e) & (self._f == f)]
        return float(found[0]) if len(found) else 0.0

    def translate(self, words: Words) -> list[str]:
        """The most probable word for each word, in the same order; what was never seen stays."""
        _check_words(words)
        return [self._best.get(word, word) if word != NOTHING else word for word in words]


def _check_words(words: Words) -> None:
    if isinstance(words, str):
        raise ValueError(f"{words[:40]!r} is a string: give a list of words, such as text.split()")


def _check_pairs(pairs) -> None:
    if not len(pairs):
        raise ValueError("there is no pair: give (source words, target words), at least one")
    for number, (source, target) in enumerate(pairs):
        _check_words(source)
        _check_words(target)
        if not len(source) or not len(target):
            raise ValueError(f"pair {number} has an empty sentence: leave such pairs out")
