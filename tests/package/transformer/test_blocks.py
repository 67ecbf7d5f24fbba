"""Encoder and decoder blocks against torch's layers, with every combination of masks."""

import inspect

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labnotes.attention import masks
from labnotes.transformer import DecoderBlock, EncoderBlock

SIZES = {"d_model": 12, "nhead": 3, "dim_feedforward": 20}
FUTURE = masks.causal(5)
PADDING = masks.padding(torch.tensor([5, 2, 4]), 5)
MEMORY_PADDING = masks.padding(torch.tensor([7, 3, 6]), 7)
MEMORY_MASK = torch.ones(5, 7, dtype=torch.bool).triu(4)


def pair(ours, theirs, norm_first, **options):
    torch.manual_seed(0)
    theirs = theirs(**SIZES, dropout=0.1, batch_first=True, norm_first=norm_first, **options)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.4)
    ours = ours(**SIZES, dropout=0.1, norm_first=norm_first, **options)
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    return ours.eval().double(), theirs.eval().double()


def draw(length):
    g = torch.Generator().manual_seed(length)
    return torch.randn(3, length, 12, generator=g, dtype=torch.float64)


def same(found, expected, ours, theirs):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)
    (found**2).sum().backward()
    (expected**2).sum().backward()
    for name, parameter in theirs.named_parameters():
        other = ours.get_parameter(name).grad
        torch.testing.assert_close(other, parameter.grad, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("padding", [None, PADDING])
@pytest.mark.parametrize("mask", [None, FUTURE])
@pytest.mark.parametrize("options", [{}, {"activation": F.gelu, "layer_norm_eps": 1e-2}])
def test_an_encoder_block_is_torchs(options, mask, padding, norm_first, need_weights):
    ours, theirs = pair(EncoderBlock, nn.TransformerEncoderLayer, norm_first, **options)
    ours.need_weights = need_weights
    found = ours(draw(5), src_mask=mask, src_key_padding_mask=padding)
    theirs.requires_grad_(True)  # its fast path, which has no gradients, stays out
    expected = theirs(draw(5).requires_grad_(), src_mask=mask, src_key_padding_mask=padding)
    same(found, expected, ours, theirs)
    assert (ours.self_attn.weights is not None) == need_weights


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (EncoderBlock, nn.TransformerEncoderLayer),
        (DecoderBlock, nn.TransformerDecoderLayer),
    ],
)
def test_the_defaults_are_those_of_torchs_layer(ours, theirs):
    known = inspect.signature(theirs).parameters
    given = inspect.signature(ours).parameters.values()
    defaults = {p.name: p.default for p in given if p.default is not p.empty}
    assert len(defaults) >= 5
    assert defaults == {name: known[name].default for name in defaults}


def test_weights_are_kept_only_if_asked_for():
    encoder, decoder = EncoderBlock(**SIZES).double(), DecoderBlock(**SIZES).double()
    decoder(encoder(draw(5)), draw(7))
    assert encoder.self_attn.weights is None and decoder.self_attn.weights is None


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("memory_padding", [None, MEMORY_PADDING])
@pytest.mark.parametrize("memory_mask", [None, MEMORY_MASK])
@pytest.mark.parametrize("padding", [None, PADDING])
@pytest.mark.parametrize("mask", [None, FUTURE])
@pytest.mark.parametrize("options", [{}, {"activation": F.gelu, "layer_norm_eps": 1e-2}])
def test_a_decoder_block_is_torchs(options, mask, padding, memory_mask, memory_padding, norm_first):
    ours, theirs = pair(DecoderBlock, nn.TransformerDecoderLayer, norm_first, **options)
    given = {
        "tgt_mask": mask,
        "memory_mask": memory_mask,
        "tgt_key_padding_mask": padding,
        "memory_key_padding_mask": memory_padding,
    }
    same(ours(draw(5), draw(7), **given), theirs(draw(5), draw(7), **given), ours, theirs)


def drawn(adds, dims, keys):
    """A mask for 5 queries of all three sentences (2-D) or of each (3-D); no first key is hidden."""
    g = torch.Generator().manual_seed(keys)
    shape = (3, 5, keys)[-dims:]
    hidden = torch.rand(shape, generator=g) < 0.4
    hidden[..., 0] = False
    numbers = torch.randn(shape, generator=g, dtype=torch.float64)
    return numbers.masked_fill(hidden, -torch.inf) if adds else hidden


