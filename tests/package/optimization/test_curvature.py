"""Hessians and their eigenvalues against torch.func, NumPy, SciPy, differences and paper."""

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import nn
from torch.nn import functional as F

from labnotes.optimization.curvature import (
    classify,
    extreme_eigenpairs,
    hessian,
    hessian_vector,
)
from labnotes.optimization.surface import surface


def network_loss(hidden=5, rows=12, seed=0):
    """The cross-entropy of a small network, and a point where nothing is zero."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 3, generator=draw, dtype=torch.float64)
    y = torch.randint(4, (rows,), generator=draw)
    net = nn.Sequential(nn.Linear(3, hidden), nn.Tanh(), nn.Linear(hidden, 4)).double()
    n = sum(p.numel() for p in net.parameters())
    return (
        surface(net, lambda net: F.cross_entropy(net(x), y)),
        0.5 * torch.randn(n, generator=draw, dtype=torch.float64),
    )


@pytest.fixture(params=range(3))
def case(request):
    return network_loss(seed=request.param)


def test_the_hessian_is_torchs(case):
    loss, w = case
    torch.testing.assert_close(hessian(loss, w), torch.func.hessian(loss)(w), rtol=0, atol=1e-12)


def test_the_hessian_is_the_difference_quotient_of_gradients_and_of_losses(case):
    loss, w = case
    found, slope, step = hessian(loss, w), torch.func.grad(loss), 1e-5
    columns = [
        (slope(w + step * e) - slope(w - step * e)) / (2 * step) for e in torch.eye(len(w)).double()
    ]
    torch.testing.assert_close(found, torch.stack(columns), rtol=0, atol=1e-8)
    step, e, f = 1e-3, *torch.eye(len(w))[[1, 7]].double()
    corners = [loss(w + step * (i * e + j * f)) for i, j in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
    mixed = (corners[0] - corners[1] - corners[2] + corners[3]) / (4 * step**2)
    assert found[1, 7].item() == pytest.approx(mixed.item(), abs=1e-6)


def test_the_hessian_is_symmetric_to_the_last_bit(case):
    found = hessian(*case)
    assert torch.equal(found, found.T)


def test_the_product_is_the_one_with_torchs_matrix_and_forward_over_reverse(case):
    loss, w = case
    v = torch.randn(len(w), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = hessian_vector(loss, w, v)
    torch.testing.assert_close(found, torch.func.hessian(loss)(w) @ v, rtol=0, atol=1e-12)
    _, forward = torch.func.jvp(torch.func.grad(loss), (w,), (v,))
    torch.testing.assert_close(found, forward, rtol=0, atol=1e-12)


@pytest.mark.parametrize("of", [hessian, lambda f, w: hessian_vector(f, w, torch.ones_like(w))])
def test_what_has_no_curvature_has_a_hessian_of_zeros(of):
    w = torch.tensor([1.0, -2.0])
    for flat in (lambda w: 3 * w[0] - w[1], lambda w: w[0], lambda w: torch.tensor(4.0)):
        assert not of(flat, w).any()
    partly = of(lambda w: w[0] ** 2 + w[1], w)  # the second slope is a constant
    assert partly.flatten()[0] == 2 and partly.sum() == 2


def test_a_loss_of_other_weights_alone_is_flat():
    other = torch.tensor(3.0, requires_grad=True)
    assert not hessian(lambda w: other**2, torch.zeros(2)).any()
    assert other.grad is None


def test_point_and_gradient_stay_as_they_were():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.no_grad():
        hessian(lambda w: (w**3).sum(), w)
    assert w.grad is None and w.tolist() == [1.0, 2.0]
    assert not hessian(lambda w: (w**3).sum(), w).requires_grad


FUNCTIONS = {
    "minimum": lambda w: w[0] ** 2 + w[1] ** 2,
    "maximum": lambda w: -(w[0] ** 2) - 3 * w[1] ** 2,
    "saddle": lambda w: w[0] ** 2 - w[1] ** 2,
    "slope": lambda w: w[0] ** 2 + w[1],
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_each_kind_is_called_by_its_name(kind):
    assert classify(FUNCTIONS[kind], torch.zeros(2)).kind == kind


@pytest.mark.parametrize(
    "silent",
    [
        lambda w: w[0] ** 4 + w[1] ** 4,  # a minimum
        lambda w: w[0] ** 2 + w[1] ** 4,  # a minimum
        lambda w: w[0] ** 2 - w[1] ** 4,  # a saddle
        lambda w: -(w[0] ** 2) + w[1] ** 3,  # neither
        lambda w: w[0] ** 3 - 3 * w[0] * w[1] ** 2,  # a monkey saddle
    ],
)
def test_zeros_beside_one_sign_leave_it_undecided(silent):
    assert classify(silent, torch.zeros(2)).kind == "undecided"


def test_zeros_beside_both_signs_are_still_a_saddle():
    found = classify(lambda w: w[0] ** 2 - w[1] ** 2 + w[2] ** 4, torch.zeros(3))
    assert found.kind == "saddle" and found.eigenvalues.tolist() == [-2, 0, 2]


def test_the_two_weights_of_the_chapter_are_a_saddle_with_the_curvatures_on_paper():
    found = classify(lambda w: (1 - w[0] * w[1]) ** 2, torch.zeros(2).double())
    np.testing.assert_allclose(found.eigenvalues, [-2, 2], atol=1e-12)
    way = found.eigenvectors[:, 0].abs()
    np.testing.assert_allclose(way, [0.5**0.5] * 2, atol=1e-12)
    assert (found.eigenvectors[0, 0] * found.eigenvectors[1, 0]) > 0  # (1, 1), not (1, -1)
    assert found.kind == "saddle" and found.gradient_norm == 0


def test_the_tolerance_decides_what_counts_as_zero():
    def almost(w):
        return 1e-4 * w[0] + w[0] ** 2 - 1e-4 * w[1] ** 2

    kinds = {t: classify(almost, torch.zeros(2), tolerance=t).kind for t in (1e-5, 1.5e-4, 1e-3)}
    assert kinds == {1e-5: "slope", 1.5e-4: "saddle", 1e-3: "undecided"}
    assert classify(FUNCTIONS["minimum"], torch.zeros(2), tolerance=0).kind == "minimum"
    for kind in ("minimum", "saddle"):  # curvatures of 2 and -2: "up to this size" counts as zero
        assert classify(FUNCTIONS[kind], torch.zeros(2), tolerance=2.0).kind == "undecided"
    assert classify(FUNCTIONS["slope"], torch.zeros(2)).gradient_norm == 1.0


def test_curvatures_and_directions_are_numpys_and_those_of_the_matrix(case):
    loss, w = case
    found, matrix = classify(loss, w), torch.func.hessian(loss)(w)
    np.testing.assert_allclose(found.eigenvalues, np.linalg.eigvalsh(matrix), atol=1e-12)
    np.testing.assert_allclose(
        matrix @ found.eigenvectors, found.eigenvectors * found.eigenvalues, atol=1e-12
    )
    slope = torch.func.grad(loss)(w)
    assert found.gradient_norm == pytest.approx(np.linalg.norm(slope))
    assert found.kind == "slope"


def test_at_zero_the_curvatures_of_a_network_are_plus_and_minus_singular_values():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(20, 3, generator=draw, dtype=torch.float64)
    y = torch.arange(20) % 4  # each class five times, so that zero is critical
    net = nn.Sequential(nn.Linear(3, 2, bias=False), nn.Tanh(), nn.Linear(2, 4, bias=False))
    found = classify(surface(net, lambda net: F.cross_entropy(net(x), y)), torch.zeros(14).double())
    sigma = np.linalg.svd(((0.25 - F.one_hot(y).double()).T @ x / 20).numpy())[1]  # (3,)
    expected = np.sort(np.concatenate([np.repeat(sigma, 2), np.repeat(-sigma, 2), [0, 0]]))
    assert found.kind == "saddle"
    np.testing.assert_allclose(found.eigenvalues, expected, atol=1e-12)


def test_lanczos_finds_what_scipy_finds():
    loss, w = network_loss(hidden=40, seed=3)  # 324 parameters
    matrix = torch.func.hessian(loss)(w).numpy()
    theirs = eigsh(LinearOperator(matrix.shape, matrix.dot), k=1, which="SA", tol=1e-10)
    low, high = extreme_eigenpairs(loss, w, steps=80)
    assert low.value == pytest.approx(theirs[0][0], abs=1e-8)
    assert high.value == pytest.approx(np.linalg.eigvalsh(matrix)[-1], abs=1e-8)
    assert abs(low.vector @ theirs[1][:, 0]) == pytest.approx(1, abs=1e-5)
    for pair in (low, high):
        image = torch.from_numpy(matrix) @ pair.vector
        assert pair.vector.norm().item() == pytest.approx(1, abs=1e-10)
        miss = (image - pair.value * pair.vector).norm().item()
        assert pair.residual == pytest.approx(miss, abs=1e-10)


def test_few_steps_say_so_by_their_residual_and_never_leave_the_range():
    loss, w = network_loss(hidden=40, seed=4)
    values = np.linalg.eigvalsh(torch.func.hessian(loss)(w))
    gaps = []
    for steps in (1, 3, 10, 30):
        low, high = extreme_eigenpairs(loss, w, steps)
        assert values[0] - 1e-12 <= low.value <= high.value <= values[-1] + 1e-12
        assert abs(values - high.value).min() <= high.residual + 1e-10
        gaps.append(values[-1] - high.value)
    assert gaps == sorted(gaps, reverse=True) and gaps[0] > 1e-3 > gaps[-1]


def test_as_many_steps_as_parameters_are_enough_and_fewer_if_nothing_new_comes():
    def bowl(w):
        return (torch.tensor([1.0, 2.0, 2.0, 5.0]).double() * w**2).sum() / 2

    for scale in (1, 1e-9, 1e9):
        low, high = extreme_eigenpairs(
            lambda w: scale * bowl(w),  # noqa: B023
            torch.zeros(4).double(),
            steps=1000,
        )
        assert (low.value, high.value) == (pytest.approx(scale), pytest.approx(5 * scale))
    same = extreme_eigenpairs(lambda w: 3 * (w @ w), torch.zeros(50).double())
    assert [pair.value for pair in same] == [pytest.approx(6)] * 2
    flat = extreme_eigenpairs(lambda w: w.sum(), torch.zeros(3))
    assert [pair.value for pair in flat] == [0, 0]


def test_curvatures_that_are_nearly_alike_are_told_apart():
    curvatures = torch.linspace(1, 1.001, 5, dtype=torch.float64)
    low, high = extreme_eigenpairs(lambda w: (curvatures * w**2).sum() / 2, torch.zeros(5).double())
    assert (low.value, high.value) == (pytest.approx(1, abs=1e-12), pytest.approx(1.001, abs=1e-12))
    assert low.vector.norm().item() == pytest.approx(1, abs=1e-12)
    assert max(low.residual, high.residual) < 1e-12


def test_the_seed_decides_the_start_and_not_the_result():
    loss, w = network_loss(hidden=10)
    once, again, other = (extreme_eigenpairs(loss, w, 60, seed)[1] for seed in (0, 0, 1))
    assert torch.equal(once.vector, again.vector)
    assert not torch.equal(once.vector, other.vector)
    assert once.value == pytest.approx(other.value, abs=1e-8)


BAD = [
    (lambda: hessian(FUNCTIONS["slope"], [1.0, 2.0]), "point is list"),
    (lambda: hessian(FUNCTIONS["slope"], torch.zeros(2, 2)), r"point has shape \(2, 2\)"),
    (lambda: hessian(FUNCTIONS["slope"], torch.zeros(2, dtype=torch.long)), "torch.int64"),
    (lambda: hessian(FUNCTIONS["slope"], torch.zeros(0)), r"point has shape \(0,\)"),
    (lambda: hessian(FUNCTIONS["slope"], torch.tensor([1.0, float("nan")])), "point holds nan"),
    (lambda: hessian(FUNCTIONS["slope"], torch.tensor([1.0, float("inf")])), "point holds nan"),
    (lambda: hessian_vector(FUNCTIONS["slope"], torch.zeros(2), [1.0, 2.0]), "vector is list"),
    (lambda: classify(FUNCTIONS["slope"], torch.zeros(2), tolerance="small"), "is 'small'"),
    (lambda: classify(FUNCTIONS["slope"], torch.zeros(2, 2)), r"point has shape \(2, 2\)"),
    (lambda: extreme_eigenpairs(FUNCTIONS["slope"], torch.zeros(2, 2)), r"shape \(2, 2\)"),
    (
        lambda: hessian_vector(FUNCTIONS["slope"], torch.zeros(2, 2), torch.zeros(2, 2)),
        r"point has shape \(2, 2\)",
    ),
    (lambda: hessian(lambda w: w, torch.zeros(2)), r"the loss gave \(2,\)"),
    (lambda: hessian(lambda w: 3.0, torch.zeros(2)), "the loss gave float"),
    (
        lambda: hessian_vector(FUNCTIONS["slope"], torch.zeros(2), torch.zeros(3)),
        r"vector has shape \(3,\)",
    ),
    (
        lambda: hessian_vector(FUNCTIONS["slope"], torch.zeros(2), torch.zeros(2).double()),
        "torch.float64",
    ),
    (lambda: classify(FUNCTIONS["slope"], torch.zeros(2), tolerance=-1.0), "tolerance is -1.0"),
    (
        lambda: classify(FUNCTIONS["slope"], torch.zeros(2), tolerance=float("nan")),
        "tolerance is nan",
    ),
    (lambda: classify(lambda w: w.sqrt().sum(), torch.zeros(2)), "nan or infinity"),
    (lambda: extreme_eigenpairs(lambda w: w.sqrt().sum(), torch.zeros(2)), "nan or infinity"),
    (lambda: extreme_eigenpairs(FUNCTIONS["slope"], torch.zeros(2), steps=0), "steps is 0"),
    (lambda: extreme_eigenpairs(FUNCTIONS["slope"], torch.zeros(2), steps=2.0), "steps is 2.0"),
    (lambda: extreme_eigenpairs(FUNCTIONS["slope"], torch.zeros(2), seed="a"), "seed is 'a'"),
    (lambda: hessian(None, torch.zeros(2)), "loss is NoneType"),
    (lambda: hessian_vector(3.0, torch.zeros(2), torch.zeros(2)), "loss is float"),
]


@pytest.mark.parametrize("call, said", BAD)
def test_bad_input_is_refused_with_what_was_expected(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_without_further_words_it_is_a_millionth_and_sixty_steps_from_seed_0():
    loss, w = network_loss(hidden=40, seed=5)
    assert extreme_eigenpairs(loss, w)[1].value == extreme_eigenpairs(loss, w, 60, 0)[1].value
    tilted = [classify(lambda w: t * w[0] + w[0] ** 2, torch.zeros(1)).kind for t in (9e-7, 1.1e-6)]  # noqa: B023
    assert tilted == ["minimum", "slope"]
