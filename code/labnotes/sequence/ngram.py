"""Language models that count: n-grams with additive or Kneser-Ney smoothing."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from labnotes.checks import check_positive
from labnotes.metrics.language import perplexity

Token = Hashable
Gram = tuple[Token, ...]


@dataclass(slots=True)
class Followers:
    """What is known of all that was seen after one context.

    Attributes
    ----------
    total
        The sum of the counts.
    freed
        What the counts give up for tokens never seen here: the sum of their discounts.
    """

    total: int = 0
    freed: float = 0.0


class NGram:
    r"""An n-gram language model: the next token's probability from the n - 1 tokens before it.

    With ``smoothing="kneser-ney"`` (interpolated Kneser-Ney) each count gives up a discount, and
    what is gained is spread by the model of one token less. The shorter models do not ask how often
    a token was seen, but after how many different tokens; below the shortest all tokens are equally
    likely. With ``smoothing="add-k"`` every count is raised by `k`.

    One token more than was seen belongs to the vocabulary: it stands for all that is new.

    Parameters
    ----------
    order
        n, from 1: 2 is a bigram model, which looks at one token.
    smoothing
        ``"kneser-ney"`` or ``"add-k"``.
    k
        Added to each count; 1 is Laplace's rule, 0 no smoothing. Only for ``"add-k"``.
    discount
        Taken from each count, from 0 to 1. None estimates three for each order, for counts of 1, 2
        and more (modified Kneser-Ney). Only for ``"kneser-ney"``.

    Raises
    ------
    ValueError
        If an argument is not as described.

    References
    ----------
    Kneser and Ney (1995); Chen and Goodman (1999), An empirical study of smoothing techniques for
    language modeling, section 3: interpolation (equation 26), three discounts (equation 26 f.).

    Examples
    --------
    >>> model = NGram(2, smoothing="add-k", k=1).fit("abracadabra")
    >>> round(model.probability("b", context="a"), 3), round(model.perplexity("abra"), 2)
    (0.3, 2.86)
    """

    def __init__(
        self,
        order: int,
        smoothing: str = "kneser-ney",
        *,
        k: float = 1.0,
        discount: float | None = None,
    ):
        _check_options(order, smoothing, k, discount)
        self.order, self.smoothing, self.k, self.discount = order, smoothing, k, discount
        self.vocabulary: list[Token] = []

    def fit(self, tokens: Sequence[Token]) -> NGram:
        """Count the n-grams of a text; what was counted before is forgotten.

        Raises
        ------
        ValueError
            If there are fewer tokens than the order.
        """
        tokens = list(tokens)
        _check_text(tokens, self.order)
        self.vocabulary = sorted(set(tokens), key=lambda t: (str(type(t)), t))
        if self.smoothing == "kneser-ney":
            whole = _continuations(tokens, self.order)
        else:
            whole = {n: Counter(_grams(tokens, n)) for n in range(1, self.order + 1)}
        self._counts = whole
        self._discounts = {n: self._discounts_of(counts) for n, counts in whole.items()}
        self._after = {n: _followers(counts, self._discounts[n]) for n, counts in whole.items()}
        return self

    def probability(self, token: Token, context: Sequence[Token] = ()) -> float:
        """The probability that `token` follows `context`, of which the last n - 1 tokens count.

        Raises
        ------
        ValueError
            If the model has not been fitted.
        """
        _check_fitted(self.vocabulary)
        context = tuple(context)[-(self.order - 1) :] if self.order > 1 else ()
        if self.smoothing == "add-k":
            return self._added(token, context)
        return self._interpolated(token, context)

    def distribution(self, context: Sequence[Token] = ()) -> dict[Token, float]:
        """The probability of each token of the vocabulary; what is new has the rest."""
        return {token: self.probability(token, context) for token in self.vocabulary}

    def perplexity(self, tokens: Sequence[Token]) -> float:
        """Perplexity of a text, all of its tokens; the first ones have a shorter context.

        Infinite if one was held impossible.

        Raises
        ------
        ValueError
            If the text is empty or the model has not been fitted.
        """
        tokens = list(tokens)
        _check_text(tokens, 1)
        total = 0.0
        for i, token in enumerate(tokens):
            chance = self.probability(token, tokens[max(0, i - self.order + 1) : i])
            total += -math.log(chance) if chance > 0 else math.inf
        return perplexity(total, len(tokens))

    def _added(self, token: Token, context: Gram) -> float:
        n = len(context) + 1
        total = self._after[n][context].total if context in self._after[n] else 0
        all_kinds = len(self.vocabulary) + 1
        if total + self.k == 0:  # never seen, and nothing is added: nothing is known
            return 0.0
        return (self._counts[n][(*context, token)] + self.k) / (total + self.k * all_kinds)

    def _interpolated(self, token: Token, context: Gram) -> float:
        n = len(context) + 1
        # From the shortest model to the longest: each one corrects the one before.
        chance = 1 / (len(self.vocabulary) + 1)
        for length in range(1, n + 1):
            before = context[n - length :]
            after = self._after[length].get(before)
            if after is None:  # this context was never seen, so no longer one was
                break
            discounts = self._discounts[length]
            count = self._counts[length][(*before, token)]
            kept = count - discounts[min(count, 3) - 1] if count else 0.0
            chance = (kept + after.freed * chance) / after.total
        return chance

    def _discounts_of(self, counts: Counter) -> list[float]:
        if self.discount is not None:
            return [self.discount] * 3
        times = Counter(counts.values())  # how many n-grams were seen once, twice, ...
        n1, n2, n3, n4 = (times[n] for n in (1, 2, 3, 4))
        if not (n1 and n2 and n3 and n4):  # too little to estimate from
            return [0.5, 0.75, 0.75]
        y = n1 / (n1 + 2 * n2)
        estimates = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
        return [min(max(d, 0.0), n) for n, d in enumerate(estimates, 1)]


def _grams(tokens: list[Token], n: int):
    return zip(*(tokens[i:] for i in range(n)), strict=False)


def _continuations(tokens: list[Token], order: int) -> dict[int, Counter]:
    """How often each n-gram of the order was seen; each shorter one, after how many tokens."""
    whole = {order: Counter(_grams(tokens, order))}
    for n in range(order - 1, 0, -1):
        whole[n] = Counter(gram[1:] for gram in whole[n + 1])
        # Nothing stands before the first n-gram of a text: if seen nowhere else, it counts as once.
        whole[n].setdefault(tuple(tokens[:n]), 1)
    return whole


def _followers(counts: Counter, discounts: list[float]) -> dict[Gram, Followers]:
    found: dict[Gram, Followers] = defaultdict(Followers)
    for gram, count in counts.items():
        after = found[gram[:-1]]
        after.total += count
        after.freed += discounts[min(count, 3) - 1]
    return dict(found)


def _check_options(order: int, smoothing: str, k: float, discount: float | None) -> None:
    check_positive(order=order)
    if smoothing not in ("kneser-ney", "add-k"):
        raise ValueError(f'smoothing is {smoothing!r}: give "kneser-ney" or "add-k"')
    if not k >= 0:
        raise ValueError(f"k is {k}: give what is added to each count, 0 or more")
    if discount is not None and not 0 <= discount <= 1:
        raise ValueError(f"discount is {discount}: give what is taken from a count, from 0 to 1")


def _check_text(tokens: list[Token], least: int) -> None:
    if len(tokens) < least:
        raise ValueError(f"there are {len(tokens)} tokens: give at least {least}")


def _check_fitted(vocabulary: list[Token]) -> None:
    if not vocabulary:
        raise ValueError("the model has counted nothing yet: call fit(tokens) first")