def for_torch(given):
    """The same masks as torch takes them: one for each head, and padding of the mask's type."""
    adds = any(mask.is_floating_point() for mask in given.values())
    taken = {}
    for name, mask in given.items():
        if name.endswith("padding_mask") and adds:
            mask = torch.zeros(mask.shape, dtype=torch.float64).masked_fill(mask, -torch.inf)
        taken[name] = mask.repeat_interleave(3, 0) if mask.dim() == 3 else mask  # 3 heads
    return taken


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(("adds", "dims"), [(False, 3), (True, 2), (True, 3)])
def test_masks_of_each_sentence_and_masks_that_add_are_torchs(
    adds, dims, padded, norm_first, need_weights
):
    padding = {"src_key_padding_mask": PADDING} if padded else {}
    given = {"src_mask": drawn(adds, dims, 5)} | padding
    ours, theirs = pair(EncoderBlock, nn.TransformerEncoderLayer, norm_first)
    ours.need_weights = need_weights
    x = draw(5).requires_grad_()  # torch's fast path, which has no gradients, stays out
    same(ours(x, **given), theirs(x, **for_torch(given)), ours, theirs)

    padding = {"tgt_key_padding_mask": PADDING, "memory_key_padding_mask": MEMORY_PADDING}
    given = {"tgt_mask": drawn(adds, dims, 5), "memory_mask": drawn(adds, dims, 7)}
    given |= padding if padded else {}
    ours, theirs = pair(DecoderBlock, nn.TransformerDecoderLayer, norm_first)
    ours.need_weights = need_weights
    expected = theirs(draw(5), draw(7), **for_torch(given))
    same(ours(draw(5), draw(7), **given), expected, ours, theirs)


@pytest.mark.parametrize("norm_first", [False, True])
def test_steps_with_a_cache_give_what_torch_gives_for_all_tokens_at_once(norm_first):
    ours, theirs = pair(DecoderBlock, nn.TransformerDecoderLayer, norm_first)
    x, memory = draw(5), draw(7)
    expected = theirs(x, memory, tgt_mask=FUTURE, memory_key_padding_mask=MEMORY_PADDING)
    cache = ours.start(memory)
    found = [ours.step(x[:, t : t + 1], cache, MEMORY_PADDING) for t in range(5)]
    torch.testing.assert_close(torch.cat(found, dim=1), expected, rtol=0, atol=1e-11)


