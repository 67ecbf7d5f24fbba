"""The whole Transformer against torch's stacks, the paper's sizes, and itself without a cache."""

import math

import pytest
import torch
from torch import nn

from labnotes.attention.positions import sinusoidal
from labnotes.sequence.search import batched_beam_search, beam_search, power_penalty
from labnotes.transformer import Transformer
from labnotes.transformer.model import State

SMALL = {"d_model": 12, "nhead": 3, "dim_feedforward": 20, "num_encoder_layers": 2,
         "num_decoder_layers": 3}  # fmt: skip


def tokens(batch, length, vocabulary, seed=0):
    return torch.randint(
        3, vocabulary, (batch, length), generator=torch.Generator().manual_seed(seed)
    )


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("norm_first", [False, True])
def test_logits_are_those_of_torchs_transformer_with_the_papers_embedding(norm_first):
    torch.manual_seed(0)
    ours = Transformer(30, 40, **SMALL, dropout=0.0, norm_first=norm_first, padding=0).double()
    theirs = nn.Transformer(
        12, 3, 2, 3, 20, dropout=0.0, batch_first=True, norm_first=norm_first
    ).double()
    own = ours.state_dict()
    stacks = {
        f"{stack}.layers.{rest}": value
        for name, value in own.items()
        for stack, _, rest in [name.partition(".layers.")]
        if rest
    }
    if norm_first:
        for stack in ("encoder", "decoder"):
            for part in ("weight", "bias"):
                stacks[f"{stack}.norm.{part}"] = own[f"{stack}.norm.{part}"]
    else:  # torch adds a norm after the last block, which the paper does not have
        theirs.encoder.norm = theirs.decoder.norm = None
    theirs.load_state_dict(stacks)
    source, target = tokens(4, 7, 30), tokens(4, 5, 40, seed=1)
    source[1, 5:] = source[2, 2:] = 0
    embedded = [
        table[numbers] * math.sqrt(12) + sinusoidal(numbers.shape[1], 12).double()
        for table, numbers in (
            (own["encoder.embedding.table.weight"], source),
            (own["decoder.embedding.table.weight"], target),
        )
    ]
    hidden = source == 0
    found = theirs(
        *embedded,
        tgt_mask=nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64),
        src_key_padding_mask=hidden,
        memory_key_padding_mask=hidden,
    )
    expected = found @ own["decoder.embedding.table.weight"].T
    torch.testing.assert_close(ours(source, target), expected, rtol=0, atol=1e-10)


def test_the_base_model_has_the_papers_65_million_parameters():
    with torch.device("meta"):
        model = Transformer(37000)
    count = sum(p.numel() for p in model.parameters())
    d, h = 512, 2048
    attention, network, norm = 4 * (d * d + d), 2 * d * h + h + d, 2 * d
    by_hand = (
        37000 * d + 6 * (attention + network + 2 * norm) + 6 * (2 * attention + network + 3 * norm)
    )
    assert count == by_hand
    assert 60e6 < count < 66e6  # table 3 says 65 million


@pytest.mark.parametrize("norm_first", [False, True])
def test_generating_with_a_cache_writes_what_recomputing_all_writes(norm_first):
    torch.manual_seed(1)
    model = Transformer(15, **SMALL, norm_first=norm_first, padding=0).double()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.6)
    source = tokens(6, 8, 15)
    source[0, 3:] = source[4, 6:] = 0
    model.eval()
    written = torch.full((6, 1), 1)
    caches = model.decoder.start(model.encoder(source, model.hidden(source)))
    for _ in range(9):
        logits = model(source, written)[:, -1]
        step = model.decoder.step(written[:, -1], caches, model.hidden(source))
        torch.testing.assert_close(step, logits, rtol=0, atol=1e-10)
        best = logits.argmax(-1)
        ended = (written[:, 1:] == 2).any(1)
        written = torch.cat([written, torch.where(ended, 2, best)[:, None]], dim=1)
    model.train()
    found = model.generate(source, start=1, end=2, max_length=9)
    assert model.training
    assert torch.equal(found, written[:, 1 : found.shape[1] + 1])
    assert found.shape[1] == 9 or (found[:, -1] == 2).all()
    assert len({tuple(row.tolist()) for row in found}) > 1  # sources make a difference


def test_the_first_token_is_put_where_the_source_is(monkeypatch):
    full, elsewhere = torch.full, {"device": "meta"}
    monkeypatch.setattr(torch, "full", lambda *args, **given: full(*args, **elsewhere | given))
    model, source = Transformer(9, **SMALL, padding=0), tokens(2, 4, 9)
    assert model.generate(source, start=1, end=2, max_length=3).device == source.device


