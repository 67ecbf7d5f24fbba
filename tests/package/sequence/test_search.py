"""Greedy, exhaustive and beam search, Viterbi: the sequences that trying them all would find."""

import doctest
import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import dijkstra
from torch import nn

from labnotes.sequence import (
    batched_beam_search,
    beam_search,
    exhaustive,
    gnmt_penalty,
    greedy,
    power_penalty,
    search,
    viterbi,
)


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

    def all(self, start, length, end, divisor=lambda length: 1):
        """Every sequence and its score, the best first (by the score over the divisor)."""
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
        return sorted(unique.items(), key=lambda pair: -pair[1] / divisor(len(pair[0])))


def cached(model: Model):
    """The model as the batched search asks it; its state is all the tokens so far (rows, tokens)."""

    def step(tokens, state):
        state = torch.cat([state, tokens[:, None]], 1)
        return model(state), state

    return step


#: Penalties and what they are, written out anew.
PENALTIES = [
    (None, lambda n: 1.0),
    (power_penalty(1.0), lambda n: float(n)),
    (power_penalty(0.5), lambda n: n**0.5),
    (gnmt_penalty(0.6), lambda n: (5 + n) ** 0.6 / 6**0.6),
]


@given(seed=st.integers(0, 999), vocabulary=st.integers(2, 4), length=st.integers(1, 3),
       end=st.sampled_from([None, 0, 1]))  # fmt: skip
def test_a_beam_as_wide_as_all_sequences_finds_all_of_them(seed, vocabulary, length, end):
    model = Model(seed, vocabulary)
    found = beam_search(model, [0, 1], width=vocabulary**length, length=length, end=end)
    expected = model.all([0, 1], length, end)
    assert [h.tokens for h in found] == [list(tokens) for tokens, _ in expected]
    assert [h.score for h in found] == pytest.approx([score for _, score in expected], abs=1e-4)


@given(seed=st.integers(0, 999), vocabulary=st.integers(2, 4), length=st.integers(1, 4),
       end=st.sampled_from([None, 0, 1]), penalty=st.sampled_from(PENALTIES))  # fmt: skip
def test_exhaustive_search_scores_every_sequence(seed, vocabulary, length, end, penalty):
    model, (ours, divisor) = Model(seed, vocabulary), penalty
    found = exhaustive(model, [0, 1], length, end, ours)
    expected = model.all([0, 1], length, end, divisor)
    assert [h.tokens for h in found] == [list(tokens) for tokens, _ in expected]
    assert [h.score for h in found] == pytest.approx([score for _, score in expected], abs=1e-4)


def test_the_best_of_all_is_the_shortest_path_in_the_tree_of_prefixes():
    """A witness from another field: Dijkstra's algorithm, the surprise of a token as its length."""
    model, end, length = Model(11, 3), 2, 4
    nodes = [()]
    for n in range(1, length + 1):
        nodes += [(*p, t) for p in nodes if len(p) == n - 1 and p[-1:] != (end,) for t in range(3)]
    edges = torch.zeros(len(nodes), len(nodes), dtype=torch.float64)
    for j, node in enumerate(nodes[1:], 1):
        edges[nodes.index(node[:-1]), j] = -model.row([1, *node[:-1]])[node[-1]]
    away = dijkstra(edges.numpy(), indices=0)
    leaves = [j for j, p in enumerate(nodes) if len(p) == length or p[-1:] == (end,)]
    nearest = min(leaves, key=lambda j: away[j])
    best = exhaustive(model, [1], length, end)[0]
    assert tuple(best.tokens) == nodes[nearest]
    assert best.score == pytest.approx(-away[nearest], abs=1e-5)


def test_too_many_sequences_are_refused_before_they_are_scored():
    with pytest.raises(ValueError, match=r"10000\^10 sequences, more than 1,000,000"):
        exhaustive(lambda p: torch.zeros(len(p), 10_000), [0], length=10)


@given(seed=st.integers(0, 999), end=st.sampled_from([None, 0, 1]))
def test_greedy_search_is_a_beam_of_one(seed, end):
    model = Model(seed, 4)
    found, (beam,) = greedy(model, [2], 5, end), beam_search(model, [2], 1, 5, end)
    assert found.tokens == beam.tokens and found.score == pytest.approx(beam.score, abs=1e-5)


