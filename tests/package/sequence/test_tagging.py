"""The tagger, its two directions, and padding: against torch's packed sequences and one by one."""

import doctest

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from labnotes.sequence import Tagger, reverse_padded, tagging, word_features


def sentences(*lengths, kinds=4):
    draw = torch.Generator().manual_seed(1)
    return [torch.randint(1, 20, (n, kinds), generator=draw) for n in lengths]


def tagger(**options):
    torch.manual_seed(2)
    return Tagger(20, 5, embed_size=6, hidden_size=7, **options).eval()


def test_each_sequence_is_turned_round_as_python_turns_a_list_and_padding_stays():
    rows = [[1, 2, 3, 4], [5, 6], [7], [8, 9, 10]]
    padded = pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=-1)
    expected = [row[::-1] + [-1] * (4 - len(row)) for row in rows]
    lengths = torch.tensor([len(row) for row in rows])
    assert reverse_padded(padded, lengths).tolist() == expected
    noise = torch.arange(12, 24).view(4, 3)  # padding that differs from place to place
    assert (reverse_padded(noise, torch.tensor([1, 1, 2, 1])) == noise).tolist() == [
        [True] * 3, [True] * 3, [False, False, True], [True] * 3
    ]  # fmt: skip
    wide = torch.stack([padded, 10 * padded], -1)  # (batch, time, 2)
    assert reverse_padded(wide, lengths)[..., 1].tolist() == (10 * torch.tensor(expected)).tolist()


def test_turning_round_passes_gradients_to_where_the_numbers_came_from():
    inputs = torch.zeros(1, 3, requires_grad=True)
    (reverse_padded(inputs, torch.tensor([2])) * torch.tensor([[1.0, 2.0, 3.0]])).sum().backward()
    assert inputs.grad.tolist() == [[2.0, 1.0, 3.0]]


@pytest.mark.parametrize("directions", ["forward", "backward", "both"])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_a_sentence_gets_the_same_logits_alone_and_beside_longer_ones(directions, num_layers):
    net = tagger(directions=directions, num_layers=num_layers)
    rows = sentences(3, 9, 1, 6)
    padded = pad_sequence(rows, batch_first=True)
    with torch.no_grad():
        together = net(padded, torch.tensor([3, 9, 1, 6]))
        for row, found in zip(rows, together):
            alone = net(row[None], torch.tensor([len(row)]))[0]
            torch.testing.assert_close(found[: len(row)], alone)
        # What stands in the padding is never read.
        padded[0, 3:] = 17
        torch.testing.assert_close(net(padded, torch.tensor([3, 9, 1, 6]))[0, :3], together[0, :3])


def test_both_directions_are_two_networks_of_one_direction_side_by_side():
    net = tagger(directions="both")
    ways = {}
    for name, suffix in (("forward", ""), ("backward", "_reverse")):
        ways[name] = tagger(directions=name)
        ways[name].embedding = net.embedding
        ways[name].gru.load_state_dict(
            {k: net.gru.state_dict()[k + suffix] for k in ways[name].gru.state_dict()}
        )
        ways[name].output = nn.Identity()
    rows = sentences(4, 7)
    padded, lengths = pad_sequence(rows, batch_first=True), torch.tensor([4, 7])
    with torch.no_grad():
        states = torch.cat(
            [ways["forward"](padded, lengths), ways["backward"](padded, lengths)], -1
        )
        torch.testing.assert_close(net.output(states)[1], net(padded, lengths)[1])
        torch.testing.assert_close(net.output(states)[0, :4], net(padded, lengths)[0, :4])


@pytest.mark.parametrize("directions, sees", [("forward", [1, 1, 0, 0]), ("backward", [0, 1, 1, 1]),
                                              ("both", [1, 1, 1, 1])])  # fmt: skip
def test_a_logit_depends_on_the_words_of_its_side_alone(directions, sees):
    net = tagger(directions=directions, num_layers=2)
    (row,) = sentences(4)
    inputs = net.embedding(row).sum(1).detach().requires_grad_()  # (4, embed)
    net.embedding = nn.Embedding.from_pretrained(torch.zeros(20, 6))
    net.embedding.forward = lambda ids: inputs[None, :, None]  # (1, 4, 1, embed)
    net(row[None], torch.tensor([4]))[0, 1].sum().backward()
    assert (inputs.grad.abs().sum(1) > 0).int().tolist() == sees


