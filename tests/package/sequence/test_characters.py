"""The character LSTM: torch's parts put together, what it drops, what it knows of its letters."""

import pytest
import torch
import torch.nn.functional as F

from labnotes.sequence import CharLSTM
from labnotes.sequence.recurrent import LSTM

ABC = "\n abcdré"


def made(seed=0, **how):
    torch.manual_seed(seed)
    return CharLSTM(ABC, embed_size=5, hidden_size=7, **how).eval()


def by_parts(net, ids, state=None, recurrent=None):
    """The logits by torch's functions and our own LSTM, which knows nothing of CharLSTM."""
    layer = LSTM(5, 7, batch_first=True)
    layer.load_state_dict(net.lstm.state_dict())
    if recurrent is not None:
        layer.weight_hh_l0.data = recurrent
    one_hot = F.one_hot(ids, len(ABC)).float()
    hidden, state = layer(one_hot @ net.embedding.weight, state)
    return hidden @ net.output.weight.T + net.output.bias, state


def test_its_logits_are_those_of_an_embedding_an_lstm_and_a_linear_layer():
    net, ids = made(), torch.randint(len(ABC), (3, 11))
    logits, state = net(ids)
    expected, last = by_parts(net, ids)
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(state, last)


def test_a_text_in_two_pieces_with_the_state_carried_gives_what_it_gives_in_one():
    net, ids = made(1), torch.randint(len(ABC), (2, 9))
    first, state = net(ids[:, :4])
    second, _ = net(ids[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), net(ids)[0])
    assert not torch.allclose(net(ids[:, 4:])[0], second)


def test_weight_drop_takes_one_set_of_recurrent_weights_from_all_steps_and_scales_the_rest():
    net, ids = made(weight_drop=0.5), torch.randint(len(ABC), (2, 8))
    net.train()
    torch.manual_seed(3)
    dropped, _ = net(ids)
    torch.manual_seed(3)
    kept = F.dropout(net.lstm.weight_hh_l0.detach(), 0.5)
    assert 0.3 < (kept == 0).float().mean() < 0.7
    torch.testing.assert_close(dropped, by_parts(net, ids, recurrent=kept)[0])
    assert not torch.allclose(net(ids)[0], dropped)  # the next batch drops others
    torch.testing.assert_close(net.eval()(ids)[0], by_parts(net, ids)[0])


def test_the_gradient_of_dropped_weights_reaches_the_weights_that_the_optimizer_holds():
    net = made(weight_drop=0.5).train()
    torch.manual_seed(3)
    net(torch.randint(len(ABC), (2, 8)))[0].square().sum().backward()
    grad = net.lstm.weight_hh_l0.grad
    assert 0.3 < (grad == 0).float().mean() < 0.7
    assert all(weight.grad is not None for weight in net.parameters())


def test_dropout_acts_in_training_alone():
    net, ids = made(dropout=0.5), torch.randint(len(ABC), (1, 6))
    torch.testing.assert_close(net(ids)[0], by_parts(net, ids)[0])
    assert not torch.allclose(net.train()(ids)[0], net.eval()(ids)[0])


def test_about_120_000_parameters_are_a_quarter_of_a_megabyte_in_half_precision():
    net = CharLSTM("".join(chr(65 + i) for i in range(70)))
    # embedding, two matrices and two biases of four gates, the last layer with its bias
    count = 70 * 16 + 4 * 156 * (16 + 156 + 2) + 70 * 157
    assert sum(p.numel() for p in net.parameters()) == count == 120_686
    assert 2 * count <= 250_000


def test_its_letters_travel_with_its_weights():
    net, other = made(), CharLSTM("12345678", embed_size=5, hidden_size=7)
    assert net.alphabet == ABC
    other.load_state_dict(net.state_dict())
    assert other.alphabet == ABC
    assert net.encode("bad\n").tolist() == [ABC.index(c) for c in "bad\n"]
    assert net.encode("").shape == (0,) and net.encode("").dtype == torch.int64


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: CharLSTM(""), "0 characters"),
        (lambda: CharLSTM("abca"), "4 characters, 3 of them different"),
        (lambda: CharLSTM("ab", hidden_size=0), "hidden_size"),
        (lambda: CharLSTM("ab", dropout=1.0), "dropout is 1.0"),
        (lambda: CharLSTM("ab", weight_drop=-0.1), "weight_drop is -0.1"),
        (lambda: made().encode("abxy"), r"\['x', 'y'\], which are not among the network's 8"),
        (lambda: made()(torch.zeros(3, dtype=torch.int64)), r"\(3,\): give \(batch, steps\)"),
        (lambda: made()(torch.zeros(3, 0, dtype=torch.int64)), "at least one step"),
        (
            lambda: made()(torch.tensor([[0, 8]])),
            "ids go from 0 to 8: give whole numbers from 0 to 7",
        ),
        (lambda: made()(torch.tensor([[-1, 0]])), "from -1 to 0: give whole numbers from 0 to 7"),
    ],
)
def test_what_cannot_be_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
