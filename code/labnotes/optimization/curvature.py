"""Slope and curvature of a loss at one point, and what they say about the point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from labnotes.checks import check_positive

#: A loss as a function of all parameters in one vector: ``(n,)`` -> one number.
Loss = Callable[[Tensor], Tensor]


@torch.enable_grad()
def hessian_vector(loss: Loss, point: Tensor, vector: Tensor) -> Tensor:
    """The Hessian times a vector, without the Hessian: the slope of "gradient times vector".

    Parameters
    ----------
    loss
        From all parameters in one vector, ``(n,)``, to a tensor of one number.
    point
        Where, ``(n,)``, floating point.
    vector
        ``(n,)``, of the type of `point`.

    Returns
    -------
    Tensor
        ``(n,)``. It takes two passes back, about twice the time of a gradient.

    Raises
    ------
    ValueError
        If `point` is no vector of finite floating point numbers, `vector` has another shape or
        type, or the loss is not one number.

    References
    ----------
    Pearlmutter, "Fast Exact Multiplication by the Hessian", Neural Computation, 1994.

    Examples
    --------
    >>> saddle = lambda w: w[0] ** 2 - w[1] ** 2
    >>> hessian_vector(saddle, torch.tensor([3.0, 4.0]), torch.tensor([1.0, 1.0]))
    tensor([ 2., -2.])
    """
    _check_point(point)
    _check_vector(point, vector)
    point, slope = _slope(loss, point)
    return _derivative(slope @ vector, point)


@torch.enable_grad()
def hessian(loss: Loss, point: Tensor) -> Tensor:
    """All second derivatives of a loss: row i is the slope of the gradient's number i.

    Parameters
    ----------
    loss
        From all parameters in one vector, ``(n,)``, to a tensor of one number.
    point
        Where, ``(n,)``, floating point.

    Returns
    -------
    Tensor
        ``(n, n)``, symmetric. It costs about n gradients and room for n * n numbers.

    Raises
    ------
    ValueError
        If `point` is no vector of finite floating point numbers, or the loss is not one number.

    Examples
    --------
    >>> hessian(lambda w: (1 - w[0] * w[1]) ** 2, torch.zeros(2))
    tensor([[ 0., -2.],
            [-2.,  0.]])
    """
    _check_point(point)
    point, slope = _slope(loss, point)
    rows = torch.stack([_derivative(number, point) for number in slope])  # (n, n)
    return (rows + rows.T) / 2  # rounding alone makes the two differ


@torch.enable_grad()
def _slope(loss: Loss, point: Tensor) -> tuple[Tensor, Tensor]:
    """The point as a variable, and the gradient there as something to differentiate again."""
    _check_loss(loss)
    point = point.detach().requires_grad_()
    value = loss(point)
    _check_value(value)
    return point, _derivative(value, point, create_graph=True)


def _derivative(number: Tensor, point: Tensor, create_graph: bool = False) -> Tensor:
    if not number.requires_grad:  # a constant, whose derivative is 0
        return torch.zeros_like(point)
    (found,) = torch.autograd.grad(
        number, point, create_graph=create_graph, retain_graph=True, materialize_grads=True
    )
    return found


@dataclass(frozen=True)
class CriticalPoint:
    """What the second-derivative test says about a point.

    Attributes
    ----------
    kind : str
        "slope" (not critical at all), "minimum", "maximum", "saddle", or "undecided".
    gradient_norm : float
    eigenvalues : Tensor
        ``(n,)``, the curvatures, lowest first.
    eigenvectors : Tensor
        ``(n, n)``; column i is the direction of eigenvalue i, of length 1.
    """

    kind: str
    gradient_norm: float
    eigenvalues: Tensor
    eigenvectors: Tensor


def classify(loss: Loss, point: Tensor, tolerance: float = 1e-6) -> CriticalPoint:
    """Look at gradient and Hessian, and say what kind of point this is.

    With an eigenvalue of either sign a critical point is a saddle, whatever the others are. With
    eigenvalues of one sign it is a minimum or a maximum if none is zero. Otherwise the
    second derivatives do not tell.

    Parameters
    ----------
    loss
        From all parameters in one vector, ``(n,)``, to a tensor of one number.
    point
        Where, ``(n,)``, floating point. Double precision is wise.
    tolerance
        Gradient norms and eigenvalues up to this size count as zero.

    Returns
    -------
    CriticalPoint

    Raises
    ------
    ValueError
        If an argument is out of its range, or gradient or Hessian are not finite.

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", 2016, section 4.3.1.

    Examples
    --------
    >>> classify(lambda w: w[0] ** 2 - w[1] ** 2, torch.zeros(2)).kind
    'saddle'
    >>> classify(lambda w: w[0] ** 2 + w[1] ** 4, torch.zeros(2)).kind
    'undecided'
    """
    _check_point(point)
    _check_tolerance(tolerance)
    norm = _slope(loss, point)[1].norm().item()
    matrix = hessian(loss, point)
    _check_finite(norm, matrix)
    values, vectors = torch.linalg.eigh(matrix)  # lowest first
    up, down = (values > tolerance).sum().item(), (values < -tolerance).sum().item()
    if norm > tolerance:
        kind = "slope"
    elif up and down:
        kind = "saddle"
    elif up == len(values):
        kind = "minimum"
    elif down == len(values):
        kind = "maximum"
    else:
        kind = "undecided"
    return CriticalPoint(kind, norm, values, vectors)


@dataclass(frozen=True)
class Eigenpair:
    """A direction, and the curvature along it.

    Attributes
    ----------
    value : float
    vector : Tensor
        ``(n,)``, of length 1.
    residual : float
        The length of ``H @ vector - value * vector``. Some eigenvalue of H is no farther from
        `value` than this.
    """

    value: float
    vector: Tensor
    residual: float


@torch.enable_grad()
def extreme_eigenpairs(
    loss: Loss, point: Tensor, steps: int = 60, seed: int = 0
) -> tuple[Eigenpair, Eigenpair]:
    """The lowest and the highest curvature, from products with the Hessian alone (Lanczos).

    Multiplying by H again and again turns a random direction towards those of large curvature, of
    either sign. All directions on the way are kept; among their combinations the extremes are
    found with a small matrix.

    Parameters
    ----------
    loss
        From all parameters in one vector, ``(n,)``, to a tensor of one number.
    point
        Where, ``(n,)``, floating point.
    steps
        Products with the Hessian, at most n are used. More of them find the extremes better, as
        the residuals show.
    seed
        Of the random direction.

    Returns
    -------
    tuple of Eigenpair
        Lowest and highest.

    Raises
    ------
    ValueError
        If an argument is out of its range, or a product is not finite.

    References
    ----------
    Lanczos, "An Iteration Method for the Solution of the Eigenvalue Problem", 1950; Golub and Van
    Loan, "Matrix Computations", 4th edition, section 10.1.

    Examples
    --------
    >>> low, high = extreme_eigenpairs(lambda w: w[0] ** 2 - 3 * w[1] ** 2, torch.zeros(2))
    >>> round(low.value, 4), round(high.value, 4)
    (-6.0, 2.0)
    """
    _check_point(point)
    check_positive(steps=steps)
    _check_seed(seed)
    point, slope = _slope(loss, point)
    draw = torch.Generator().manual_seed(seed)
    new = torch.randn(len(point), generator=draw, dtype=point.dtype).to(point.device)
    basis, images = [], []  # directions q, and H q
    for _ in range(min(steps, len(point))):
        basis.append(new / new.norm())
        images.append(_derivative(slope @ basis[-1], point))
        _check_finite(0.0, images[-1])
        new, all_before = images[-1], torch.stack(basis)  # (n,), (so far, n)
        for _ in range(2):  # perpendicular to all before; once more against rounding
            new = new - all_before.T @ (all_before @ new)
        if new.norm() <= 1e-10 * images[-1].norm():  # H leads to nothing new
            break
    q, hq = torch.stack(basis), torch.stack(images)  # (k, n) both
    values, mix = torch.linalg.eigh(q @ hq.T)  # (k,), (k, k)
    return tuple(_pair(values[i].item(), mix[:, i] @ q, mix[:, i] @ hq) for i in (0, -1))


def _pair(value: float, vector: Tensor, image: Tensor) -> Eigenpair:
    return Eigenpair(value, vector, (image - value * vector).norm().item())


def _check_loss(loss: Loss) -> None:
    if not callable(loss):
        raise ValueError(f"loss is {type(loss).__name__}: give a function of the parameters")


def _check_seed(seed: int) -> None:
    if not isinstance(seed, int):
        raise ValueError(f"seed is {seed!r}: give a whole number")


def _check_point(point: Tensor) -> None:
    if not isinstance(point, Tensor):
        raise ValueError(f"point is {type(point).__name__}: give a tensor of all parameters, (n,)")
    if point.dim() != 1 or not point.is_floating_point() or not len(point):
        raise ValueError(
            f"point has shape {tuple(point.shape)} and type {point.dtype}: give all parameters as "
            "one vector (n,) of floating point numbers"
        )
    if not point.isfinite().all():
        raise ValueError("point holds nan or infinity: give finite parameters")


def _check_vector(point: Tensor, vector: Tensor) -> None:
    if not isinstance(vector, Tensor):
        raise ValueError(f"vector is {type(vector).__name__}: give a tensor of the shape of point")
    if vector.shape != point.shape or vector.dtype != point.dtype:
        raise ValueError(
            f"vector has shape {tuple(vector.shape)} and type {vector.dtype}, point "
            f"{tuple(point.shape)} and {point.dtype}: give one number for each parameter"
        )


def _check_value(value: Tensor) -> None:
    if not isinstance(value, Tensor) or value.dim():
        came = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"the loss gave {came}: it has to return a tensor of one number, shape ()")


def _check_tolerance(tolerance: float) -> None:
    if not isinstance(tolerance, float | int) or not 0 <= tolerance < float("inf"):
        raise ValueError(f"tolerance is {tolerance!r}: give a finite number, 0 or more")


def _check_finite(norm: float, numbers: Tensor) -> None:
    if not (norm < float("inf") and numbers.isfinite().all()):
        raise ValueError("gradient or Hessian hold nan or infinity here: the test needs numbers")
