"""Encoder, decoder and their loss: torch's own layers, torch's ignore_index, numbers by hand."""

import doctest
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labnotes.sequence import Decoder, Encoder, Seq2Seq, masked_cross_entropy, seq2seq

SOURCE = torch.tensor([[3, 1, 2, 6], [5, 7, 0, 0], [4, 0, 0, 0]])
LENGTHS = torch.tensor([4, 2, 1])
WRITTEN = torch.tensor([[1, 7, 9], [1, 4, 0], [1, 2, 2]])


def small(layers=1, dropout=0.0):
    torch.manual_seed(0)
    return Seq2Seq(8, 11, embed_size=5, hidden_size=6, num_layers=layers, dropout=dropout)


def test_the_examples_hold():
    assert doctest.testmod(seq2seq, extraglobs={"torch": torch}).failed == 0


@pytest.mark.parametrize("layers", [1, 2])
def test_the_encoder_ends_where_each_row_ends_whatever_the_padding_holds(layers):
    encoder = small(layers).encoder
    outputs, state = encoder(SOURCE, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone, end = encoder.rnn(encoder.embedding(SOURCE[row : row + 1, :length]))
        torch.testing.assert_close(state[:, row : row + 1], end)
        torch.testing.assert_close(outputs[row : row + 1, :length], alone)
        assert (outputs[row, length:] == 0).all()
    other = SOURCE.clone()
    other[1, 2:], other[2, 1:] = 7, 3
    torch.testing.assert_close(encoder(other, LENGTHS)[1], state)


def test_rows_may_stand_in_any_order_of_their_lengths():
    encoder, order = small().encoder, torch.tensor([1, 0, 2])
    outputs, state = encoder(SOURCE, LENGTHS)
    turned, ends = encoder(SOURCE[order], LENGTHS[order])
    torch.testing.assert_close(turned, outputs[order])
    torch.testing.assert_close(ends, state[:, order])


def test_without_lengths_all_tokens_count():
    encoder = small().encoder
    full = torch.full((3,), 4)
    torch.testing.assert_close(encoder(SOURCE)[1], encoder(SOURCE, full)[1])
    assert not torch.allclose(encoder(SOURCE)[1], encoder(SOURCE, LENGTHS)[1])


def test_outputs_are_as_long_as_the_batch_though_no_row_fills_it():
    outputs, _ = small().encoder(SOURCE[1:], LENGTHS[1:])
    assert outputs.shape == (2, 4, 6) and (outputs[:, 2:] == 0).all()


def test_the_decoders_table_begins_with_a_standard_deviation_of_three_tenths():
    torch.manual_seed(0)
    table = Decoder(500, 100, 2).embedding.weight
    assert table.std().item() == pytest.approx(0.3, rel=0.02)


def test_the_decoder_is_a_gru_and_one_table_at_both_ends():
    decoder = small().decoder
    state = torch.randn(1, 3, 6)
    logits, last = decoder(WRITTEN, state)
    cell = nn.GRUCell(5, 6)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in decoder.rnn.state_dict().items()})
    hidden, table = state[0], decoder.embedding.weight
    for step in range(3):
        hidden = cell(table[WRITTEN[:, step]], hidden)
        asked = hidden @ decoder.readout.weight.T + decoder.readout.bias
        torch.testing.assert_close(logits[:, step], asked @ table.T + decoder.bias)
    torch.testing.assert_close(last[0], hidden)


@pytest.mark.parametrize("layers", [1, 2])
def test_steps_from_the_encoders_state_give_what_teacher_forcing_gives(layers):
    model = small(layers)
    together = model(SOURCE, LENGTHS, WRITTEN).log_softmax(-1)
    state = model.start(SOURCE, LENGTHS)
    torch.testing.assert_close(state, model.encoder(SOURCE, LENGTHS)[1])
    for step in range(3):
        found, state = model.step(WRITTEN[:, step], state)
        torch.testing.assert_close(found, together[:, step])


def test_nothing_written_later_changes_what_was_said_before():
    model, later = small(), WRITTEN.clone()
    later[:, 2] = 5
    before, after = model(SOURCE, LENGTHS, WRITTEN), model(SOURCE, LENGTHS, later)
    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2], after[:, 2])


def test_dropout_acts_in_training_alone():
    model = small(2, dropout=0.5)
    assert not torch.equal(model(SOURCE, LENGTHS, WRITTEN), model(SOURCE, LENGTHS, WRITTEN))
    model.eval()
    assert torch.equal(model(SOURCE, LENGTHS, WRITTEN), model(SOURCE, LENGTHS, WRITTEN))
    assert model.encoder.rnn.dropout == 0.5 and small(1, 0.5).encoder.rnn.dropout == 0