def test_greedy_loses_on_the_table_that_the_notes_follow():
    """Zhang et al., Dive into Deep Learning, figures 10.8.1 and 10.8.2: A, B, C and the end."""
    columns = [(0.5, 0.2, 0.2, 0.1), (0.1, 0.4, 0.3, 0.2), (0.2, 0.2, 0.4, 0.2), (0, 0.2, 0.2, 0.6)]
    other = {2: (0.1, 0.6, 0.2, 0.1), 3: (0.1, 0.2, 0.1, 0.6)}  # after A, C

    def step(prefixes):
        n = prefixes.shape[1] - 1
        rows = [other[n] if p[1:3] == [0, 2] else columns[n] for p in prefixes.tolist()]
        return torch.tensor(rows, dtype=torch.float64).log()

    first = greedy(step, [3], length=4, end=3)
    assert first.tokens == [0, 1, 2, 3]
    assert torch.tensor(first.score).exp().item() == pytest.approx(0.5 * 0.4 * 0.4 * 0.6)
    rival = next(h for h in exhaustive(step, [3], 4, end=3) if h.tokens == [0, 2, 1, 3])
    assert torch.tensor(rival.score).exp().item() == pytest.approx(0.5 * 0.3 * 0.6 * 0.6)


@given(seed=st.integers(0, 999), width=st.integers(1, 6), length=st.integers(1, 5),
       penalty=st.sampled_from(PENALTIES))  # fmt: skip
def test_the_batched_search_finds_for_each_sentence_what_the_plain_one_finds(
    seed, width, length, penalty
):
    model, starts = Model(seed, 4), [3, 0, 1]
    found = batched_beam_search(
        cached(model), torch.zeros(3, 0, dtype=torch.int64), torch.tensor(starts), 2, width, length,
        penalty[0], select=lambda state, rows: state[rows],
    )  # fmt: skip
    for start, ours in zip(starts, found, strict=True):
        plain = beam_search(model, [start], width, length, 2, penalty[0])
        assert [h.tokens for h in ours] == [h.tokens for h in plain]
        assert [h.score for h in ours] == pytest.approx([h.score for h in plain], abs=1e-4)


@given(seed=st.integers(0, 999), penalty=st.sampled_from(PENALTIES))
def test_a_batched_beam_as_wide_as_all_sequences_finds_all_of_them(seed, penalty):
    model, length, (ours, divisor) = Model(seed, 3), 3, penalty
    (found,) = batched_beam_search(
        cached(model), torch.zeros(1, 0, dtype=torch.int64), torch.tensor([1]), 0, 27, length, ours,
        select=lambda state, rows: state[rows],
    )  # fmt: skip
    expected = model.all([1], length, 0, divisor)
    assert [h.tokens for h in found] == [list(tokens) for tokens, _ in expected]
    assert [h.score for h in found] == pytest.approx([score for _, score in expected], abs=1e-4)


def test_the_state_follows_its_beginning_to_another_place():
    """A recurrent network that keeps its state gives what it gives when it reads all again."""
    torch.manual_seed(3)
    embed, net, out = nn.Embedding(7, 6), nn.LSTM(6, 9, num_layers=2), nn.Linear(9, 7)

    def step(tokens, state):
        outputs, state = net(embed(tokens)[None], state)
        return 3 * out(outputs[0]).log_softmax(1), state

    first = torch.randn(2, 3, 9), torch.randn(2, 3, 9)  # of three sentences
    starts = torch.tensor([1, 1, 4])
    found = batched_beam_search(step, first, starts, end=0, width=5, length=8)
    for i, ours in enumerate(found):

        def whole(prefixes, i=i):
            state = tuple(s[:, [i]].repeat(1, len(prefixes), 1) for s in first)
            outputs, _ = net(embed(prefixes.T), state)
            return 3 * out(outputs[-1]).log_softmax(1)

        plain = beam_search(whole, starts[[i]].tolist(), 5, 8, end=0)
        assert [h.tokens for h in ours] == [h.tokens for h in plain]
        assert [h.score for h in ours] == pytest.approx([h.score for h in plain], abs=1e-4)


