"""Searching for the most probable sequence: beam search, and Viterbi's exact search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from labnotes.checks import check_positive


class Hypothesis(NamedTuple):
    """A sequence that a search has found, without what it started from, and its log-probability."""

    tokens: list[int]
    score: float


def beam_search(
    step: Callable[[Tensor], Tensor],
    start: Sequence[int],
    width: int,
    length: int,
    end: int | None = None,
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

    Returns
    -------
    list of Hypothesis
        At most `width`, the best first; each holds the tokens after `start`, the end included.

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
    if not len(start):
        raise ValueError("start is empty: give at least one token, such as that of the beginning")
    prefixes = torch.tensor([list(start)])  # (beams, tokens)
    scores = torch.zeros(1)
    ended: list[Hypothesis] = []
    for _ in range(length):
        found = step(prefixes).detach().cpu()  # (beams, vocabulary)
        _check_step(found, prefixes)
        vocabulary = found.shape[1]
        candidates = (scores[:, None] + found).flatten()  # (beams * vocabulary,)
        order = candidates.argsort(descending=True, stable=True)[:width].tolist()
        # Those that have ended stand in line with the others for the places in the beam.
        line = [(candidates[i].item(), i) for i in order] + [(h.score, h) for h in ended]
        line = sorted(line, key=lambda pair: -pair[0])[:width]
        line = [pair for pair in line if pair[0] > -torch.inf] or line[:1]
        ended, places, kept = [], [], []
        for score, place in line:
            if isinstance(place, Hypothesis):
                ended.append(place)
                continue
            beam, token = divmod(place, vocabulary)
            if token == end:
                ended.append(Hypothesis([*prefixes[beam, len(start) :].tolist(), token], score))
            else:
                places.append((beam, token))
                kept.append(score)
        scores = torch.tensor(kept)
        if not places:
            break
        beams, tokens = torch.tensor(places).T
        prefixes = torch.cat([prefixes[beams], tokens[:, None]], 1)
    alive = [Hypothesis(p[len(start) :].tolist(), s) for p, s in zip(prefixes, scores.tolist())]
    return sorted(ended + alive, key=lambda h: -h.score)


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


def _check_step(found: Tensor, prefixes: Tensor) -> None:
    if found.dim() != 2 or len(found) != len(prefixes):
        raise ValueError(
            f"step gave the shape {tuple(found.shape)} for {len(prefixes)} prefixes: "
            f"give log-probabilities ({len(prefixes)}, vocabulary)"
        )
    if found.isnan().any():
        raise ValueError("step gave NaN: give log-probabilities, -inf for what is impossible")


def _check_chain(start: Tensor, transition: Tensor, emission: Tensor) -> None:
    states = len(start)
    fits = start.dim() == 1 and transition.shape == (states, states)
    if not fits or emission.dim() != 2 or emission.shape[1] != states or not len(emission):
        raise ValueError(
            f"shapes are {tuple(start.shape)}, {tuple(transition.shape)} and "
            f"{tuple(emission.shape)}: give (S,), (S, S) and (T, S), with at least one time"
        )
    if any(t.isnan().any() for t in (start, transition, emission)):
        raise ValueError("a log-probability is NaN: give numbers, -inf for what is impossible")
