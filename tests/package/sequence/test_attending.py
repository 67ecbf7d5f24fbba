"""A decoder that asks: d2l's additive attention, loops in float64, each sentence alone."""

import doctest

import d2l.torch as d2l
import numpy as np
import pytest
import torch
from torch import nn

from labnotes.sequence import AttentionDecoder, AttentionSeq2Seq, BidirectionalEncoder, attending
from labnotes.sequence.search import batched_beam_search, beam_search

SOURCE = torch.tensor([[3, 1, 2, 6], [5, 7, 0, 0], [4, 0, 0, 0]])
LENGTHS = torch.tensor([4, 2, 1])
WRITTEN = torch.tensor([[1, 7, 9], [1, 4, 0], [1, 2, 2]])


def small(dropout=0.0):
    torch.manual_seed(0)
    return AttentionSeq2Seq(8, 11, embed_size=5, hidden_size=6, dropout=dropout)


def test_the_examples_hold():
    assert doctest.testmod(attending, extraglobs={"torch": torch}).failed == 0


def by_loops(model, row, length, tokens):
    """Logits (steps, vocabulary) and weights of one sentence: equations of the paper, in float64."""
    p = {name: value.detach().double().numpy() for name, value in model.named_parameters()}

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    def gru(x, s, where, end=""):
        w, u = p[f"{where}.weight_ih{end}"], p[f"{where}.weight_hh{end}"]
        b, a = p[f"{where}.bias_ih{end}"], p[f"{where}.bias_hh{end}"]
        i, h = np.split(w @ x + b, 3), np.split(u @ s + a, 3)  # reset, update, new
        r, z = sigmoid(i[0] + h[0]), sigmoid(i[1] + h[1])
        return (1 - z) * np.tanh(i[2] + r * h[2]) + z * s

    read = p["encoder.embedding.weight"][row[:length]]
    ways = []
    for end, order in (("_l0", range(length)), ("_l0_reverse", reversed(range(length)))):
        s, states = np.zeros(3), {}
        for i in order:
            s = states[i] = gru(read[i], s, "encoder.rnn", end)
        ways.append((states, s))
    h = [np.concatenate([ways[0][0][i], ways[1][0][i]]) for i in range(length)]
    s = np.concatenate([ways[0][1], ways[1][1]])
    logits, looks = [], []
    for token in tokens:
        at = "decoder.attention."
        scores = np.array([
            p[at + "w_v.weight"][0] @ np.tanh(p[at + "W_q.weight"] @ s + p[at + "W_k.weight"] @ h_i)
            for h_i in h
        ])  # fmt: skip
        weights = np.exp(scores) / np.exp(scores).sum()
        context = sum(w * h_i for w, h_i in zip(weights, h))
        table = p["decoder.embedding.weight"]
        s = gru(np.concatenate([table[token], context]), s, "decoder.rnn")
        asked = p["decoder.readout.weight"] @ np.concatenate([s, context])
        logits.append(table @ (asked + p["decoder.readout.bias"]) + p["decoder.bias"])
        looks.append(weights)
    return np.array(logits), np.array(looks)


def test_it_computes_what_loops_compute_sentence_by_sentence():
    model = small()
    logits = model(SOURCE, LENGTHS, WRITTEN).detach()
    weights = model.attention.weights
    assert weights.shape == (3, 3, 4) and not weights.requires_grad
    for row, length in enumerate(LENGTHS.tolist()):
        wanted, looks = by_loops(model, SOURCE[row].numpy(), length, WRITTEN[row].tolist())
        np.testing.assert_allclose(logits[row], wanted, atol=1e-5)
        np.testing.assert_allclose(weights[row, :, :length], looks, atol=1e-6)
        assert (weights[row, :, length:] == 0).all()


