"""The losses of style transfer: the paper's sums as loops, numpy, einsum, and gradients."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import polynomial_kernel

from labnotes.style import content_loss, gram, style_loss, total_variation


def maps(*shape, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=draw, dtype=torch.float64)


SHAPES = st.tuples(*(st.integers(1, n) for n in (3, 4, 5, 5)))


def papers_gram(f):
    """Equation 3 of Gatys et al. (2016): sums over the places of one picture's feature map."""
    n, height, width = f.shape
    g = np.zeros((n, n))
    for i, j in itertools.product(range(n), repeat=2):
        for y, x in itertools.product(range(height), range(width)):
            g[i, j] += float(f[i, y, x]) * float(f[j, y, x])
    return g


@given(shape=SHAPES, seed=st.integers(0, 99))
def test_gram_is_the_papers_sum_over_the_number_of_places(shape, seed):
    features = maps(*shape, seed=seed)
    expected = np.stack([papers_gram(f) / (shape[2] * shape[3]) for f in features])
    np.testing.assert_allclose(gram(features).numpy(), expected, atol=1e-12)


@given(shape=SHAPES, seed=st.integers(0, 99))
def test_gram_is_einsum_on_channels_last(shape, seed):
    features = maps(*shape, seed=seed)
    last = features.permute(0, 2, 3, 1).contiguous()  # (batch, height, width, channels)
    expected = torch.einsum("bhwi,bhwj->bij", last, last) / (shape[2] * shape[3])
    torch.testing.assert_close(gram(features), expected)


@given(shape=SHAPES, seed=st.integers(0, 99))
def test_gram_does_not_change_when_the_places_are_shuffled(shape, seed):
    features = maps(*shape, seed=seed)
    order = torch.randperm(shape[2] * shape[3], generator=torch.Generator().manual_seed(seed))
    moved = features.flatten(2)[:, :, order].view(shape)
    torch.testing.assert_close(gram(moved), gram(features))


@given(shape=SHAPES, seed=st.integers(0, 99))
def test_style_loss_is_the_papers_formula_for_pictures_of_one_size(shape, seed):
    ours, theirs = maps(*shape, seed=seed), maps(*shape, seed=seed + 1)
    n, m = shape[1], shape[2] * shape[3]
    losses = []
    for f, a in zip(ours, theirs):  # equation 4
        g, wanted = papers_gram(f), papers_gram(a)
        pairs = itertools.product(range(n), repeat=2)
        losses.append(sum((g[i, j] - wanted[i, j]) ** 2 for i, j in pairs) / (4 * n**2 * m**2))
    assert style_loss(ours, gram(theirs)).item() == pytest.approx(sum(losses) / len(losses))


@given(seed=st.integers(0, 99))
def test_style_loss_is_the_mean_discrepancy_of_two_samples_of_any_sizes(seed):
    ours, theirs = maps(1, 4, 3, 5, seed=seed), maps(1, 4, 7, 2, seed=seed + 1)
    x, y = (f[0].flatten(1).T.numpy() for f in (ours, theirs))  # (places, channels)

    def mean(a, b):
        return polynomial_kernel(a, b, degree=2, gamma=1, coef0=0).mean()

    expected = (mean(x, x) + mean(y, y) - 2 * mean(x, y)) / (4 * 4**2)
    assert style_loss(ours, gram(theirs)).item() == pytest.approx(expected)


@given(shape=SHAPES, seed=st.integers(0, 99))
def test_content_loss_is_twice_the_papers_half_sum_over_their_number(shape, seed):
    ours, theirs = maps(*shape, seed=seed), maps(*shape, seed=seed + 1)
    half = sum((a - b) ** 2 for a, b in zip(ours.flatten().tolist(), theirs.flatten().tolist())) / 2
    assert content_loss(ours, theirs).item() == pytest.approx(2 * half / math.prod(shape))


@given(
    shape=st.tuples(*(st.integers(a, n) for a, n in ((1, 2), (1, 3), (2, 5), (2, 5)))),
    seed=st.integers(0, 99),
)
def test_total_variation_is_numpys_mean_absolute_difference_along_both_axes(shape, seed):
    image = maps(*shape, seed=seed)
    expected = sum(np.abs(np.diff(image.numpy(), axis=axis)).mean() for axis in (2, 3))
    assert total_variation(image).item() == pytest.approx(expected)


def test_gradients_are_those_of_small_steps():
    x, target = maps(1, 3, 3, 4).requires_grad_(), gram(maps(1, 3, 5, 2, seed=1))
    other = maps(1, 3, 3, 4, seed=2)
    assert torch.autograd.gradcheck(gram, x)
    assert torch.autograd.gradcheck(lambda f: style_loss(f, target), x)
    assert torch.autograd.gradcheck(lambda f: content_loss(f, other), x)
    assert torch.autograd.gradcheck(total_variation, x)


def test_no_loss_is_above_zero_for_what_it_asks_for():
    x = maps(2, 3, 4, 4)
    assert content_loss(x, x) == 0 and style_loss(x, gram(x)) == 0
    assert total_variation(torch.full((1, 3, 4, 5), 0.3)) == 0


@pytest.mark.parametrize("function", [gram, total_variation])
@pytest.mark.parametrize(
    ("came", "said"),
    [
        ([1.0], "is list: give floating point"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), "is torch.uint8: give floating point"),
        (torch.zeros(3, 4, 4), r"has shape \(3, 4, 4\): give \(batch, channels, height, width\)"),
        (torch.zeros(1, 3, 0, 4), r"has shape \(1, 3, 0, 4\).*none of them 0"),
    ],
)
def test_what_is_no_feature_map_is_refused_in_words(function, came, said):
    with pytest.raises(ValueError, match=said):
        function(came)


def test_pictures_of_other_shapes_are_refused_in_words():
    x = maps(1, 3, 4, 4)
    with pytest.raises(ValueError, match=r"target has \(1, 3, 4, 5\): content is compared place"):
        content_loss(x, maps(1, 3, 4, 5))
    with pytest.raises(ValueError, match="target is list: give the Gram matrix"):
        style_loss(x, [1.0])
    for wrong in (maps(1, 3, 4, 4), maps(1, 2, 2), maps(3, 3), gram(x).to(torch.uint8)):
        with pytest.raises(ValueError, match=r"give the Gram matrix of the style, \(1, 3, 3\)"):
            style_loss(x, wrong)
    with pytest.raises(ValueError, match="needs 2 by 2 pixels"):
        total_variation(maps(1, 3, 1, 4))