def test_embeddings_and_what_the_logits_are_read_from_are_dropped():
    model, seen = small(dropout=0.5), []
    for part in (model.encoder, model.decoder):
        part.dropout.register_forward_hook(lambda _, inputs, output: seen.append(output.shape[-1]))
    model(SOURCE, LENGTHS, WRITTEN)
    assert seen == [5, 5, 6]  # two embeddings, and the decoder's states


def test_the_loss_and_its_gradient_are_torchs_with_ignored_padding():
    torch.manual_seed(1)
    logits = torch.randn(5, 7, 9, dtype=torch.float64, requires_grad=True)
    targets, lengths = torch.randint(9, (5, 7)), torch.tensor([7, 3, 0, 1, 5])
    ignored = targets.masked_fill(torch.arange(7) >= lengths[:, None], -100)
    expected = F.cross_entropy(logits.transpose(1, 2), ignored)
    total, count = masked_cross_entropy(logits, targets, lengths)
    torch.testing.assert_close(total / count, expected)
    assert count.item() == 16
    wanted = torch.autograd.grad(expected, logits)[0]
    torch.testing.assert_close(torch.autograd.grad(total / count, logits)[0], wanted)


def test_the_loss_of_uniform_logits_is_the_logarithm_of_their_number():
    logits, targets = torch.zeros(3, 4, 10), torch.ones(3, 4, dtype=torch.int64)
    total, count = masked_cross_entropy(logits, targets, torch.tensor([4, 2, 0]))
    assert (total / count).item() == pytest.approx(math.log(10)) and count.item() == 6
    total, count = masked_cross_entropy(logits, targets, torch.tensor([0, 0, 0]))
    assert (total.item(), count.item()) == (0, 0)


def test_an_infinite_loss_in_the_padding_does_not_count():
    logits = torch.zeros(1, 2, 3)
    logits[0, 1, 0] = -torch.inf
    total, _ = masked_cross_entropy(logits, torch.zeros(1, 2, dtype=torch.int64), torch.tensor([1]))
    assert total.item() == pytest.approx(math.log(3))


def test_what_cannot_be_is_refused():
    model, some = small(), torch.tensor([[1, 2]])
    with pytest.raises(ValueError, match="from 0 to 7"):
        model.encoder(torch.tensor([[1, 8]]))
    with pytest.raises(ValueError, match="from 0 to 10"):
        model.decoder(torch.tensor([[-1]]), torch.zeros(1, 1, 6))
    with pytest.raises(ValueError, match="at least one step"):
        model.encoder(torch.zeros(2, 0, dtype=torch.int64))
    with pytest.raises(ValueError, match="give integers"):
        model.encoder(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="from 1 to 2"):
        model.encoder(some, torch.tensor([0]))
    with pytest.raises(ValueError, match="from 1 to 2"):
        model.encoder(some, torch.tensor([3]))
    with pytest.raises(ValueError, match="for each of the 1 rows"):
        model.encoder(some, torch.tensor([1, 2]))
    with pytest.raises(ValueError, match="vocab_size"):
        Encoder(0, 4, 4)
    with pytest.raises(ValueError, match="dropout"):
        Decoder(4, 4, 4, dropout=1.0)
    with pytest.raises(ValueError, match="vocabulary"):
        masked_cross_entropy(torch.zeros(2, 3, 4), some, torch.tensor([1]))
    logits, one = torch.zeros(1, 2, 4), torch.tensor([1])
    for wrong in (torch.tensor([[1, 4]]), torch.tensor([[1, -100]])):
        with pytest.raises(ValueError, match="from 0 to 3"):
            masked_cross_entropy(logits, wrong, one)
    with pytest.raises(ValueError, match="give integers"):
        masked_cross_entropy(logits, torch.ones(1, 2), one)
    with pytest.raises(ValueError, match="lengths are of list"):
        masked_cross_entropy(logits, some, [1])
    with pytest.raises(ValueError, match="source are of list"):
        model.encoder([[1, 2]])
    with pytest.raises(ValueError, match="give integers"):
        model.encoder(some.bool())
    with pytest.raises(ValueError, match="from 0 to 2"):
        masked_cross_entropy(torch.zeros(1, 2, 4), some, torch.tensor([3]))


def test_a_batch_without_a_row_is_refused():
    encoder = Encoder(10, 4, 8)
    with pytest.raises(ValueError, match="no row: give at least one sequence"):
        encoder(torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
