"""BLEU (Papineni et al. 2002): a translation's clipped n-gram precision against references.

The scores work on token lists. Which tokens those are changes the score, so a score to publish
says it: :func:`tokenize_13a` cuts a text as sacreBLEU does where it is told nothing else.
"""

from __future__ import annotations

import html
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

Tokens = Sequence[str]

SMOOTHING = (None, "exp", "add-one")


@dataclass(frozen=True)
class BleuScore:
    """A BLEU score and the counts that it comes from.

    Attributes
    ----------
    score : float
        From 0 to 1 (sacreBLEU and papers print it times 100).
    precisions : tuple of float
        Clipped precision p_n for n = 1 ... max_n, after smoothing if any was asked for.
    brevity_penalty : float
        1 for a candidate at least as long as its reference, less for a shorter one.
    matches, totals : tuple of int
        Clipped matches, and n-grams of the candidate, for n = 1 ... max_n (before smoothing).
    candidate_length, reference_length : int
        In tokens; of several references the one closest in length counts. Summed over a corpus.
    """

    score: float
    precisions: tuple[float, ...]
    brevity_penalty: float
    matches: tuple[int, ...]
    totals: tuple[int, ...]
    candidate_length: int
    reference_length: int


def tokenize_13a(text: str) -> list[str]:
    """The tokens of a line of text, as the tokenizer "13a" of sacreBLEU has them.

    A sign is a token by itself, with three exceptions: an apostrophe, a full stop or comma between
    two digits, and a hyphen that does not follow a digit. So French ``l'eau`` stays one token.

    Raises
    ------
    TypeError
        If it is no text.

    References
    ----------
    Post, "A call for clarity in reporting BLEU scores", 2018, section 3; the script mteval-v13a.

    Examples
    --------
    >>> tokenize_13a("It's 3.5 km, isn't it?")
    ["It's", '3.5', 'km', ',', "isn't", 'it', '?']
    """
    _check_text(text)
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for name in ("&quot;", "&amp;", "&lt;", "&gt;"):
        text = text.replace(name, html.unescape(name))
    text = re.sub(r"[!-&(-+/:-@[-`{-~]", lambda sign: f" {sign[0]} ", f" {text} ")
    for split in (r"([^0-9])([.,])", r"()([.,])(?=[^0-9])", r"([0-9])(-)"):
        text = re.sub(split, r"\1 \2 ", text)
    return text.split()


def ngrams(tokens: Tokens, n: int) -> Counter[tuple[str, ...]]:
    """How often each run of `n` neighbouring tokens occurs: a bag of n-grams.

    Raises
    ------
    TypeError
        If `tokens` is a string: its n-grams would be of characters.
    ValueError
        If `n` is not a positive integer.

    Examples
    --------
    >>> ngrams("to be or not to be".split(), 2)[("to", "be")]
    2
    """
    _check_tokens(tokens, "tokens")
    _check_order(n, "n")
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def clipped_counts(candidate: Tokens, references: Sequence[Tokens], n: int) -> tuple[int, int]:
    """Matched n-grams and all n-grams of a candidate (Papineni et al. 2002, section 2.1).

    An n-gram is matched at most as often as it occurs in the one reference that has it most often.

    Returns
    -------
    matches, total : int
        The numerator and the denominator of p_n. They are returned apart because a corpus score
        adds them up over all sentences before it divides.

    Raises
    ------
    TypeError, ValueError
        As :func:`bleu`.

    Examples
    --------
    >>> clipped_counts("the the the".split(), ["the cat".split()], 1)
    (1, 3)
    """
    _check_references(references)
    counts = ngrams(candidate, n)
    allowed: Counter = Counter()
    for reference in references:
        allowed |= ngrams(reference, n)  # | keeps the larger count
    return (counts & allowed).total(), counts.total()  # & keeps the smaller


def clipped_precision(candidate: Tokens, references: Sequence[Tokens], n: int) -> float:
    """The share of a candidate's n-grams that its references know; 0 if it has no n-gram.

    Examples
    --------
    >>> clipped_precision(list("abbcd"), [list("abcdef")], 2)
    0.75
    """
    matches, total = clipped_counts(candidate, references, n)
    return matches / total if total else 0.0


def closest_length(candidate: Tokens, references: Sequence[Tokens]) -> int:
    """The length of the reference closest in length to the candidate; of two, the shorter."""
    _check_tokens(candidate, "candidate")
    _check_references(references)
    lengths = [len(reference) for reference in references]
    return min(lengths, key=lambda length: (abs(length - len(candidate)), length))


