"""Searching for the most probable sequence: greedy, exhaustive and beam search, and Viterbi's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from labnotes.checks import check_positive

#: What the log-probability of a sequence is divided by, from its length (a number or a tensor).
LengthPenalty = Callable[[Any], Any]
#: The most sequences that :func:`exhaustive` scores.
MOST_SEQUENCES = 1_000_000


class Hypothesis(NamedTuple):
    """A sequence that a search has found, without what it started from, and its log-probability."""

    tokens: list[int]
    score: float


def power_penalty(alpha: float) -> LengthPenalty:
    """The divisor ``length ** alpha``: 0 leaves log-probabilities as they are, 1 takes their mean.

    Raises
    ------
    ValueError
        If `alpha` is not a number of at least 0.

    Examples
    --------
    >>> power_penalty(0.5)(4)
    2.0
    """
    _check_alpha(alpha)
    return lambda length: length**alpha


def gnmt_penalty(alpha: float) -> LengthPenalty:
    """The divisor ``((5 + length) / 6) ** alpha``, which is gentler on short sequences.

    Raises
    ------
    ValueError
        If `alpha` is not a number of at least 0.

    References
    ----------
    Wu et al., "Google's Neural Machine Translation System", 2016, equation 14.

    Examples
    --------
    >>> gnmt_penalty(0.5)(1), gnmt_penalty(1.0)(7)
    (1.0, 2.0)
    """
    _check_alpha(alpha)
    return lambda length: ((5 + length) / 6) ** alpha


def greedy(
    step: Callable[[Tensor], Tensor], start: Sequence[int], length: int, end: int | None = None
) -> Hypothesis:
    """Greedy search (贪心搜索): the most probable token at each step, and no way back.

    Parameters
    ----------
    step, start, length, end
        As for :func:`beam_search`.

    Returns
    -------
    Hypothesis
        The tokens after `start`, the end included, and their log-probability.

    Raises
    ------
    ValueError
        If `length` is below 1, `start` is empty, or `step` gives another shape or NaN.

    Examples
    --------
    >>> table = torch.tensor([[0.5, 0.4, 0.1], [0.3, 0.3, 0.4], [0.05, 0.9, 0.05]]).log()
    >>> greedy(lambda prefixes: table[prefixes[:, -1]], [0], length=3).tokens
    [0, 0, 0]
    """
    check_positive(length=length)
    _check_start(start)
    tokens, score = list(start), 0.0
    for _ in range(length):
        prefix = torch.tensor([tokens])  # (1, tokens)
        found = step(prefix)  # (1, vocabulary)
        _check_step(found, 1, end)
        best = int(found[0].argmax())
        tokens.append(best)
        score += found[0, best].item()
        if best == end:
            break
    return Hypothesis(tokens[len(start) :], score)


def exhaustive(
    step: Callable[[Tensor], Tensor],
    start: Sequence[int],
    length: int,
    end: int | None = None,
    length_penalty: LengthPenalty | None = None,
) -> list[Hypothesis]:
    """Exhaustive search (穷举搜索): score every sequence there is.

    Parameters
    ----------
    step, start, length, end, length_penalty
        As for :func:`beam_search`.

    Returns
    -------
    list of Hypothesis
        Every sequence that ends, and every one of `length` tokens; the best first.

    Raises
    ------
    ValueError
        If there may be more than a million sequences, `length` is below 1, `start` is empty, or
        `step` gives another shape or NaN.

    Examples
    --------
    >>> table = torch.tensor([[0.5, 0.4, 0.1], [0.3, 0.3, 0.4], [0.05, 0.9, 0.05]]).log()
    >>> found = exhaustive(lambda prefixes: table[prefixes[:, -1]], [0], length=3)
    >>> len(found), found[0].tokens
    (27, [1, 2, 1])
    """
    check_positive(length=length)
    _check_start(start)
    prefixes = torch.tensor([list(start)])  # (beginnings, tokens)
    scores, found = torch.zeros(1), []
    for _ in range(length):
        rows = step(prefixes).detach().cpu()  # (beginnings, vocabulary)
        _check_step(rows, len(prefixes), end)
        vocabulary = rows.shape[1]
        _check_count(vocabulary, length)
        scores = (scores[:, None] + rows).flatten()  # (beginnings * vocabulary,)
        tokens = torch.arange(vocabulary).repeat(len(prefixes))
        prefixes = torch.cat([prefixes.repeat_interleave(vocabulary, 0), tokens[:, None]], 1)
        ends = tokens == (-1 if end is None else end)  # no token is -1
        found += _hypotheses(prefixes[ends], scores[ends], len(start))
        prefixes, scores = prefixes[~ends], scores[~ends]
    found += _hypotheses(prefixes, scores, len(start))
    return _best_first(found, length_penalty)


def beam_search(
    step: Callable[[Tensor], Tensor],
    start: Sequence[int],
    width: int,
    length: int,
    end: int | None = None,
    length_penalty: LengthPenalty | None = None,
) -> list[Hypothesis]:
    """Beam search (束搜索): at each step, only the best `width` beginnings are continued.

    With width 1 it is greedy search. With a width of all sequences that there are it is exhaustive.

    Parameters
    ----------
    step
        ``step(prefixes)`` gives the log-probabilities ``(n, vocabulary)`` of the token that follows
        each of the prefixes ``(n, tokens)``, int64, which begin with `start`.
    start
        The tokens that all sequences begin with, at least one.
    width
        Sequences kept at each step; fewer while there are fewer.
    length
        Tokens that are added at most.
    end
        The token that ends a sequence. One that has ended keeps its place and its score, and is
        not continued.
    length_penalty
        Places go by the log-probability divided by ``length_penalty(tokens after start)``, such as
        :func:`power_penalty` or :func:`gnmt_penalty`. None divides by nothing.

    Returns
    -------
    list of Hypothesis
        At most `width`, the best first; each holds the tokens after `start`, the end included, and
        its log-probability, which is not divided.

    Raises
    ------
    ValueError
        If a number is below 1, `start` is empty, or `step` gives another shape or NaN.

    Examples
    --------
    >>> table = torch.tensor([[0.5, 0.4, 0.1], [0.3, 0.3, 0.4], [0.05, 0.9, 0.05]]).log()
    >>> found = beam_search(lambda prefixes: table[prefixes[:, -1]], [0], width=2, length=2)
    >>> [(tokens, round(2.718281828**score, 2)) for tokens, score in found]
    [([0, 0], 0.25), ([0, 1], 0.2)]
    """
    check_positive(width=width, length=length)
    _check_start(start)
    prefixes = torch.tensor([list(start)])  # (beams, tokens)
    scores, ended = torch.zeros(1), []
    for _ in range(length):
        rows = step(prefixes).detach().cpu()  # (beams, vocabulary)
        _check_step(rows, len(prefixes), end)
        scores = (scores[:, None] + rows).flatten()  # (beams * vocabulary,)
        best = scores.argsort(descending=True, stable=True)[:width]
        beams, tokens = best // rows.shape[1], best % rows.shape[1]
        prefixes = torch.cat([prefixes[beams], tokens[:, None]], 1)
        # Those that have ended stand in line with the others for the places in the beam.
        line = _hypotheses(prefixes, scores[best], len(start)) + ended
        line = _best_first(line, length_penalty)[:width]
        line = [h for h in line if h.score > -torch.inf] or line[:1]
        ended = [h for h in line if h.tokens[-1] == end]
        alive = [h for h in line if h.tokens[-1] != end]
        if not alive:
            break
        prefixes = torch.tensor([[*start, *h.tokens] for h in alive])
        scores = torch.tensor([h.score for h in alive], dtype=rows.dtype)
    return line


@torch.no_grad()
def batched_beam_search(
    step: Callable[[Tensor, Any], tuple[Tensor, Any]],
    state: Any,
    start: Tensor,
    end: int,
    width: int,
    length: int,
    length_penalty: LengthPenalty | None = None,
    select: Callable[[Any, Tensor], Any] | None = None,
) -> list[list[Hypothesis]]:
    """Beam search for many sentences at once, which keeps what the model has read in a state.

    It finds what :func:`beam_search` finds. There each step reads whole beginnings again; here it
    reads one token of each, and the states follow the beginnings to their new places.

    Parameters
    ----------
    step
        ``step(tokens, state) -> (log-probabilities (rows, vocabulary), state)`` for the last tokens
        ``(rows,)``, int64, of so many beginnings. There are ``sentences * width`` rows.
    state
        What `step` gets with the first tokens, with a row for each sentence.
    start
        The first token of each sentence ``(sentences,)``.
    end
        The token that ends a sequence.
    width, length, length_penalty
        As for :func:`beam_search`.
    select
        ``select(state, rows)`` gives the state that holds those rows ``(m,)`` of another, a row
        maybe several times. By default a state is a tensor, or a tuple, a list or a dict of states,
        and its rows are in dimension 1, as those of torch's recurrent layers:
        ``(layers, rows, hidden)``.

    Returns
    -------
    list of list of Hypothesis
        For each sentence at most `width`, the best first; each holds the tokens after the first,
        the end included, and its log-probability. (Equal candidates may come in any order.)

    Raises
    ------
    ValueError
        If a number is below 1, `start` is no vector of token ids, `step` gives another shape or
        NaN, or the state has no rows to choose from.

    Examples
    --------
    A model that looks at the last token alone has nothing to remember:

    >>> table = torch.tensor([[0.5, 0.4, 0.1], [0.3, 0.3, 0.4], [0.05, 0.9, 0.05]]).log()
    >>> step = lambda tokens, state: (table[tokens], state)
    >>> found = batched_beam_search(step, (), torch.tensor([0, 1]), end=2, width=2, length=2)
    >>> [[h.tokens for h in of_one] for of_one in found]
    [[[0, 0], [0, 1]], [[2], [0, 0]]]
    """
    check_positive(width=width, length=length)
    _check_first(start)
    select = select or _rows
    n, k = len(start), width
    first = torch.arange(n, device=start.device)[:, None]  # (n, 1)
    state = select(state, first.expand(n, k).flatten())  # from n rows to n * k
    tokens = start[:, None].repeat(1, k)  # (n, k)
    history = tokens[:, :, None]  # (n, k, tokens)
    scores = torch.full((n, k), -torch.inf, device=start.device)
    scores[:, 0] = 0  # all k beginnings are the same: only one of them counts
    ended = torch.zeros_like(tokens, dtype=torch.bool)
    lengths = torch.zeros_like(tokens)
    for _ in range(length):
        rows, state = step(tokens.flatten(), state)  # (n * k, V)
        _check_step(rows, n * k, end)
        rows = rows.view(n, k, -1).masked_fill(ended[:, :, None], -torch.inf)
        rows[:, :, end].masked_fill_(ended, 0)  # one that has ended stays as it is
        lengths = lengths + ~ended
        candidates = scores[:, :, None] + rows  # (n, k, V)
        divisor = 1 if length_penalty is None else length_penalty(lengths)[:, :, None]
        best = (candidates / divisor).flatten(1).topk(k).indices  # (n, k)
        beams, tokens = best // rows.shape[2], best % rows.shape[2]
        scores = candidates.flatten(1).gather(1, best)
        lengths, ended = lengths.gather(1, beams), ended.gather(1, beams) | (tokens == end)
        history = torch.cat([history[first, beams], tokens[:, :, None]], 2)
        state = select(state, (first * k + beams).flatten())
        if ended.all():
            break
    return [_found(*parts) for parts in zip(history[:, :, 1:], lengths, scores)]


def viterbi(
    log_start: Tensor, log_transition: Tensor, log_emission: Tensor
) -> tuple[list[int], float]:
    """The most probable path through a chain of states (维特比算法), exactly.

    It is exact, in time ``T S^2``, because what follows a state depends on that state alone: of all
    paths that lead to it only the best can be part of the answer.

    Parameters
    ----------
    log_start
        Log-probabilities ``(S,)`` of the first state.
    log_transition
        ``(S, S)``: from the state of a row to the state of a column.
    log_emission
        ``(T, S)``: of what is seen at each time, in each state.

    Returns
    -------
    path : list of int
        The state at each of the T times.
    score : float
        The path's log-probability. If all paths are impossible, -inf and one of them.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a number is NaN.

    References
    ----------
    Viterbi, "Error bounds for convolutional codes and an asymptotically optimum decoding
    algorithm", 1967; for hidden Markov models Rabiner, 1989, section III.B.

    Examples
    --------
    >>> stay = torch.tensor([[0.9, 0.1], [0.1, 0.9]]).log()
    >>> seen = torch.tensor([[0.8, 0.2], [0.4, 0.6], [0.8, 0.2]]).log()
    >>> viterbi(torch.tensor([0.5, 0.5]).log(), stay, seen)[0]  # the one in the middle is outvoted
    [0, 0, 0]
    """
    _check_chain(log_start, log_transition, log_emission)
    best = log_start + log_emission[0]  # (S,): of the best path that ends in each state
    came_from = []
    for seen in log_emission[1:]:
        best, before = (best[:, None] + log_transition).max(0)  # over the state before
        came_from.append(before)
        best = best + seen
    path = [int(best.argmax())]
    for before in reversed(came_from):
        path.append(int(before[path[-1]]))
    return path[::-1], best.max().item()


def _hypotheses(prefixes: Tensor, scores: Tensor, skip: int) -> list[Hypothesis]:
    return [Hypothesis(p[skip:], s) for p, s in zip(prefixes.tolist(), scores.tolist())]


def _best_first(found: list[Hypothesis], length_penalty: LengthPenalty | None) -> list[Hypothesis]:
    """In the order of what counts; those that are equal stay as they stand."""
    divisor = length_penalty or (lambda length: 1)
    return sorted(found, key=lambda h: -h.score / divisor(len(h.tokens)))


def _rows(state: Any, rows: Tensor) -> Any:
    """Those rows of a state of torch's recurrent layers, or of several."""
    if isinstance(state, dict):
        return {name: _rows(part, rows) for name, part in state.items()}
    if isinstance(state, (tuple, list)):
        return type(state)(_rows(part, rows) for part in state)
    if not isinstance(state, Tensor) or state.dim() < 2:
        raise ValueError(
            f"the state holds {_shape(state)}: give tensors whose dimension 1 has a row for each "
            "sentence, or say with select how rows are chosen"
        )
    return state.index_select(1, rows)


