"""The encoder that computes nothing for padding: against the padded one, and against torch's."""

import pytest
import torch
from scipy.stats import binom
from torch import nn

from labnotes.transformer import EncoderBlock, Transformer, encode_packed, packed

D, LENGTH = 12, 9
#: Rows of one length twice, padding at the end, in front, between, nowhere, and nothing else.
PADDING = torch.tensor(
    [[int(c) for c in row] for row in (
        "000001111", "110000011", "000000000", "010101010", "111111111", "011110000", "111111110",
    )]
).bool()  # fmt: skip


def draw(norm_first=False, dropout=0.0, seed=0, padding=PADDING):
    """An encoder in float64 whose biases and norms are not trivial, and tokens."""
    torch.manual_seed(seed)
    encoder = Transformer(
        30, d_model=D, nhead=3, num_encoder_layers=2, num_decoder_layers=1, dim_feedforward=20,
        dropout=dropout, norm_first=norm_first,
    ).encoder.double()  # fmt: skip
    for parameter in encoder.layers.parameters():
        nn.init.normal_(parameter, std=0.4)
    return encoder, torch.randint(30, padding.shape)


def gradients(encoder, output, upstream):
    encoder.zero_grad()
    output.backward(upstream)
    return {name: parameter.grad.clone() for name, parameter in encoder.named_parameters()}


@pytest.mark.parametrize("norm_first", [False, True])
def test_at_tokens_outputs_and_all_gradients_are_those_of_the_padded_encoder(norm_first):
    encoder, tokens = draw(norm_first)
    upstream = torch.randn(*tokens.shape, D, dtype=torch.float64) * ~PADDING[..., None]
    found, expected = encode_packed(encoder, tokens, PADDING), encoder(tokens, PADDING)
    torch.testing.assert_close(found[~PADDING], expected[~PADDING], rtol=0, atol=1e-11)
    torch.testing.assert_close(
        gradients(encoder, found, upstream), gradients(encoder, expected, upstream)
    )


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("norm_first", [False, True])
def test_at_tokens_it_is_torchs_encoder(norm_first, dropout):
    encoder, tokens = draw(norm_first, dropout)
    layer = nn.TransformerEncoderLayer(
        D, 3, 20, dropout, batch_first=True, norm_first=norm_first, dtype=torch.float64
    )
    theirs = nn.TransformerEncoder(
        layer, 2, nn.LayerNorm(D, dtype=torch.float64) if norm_first else None,
        enable_nested_tensor=False,
    )  # fmt: skip
    wanted = encoder.state_dict()
    theirs.load_state_dict({k: v for k, v in wanted.items() if not k.startswith("embedding.")})
    encoder.eval(), theirs.eval()
    some = ~PADDING.all(1)  # torch gives NaN for a row of nothing but padding
    expected = theirs(encoder.embedding(tokens), src_key_padding_mask=PADDING)[some]
    found = encode_packed(encoder, tokens, PADDING)[some]
    seen = ~PADDING[some]
    torch.testing.assert_close(found[seen], expected[seen], rtol=0, atol=1e-11)


def test_padding_is_0_and_what_stands_there_changes_nothing():
    encoder, tokens = draw()
    found = encode_packed(encoder, tokens, PADDING)
    assert found[PADDING].eq(0).all() and found[~PADDING].ne(0).all()
    other = torch.where(PADDING, (tokens + 7) % 30, tokens)
    assert torch.equal(encode_packed(encoder, other, PADDING), found)


def test_a_batch_of_nothing_but_padding_is_0_and_has_gradients_of_0():
    encoder, tokens = draw()
    found = encode_packed(encoder, tokens, torch.ones_like(PADDING))
    assert found.eq(0).all() and found.shape == (*tokens.shape, D)
    assert all(g.eq(0).all() for g in gradients(encoder, found, torch.ones_like(found)).values())


def test_another_order_of_the_rows_gives_the_same_in_that_order():
    encoder, tokens = draw()
    order = torch.randperm(len(tokens))
    found = encode_packed(encoder, tokens[order], PADDING[order])
    expected = encode_packed(encoder, tokens, PADDING)[order]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_no_token_sees_another_row():
    encoder, tokens = draw()
    before = encode_packed(encoder, tokens, PADDING)
    tokens[2] = (tokens[2] + 1) % 30
    moved = (encode_packed(encoder, tokens, PADDING) - before).abs().amax((1, 2)) > 1e-9
    assert moved.nonzero().flatten().tolist() == [2]