def test_a_word_is_the_sum_of_its_features_and_a_tag_a_linear_function_of_its_states():
    net = tagger(num_layers=2)
    rows = sentences(3, 5)
    padded, lengths = pad_sequence(rows, batch_first=True), torch.tensor([3, 5])
    with torch.no_grad():
        logits = net(padded, lengths)
        for row, found in zip(rows, logits):
            words = F.embedding_bag(row, net.embedding.weight, mode="sum")  # (time, embed)
            expected = F.linear(net.gru(words)[0], net.output.weight, net.output.bias)
            torch.testing.assert_close(found[: len(row)], expected)


def test_logits_are_as_long_as_the_batch_although_no_sentence_is():
    padded = pad_sequence(sentences(3, 7), batch_first=True)
    with torch.no_grad():
        assert tagger()(padded, torch.tensor([3, 5])).shape == (2, 7, 5)


def test_features_begin_with_the_spread_that_the_source_states():
    torch.manual_seed(0)
    weight = Tagger(2000, 5, embed_size=32).embedding.weight
    assert weight.std().item() == pytest.approx(0.3, rel=0.02)


def test_dropout_and_layers_reach_the_network():
    net = tagger(num_layers=3, dropout=0.4)
    assert (net.gru.num_layers, net.gru.dropout, net.dropout.p) == (3, 0.4, 0.4)


def test_a_tagger_reads_both_ways_in_one_layer_without_dropout_unless_told_otherwise():
    gru = Tagger(20, 5).gru
    expected = nn.GRU(32, 32, num_layers=1, bidirectional=True)
    shapes = {name: p.shape for name, p in expected.named_parameters()}
    assert {name: p.shape for name, p in gru.named_parameters()} == shapes
    assert (gru.dropout, Tagger(20, 5).dropout.p) == (0.0, 0.0)


@pytest.mark.parametrize("place", ["gru", "output"])
def test_dropout_works_before_the_layers_and_after_them_while_it_trains_alone(place):
    net = tagger(dropout=0.5)
    inputs = []
    hook = lambda _, given: inputs.append(given[0])  # noqa: E731
    getattr(net, place).register_forward_pre_hook(hook)
    padded, lengths = pad_sequence(sentences(50, 50), batch_first=True), torch.tensor([50, 50])
    with torch.no_grad():
        for mode in (False, True):
            net.train(mode)(padded, lengths)
    still, dropped = (getattr(given, "data", given) for given in inputs)  # packed or not
    assert (still == 0).float().mean() == 0
    assert (dropped == 0).float().mean().item() == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(
    "token, shape",
    [("Paris", "Xxx"), ("NASA", "XX"), ("iPhone7", "xXxx0"), ("@you", "@xx"), ("Été", "Xxx"),
     ("2017", "00"), ("...", ".."), ("東京", "xx")],
)  # fmt: skip
def test_the_shape_of_a_word_forgets_its_letters(token, shape):
    assert word_features(token)[1] == f"shape={shape}"


def test_what_cannot_work_is_refused():
    ones = torch.ones(2, 3, 4, dtype=torch.int64)
    with pytest.raises(ValueError, match="from 0 to 3.*leave empty sequences out"):
        tagger()(ones, torch.tensor([0, 3]))
    with pytest.raises(ValueError, match="from 2 to 4: give numbers from 1 to the 3 steps"):
        reverse_padded(ones, torch.tensor([2, 4]))
    with pytest.raises(ValueError, match="one whole number for each sequence"):
        reverse_padded(ones, torch.tensor([3]))
    with pytest.raises(ValueError, match="one whole number for each sequence"):
        reverse_padded(ones, torch.tensor([3.0, 2.0]))
    with pytest.raises(ValueError, match="features go from 1 to 99: give whole numbers from 0 to"):
        tagger()(torch.where(torch.arange(4) < 3, ones, 99), torch.tensor([3, 3]))
    with pytest.raises(ValueError, match="features go from -1 to 1"):
        tagger()(torch.where(torch.arange(4) < 3, ones, -1), torch.tensor([3, 3]))
    with pytest.raises(ValueError, match=r"give integers \(batch, time, kinds\)"):
        tagger()(ones[:, :, 0], torch.tensor([3, 3]))
    with pytest.raises(ValueError, match="torch.float32"):
        tagger()(ones.float(), torch.tensor([3, 3]))
    with pytest.raises(ValueError, match="directions is 'left': give one of forward, backward, bo"):
        tagger(directions="left")
    with pytest.raises(ValueError, match="num_tags is 0"):
        Tagger(10, 0)
    with pytest.raises(ValueError, match="the token is ''"):
        word_features("")


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(tagging).failed == 0


def test_a_batch_without_a_sequence_is_refused():
    tagger = Tagger(10, 3, embed_size=4, hidden_size=4)
    with pytest.raises(ValueError, match="no row: give at least one sequence"):
        tagger(torch.zeros(0, 3, 1, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