def _found(history: Tensor, lengths: Tensor, scores: Tensor) -> list[Hypothesis]:
    """The hypotheses of one sentence, less the impossible ones (of which one stays if all are)."""
    parts = zip(history.tolist(), lengths.tolist(), scores.tolist())
    found = [Hypothesis(tokens[:length], score) for tokens, length, score in parts]
    return [h for h in found if h.score > -torch.inf] or found[:1]


def _shape(value: Any) -> str:
    return f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def _check_alpha(alpha: float) -> None:
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not alpha >= 0:
        raise ValueError(f"alpha is {alpha!r}: give an exponent of at least 0")


def _check_start(start: Sequence[int]) -> None:
    if not len(start):
        raise ValueError("start is empty: give at least one token, such as that of the beginning")


def _check_first(start: Tensor) -> None:
    fits = isinstance(start, Tensor) and start.dim() == 1 and start.dtype == torch.int64
    if not fits or not len(start):
        raise ValueError(
            f"start is {_shape(start)}: give the first token of each sentence, an int64 tensor "
            "(sentences,)"
        )


def _check_count(vocabulary: int, length: int) -> None:
    if vocabulary**length > MOST_SEQUENCES:
        raise ValueError(
            f"there are up to {vocabulary}^{length} sequences, more than {MOST_SEQUENCES:,}: "
            "take a shorter length, or beam_search"
        )