def test_generation_stops_when_all_have_ended_and_fills_up_with_the_end():
    torch.manual_seed(0)  # with 9 of the first 40 seeds no row begins with the end
    model = Transformer(9, **SMALL, padding=0)
    with torch.no_grad():
        model.decoder.embedding.table.weight[2] *= 40  # the end is far ahead, or far behind
    found = model.generate(tokens(12, 4, 9), start=1, end=2, max_length=6)
    for row in found.tolist():
        if 2 in row:
            assert set(row[row.index(2) :]) == {2}
    assert any(row[0] == 2 for row in found.tolist())


def test_more_padding_and_another_order_of_the_batch_change_nothing():
    model = Transformer(15, **SMALL, padding=0).double().eval()
    source, target = tokens(3, 6, 15), tokens(3, 4, 15, seed=3)
    expected = model(source, target)
    longer = torch.cat([source, torch.zeros(3, 5, dtype=torch.int64)], dim=1)
    torch.testing.assert_close(model(longer, target), expected, rtol=0, atol=1e-10)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(
        model(source[order], target[order]), expected[order], rtol=0, atol=1e-10
    )


def test_generating_is_the_same_in_another_order_of_the_batch_and_with_more_padding():
    model = decided(15)
    source = tokens(4, 6, 15)
    source[1, 4:] = 0
    written = lambda source: model.generate(source, start=1, end=2, max_length=8)  # noqa: E731
    expected = written(source)
    assert len({tuple(row.tolist()) for row in expected}) >= 3
    longer = torch.cat([source, torch.zeros(4, 5, dtype=torch.int64)], dim=1)
    assert torch.equal(written(longer), expected)
    order = torch.tensor([2, 0, 3, 1])
    assert torch.equal(written(source[order]), expected[order])
    alone = written(source[1:2, :4])  # as long as it is, by itself
    assert torch.equal(alone[0], expected[1, : alone.shape[1]])


def test_a_source_of_padding_alone_gives_no_nan_and_is_written_without_the_encoder():
    model = decided(15)
    source, target = tokens(3, 6, 15), tokens(3, 4, 15, seed=3)
    expected, written = model(source, target), model.generate(source, 1, 2, 8)
    blank = source.clone()
    blank[1] = 0
    logits = model(blank, target)
    logits.sum().backward()
    assert logits.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    torch.testing.assert_close(logits[::2], expected[::2], rtol=0, atol=1e-10)
    found = model.generate(blank, 1, 2, 8)
    shared = min(found.shape[1], written.shape[1])
    assert torch.equal(found[::2, :shared], written[::2, :shared])
    with torch.no_grad():  # what the encoder gives for the padding cannot matter
        deaf = model.decoder(target, torch.randn(3, 6, 12).double(), torch.ones(3, 6) > 0)
    torch.testing.assert_close(logits[1], deaf[1], rtol=0, atol=1e-10)


def test_tokens_that_are_written_later_have_later_positions():
    embed = Transformer(15, **SMALL).eval().encoder.embedding
    whole = embed(tokens(2, 9, 15))
    rows = embed(tokens(2, 9, 15)[:, 4:7], start=4)
    assert torch.equal(rows, whole[:, 4:7])
    assert not torch.allclose(rows, embed(tokens(2, 9, 15)[:, 4:7]))


def decided(vocabulary):
    """A model in evaluation mode whose weights are large: sources make a difference."""
    torch.manual_seed(1)
    model = Transformer(vocabulary, **SMALL, padding=0).double().eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.6)
    return model


def test_a_later_token_of_the_target_changes_no_earlier_logits():
    model = Transformer(15, **SMALL).double().eval()
    source, target = tokens(2, 6, 15), tokens(2, 6, 15, seed=3)
    other = target.clone()
    other[:, 5] = (other[:, 5] + 1) % 15
    first, second = model(source, target), model(source, other)
    assert torch.equal(first[:, :5], second[:, :5])
    assert not torch.allclose(first[:, 5], second[:, 5])