def brevity_penalty(candidate_length: int, reference_length: int) -> float:
    """exp(1 - r/c) for a candidate shorter than its reference, else 1 (section 2.2.2).

    An empty candidate is given 0, the limit of the formula.

    Raises
    ------
    ValueError
        If a length is negative.

    Examples
    --------
    >>> round(brevity_penalty(2, 6), 3)
    0.135
    """
    _check_lengths(candidate_length, reference_length)
    if candidate_length == 0:
        return 0.0
    return math.exp(min(0.0, 1 - reference_length / candidate_length))


def corpus_bleu(
    candidates: Sequence[Tokens],
    references: Sequence[Sequence[Tokens]],
    max_n: int = 4,
    smooth: str | None = None,
) -> BleuScore:
    """BLEU of a whole test set: the counts of all sentences are added up, then divided once.

    Parameters
    ----------
    candidates
        One token list a sentence.
    references
        For each sentence the list of its references: ``references[i]`` belongs to
        ``candidates[i]``, and sentences may have different numbers of them. (NLTK wants the same
        layout; sacreBLEU wants it transposed.)
    max_n
        The longest n-gram that counts; 4 in the paper and nearly everywhere.
    smooth
        What to do about an order without a match, as named by Chen and Cherry (2014): None gives
        the paper's 0; ``"exp"`` (their method 3, sacreBLEU's default) takes 1/2, 1/4, ... match in
        turn; ``"add-one"`` (their method 2, Lin and Och 2004) adds 1 to matches and totals of
        all n > 1. Neither rescues a text without one matching word.

    Returns
    -------
    BleuScore
        ``score`` is 0 where an order has no match, or where the candidates are all shorter than
        `max_n` tokens: p_n is then 0/0, and we keep Papineni's fixed N (sacreBLEU:
        ``effective_order=False``). For texts that short, choose a smaller `max_n`.

    Raises
    ------
    TypeError
        If a text is a string instead of a token list.
    ValueError
        If there is no candidate, the lists' lengths differ, a sentence has no reference, or
        `max_n` or `smooth` is not one of those allowed.

    References
    ----------
    Papineni, Roukos, Ward, Zhu (2002), BLEU: a method for automatic evaluation of machine
    translation, section 2.3.

    Examples
    --------
    >>> human = [["the cat sat on the mat".split()], ["it is raining".split()]]
    >>> round(corpus_bleu(["the cat sat on a mat".split(), "it is raining".split()], human).score, 4)
    0.5969
    """
    _check_corpus(candidates, references, max_n)
    matches, totals = [0] * max_n, [0] * max_n
    c = r = 0
    for candidate, refs in zip(candidates, references, strict=True):
        c += len(candidate)
        r += closest_length(candidate, refs)
        for n in range(1, max_n + 1):
            found, total = clipped_counts(candidate, refs, n)
            matches[n - 1] += found
            totals[n - 1] += total
    precisions = smoothed_precisions(matches, totals, smooth)
    penalty = brevity_penalty(c, r)
    score = 0.0
    if min(precisions) > 0:
        score = penalty * math.exp(sum(math.log(p) for p in precisions) / max_n)
    return BleuScore(score, precisions, penalty, tuple(matches), tuple(totals), c, r)


def bleu(
    candidate: Tokens,
    references: Sequence[Tokens],
    max_n: int = 4,
    smooth: str | None = None,
) -> BleuScore:
    """BLEU of one sentence: :func:`corpus_bleu` of a corpus of one.

    Parameters
    ----------
    candidate
        The tokens of the sentence to score.
    references
        Token lists, at least one. A single reference goes in a list too: ``[reference]``.
    max_n, smooth
        As in :func:`corpus_bleu`.

    Returns
    -------
    BleuScore

    Raises
    ------
    TypeError
        If a text is a string instead of a token list, or `references` is one token list.
    ValueError
        If there is no reference, or `max_n` or `smooth` is not one of those allowed.

    Examples
    --------
    >>> score = bleu(list("abbcd"), [list("abcdef")], max_n=3)
    >>> score.matches, score.totals, round(score.score, 3)
    ((4, 3, 1), (5, 4, 3), 0.479)
    """
    _check_tokens(candidate, "candidate")
    return corpus_bleu([candidate], [references], max_n, smooth)