def test_a_question_is_answered_as_d2ls_additive_attention_answers_it():
    decoder, outputs = small().decoder, torch.randn(3, 4, 6)
    query = torch.randn(3, 6)
    theirs = d2l.AdditiveAttention(5, dropout=0.0)
    theirs(query[:, None], outputs, outputs, LENGTHS)  # makes its lazy layers
    theirs.load_state_dict(decoder.attention.state_dict())
    context, weights = decoder.ask(query, decoder.start(outputs, query[None], LENGTHS))
    torch.testing.assert_close(context, theirs(query[:, None], outputs, outputs, LENGTHS)[:, 0])
    torch.testing.assert_close(weights, theirs.attention_weights[:, 0])
    again = decoder.attention(query[:, None], outputs, outputs, LENGTHS)[:, 0]  # and as our own
    torch.testing.assert_close(context, again)


def test_of_nothing_but_padding_comes_a_context_of_zeros():
    decoder, outputs, query = small().decoder, torch.randn(2, 4, 6), torch.randn(2, 6)
    state = decoder.start(outputs, query[None], torch.tensor([0, 3]))
    context, weights = decoder.ask(query, state)
    assert (context[0] == 0).all() and (weights[0] == 0).all()
    torch.testing.assert_close(weights[1].sum(), torch.tensor(1.0))


def test_the_query_is_the_state_before_the_step():
    decoder, outputs, state = small().decoder, torch.randn(3, 4, 6), torch.randn(1, 3, 6)
    decoder(WRITTEN[:, :1], decoder.start(outputs, state))
    first = decoder.attention.weights
    decoder(WRITTEN[:, 1:2], decoder.start(outputs, state))  # another token, the same question
    assert torch.equal(decoder.attention.weights, first)
    decoder.attention(state[0][:, None], outputs, outputs)
    torch.testing.assert_close(decoder.attention.weights, first)


def test_the_encoder_reads_each_way_to_its_own_end_whatever_the_padding_holds():
    encoder = small().encoder
    outputs, state = encoder(SOURCE, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        there, back = nn.GRU(5, 3, batch_first=True), nn.GRU(5, 3, batch_first=True)
        weights = encoder.rnn.state_dict()
        there.load_state_dict({k: v for k, v in weights.items() if "reverse" not in k})
        back.load_state_dict({k[:-8]: v for k, v in weights.items() if "reverse" in k})
        read = encoder.embedding(SOURCE[row : row + 1, :length])
        one, other = there(read), back(read.flip(1))
        torch.testing.assert_close(
            outputs[row : row + 1, :length], torch.cat([one[0], other[0].flip(1)], -1)
        )
        torch.testing.assert_close(state[:, row : row + 1], torch.cat([one[1], other[1]], -1))
        assert (outputs[row, length:] == 0).all()


def test_more_padding_and_another_order_change_nothing():
    model = small()
    logits = model(SOURCE, LENGTHS, WRITTEN)
    weights = model.attention.weights
    wider = torch.cat([SOURCE, torch.full((3, 3), 7)], 1)
    torch.testing.assert_close(model(wider, LENGTHS, WRITTEN), logits)
    torch.testing.assert_close(model.attention.weights[:, :, :4], weights)
    turned = torch.tensor([2, 0, 1])
    torch.testing.assert_close(
        model(SOURCE[turned], LENGTHS[turned], WRITTEN[turned]), logits[turned]
    )
    assert not torch.allclose(model(SOURCE, None, WRITTEN)[1:], logits[1:])  # the lengths count


def test_steps_give_what_teacher_forcing_gives():
    model = small()
    together = model(SOURCE, LENGTHS, WRITTEN).log_softmax(-1)
    looks, state = model.attention.weights, model.start(SOURCE, LENGTHS)
    for step in range(3):
        found, state = model.step(WRITTEN[:, step], state)
        torch.testing.assert_close(found, together[:, step])
        torch.testing.assert_close(model.attention.weights[:, 0], looks[:, step])


def test_nothing_written_later_changes_what_was_said_before():
    model, later = small(), WRITTEN.clone()
    later[:, 2] = 5
    before, after = model(SOURCE, LENGTHS, WRITTEN), model(SOURCE, LENGTHS, later)
    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2], after[:, 2])