def test_in_training_dropout_acts_in_each_of_its_places():
    x, memory = torch.randn(400, 3, 12), torch.randn(400, 2, 12)
    for block, given in ((EncoderBlock, (x,)), (DecoderBlock, (x, memory))):
        layer = block(**SIZES, dropout=0.5, norm_first=True)
        places = [name for name, part in layer.named_modules() if isinstance(part, nn.Dropout)]
        assert len(places) == (3 if block is EncoderBlock else 4)
        for name in places:
            for part in layer.modules():
                if isinstance(part, nn.Dropout):
                    part.p = 0.0
            for attention in ("self_attn", "multihead_attn"):
                if hasattr(layer, attention):
                    getattr(layer, attention).dropout = 0.0
            plain = layer(*given)
            assert torch.equal(plain, layer(*given))
            layer.get_submodule(name).p = 0.5
            assert not torch.equal(plain, layer(*given)), name


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_row_of_nothing_but_padding_is_read_as_if_attention_gave_its_bias(norm_first):
    encoder, _ = pair(EncoderBlock, nn.TransformerEncoderLayer, norm_first)
    decoder, _ = pair(DecoderBlock, nn.TransformerDecoderLayer, norm_first)
    x, memory = draw(5).requires_grad_(), draw(7).requires_grad_()
    nothing, hidden = (torch.zeros(3, n, dtype=torch.bool) for n in (5, 7))
    nothing[1] = hidden[1] = True
    read = encoder(x, src_key_padding_mask=nothing)
    written = decoder(x, memory, tgt_mask=FUTURE, memory_key_padding_mask=hidden)
    stepwise, cache = [], decoder.start(memory)
    for t in range(5):
        stepwise.append(decoder.step(x[:, t : t + 1], cache, hidden))
    torch.testing.assert_close(torch.cat(stepwise, 1), written, rtol=0, atol=1e-11)
    (read.sum() + written.sum()).backward()
    assert x.grad.isfinite().all() and memory.grad.isfinite().all()
    assert not memory.grad[1].any() and memory.grad[0].any()
    # torch's layers, which would give NaN there, with attention that gives its bias to all
    for ours, theirs, attention, found, options in (
        (encoder, nn.TransformerEncoderLayer, "self_attn", read, {}),
        (decoder, nn.TransformerDecoderLayer, "multihead_attn", written, {"tgt_mask": FUTURE}),
    ):
        blind = pair(type(ours), theirs, norm_first)[1]
        nn.init.zeros_(blind.get_submodule(attention).out_proj.weight)
        given = (x,) if ours is encoder else (x, memory)
        torch.testing.assert_close(found[1], blind(*given, **options)[1], rtol=0, atol=1e-11)
        others = pair(type(ours), theirs, norm_first)[1](*given, **options)
        torch.testing.assert_close(found[::2], others[::2], rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("name", "mask", "error", "says"),
    [
        ("tgt_mask", torch.ones(5, 4) > 0, ValueError, r"attn_mask has shape \(5, 4\)"),
        ("tgt_mask", torch.ones(5, 5).long(), TypeError, "attn_mask is torch.int64"),
        ("memory_mask", torch.ones(7, 5) > 0, ValueError, r"give \(5, 7\) or \(3, 5, 7\)"),
        ("tgt_key_padding_mask", PADDING.T, ValueError, r"key_padding_mask has shape \(5, 3\)"),
        ("tgt_key_padding_mask", PADDING.float(), TypeError, "give bool, True hides"),
        ("memory_key_padding_mask", PADDING, ValueError, r"\(3, 5\): give \(3, 7\)"),
        ("memory_key_padding_mask", MEMORY_PADDING.int(), TypeError, "give bool, True hides"),
    ],
)
def test_a_mask_of_another_shape_or_type_is_refused_whole_and_step_by_step(name, mask, error, says):
    decoder = DecoderBlock(**SIZES).double()
    with pytest.raises(error, match=says):
        decoder(draw(5), draw(7), **{name: mask})
    encoder = EncoderBlock(**SIZES).double()
    if name.startswith("tgt"):
        with pytest.raises(error, match=says):
            encoder(draw(5), **{name.replace("tgt", "src"): mask})
    if name == "memory_key_padding_mask":
        with pytest.raises(error, match="key_padding_mask"):
            decoder.step(draw(5)[:, :1], decoder.start(draw(7)), mask)


def test_a_step_takes_one_token_of_the_batch_of_its_cache():
    decoder = DecoderBlock(**SIZES).double()
    for tgt in (draw(5)[:, :2], draw(5)[:2, :1], draw(5)[:, 0], draw(5)[:, :1, :8]):
        with pytest.raises(ValueError, match=r"give the next token alone, \(3, 1, 12\)"):
            decoder.step(tgt, decoder.start(draw(7)))


def test_a_time_first_batch_is_refused_where_masks_or_memory_tell_it_from_batch_first():
    time_first = draw(5).transpose(0, 1)
    with pytest.raises(ValueError, match=r"key_padding_mask has shape \(3, 5\): give \(5, 3\)"):
        EncoderBlock(**SIZES).double()(time_first, src_key_padding_mask=PADDING)
    with pytest.raises(ValueError, match="give one batch size"):
        DecoderBlock(**SIZES).double()(time_first, draw(7).transpose(0, 1))


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="dim_feedforward is 0"):
        EncoderBlock(8, 2, 0)
    with pytest.raises(ValueError, match="divides"):
        DecoderBlock(8, 3)
    with pytest.raises(ValueError, match="key_padding_mask has shape"):
        EncoderBlock(8, 2, 4)(torch.zeros(2, 3, 8), src_key_padding_mask=torch.ones(2, 4) > 0)