def bleu_d2l(candidate: Tokens, reference: Tokens, k: int) -> float:
    """The score that Dive into Deep Learning calls BLEU: penalty times the product of p_n^(1/2^n).

    It is not the paper's: one reference, one sentence, and weights 1/2, 1/4, 1/8 ... in place of
    1/k. Orders that the candidate is too short for are left out. An empty candidate scores 0.

    Parameters
    ----------
    candidate, reference
        Token lists.
    k
        The longest n-gram that counts.

    Raises
    ------
    TypeError
        If a text is a string instead of a token list.
    ValueError
        If `k` is not a positive integer.

    References
    ----------
    Zhang, Lipton, Li, Smola (2023), Dive into Deep Learning, section 10.7; ``d2l.bleu``.

    Examples
    --------
    >>> [round(bleu_d2l(list("abbcd"), list("abcdef"), k), 3) for k in (1, 2, 3, 4)]
    [0.732, 0.681, 0.594, 0.0]
    """
    _check_tokens(reference, "reference")
    _check_tokens(candidate, "candidate")
    _check_order(k, "k")
    score = brevity_penalty(len(candidate), len(reference))
    for n in range(1, min(k, len(candidate)) + 1):
        score *= clipped_precision(candidate, [reference], n) ** (0.5**n)
    return score


def smoothed_precisions(
    matches: Sequence[int], totals: Sequence[int], smooth: str | None = None
) -> tuple[float, ...]:
    """Clipped precisions from the counts of n = 1 ... max_n, smoothed if asked for.

    Parameters
    ----------
    matches, totals
        As in :class:`BleuScore`.
    smooth
        As in :func:`corpus_bleu`.

    Raises
    ------
    ValueError
        If `smooth` is not one of those allowed.

    Examples
    --------
    >>> smoothed_precisions([4, 1, 0, 0], [5, 4, 3, 2], "exp")[2:] == (0.5 / 3, 0.25 / 2)
    True
    """
    _check_smoothing(smooth)
    if smooth is None or not any(matches):
        return tuple(m / t if t else 0.0 for m, t in zip(matches, totals, strict=True))
    if smooth == "add-one":
        added = [0] + [1] * (len(matches) - 1)  # p_1 stays as it is
        return tuple((m + a) / (t + a) for m, t, a in zip(matches, totals, added, strict=True))
    precisions, share = [], 1.0
    for m, t in zip(matches, totals, strict=True):
        if m == 0:
            m = share = share / 2
        precisions.append(m / t if t else 0.0)
    return tuple(precisions)


def _check_text(text: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"text is of {type(text).__name__}: give one line of text")


def _check_tokens(tokens: Tokens, name: str) -> None:
    if isinstance(tokens, (str, bytes)):
        raise TypeError(
            f"{name} is the string {tokens[:40]!r}: give a list of tokens, for example {name}.split()"
        )
    if not isinstance(tokens, Sequence):
        raise TypeError(f"{name} is a {type(tokens).__name__}: give a list of tokens")
    # Tensors are told apart by identity, so that no two of them would ever match. (Known by an
    # attribute, because this module needs no torch.)
    if any(hasattr(token, "requires_grad") for token in tokens):
        raise TypeError(
            f"{name} holds tensors, which never count as equal tokens: give plain integers or "
            f"words, for example {name}.tolist() of the whole tensor"
        )


def _check_references(references: Sequence[Tokens]) -> None:
    if isinstance(references, (str, bytes)) or any(isinstance(r, (str, bytes)) for r in references):
        raise TypeError(
            "references holds strings: give a list of token lists, one list for each reference, "
            "for example [reference.split()]"
        )
    if not references:
        raise ValueError("references is empty: give at least one reference (a list of token lists)")
    for reference in references:
        _check_tokens(reference, "a reference")


def _check_order(n: int, name: str) -> None:
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise ValueError(f"{name} is {n!r}: give a positive integer, 4 in most papers")


def _check_lengths(candidate_length: int, reference_length: int) -> None:
    if candidate_length < 0 or reference_length < 0:
        raise ValueError(
            f"lengths are {candidate_length} and {reference_length}: give numbers of tokens, 0 or more"
        )


def _check_corpus(candidates: Sequence, references: Sequence, max_n: int) -> None:
    if isinstance(candidates, str) or isinstance(references, str):
        raise TypeError("candidates and references are lists, one entry a sentence; a string came")
    if len(candidates) != len(references):
        raise ValueError(
            f"{len(candidates)} candidates, but references for {len(references)} sentences: "
            "references[i] must be the list of references of candidates[i]"
        )
    if not candidates:
        raise ValueError("candidates is empty: a corpus needs at least one sentence")
    _check_order(max_n, "max_n")


def _check_smoothing(smooth: str | None) -> None:
    if smooth not in SMOOTHING:
        raise ValueError(f"smooth is {smooth!r}: give one of {SMOOTHING}")
