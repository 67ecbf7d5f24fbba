"""RNN, GRU and LSTM: torch's numbers, gradients, names and first weights."""

import doctest

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from labnotes.sequence import GRU, LSTM, RNN, recurrent

PAIRS = [(RNN, nn.RNN), (GRU, nn.GRU), (LSTM, nn.LSTM)]
KINDS = [
    {},
    {"num_layers": 3},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "batch_first": True},
]


def both(ours, theirs, **options):
    torch.manual_seed(3)
    net = ours(4, 5, **options)
    peer = theirs(4, 5, **options)
    peer.load_state_dict(net.state_dict())
    return net, peer


def flat(found):
    """All tensors in what a layer gives."""
    if isinstance(found, torch.Tensor):
        return [found]
    return [t for part in found for t in flat(part)]


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("ours, theirs", PAIRS)
def test_outputs_last_states_and_gradients_are_torchs(ours, theirs, options):
    nets = both(ours, theirs, **options)
    inputs = torch.randn(6, 3, 4, dtype=torch.float64)
    results = []
    for net in nets:
        net.double().zero_grad()
        leaf = inputs.clone().requires_grad_()
        found = flat(net(leaf))
        sum((t * torch.arange(t.numel()).view(t.shape)).sum() for t in found).backward()
        gradients = {name: p.grad for name, p in net.named_parameters()}
        results.append((found, leaf.grad, gradients))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("ours, theirs", PAIRS)
def test_a_state_that_is_given_is_carried_on_as_torch_carries_it(ours, theirs):
    net, peer = both(ours, theirs, num_layers=2)
    inputs = torch.randn(6, 3, 4)
    whole, last = net(inputs)
    first, state = net(inputs[:4])
    rest, end = net(inputs[4:], state)
    torch.testing.assert_close(torch.cat([first, rest]), whole)
    torch.testing.assert_close(end, last)
    torch.testing.assert_close(net(inputs, state), peer(inputs, state))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("ours, theirs", PAIRS)
def test_packed_sequences_of_unequal_length_are_read_as_torch_reads_them(
    ours, theirs, bidirectional
):
    net, peer = both(ours, theirs, num_layers=2, bidirectional=bidirectional)
    inputs, lengths = torch.randn(6, 3, 4), torch.tensor([2, 6, 4])
    packed = pack_padded_sequence(inputs, lengths, enforce_sorted=False)
    found, expected = net(packed), peer(packed)
    torch.testing.assert_close(flat(found[1]), flat(expected[1]))
    padded, told = pad_packed_sequence(found[0])
    assert told.tolist() == lengths.tolist()
    torch.testing.assert_close(padded, pad_packed_sequence(expected[0])[0])
    # The padding is not read: the last state of the short one is that of it alone.
    alone = net(inputs[:2, :1])[1]
    torch.testing.assert_close([t[:, :1] for t in flat(found[1])], flat(alone))


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("ours, theirs", PAIRS)
def test_state_dicts_load_both_ways_and_first_weights_are_torchs(ours, theirs, options):
    torch.manual_seed(0)
    net = ours(4, 5, **options)
    torch.manual_seed(0)
    peer = theirs(4, 5, **options)
    assert list(net.state_dict()) == list(peer.state_dict())
    torch.testing.assert_close(net.state_dict(), peer.state_dict())
    net.load_state_dict(peer.state_dict())


@pytest.mark.parametrize("ours, theirs", PAIRS)
def test_what_has_the_wrong_shape_is_refused(ours, theirs):
    net = ours(4, 5)
    with pytest.raises(ValueError, match=r"shape \(6, 3, 5\): give \(time, batch, input_size\)"):
        net(torch.zeros(6, 3, 5))
    with pytest.raises(ValueError, match=r"shape \(6, 4\)"):
        net(torch.zeros(6, 4))
    with pytest.raises(ValueError, match="at least one step"):
        net(torch.zeros(0, 3, 4))
    with pytest.raises(ValueError, match="at least one step"):
        ours(4, 5, batch_first=True)(torch.zeros(3, 0, 4))
    wrong = torch.zeros(2, 3, 5)
    with pytest.raises(ValueError, match=r"\(1, 3, 5\)"):
        net(torch.zeros(6, 3, 4), (wrong, wrong) if ours is LSTM else wrong)
    with pytest.raises(ValueError, match="hidden_size is 0"):
        ours(4, 0)


def test_an_lstm_takes_two_states():
    with pytest.raises(ValueError, match="give 2 tensors"):
        LSTM(4, 5)(torch.zeros(6, 3, 4), torch.zeros(1, 3, 5))


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(recurrent).failed == 0
