"""Beam search and Viterbi: the sequences that trying them all would find."""

import doctest
import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labnotes.sequence import beam_search, search, viterbi


class Model:
    """Log-probabilities of the next token that depend on the whole prefix."""

    def __init__(self, seed: int, vocabulary: int):
        self.seed, self.vocabulary = seed, vocabulary

    def row(self, prefix) -> torch.Tensor:
        number = hash((self.seed, *map(int, prefix))) % 2**31
        draw = torch.Generator().manual_seed(number)
        return (2 * torch.randn(self.vocabulary, generator=draw)).log_softmax(0)

    def __call__(self, prefixes):
        return torch.stack([self.row(prefix) for prefix in prefixes.tolist()])

    def all(self, start, length, end):
        """Every sequence and its score, the best first."""
        found = []
        for tokens in itertools.product(range(self.vocabulary), repeat=length):
            tokens = list(tokens)
            if end in tokens:
                tokens = tokens[: tokens.index(end) + 1]
            score = sum(
                self.row([*start, *tokens[:i]])[token].item() for i, token in enumerate(tokens)
            )
            found.append((score, tokens))
        unique = {tuple(tokens): score for score, tokens in found}
        return sorted(unique.items(), key=lambda pair: -pair[1])


@given(seed=st.integers(0, 999), vocabulary=st.integers(2, 4), length=st.integers(1, 3),
       end=st.sampled_from([None, 0, 1]))  # fmt: skip
def test_a_beam_as_wide_as_all_sequences_finds_all_of_them(seed, vocabulary, length, end):
    model = Model(seed, vocabulary)
    found = beam_search(model, [0, 1], width=vocabulary**length, length=length, end=end)
    expected = model.all([0, 1], length, end)
    assert [h.tokens for h in found] == [list(tokens) for tokens, _ in expected]
    assert [h.score for h in found] == pytest.approx([score for _, score in expected], abs=1e-4)


@given(seed=st.integers(0, 999), width=st.integers(1, 5), end=st.sampled_from([None, 2]))
def test_a_narrow_beam_keeps_the_best_beginnings_at_each_step(seed, width, end):
    model, start = Model(seed, 4), [3]
    beam = [(0.0, [])]
    for _ in range(4):
        line = []
        for score, tokens in beam:
            if tokens and tokens[-1] == end:
                line.append((score, tokens))
                continue
            row = model.row([*start, *tokens]).tolist()
            line += [(score + new, [*tokens, i]) for i, new in enumerate(row)]
        beam = sorted(line, key=lambda pair: -pair[0])[:width]
    found = beam_search(model, start, width=width, length=4, end=end)
    assert [h.tokens for h in found] == [tokens for _, tokens in beam]
    assert [h.score for h in found] == pytest.approx([score for score, _ in beam], abs=1e-4)


def test_width_one_is_greedy_and_greedy_misses_the_best_of_the_notes_table():
    # Four tokens; the second best first step leads to the best sequence.
    first = torch.tensor([0.5, 0.4, 0.1]).log()
    after = torch.tensor([[0.4, 0.3, 0.3], [0.05, 0.05, 0.9], [0.4, 0.3, 0.3]]).log()

    def step(prefixes):
        if prefixes.shape[1] == 1:
            return first.expand(len(prefixes), 3)
        return after[prefixes[:, -1]]

    assert beam_search(step, [0], width=1, length=2)[0].tokens == [0, 0]
    assert beam_search(step, [0], width=2, length=2)[0].tokens == [1, 2]


def test_an_impossible_token_is_never_chosen_and_the_end_ends():
    table = torch.tensor([[-torch.inf, 0.0, -torch.inf], [-torch.inf, -torch.inf, 0.0]])
    found = beam_search(lambda p: table[p[:, -1]], [0], width=5, length=9, end=2)
    assert found == [([1, 2], 0.0)]


@given(seed=st.integers(0, 999), states=st.integers(1, 4), times=st.integers(1, 5))
def test_viterbis_path_is_the_best_of_all_paths(seed, states, times):
    draw = torch.Generator().manual_seed(seed)
    start, move, seen = (
        torch.randn(*shape, generator=draw).log_softmax(-1)
        for shape in ((states,), (states, states), (times, states))
    )

    def score(path):
        total = start[path[0]] + sum(move[a, b] for a, b in itertools.pairwise(path))
        return (total + sum(seen[t, s] for t, s in enumerate(path))).item()

    best = max(itertools.product(range(states), repeat=times), key=score)
    path, found = viterbi(start, move, seen)
    assert found == pytest.approx(score(best), abs=1e-5)
    assert score(path) == pytest.approx(found, abs=1e-5)


def test_on_a_chain_a_beam_as_wide_as_the_states_finds_viterbis_path():
    draw = torch.Generator().manual_seed(5)
    move = torch.randn(3, 3, generator=draw).log_softmax(-1)
    path, score = viterbi(move[0], move, torch.zeros(6, 3))
    best = beam_search(lambda p: move[p[:, -1]], [0], width=3**6, length=6)[0]
    assert best.tokens == path and best.score == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize(
    "change, text",
    [
        ({"width": 0}, "width is 0"),
        ({"length": 0}, "length is 0"),
        ({"start": []}, "start is empty"),
        ({"step": lambda p: torch.zeros(len(p) + 1, 3)}, r"\(2, 3\) for 1 prefixes"),
        ({"step": lambda p: torch.full((1, 3), torch.nan)}, "step gave NaN"),
    ],
)
def test_bad_input_is_refused(change, text):
    given_ = {"step": Model(0, 3), "start": [0], "width": 2, "length": 2} | change
    with pytest.raises(ValueError, match=text):
        beam_search(**given_)


def test_a_chain_of_the_wrong_shape_is_refused():
    good = torch.zeros(2), torch.zeros(2, 2), torch.zeros(3, 2)
    for place, wrong in enumerate((torch.zeros(3), torch.zeros(2, 3), torch.zeros(0, 2))):
        with pytest.raises(ValueError, match=r"give \(S,\), \(S, S\) and \(T, S\)"):
            viterbi(*(wrong if i == place else part for i, part in enumerate(good)))
    with pytest.raises(ValueError, match="NaN"):
        viterbi(torch.full((2,), torch.nan), *good[1:])


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(search).failed == 0