def test_a_shared_vocabulary_has_one_table_and_two_have_two():
    shared, apart = Transformer(15, **SMALL), Transformer(15, 20, **SMALL)
    assert shared.encoder.embedding is shared.decoder.embedding
    assert apart.encoder.embedding.table.weight.shape == (15, 12)
    assert apart.decoder.embedding.table.weight.shape == (20, 12)
    deviation = Transformer(4000, **SMALL).encoder.embedding.table.weight.std().item()
    assert deviation == pytest.approx(12**-0.5, rel=0.02)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m: m(torch.tensor([[15]]), torch.tensor([[1]])), "numbers from 0 to 14"),
        (lambda m: m(torch.tensor([[1]]), torch.tensor([[-1]])), "numbers from 0 to 14"),
        (lambda m: m(torch.tensor([1]), torch.tensor([[1]])), r"integers \(batch, length\)"),
        (lambda m: m(torch.ones(1, 2), torch.tensor([[1]])), "torch.float32"),
        (lambda m: m.generate(torch.tensor([[1]]), 1, 15, 3), "numbers from 0 to 14"),
        (lambda m: m.generate(torch.tensor([[1]]), 1, 2, 0), "max_length is 0"),
        (lambda m: m(tokens(7, 2, 15), tokens(5, 2, 15)), "one batch size; the batch comes first"),
        (lambda m: Transformer(0), "vocabulary is 0"),
        (lambda m: Transformer(9, **(SMALL | {"nhead": 5})), "embed_dim is 12, num_heads 5"),
        (lambda m: Transformer(9, **(SMALL | {"num_decoder_layers": 0})), "num_layers is 0"),
    ],
)
def test_bad_input_is_refused_in_words(call, says):
    with pytest.raises(ValueError, match=says):
        call(Transformer(15, **SMALL))


def translator(seed=1):
    """A model with large random weights, so that its translations differ, and padded sources."""
    torch.manual_seed(seed)
    model = Transformer(15, 13, **SMALL, norm_first=True, padding=0).double().eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.6)
    source = tokens(6, 8, 15)
    source[0, 3:] = source[4, 6:] = 0
    return model.requires_grad_(False), source


def test_a_beam_over_cached_states_finds_what_a_beam_that_reads_all_again_finds():
    model, source = translator()
    first = torch.full((6,), 1)
    cached = batched_beam_search(
        model.step, model.start(source), first, 2, 3, 7, power_penalty(1.0), State.select
    )
    for row, found in zip(source, cached, strict=True):
        alone = row[row != 0][None]  # without its padding

        def again(prefixes, alone=alone):
            return model(alone.expand(len(prefixes), -1), prefixes)[:, -1].log_softmax(-1)

        expected = beam_search(again, [1], 3, 7, 2, power_penalty(1.0))
        assert [h.tokens for h in found] == [h.tokens for h in expected]
        assert [h.score for h in found] == pytest.approx([h.score for h in expected], abs=1e-5)
    assert len({tuple(found[0].tokens) for found in cached}) > 1


def test_steps_give_the_log_probabilities_of_the_whole_pass_and_leave_their_state_alone():
    model, source = translator()
    written = tokens(6, 5, 13)
    expected = model(source, written).log_softmax(-1)
    state = model.start(source)
    for t in range(5):
        found, after = model.step(written[:, t], state)
        again, _ = model.step(written[:, t], state)  # from the same state once more
        torch.testing.assert_close(found, expected[:, t], rtol=0, atol=1e-10)
        assert torch.equal(found, again)
        state = after


@pytest.mark.parametrize("padding", [0, None])
def test_selected_rows_of_a_state_go_on_as_a_batch_of_those_rows(padding):
    model, source = translator()
    model.padding = padding
    written, rows = tokens(6, 4, 13), torch.tensor([4, 0, 0, 5])
    state = model.start(source).select(torch.arange(6))
    for t in range(3):
        _, state = model.step(written[:, t], state)
    found, _ = model.step(written[rows, 3], state.select(rows))
    expected = model(source[rows], written[rows])[:, -1].log_softmax(-1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_the_weights_hold_each_number_once_if_the_vocabularies_are_two():
    model = Transformer(15, 20, **SMALL)
    kept = sum(value.numel() for value in model.state_dict().values())
    assert kept == sum(parameter.numel() for parameter in model.parameters())


def test_a_step_refuses_tokens_of_another_shape_or_vocabulary():
    model, source = translator()
    with pytest.raises(ValueError, match="give integers"):
        model.step(torch.ones(6), model.start(source))
    with pytest.raises(ValueError, match="give whole numbers from 0 to 12"):
        model.step(torch.full((6,), 13), model.start(source))
    with pytest.raises(ValueError, match=r"shape \(6, 1\): a step reads the newest of each row"):
        model.step(torch.ones(6, 1).long(), model.start(source))


def test_a_source_of_strings_is_refused_in_words():
    with pytest.raises(TypeError, match="tokens are list: give a tensor of integers"):
        translator()[0].start([["a", "cat"]])