def test_dropout_acts_in_training_alone_and_each_part_keeps_its_mode():
    encoder, tokens = draw(dropout=0.5)
    modes = [m.training for m in encoder.modules()]
    first, second = (encode_packed(encoder, tokens, PADDING) for _ in range(2))
    assert not torch.allclose(first, second)
    assert [m.training for m in encoder.modules()] == modes
    encoder.eval()
    first, second = (encode_packed(encoder, tokens, PADDING) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    torch.testing.assert_close(
        first[~PADDING], encoder(tokens, PADDING)[~PADDING], rtol=0, atol=1e-11
    )


def test_dropout_of_everything_leaves_of_pre_norm_what_the_last_norm_makes_of_0():
    encoder, tokens = draw(norm_first=True, dropout=1.0)
    nn.init.normal_(encoder.norm.bias)
    found = encode_packed(encoder, tokens, PADDING)
    assert torch.equal(found[~PADDING], encoder.norm.bias.expand((~PADDING).sum(), D))


@pytest.mark.parametrize("place", ["embedding", "attention", "dropout", "dropout1", "dropout2"])
def test_at_each_of_its_places_dropout_acts_as_often_as_in_the_padded_encoder(place):
    """With dropout at this place alone: mean and deviation over many equal rows."""
    padding = torch.tensor([[False, False, True, False]]).expand(3000, 4)
    encoder, tokens = draw(norm_first=True, padding=padding)
    tokens = tokens[:1].expand_as(tokens)
    block = encoder.layers[0]
    if place == "attention":
        block.self_attn.dropout = 0.3
    else:
        owner = encoder.embedding if place == "embedding" else block
        (owner.dropout if place == "embedding" else getattr(block, place)).p = 0.3
    with torch.no_grad():
        found, expected = encode_packed(encoder, tokens, padding), encoder(tokens, padding)
    found, expected = found[~padding].view(-1, 3, D), expected[~padding].view(-1, 3, D)
    spread = expected.std(0)
    assert spread.mean() > 0.01
    assert ((found.mean(0) - expected.mean(0)).abs() < 6 * spread / 3000**0.5 * 2**0.5 + 1e-9).all()
    torch.testing.assert_close(found.std(0), spread, rtol=0.15, atol=1e-6)


@pytest.mark.parametrize(
    ("p", "dtype"), [(0.1, torch.float32), (0.5, torch.float64), (0.93, torch.float32)]
)
def test_quick_dropout_drops_as_often_as_torchs_and_keeps_the_mean(p, dtype):
    torch.manual_seed(0)
    n = 999_999  # no multiple of 4
    x = torch.ones(3, n // 3, dtype=dtype, requires_grad=True)
    kept = packed.quick_dropout(x, p)
    found = kept.detach()
    zeros = (found == 0).sum().item()
    low, high = binom.interval(1 - 1e-9, n, p)
    assert low < zeros < high and found.dtype == dtype and found.shape == x.shape
    assert found[found != 0].unique().item() == pytest.approx(1 / (1 - p), rel=1e-3)
    assert found.unique()[1] * (1 - round(p * 65536) / 65536) == pytest.approx(1, rel=1e-6)
    kept.sum().backward()
    assert torch.equal(x.grad, found)  # the same mask on the way back
    # Neighbours, also those of one 64-bit word, know nothing of each other.
    gone = (found == 0).flatten().double()
    for lag in (1, 2, 3, 4, 7):
        both = (gone[lag:] * gone[:-lag]).sum().item()
        low, high = binom.interval(1 - 1e-9, n - lag, p * p)
        assert low < both < high


def test_quick_dropout_of_none_and_of_all_and_what_it_refuses():
    x = torch.randn(5, 3)
    assert torch.equal(packed.quick_dropout(x, 0.0), x)
    assert packed.quick_dropout(x, 1.0).eq(0).all() and not packed.quick_dropout(x[:0], 0.5).numel()
    torch.manual_seed(1)
    first = packed.quick_dropout(x, 0.5)
    torch.manual_seed(1)
    assert torch.equal(packed.quick_dropout(x, 0.5), first)
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="from 0 to 1"):
            packed.quick_dropout(x, wrong)


def test_rows_of_one_length_go_through_one_attention(monkeypatch):
    calls = []
    kernel = torch.nn.functional.scaled_dot_product_attention

    def counted(q, *others, **options):
        calls.append(tuple(q.shape[:3]))
        return kernel(q, *others, **options)

    monkeypatch.setattr(packed.F, "scaled_dot_product_attention", counted)
    encoder, tokens = draw()
    encode_packed(encoder, tokens, PADDING)
    assert calls == 2 * [(1, 3, 0), (1, 3, 1), (4, 3, 5), (1, 3, 9)]


class Other(EncoderBlock):
    pass


def test_it_refuses_what_it_cannot_compute():
    encoder, tokens = draw()
    for wrong, words in (
        (PADDING.float(), "bool, True at padding"),
        (PADDING[:, 1:], r"\(7, 8\).*\(7, 9\)"),
        (PADDING.tolist(), "padding is a list: give a tensor"),
    ):
        with pytest.raises(ValueError, match=words):
            encode_packed(encoder, tokens, wrong)
    with pytest.raises(ValueError, match="at least one row"):
        encode_packed(encoder, tokens[:0], PADDING[:0])
    with pytest.raises(ValueError, match=r"\(7,\).*give \(batch, length\)"):
        encode_packed(encoder, tokens[:, 0], PADDING[:, 0])
    with pytest.raises(ValueError, match="numbers from 0 to 29"):
        encode_packed(encoder, tokens + 30, PADDING)
    with pytest.raises(ValueError, match="Linear"):
        encode_packed(nn.Linear(2, 2), tokens, PADDING)
    encoder.layers[1].need_weights = True
    with pytest.raises(ValueError, match="block 1 .*need_weights"):
        encode_packed(encoder, tokens, PADDING)
    encoder.layers[0] = Other(D, 3, 20)
    with pytest.raises(ValueError, match="block 0 is Other"):
        encode_packed(encoder, tokens, PADDING)
