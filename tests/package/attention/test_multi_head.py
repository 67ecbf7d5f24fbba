"""Multi-head attention against torch's, with every combination of masks, and against loops."""

import math

import pytest
import torch
from torch import nn

from labnotes.attention import MultiHeadAttention, ScaledDotProductAttention, masks
from labnotes.attention.multi_head import KeysValues, attention_weights


def both(embed_dim=12, num_heads=3, **options):
    """Ours and torch's with the same random weights (biases too) in evaluation mode."""
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(embed_dim, num_heads, batch_first=True, **options).double()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.5)
    ours = MultiHeadAttention(embed_dim, num_heads, **options).double()
    ours.load_state_dict(theirs.state_dict())
    return ours.eval(), theirs.eval()


def inputs(batch=4, queries=5, keys=7, embed_dim=12):
    g = torch.Generator().manual_seed(1)
    draw = lambda n: torch.randn(batch, n, embed_dim, generator=g, dtype=torch.float64)  # noqa: E731
    return draw(queries), draw(keys), draw(keys)


PADDING = masks.padding(torch.tensor([7, 4, 1, 6]), 7)
FUTURE = torch.ones(5, 7, dtype=torch.bool).triu(3)
EACH = torch.rand(4, 5, 7, generator=torch.Generator().manual_seed(2)) < 0.3
EACH[..., 0] = False  # torch gives NaN where a query sees nothing
ADDED = torch.randn(5, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("padding", [None, PADDING])
@pytest.mark.parametrize("mask", [None, FUTURE, EACH, ADDED], ids=["none", "one", "each", "added"])
def test_output_weights_and_gradients_are_torchs(mask, padding, bias, need_weights):
    ours, theirs = both(bias=bias)
    given = inputs()
    if mask is not None and mask.dim() == 3:
        their_mask = mask.repeat_interleave(3, dim=0)  # (batch * heads, queries, keys)
    else:
        their_mask = mask
    their_padding = padding
    if padding is not None and mask is ADDED:  # torch wants both of one type
        their_padding = torch.zeros(4, 7, dtype=torch.float64).masked_fill(padding, -torch.inf)
    expected, weights = theirs(
        *given, key_padding_mask=their_padding, attn_mask=their_mask, average_attn_weights=False
    )
    found = ours(*given, key_padding_mask=padding, attn_mask=mask, need_weights=need_weights)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    if need_weights:
        torch.testing.assert_close(ours.weights, weights.detach(), rtol=0, atol=1e-12)
    else:
        assert ours.weights is None
    (found**2).sum().backward()
    (expected**2).sum().backward()
    for name, parameter in theirs.named_parameters():
        other = ours.get_parameter(name).grad
        torch.testing.assert_close(other, parameter.grad, rtol=1e-9, atol=1e-9)


def test_state_dicts_go_both_ways_and_starts_are_drawn_alike():
    ours, theirs = both()
    theirs.load_state_dict(ours.state_dict())
    torch.manual_seed(3)
    theirs = nn.MultiheadAttention(12, 3)
    torch.manual_seed(3)
    ours = MultiHeadAttention(12, 3)
    # torch draws the last projection first: only the distributions can be the same
    assert ours.in_proj_weight.abs().max() <= math.sqrt(6 / (12 + 36))
    assert theirs.in_proj_weight.abs().max() <= math.sqrt(6 / (12 + 36))
    assert not ours.in_proj_bias.any() and not ours.out_proj.bias.any()
    assert sum(p.numel() for p in ours.parameters()) == 4 * 12**2 + 4 * 12


def test_padding_is_marked_where_the_lengths_are():
    lengths = torch.tensor([3, 1])
    with torch.device("meta"):  # where a new tensor lies that nobody has put elsewhere
        assert masks.padding(lengths, 4).device == lengths.device


def test_one_head_with_identity_projections_is_scaled_dot_product_attention():
    single = MultiHeadAttention(12, 1, bias=False).double()
    single.load_state_dict(
        {"in_proj_weight": torch.eye(12).repeat(3, 1), "out_proj.weight": torch.eye(12)}
    )
    lengths = torch.tensor([7, 0, 3, 5])
    expected = ScaledDotProductAttention()(*inputs(), lengths)
    torch.testing.assert_close(single(*inputs(), lengths), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("kind", ["lengths", "padding", "bool", "added"])
def test_a_query_to_which_all_is_hidden_gets_the_bias_and_no_nan(kind, need_weights):
    ours, _ = both()
    given = [x.requires_grad_() for x in inputs()]
    hide = torch.zeros(4, 5, 7, dtype=torch.bool)
    hide[1] = True
    options = {
        "lengths": {"valid_lens": torch.tensor([7, 0, 7, 7])},
        "padding": {"key_padding_mask": hide[:, 0]},
        "bool": {"attn_mask": hide},
        "added": {"attn_mask": torch.zeros(4, 5, 7).double().masked_fill(hide, -torch.inf)},
    }[kind]
    found = ours(*given, need_weights=need_weights, **options)
    bias = ours.out_proj.bias.expand(5, 12)
    torch.testing.assert_close(found[1], bias, rtol=0, atol=1e-12)
    found.sum().backward()
    assert all(torch.isfinite(x.grad).all() for x in given)
    assert not given[0].grad[1].any()


def test_lengths_for_each_query_hide_what_a_bool_mask_hides():
    ours, _ = both()
    lengths = torch.tensor([[1, 2, 3, 4, 5]]).expand(4, 5)
    mask = torch.arange(7) >= lengths[..., None]
    expected = ours(*inputs(), attn_mask=mask)
    assert torch.equal(ours(*inputs(), lengths), expected)


def test_new_keys_and_values_stand_behind_the_old_ones():
    """Attention takes them in any order; a mask or a bias by positions does not."""
    old, new = (KeysValues(*torch.randn(2, 1, 3, length, 4)) for length in (5, 2))
    both_of_them = old.append(new)
    for part, before, after in zip(both_of_them, old, new):
        assert torch.equal(part[:, :, :5], before) and torch.equal(part[:, :, 5:], after)


def test_keys_and_values_kept_from_earlier_steps_give_the_same_as_all_at_once():
    ours, _ = both()
    x, _, _ = inputs(queries=6)
    whole = ours(x, x, x, attn_mask=masks.causal(6))
    kept, steps = None, []
    for t in range(6):
        now = x[:, t : t + 1]
        new = ours.project(now, now)
        kept = new if kept is None else kept.append(new)
        steps.append(ours.attend(now, kept))
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("need_weights", [True, False])
def test_another_order_of_the_batch_and_more_padding_change_nothing(need_weights):
    ours, _ = both()
    q, k, v = inputs()
    lengths = torch.tensor([7, 4, 1, 6])
    expected = ours(q, k, v, lengths, attn_mask=EACH, need_weights=need_weights)
    order = torch.tensor([3, 1, 0, 2])
    found = ours(
        q[order], k[order], v[order], lengths[order], attn_mask=EACH[order],
        need_weights=need_weights,
    )  # fmt: skip
    torch.testing.assert_close(found, expected[order], rtol=0, atol=1e-12)
    more = torch.full((4, 3, 12), 1e3, dtype=torch.float64)
    mask = torch.cat([EACH, torch.zeros(4, 5, 3, dtype=torch.bool)], dim=2)
    longer = (torch.cat([k, more], 1), torch.cat([v, -more], 1))
    found = ours(q, *longer, lengths, attn_mask=mask, need_weights=need_weights)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_weights_are_those_of_a_loop():
    q, k = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    found = attention_weights(q, k, FUTURE[:3, :5])
    for b in range(2):
        for i in range(3):
            seen = [j for j in range(5) if not FUTURE[i, j]]
            powers = {j: math.exp(float(q[b, i] @ k[b, j]) / 2) for j in seen}
            for j in range(5):
                expected = powers.get(j, 0.0) / sum(powers.values())
                assert found[b, i, j].item() == pytest.approx(expected, abs=1e-6)


def test_dropout_is_on_the_weights_in_training_and_off_in_evaluation():
    attention = MultiHeadAttention(8, 2, dropout=0.5, bias=False)
    nn.init.eye_(attention.out_proj.weight)
    x = torch.randn(64, 6, 8)
    assert not torch.allclose(attention(x, x, x), attention(x, x, x))
    assert attention.weights.sum(-1).allclose(torch.ones(64, 2, 6))  # before dropout
    attention.eval()
    expected = attention(x, x, x)
    attention.train()
    mean = sum(attention(x, x, x, need_weights=n % 2 == 0) for n in range(400)) / 400
    assert (mean - expected).detach().abs().mean() < 0.03


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda a, x: MultiHeadAttention(10, 3), ValueError, "divides"),
        (lambda a, x: MultiHeadAttention(0, 1), ValueError, "embed_dim is 0"),
        (lambda a, x: MultiHeadAttention(8, 2, dropout=2), ValueError, "dropout is 2"),
        (lambda a, x: a(x[0], x[0], x[0]), ValueError, "queries have shape"),
        (lambda a, x: a(x, x, x[:, :2]), ValueError, "each key its value"),
        (lambda a, x: a(x, x[:1], x[:1]), ValueError, "one batch size"),
        (lambda a, x: a(x, x, x, torch.tensor([9, 1])), ValueError, "from 0 to 3"),
        (lambda a, x: a(x, x, x, torch.tensor([1.0, 1.0])), TypeError, "lengths are integers"),
        (lambda a, x: a(x, x, x, torch.tensor([1, 1, 1])), ValueError, "valid_lens has shape"),
        (lambda a, x: a(x, x, x, attn_mask=torch.ones(3, 2) > 0), ValueError, "attn_mask has"),
        (lambda a, x: a(x, x, x, attn_mask=torch.ones(3, 3).int()), TypeError, "attn_mask is"),
        (lambda a, x: a(x, x, x, attn_mask=torch.ones(3, 3).double()), TypeError, "queries' type"),
        (
            lambda a, x: a(x, x, x, attn_mask=torch.ones(3, 3).half(), need_weights=False),
            TypeError,
            "float16, queries are torch.float32",
        ),
        (lambda a, x: a(x, x, x, attn_mask=[[True]]), TypeError, "attn_mask is list"),
        (lambda a, x: a(x, x, x, key_padding_mask=[[True]]), TypeError, "key_padding_mask is list"),
        (lambda a, x: a(x, x, x, key_padding_mask=torch.ones(2, 3)), TypeError, "True hides"),
        (
            lambda a, x: a(*3 * [x.transpose(0, 1)], torch.tensor([3, 1])),
            ValueError,
            "valid_lens has",
        ),
        (lambda a, x: masks.causal(0), ValueError, "length is 0"),
        (lambda a, x: masks.padding(torch.tensor([4]), 3), ValueError, "from 0 to 3"),
        (lambda a, x: masks.padding(torch.tensor([0]), 0), ValueError, "length is 0"),
        (lambda a, x: masks.padding(torch.tensor([1.0]), 3), ValueError, "give integers"),
    ],
)
def test_bad_input_is_refused_in_words(call, error, says):
    with pytest.raises(error, match=says):
        call(MultiHeadAttention(8, 2), torch.zeros(2, 3, 8))


@pytest.mark.parametrize("need_weights", [True, False])
def test_under_autocast_a_mask_of_numbers_may_have_another_type_than_the_queries(need_weights):
    attention, x = MultiHeadAttention(8, 2), torch.randn(2, 3, 8)
    added = torch.zeros(3, 3).masked_fill(masks.causal(3), -torch.inf)
    with torch.autocast("cpu", torch.bfloat16):
        low = attention.out_proj(x)  # what comes out of a layer before
        assert low.dtype == torch.bfloat16
        found = attention(low, low, low, attn_mask=added, need_weights=need_weights)
        expected = attention(low, low, low, attn_mask=masks.causal(3))
    torch.testing.assert_close(found.float(), expected.float(), rtol=0, atol=0.02)


def test_the_causal_mask_is_torchs():
    expected = nn.Transformer.generate_square_subsequent_mask(6)
    assert torch.equal(masks.causal(6), expected == -torch.inf)