def _check_step(found: Tensor, prefixes: int, end: int | None) -> None:
    if found.dim() != 2 or len(found) != prefixes:
        raise ValueError(
            f"step gave the shape {tuple(found.shape)} for {prefixes} prefixes: "
            f"give log-probabilities ({prefixes}, vocabulary)"
        )
    if found.isnan().any():
        raise ValueError("step gave NaN: give log-probabilities, -inf for what is impossible")
    if end is not None and not 0 <= end < found.shape[1]:
        raise ValueError(f"end is {end}: give a token of the {found.shape[1]} that step knows")


def _check_chain(start: Tensor, transition: Tensor, emission: Tensor) -> None:
    for name, given in (("start", start), ("transition", transition), ("emission", emission)):
        if not isinstance(given, Tensor):
            raise ValueError(f"log_{name} is of {type(given).__name__}: give a tensor")
    states = len(start) if start.dim() else 0
    fits = start.dim() == 1 and transition.shape == (states, states)
    if not fits or emission.dim() != 2 or emission.shape[1] != states or not len(emission):
        raise ValueError(
            f"shapes are {tuple(start.shape)}, {tuple(transition.shape)} and "
            f"{tuple(emission.shape)}: give (S,), (S, S) and (T, S), with at least one time"
        )
    if any(t.isnan().any() for t in (start, transition, emission)):
        raise ValueError("a log-probability is NaN: give numbers, -inf for what is impossible")