def test_a_batched_search_with_states_finds_what_whole_beginnings_find():
    model = small().eval().requires_grad_(False)
    model.decoder.bias.copy_(torch.randn(11))  # so that the search has something to choose
    batched = batched_beam_search(
        model.step, model.start(SOURCE, LENGTHS), torch.ones(3, dtype=torch.int64), 3, 4, 5
    )
    for row, length in enumerate(LENGTHS.tolist()):

        def step(prefixes, row=row, length=length):
            read = SOURCE[row : row + 1, :length].expand(len(prefixes), -1)
            return model(read, None, prefixes)[:, -1].log_softmax(-1)

        alone = beam_search(step, [1], 4, 5, 3)
        assert [h.tokens for h in batched[row]] == [h.tokens for h in alone]
        assert [h.score for h in batched[row]] == pytest.approx([h.score for h in alone], abs=1e-4)


def test_every_parameter_learns():
    model = small()
    model(SOURCE, LENGTHS, WRITTEN).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_the_gradient_is_that_of_finite_differences():
    decoder = small().decoder.double().requires_grad_(False)
    torch.manual_seed(1)
    outputs, first = (torch.randn(s, dtype=torch.float64) for s in ((3, 4, 6), (1, 3, 6)))

    def logits(outputs, first):
        return decoder(WRITTEN[:, :2], decoder.start(outputs, first, LENGTHS))[0]

    assert torch.autograd.gradcheck(
        logits, (outputs.requires_grad_(), first.requires_grad_()), fast_mode=True
    )


def test_embeddings_and_what_the_logits_are_read_from_are_dropped_in_training_alone():
    model, seen = small(dropout=0.5), []
    for part in (model.encoder, model.decoder):
        part.dropout.register_forward_hook(lambda _, inputs, output: seen.append(output.shape[-1]))
    assert not torch.equal(model(SOURCE, LENGTHS, WRITTEN), model(SOURCE, LENGTHS, WRITTEN))
    assert seen[:3] == [5, 5, 12]  # two embeddings, states beside contexts
    model.eval()
    assert torch.equal(model(SOURCE, LENGTHS, WRITTEN), model(SOURCE, LENGTHS, WRITTEN))


def test_the_decoders_table_begins_with_a_standard_deviation_of_three_tenths():
    torch.manual_seed(0)
    table = AttentionDecoder(500, 100, 2).embedding.weight
    assert table.std().item() == pytest.approx(0.3, rel=0.02)


def test_what_cannot_be_is_refused():
    model = small()
    state = model.start(SOURCE, LENGTHS)
    with pytest.raises(ValueError, match="hidden_size is 7: give an even number"):
        BidirectionalEncoder(8, 4, 7)
    with pytest.raises(ValueError, match="embed_size is 0: give a positive integer"):
        AttentionDecoder(8, 0, 6)
    with pytest.raises(ValueError, match="dropout is 1: give a probability"):
        AttentionDecoder(8, 4, 6, 1)
    with pytest.raises(ValueError, match="from 1 to 4"):
        model.start(SOURCE, torch.tensor([4, 2, 0]))
    with pytest.raises(ValueError, match="from 0 to 7"):
        model.start(SOURCE + 5, LENGTHS)
    with pytest.raises(ValueError, match="go from 1 to 11: give whole numbers from 0 to 10"):
        model.step(torch.tensor([1, 11, 2]), state)
    with pytest.raises(ValueError, match="go from -1 to 2: give whole numbers from 0 to 10"):
        model.step(torch.tensor([1, -1, 2]), state)
    for wrong in (WRITTEN[:2], WRITTEN[:, :0], WRITTEN.float(), WRITTEN[0]):
        with pytest.raises(ValueError, match=r"give integers \(3, steps\)"):
            model.decoder(wrong, state)
    outputs, last = model.encoder(SOURCE, LENGTHS)
    with pytest.raises(ValueError, match=r"give \(batch, source steps, 6\)"):
        model.decoder.start(outputs[:, :, :4], last)
    with pytest.raises(ValueError, match=r"state has the shape \(1, 2, 6\): give \(1, 3, 6\)"):
        model.decoder.start(outputs, last[:, :2])
    with pytest.raises(ValueError, match="give integers, one for each sequence"):
        model.decoder.start(outputs, last, LENGTHS.float())
    with pytest.raises(ValueError, match="there are 2 lengths for 3 rows"):
        model.decoder.start(outputs, last, LENGTHS[:2])
