"""Encoder and decoder blocks against torch's layers, with every combination of masks."""

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


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="dim_feedforward is 0"):
        EncoderBlock(8, 2, 0)
    with pytest.raises(ValueError, match="divides"):
        DecoderBlock(8, 3)
    with pytest.raises(ValueError, match="key_padding_mask has shape"):
        EncoderBlock(8, 2, 4)(torch.zeros(2, 3, 8), src_key_padding_mask=torch.ones(2, 4) > 0)
