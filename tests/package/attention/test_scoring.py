"""The attention layers against float64 loops, torch's own kernel, d2l and finite differences."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from torch.nn import functional as F

from labnotes.attention import (
    AdditiveAttention,
    ScaledDotProductAttention,
    gaussian_weights,
    masked_softmax,
    nadaraya_watson,
)

sizes = st.integers(1, 6)


@pytest.fixture(scope="module")
def d2l():
    return pytest.importorskip("d2l.torch")


def loop_softmax(scores, lengths):
    """One number at a time, in Python floats (float64)."""
    batch, queries, _ = scores.shape
    weights = np.zeros(scores.shape)
    for b in range(batch):
        for q in range(queries):
            row = [float(s) for s in scores[b, q, : lengths[b][q]]]
            total = sum(math.exp(s - max(row)) for s in row) if row else 1.0
            for k, s in enumerate(row):
                weights[b, q, k] = math.exp(s - max(row)) / total
    return torch.from_numpy(weights)


def loop_attention(score, queries, keys, values, lengths):
    batch, n, m = len(queries), queries.shape[1], keys.shape[1]
    scores = torch.tensor(
        [
            [[score(queries[b, i], keys[b, j]) for j in range(m)] for i in range(n)]
            for b in range(batch)
        ],
        dtype=torch.float64,
    )
    weights = loop_softmax(scores, lengths)
    output = torch.zeros(batch, n, values.shape[-1], dtype=torch.float64)
    for b in range(batch):
        for i in range(n):
            for j in range(m):
                output[b, i] += weights[b, i, j] * values[b, j]
    return weights, output


@st.composite
def problems(draw):
    """Shapes, a seed, and lengths per sequence or per query, empty ones included."""
    batch, queries, keys = draw(sizes), draw(sizes), draw(sizes)
    per_query = draw(st.booleans())
    shape = (batch, queries) if per_query else (batch,)
    flat = draw(
        st.lists(st.integers(0, keys), min_size=math.prod(shape), max_size=math.prod(shape))
    )
    lengths = torch.tensor(flat).reshape(shape)
    torch.manual_seed(draw(st.integers(0, 1000)))
    full = lengths if per_query else lengths[:, None].expand(batch, queries)
    return batch, queries, keys, lengths, full.tolist()


@given(problems())
@settings(max_examples=60, deadline=None)
def test_masked_softmax_equals_a_float64_loop(problem):
    batch, queries, keys, lengths, full = problem
    scores = 5 * torch.randn(batch, queries, keys)
    torch.testing.assert_close(
        masked_softmax(scores, lengths).double(), loop_softmax(scores, full), rtol=1e-5, atol=1e-7
    )


@given(problems(), sizes, sizes)
@settings(max_examples=40, deadline=None)
def test_scaled_dot_product_equals_a_float64_loop(problem, d, size):
    batch, n, m, lengths, full = problem
    q, k, v = (torch.randn(batch, *s) for s in [(n, d), (m, d), (m, size)])
    attention = ScaledDotProductAttention()
    output = attention(q, k, v, lengths)

    def score(query, key):
        return sum(float(x) * float(y) for x, y in zip(query, key, strict=True)) / d**0.5

    weights, expected = loop_attention(score, q, k, v, full)
    torch.testing.assert_close(attention.weights.double(), weights, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(output.double(), expected, rtol=1e-4, atol=1e-5)


@given(problems(), sizes, sizes, sizes, sizes)
@settings(max_examples=25, deadline=None)
def test_additive_attention_equals_a_float64_loop(problem, query_size, key_size, hidden, size):
    batch, n, m, lengths, full = problem
    q, k = torch.randn(batch, n, query_size), torch.randn(batch, m, key_size)
    v = torch.randn(batch, m, size)
    attention = AdditiveAttention(query_size, key_size, hidden)
    W_q, W_k, w_v = (
        p.detach().double().numpy()
        for p in (attention.W_q.weight, attention.W_k.weight, attention.w_v.weight[0])
    )

    def score(query, key):
        return float(w_v @ np.tanh(W_q @ query.double().numpy() + W_k @ key.double().numpy()))

    output = attention(q, k, v, lengths)
    weights, expected = loop_attention(score, q, k, v, full)
    torch.testing.assert_close(attention.weights.double(), weights, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(output.double(), expected, rtol=1e-4, atol=1e-5)


@given(problems(), sizes, sizes)
@settings(max_examples=40, deadline=None)
def test_scaled_dot_product_equals_torchs_kernel_with_a_bool_mask(problem, d, size):
    batch, n, m, lengths, full = problem
    q, k, v = (torch.randn(batch, *s) for s in [(n, d), (m, d), (m, size)])
    mask = torch.arange(m) < torch.tensor(full)[..., None]
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    output = ScaledDotProductAttention()(q, k, v, lengths)
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-6)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 6), st.booleans(), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_both_layers_equal_d2ls_on_the_same_weights(d2l, batch, n, m, per_query, seed):
    torch.manual_seed(seed)
    q, k, v = torch.randn(batch, n, 8), torch.randn(batch, m, 8), torch.randn(batch, m, 3)
    lengths = torch.randint(1, m + 1, (batch, n) if per_query else (batch,))

    peer = d2l.DotProductAttention(dropout=0.0)
    torch.testing.assert_close(
        ScaledDotProductAttention()(q, k, v, lengths), peer(q, k, v, lengths)
    )

    ours, peer = AdditiveAttention(8, 8, 5), d2l.AdditiveAttention(num_hiddens=5, dropout=0.0)
    peer(q, k, v, lengths)  # d2l's layers take their sizes from the first batch
    ours.load_state_dict(peer.state_dict())
    torch.testing.assert_close(ours(q, k, v, lengths), peer(q, k, v, lengths))
    torch.testing.assert_close(ours.weights, peer.attention_weights)


def test_lengths_of_the_cpu_mask_scores_on_another_device():
    scores = torch.zeros(2, 3, 4, device="meta")
    assert masked_softmax(scores, torch.tensor([1, 4])).is_meta


def test_without_lengths_masked_softmax_is_the_softmax():
    scores = torch.randn(2, 3, 4)
    assert torch.equal(masked_softmax(scores), F.softmax(scores, dim=-1))


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64])
def test_lengths_of_any_integer_type_give_the_same_weights(dtype):
    scores, lengths = torch.randn(3, 2, 300), torch.tensor([100, 0, 57])
    assert torch.equal(masked_softmax(scores, lengths.to(dtype)), masked_softmax(scores, lengths))


def test_the_callers_scores_and_lengths_are_left_as_they_were():
    scores, lengths = torch.randn(2, 3, 4), torch.tensor([1, 2])
    before = scores.clone(), lengths.clone()
    masked_softmax(scores, lengths)
    assert torch.equal(scores, before[0]) and torch.equal(lengths, before[1])


def test_a_fully_masked_row_gives_zeros_and_finite_gradients():
    q, k, v = (torch.randn(2, 3, 4, requires_grad=True) for _ in range(3))
    for attention in (ScaledDotProductAttention(), AdditiveAttention(4, 4, 5)):
        with torch.autograd.set_detect_anomaly(True):
            output = attention(q, k, v, torch.tensor([0, 3]))
            gradients = torch.autograd.grad(output.square().sum(), (q, k, v))
        assert torch.equal(attention.weights[0], torch.zeros(3, 3))
        assert torch.equal(output[0], torch.zeros(3, 4))
        for gradient in gradients:
            assert gradient.isfinite().all()
            assert torch.equal(gradient[0], torch.zeros(3, 4))
            assert gradient[1].any()


@pytest.mark.parametrize("lengths", [None, torch.tensor([2, 0]), torch.tensor([[1, 3], [0, 2]])])
def test_gradients_agree_with_finite_differences(lengths):
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, n, 4, dtype=torch.float64, requires_grad=True) for n in (2, 3, 3))
    scores = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    additive = AdditiveAttention(4, 4, 3).double()
    assert torch.autograd.gradcheck(lambda s: masked_softmax(s, lengths), (scores,))
    for attention in (ScaledDotProductAttention(), additive):
        assert torch.autograd.gradcheck(lambda *a, f=attention: f(*a, lengths), (q, k, v))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_hidden_keys_get_nothing_even_where_all_scores_are_very_low(dtype):
    scores = torch.tensor([[[-6e4, -6e4, 0.0]]], dtype=dtype)
    expected = torch.tensor([[[0.5, 0.5, 0.0]]], dtype=dtype)
    assert torch.equal(masked_softmax(scores, torch.tensor([2])), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_in_range_and_close_to_float64(dtype):
    scores = (30 * torch.randn(3, 2, 7)).to(dtype)
    lengths = torch.tensor([7, 3, 0])
    weights = masked_softmax(scores, lengths)
    assert weights.dtype == dtype and weights.isfinite().all()
    expected = loop_softmax(scores, [[n] * 2 for n in lengths.tolist()])
    torch.testing.assert_close(weights.double(), expected, rtol=0, atol=torch.finfo(dtype).eps)
    assert torch.equal(weights[2], torch.zeros(2, 7, dtype=dtype))

    q = (12 * torch.randn(1, 2, 1024)).to(dtype)  # q.q is past float16's 65,504, q.q/sqrt(d) is not
    output = ScaledDotProductAttention()(q, q, q, torch.tensor([2]))
    assert output.dtype == dtype and output.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_layers_run_under_autocast(dtype):
    q = torch.randn(2, 3, 4, requires_grad=True)
    for attention in (ScaledDotProductAttention(), AdditiveAttention(4, 4, 5)):
        exact = attention(q, q, q, torch.tensor([3, 0]))
        with torch.autocast("cpu", dtype=dtype):
            output = attention(q, q, q, torch.tensor([3, 0]))
        torch.testing.assert_close(output.float(), exact, rtol=0.02, atol=0.02)
        output.float().sum().backward()
        assert q.grad.isfinite().all()


def test_what_stands_in_the_padding_does_not_matter():
    torch.manual_seed(0)
    q, k, v, lengths = torch.randn(2, 3, 4), torch.randn(2, 5, 4), torch.randn(2, 5, 4), [4, 2]
    for attention in (ScaledDotProductAttention(), AdditiveAttention(4, 4, 5)):
        before = attention(q, k, v, torch.tensor(lengths))
        k2, v2 = k.clone(), v.clone()
        for b, n in enumerate(lengths):
            k2[b, n:], v2[b, n:] = 1e4, -1e4
        torch.testing.assert_close(attention(q, k2, v2, torch.tensor(lengths)), before)


def test_order_of_key_value_pairs_does_not_matter():
    q, k, v = torch.randn(2, 3, 4), torch.randn(2, 5, 4), torch.randn(2, 5, 6)
    order = torch.randperm(5)
    for attention in (ScaledDotProductAttention(), AdditiveAttention(4, 4, 5)):
        torch.testing.assert_close(attention(q, k, v), attention(q, k[:, order], v[:, order]))


@pytest.mark.parametrize("layer", ["dot product", "additive"])
def test_weights_are_kept_before_dropout_and_without_a_graph(layer):
    torch.manual_seed(0)
    q = torch.randn(4, 5, 6, requires_grad=True)
    if layer == "additive":
        attention = AdditiveAttention(6, 6, 3, dropout=0.5)
    else:
        attention = ScaledDotProductAttention(dropout=0.5)
    output = attention(q, q, q)
    torch.testing.assert_close(attention.weights.sum(-1), torch.ones(4, 5))
    assert not torch.allclose(output, attention.weights @ q)  # dropout did act on the output
    assert not attention.weights.requires_grad
    copy.deepcopy(attention)  # a tensor with a graph could not be copied
    attention.eval()
    torch.testing.assert_close(attention(q, q, q), attention.weights @ q)


def test_dropout_sets_the_weights_to_0_with_its_probability_and_scales_the_rest():
    torch.manual_seed(0)
    q, k, each = torch.randn(8, 30, 4), torch.randn(8, 50, 4), torch.eye(50).expand(8, 50, 50)
    for attention in (ScaledDotProductAttention(0.2), AdditiveAttention(4, 4, 3, dropout=0.2)):
        used = attention(q, k, each)  # values that show the weights themselves
        dropped = used == 0
        assert dropped.float().mean().item() == pytest.approx(0.2, abs=0.02)  # 12,000 weights
        torch.testing.assert_close(used[~dropped], (attention.weights / 0.8)[~dropped])


def test_a_layer_without_keys_gives_zeros():
    q, none = torch.randn(2, 3, 4), torch.randn(2, 0, 4)
    assert torch.equal(ScaledDotProductAttention()(q, none, none), torch.zeros(2, 3, 4))


def test_dot_product_attention_has_no_parameters_and_additive_has_three_matrices():
    assert sum(p.numel() for p in ScaledDotProductAttention().parameters()) == 0
    assert sum(p.numel() for p in AdditiveAttention(20, 2, 8).parameters()) == 20 * 8 + 2 * 8 + 8


def test_torch_compile_traces_the_layer_in_one_graph():
    graph = torch.compile(ScaledDotProductAttention(), fullgraph=True, backend="eager")
    q, lengths = torch.randn(2, 3, 4), torch.tensor([1, 3])
    torch.testing.assert_close(
        graph(q, q, q, lengths), ScaledDotProductAttention()(q, q, q, lengths)
    )


SCORES = torch.zeros(2, 3, 4)


@pytest.mark.parametrize(
    ("scores", "lengths", "error", "text"),
    [
        (torch.zeros(3, 4), None, ValueError, "give (batch, queries, keys)"),
        (torch.zeros(2, 3, 4, dtype=torch.int64), None, TypeError, "floating point"),
        (SCORES, [1, 2], TypeError, "tensor of integers"),
        (SCORES, torch.tensor([1.0, 2.0]), TypeError, "lengths are integers"),
        (SCORES, torch.tensor([True, False]), TypeError, "lengths are integers"),
        (SCORES, torch.tensor([1, 2, 3]), ValueError, "(3,), scores (2, 3, 4)"),
        (SCORES, torch.tensor([[1, 2], [3, 4]]), ValueError, "per query (2, 3)"),
        (SCORES, torch.tensor(1), ValueError, "per sequence (2,)"),
        (SCORES, torch.tensor([1, -1]), ValueError, "hold -1"),
        (SCORES, torch.tensor([1, 5]), ValueError, "from 0 to 4"),
        (SCORES, torch.tensor([[1, 2, 3], [1, 2, 9]]), ValueError, "hold 9"),
    ],
)
def test_masked_softmax_says_what_is_wrong(scores, lengths, error, text):
    with pytest.raises(error) as caught:
        masked_softmax(scores, lengths)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("q", "k", "v", "text"),
    [
        ((2, 4), (2, 5, 4), (2, 5, 4), "queries have shape (2, 4)"),
        ((2, 3, 4), (5, 4), (2, 5, 4), "keys have shape (5, 4)"),
        ((2, 3, 4), (2, 5, 4), (2, 5), "values have shape (2, 5)"),
        ((2, 3, 0), (2, 5, 0), (2, 5, 4), "queries have shape (2, 3, 0)"),
        ((2, 3, 4), (1, 5, 4), (2, 5, 4), "batches of 2, 1 and 2"),
        ((2, 3, 4), (2, 5, 4), (2, 6, 4), "5 keys and 6 values"),
        ((2, 3, 4), (2, 5, 3), (2, 5, 4), "4 features, "),
    ],
)
def test_layers_say_which_shape_does_not_fit(q, k, v, text):
    tensors = torch.zeros(q), torch.zeros(k), torch.zeros(v)
    layers = [ScaledDotProductAttention(), AdditiveAttention(4, 4, 2)]
    if k[-1] == 3:
        layers, text = layers[:1], "queries have 4 features, keys 3"
    for attention in layers:
        with pytest.raises(ValueError) as caught:
            attention(*tensors)
        assert text in str(caught.value)


def test_additive_attention_names_the_features_it_takes():
    attention = AdditiveAttention(query_size=5, key_size=3, hidden_size=2)
    with pytest.raises(ValueError, match="queries have 3 features, this layer takes 5"):
        attention(torch.zeros(1, 2, 3), torch.zeros(1, 2, 3), torch.zeros(1, 2, 3))
    with pytest.raises(ValueError, match="keys have 5 features, this layer takes 3"):
        attention(torch.zeros(1, 2, 5), torch.zeros(1, 2, 5), torch.zeros(1, 2, 5))


@pytest.mark.parametrize("name", ["query_size", "key_size", "hidden_size"])
@pytest.mark.parametrize("size", [0, -3])
def test_additive_attention_refuses_sizes_that_are_not_positive(name, size):
    with pytest.raises(ValueError, match=f"{name} is {size}"):
        AdditiveAttention(**({"query_size": 2, "key_size": 2, "hidden_size": 2} | {name: size}))


@pytest.mark.parametrize("dropout", [-0.1, 1.5])
def test_a_dropout_that_is_no_probability_is_refused(dropout):
    with pytest.raises(ValueError, match="dropout probability"):
        ScaledDotProductAttention(dropout)


# --- Nadaraya-Watson ---------------------------------------------------------

points = st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=8)


@given(points, points, st.floats(0.5, 3.0), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_kernel_regression_equals_watsons_ratio_of_gaussian_densities(queries, keys, width, seed):
    values = np.random.default_rng(seed).normal(size=len(keys))
    # Watson (1964): sum K(x - x_i) y_i / sum K(x - x_i), in float64 with scipy's density
    K = norm.pdf(np.subtract.outer(queries, keys), scale=width)
    expected = torch.from_numpy(K @ values / K.sum(axis=1))
    x, k = torch.tensor(queries).double(), torch.tensor(keys).double()
    got = nadaraya_watson(x, k, torch.from_numpy(values), width)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)


def test_far_from_every_key_the_estimate_is_that_of_the_nearest_one():
    # The ratio of densities is 0/0 here: both underflow.
    got = nadaraya_watson(
        torch.tensor([1e3]), torch.tensor([0.0, 1.0]), torch.tensor([5.0, 7.0]), 0.1
    )
    assert got.item() == 7.0


def test_gradient_with_respect_to_the_width_agrees_with_finite_differences():
    x, k, v = (torch.randn(n, dtype=torch.float64) for n in (4, 5, 5))
    width = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: nadaraya_watson(x, k, v, w), (width,))


@pytest.mark.parametrize(
    ("q", "k", "v", "width", "text"),
    [
        (torch.zeros(2, 1), torch.zeros(3), torch.zeros(3), 1.0, "queries have shape (2, 1)"),
        (torch.zeros(2), torch.zeros(3, 1), torch.zeros(3, 1), 1.0, "keys have shape (3, 1)"),
        (torch.zeros(2), torch.zeros(3), torch.zeros(2), 1.0, "one value per key"),
        (torch.zeros(2), torch.zeros(0), torch.zeros(0), 1.0, "at least one key"),
        (torch.zeros(2), torch.zeros(3), torch.zeros(3), 0.0, "width is 0.0"),
        (torch.zeros(2), torch.zeros(3), torch.zeros(3), -1.0, "positive number"),
        (torch.zeros(2), torch.zeros(3), torch.zeros(3), math.nan, "width is nan"),
    ],
)
def test_kernel_regression_says_what_is_wrong(q, k, v, width, text):
    with pytest.raises(ValueError) as caught:
        nadaraya_watson(q, k, v, width)
    assert text in str(caught.value)


def test_gaussian_weights_sum_to_one():
    weights = gaussian_weights(torch.linspace(-9, 9, 7), torch.randn(5), width=0.01)
    torch.testing.assert_close(weights.sum(-1), torch.ones(7))


# --- on a GPU ----------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_on_cuda_the_layer_equals_torchs_kernel_and_never_waits_for_the_card(dtype):
    q, k, v = (torch.randn(8, n, 64, device="cuda", dtype=dtype) for n in (20, 30, 30))
    lengths = torch.randint(0, 31, (8,))
    mask = torch.arange(30) < lengths[:, None, None].expand(8, 20, 1)
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask.cuda())
    on_card = lengths.cuda()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        output = ScaledDotProductAttention()(q, k, v, on_card)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    tolerance = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}[dtype]
    torch.testing.assert_close(output, expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(ScaledDotProductAttention()(q, k, v, lengths), output)