def test_the_beam_of_transformers_finds_the_same_and_scores_it_the_same():
    """Where nothing ends early Hugging Face's rule and ours are one."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=12, n_positions=16, n_embd=16, n_layer=1, n_head=2, initializer_range=1.0,
        bos_token_id=1, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    model, start = GPT2LMHeadModel(config).eval(), torch.tensor([[1, 4], [1, 7]])
    theirs = model.generate(
        start, num_beams=3, num_return_sequences=3, max_new_tokens=5, do_sample=False,
        length_penalty=0.7, output_scores=True, return_dict_in_generate=True,
        attention_mask=torch.ones_like(start),
    )  # fmt: skip

    @torch.no_grad()
    def step(prefixes):
        return model(prefixes).logits[:, -1].log_softmax(1)

    divide = power_penalty(0.7)
    for i, prefix in enumerate(start.tolist()):
        ours = beam_search(step, prefix, width=3, length=5, length_penalty=divide)
        rows = slice(3 * i, 3 * i + 3)
        assert [h.tokens for h in ours] == theirs.sequences[rows, 2:].tolist()
        scores = [h.score / divide(5) for h in ours]
        assert scores == pytest.approx(theirs.sequences_scores[rows].tolist(), abs=1e-4)


def test_the_penalties_are_those_of_the_papers():
    # Wu et al. (2016), equation 14, by hand: (5 + 13)^0.5 / 6^0.5 = 3^0.5
    assert gnmt_penalty(0.5)(13) == pytest.approx(3**0.5)
    assert gnmt_penalty(0)(40) == power_penalty(0)(40) == 1
    assert power_penalty(1)(8) == 8
    lengths = torch.tensor([1, 3, 13])
    for penalty in (gnmt_penalty(0.6), power_penalty(0.6)):
        assert penalty(lengths).tolist() == pytest.approx([penalty(n) for n in (1, 3, 13)])


def test_a_penalty_lets_a_longer_sequence_win():
    # The end at once: log 0.5; two tokens and the end: log 0.4.
    rows = {1: [0.1, 0.4, 0.5], 2: [0.0, 1.0, 0.0], 3: [0.0, 0.0, 1.0]}

    def step(prefixes):
        return torch.tensor(rows[prefixes.shape[1]]).log().expand(len(prefixes), 3)

    assert beam_search(step, [0], 3, 3, end=2)[0].tokens == [2]
    for penalty in (power_penalty(1), gnmt_penalty(1)):
        best = beam_search(step, [0], 3, 3, end=2, length_penalty=penalty)[0]
        assert best.tokens == [1, 1, 2] and best.score == pytest.approx(torch.tensor(0.4).log())


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


def test_of_equally_likely_sequences_the_first_in_the_order_of_their_tokens_are_kept():
    uniform = torch.full((1, 100), 0.01).log()
    found = beam_search(lambda p: uniform.expand(len(p), -1), [7], width=4, length=3)
    first = itertools.islice(itertools.product(range(100), repeat=3), 4)
    assert [h.tokens for h in found] == [list(tokens) for tokens in first]


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
        ({"end": 3}, "end is 3: give a token of the 3"),
    ],
)
def test_bad_input_is_refused(change, text):
    given_ = {"step": Model(0, 3), "start": [0], "width": 2, "length": 2} | change
    with pytest.raises(ValueError, match=text):
        beam_search(**given_)
    if "width" not in change:
        del given_["width"]
        for find in (greedy, exhaustive):
            with pytest.raises(ValueError, match=text):
                find(**given_)


@pytest.mark.parametrize(
    "change, text",
    [
        ({"width": 0}, "width is 0"),
        ({"length": True}, "length is True"),
        ({"start": [1, 2]}, "start is list: give the first token of each sentence"),
        ({"start": torch.zeros(0, dtype=torch.int64)}, r"start is a tensor \(0,\)"),
        ({"start": torch.zeros(2)}, "an int64 tensor"),
        ({"end": 5}, "end is 5: give a token of the 3"),
        ({"step": lambda t, s: (torch.zeros(2, 3), s)}, r"\(2, 3\) for 4 prefixes"),
        ({"step": lambda t, s: (torch.full((4, 3), torch.nan), s)}, "step gave NaN"),
        ({"state": torch.zeros(2)}, r"the state holds a tensor \(2,\)"),
        ({"state": "none"}, "the state holds str"),
    ],
)
def test_bad_input_of_the_batched_search_is_refused(change, text):
    given_ = {
        "step": lambda tokens, state: (torch.zeros(len(tokens), 3), state), "state": (), "end": 2,
        "start": torch.tensor([0, 1]), "width": 2, "length": 2,
    }  # fmt: skip
    assert len(batched_beam_search(**given_)) == 2
    with pytest.raises(ValueError, match=text):
        batched_beam_search(**given_ | change)


@pytest.mark.parametrize("alpha", [-0.1, float("nan"), "0.6", True])
def test_an_exponent_that_cannot_be_is_refused(alpha):
    for penalty in (power_penalty, gnmt_penalty):
        with pytest.raises(ValueError, match="alpha is"):
            penalty(alpha)


def test_a_chain_of_the_wrong_shape_is_refused():
    good = torch.zeros(2), torch.zeros(2, 2), torch.zeros(3, 2)
    for place, wrong in enumerate((torch.zeros(3), torch.zeros(2, 3), torch.zeros(0, 2))):
        with pytest.raises(ValueError, match=r"give \(S,\), \(S, S\) and \(T, S\)"):
            viterbi(*(wrong if i == place else part for i, part in enumerate(good)))
    with pytest.raises(ValueError, match="NaN"):
        viterbi(torch.full((2,), torch.nan), *good[1:])


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(search).failed == 0


def test_viterbi_refuses_what_is_no_tensor():
    one = torch.zeros(1)
    with pytest.raises(ValueError, match="log_emission is of list: give a tensor"):
        viterbi(one, one[None], [[0.0]])
    with pytest.raises(ValueError, match="give \\(S,\\)"):
        viterbi(torch.tensor(0.0), one[None], one[None])
