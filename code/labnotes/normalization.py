"""Batch, layer, group and instance normalization: one formula, four choices of axes.

Each of them subtracts a mean, divides by a standard deviation, scales and shifts. They differ in
the set of numbers that share one mean and variance (and batch normalization remembers averages
for use after training). Here the axes have letters: N samples, C channels or features, G groups of
channels, and L or H, W or D, H, W for positions. Names of layers, arguments and buffers are
torch's, so its state dicts load here unchanged.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from labnotes.checks import check_positive

#: The letters of an input's axes, by their number.
AXES = {2: "NC", 3: "NCL", 4: "NCHW", 5: "NCDHW"}


def moments(x: Tensor, names: str, over: str) -> tuple[Tensor, Tensor]:
    """Mean and variance of `x` over some of its axes.

    Parameters
    ----------
    x
        Of as many axes as `names` has letters.
    names
        A letter for each axis of `x`, for example ``"NCHW"``.
    over
        The letters of the axes that share a mean and a variance, for example ``"NHW"``.

    Returns
    -------
    mean, var
        They keep the axes in `over` with length 1, so that they fit `x`. The variance divides by
        the number of values, not by one less.

    Raises
    ------
    ValueError
        If the letters do not fit `x`.

    Examples
    --------
    >>> mean, var = moments(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), "NC", over="N")
    >>> mean.tolist(), var.tolist()
    ([[2.0, 5.0]], [[1.0, 0.0]])
    """
    if len(names) != x.dim() or len(set(names)) != len(names):
        raise ValueError(
            f"x has the shape {tuple(x.shape)}, names is {names!r}: give each of its {x.dim()} axes "
            "a letter of its own"
        )
    if not over or not set(over) <= set(names):
        raise ValueError(f"over is {over!r}, the axes are {names!r}: give one or more of these")
    axes = [names.index(letter) for letter in over]
    mean = x.mean(axes, keepdim=True)
    var = (x - mean).square().mean(axes, keepdim=True)
    return mean, var


def standardize(x: Tensor, mean: Tensor, var: Tensor, eps: float = 1e-5) -> Tensor:
    """``(x - mean) / sqrt(var + eps)``; `eps` keeps the root from zero."""
    return (x - mean) / torch.sqrt(var + eps)


def normalize(x: Tensor, names: str, over: str, eps: float = 1e-5) -> Tensor:
    """Give `x` mean 0 and variance 1 (nearly: see `eps`) over some of its axes.

    The formula that all four kinds share, without scale and shift. Parameters as for
    :func:`moments` and :func:`standardize`.

    Examples
    --------
    >>> x = torch.tensor([[1.0, 2.0], [3.0, 8.0]])
    >>> normalize(x, "NC", over="N", eps=0).tolist()  # columns: batch normalization
    [[-1.0, -1.0], [1.0, 1.0]]
    >>> normalize(x, "NC", over="C", eps=0).tolist()  # rows: layer normalization
    [[-1.0, 1.0], [-1.0, 1.0]]
    """
    return standardize(x, *moments(x, names, over), eps)


def batch_norm(
    x: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    *,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize each channel over the samples (and positions) of the batch, then scale and shift.

    Parameters
    ----------
    x
        (N, C) or (N, C, positions), with up to three axes of positions.
    gamma, beta
        Scale and shift, (C,). None: 1 and 0.
    running_mean, running_var
        Averages of the batches' means and variances, (C,). In training they are moved *in place*
        towards those of this batch, the variance with ``n - 1`` in its denominator. In evaluation
        they take the place of the batch's own.
    training
        Use the batch's mean and variance. (Without running averages they are used always.)
    momentum
        The weight of the new value: ``running = (1 - momentum) * running + momentum * new``.
    eps
        Added to the variance.

    Raises
    ------
    ValueError
        If shapes do not fit, or in training a channel has a single value.

    References
    ----------
    Ioffe and Szegedy (2015), algorithms 1 and 2, section 3.2.
    """
    names = _names(x, "NC")
    n, channels = x.numel() // max(x.shape[1], 1), x.shape[1]
    vectors = {"gamma": gamma, "beta": beta}
    _check_vectors(vectors | {"running_mean": running_mean, "running_var": running_var}, channels)
    if training or running_mean is None or running_var is None:
        if training and n < 2:
            raise ValueError(
                f"x has the shape {tuple(x.shape)}, one value a channel: its variance is 0 and the "
                "output would not depend on x; give a larger batch, or training=False"
            )
        mean, var = moments(x, names, over=names.replace("C", ""))  # (1, C, 1, 1)
        if training and running_mean is not None and running_var is not None:
            with torch.no_grad():
                running_mean.lerp_(mean.flatten().to(running_mean.dtype), momentum)
                unbiased = var.flatten() * (n / (n - 1))
                running_var.lerp_(unbiased.to(running_var.dtype), momentum)
    else:
        mean, var = (_per_channel(v, x) for v in (running_mean, running_var))
    return _scale_and_shift(standardize(x, mean, var, eps), gamma, beta)


def batch_norm_backward(
    dy: Tensor, x: Tensor, gamma: Tensor | None = None, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of :func:`batch_norm` in training, as the paper writes them out.

    Parameters
    ----------
    dy
        The loss's gradient with respect to the output; of the shape of `x`.
    x, gamma, eps
        As they went in.

    Returns
    -------
    dx, dgamma, dbeta
        Gradients with respect to `x`, and to scale and shift, each (C,).

    References
    ----------
    Ioffe and Szegedy (2015), section 3, the six equations before section 3.1.
    """
    names = _names(x, "NC")
    _check_vectors({"gamma": gamma}, x.shape[1])
    if dy.shape != x.shape:
        raise ValueError(
            f"dy has the shape {tuple(dy.shape)}, x {tuple(x.shape)}: give the gradient of the "
            "output, which has the shape of x"
        )
    batch = [axis for axis, letter in enumerate(names) if letter != "C"]
    n = x.numel() // x.shape[1]

    def total(values: Tensor) -> Tensor:
        return values.sum(batch, keepdim=True)  # (1, C, 1, 1)

    mean, var = moments(x, names, over=names.replace("C", ""))
    x_hat = standardize(x, mean, var, eps)
    dx_hat = dy if gamma is None else dy * _per_channel(gamma, x)
    dvar = total(dx_hat * (x - mean)) * -0.5 * (var + eps) ** -1.5
    dmean = -total(dx_hat) / torch.sqrt(var + eps) - 2 * dvar * total(x - mean) / n
    dx = dx_hat / torch.sqrt(var + eps) + dvar * 2 * (x - mean) / n + dmean / n
    return dx, total(dy * x_hat).flatten(), total(dy).flatten()


def layer_norm(
    x: Tensor,
    normalized_shape: int | tuple[int, ...],
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize each sample by itself over its last axes, then scale and shift each element.

    Parameters
    ----------
    x
        (..., \\*normalized_shape).
    normalized_shape
        The lengths of the axes that share a mean and a variance: ``d`` for tokens (batch, length,
        d), ``(C, H, W)`` for images.
    gamma, beta
        Scale and shift, of that shape. None: 1 and 0.
    eps
        Added to the variance.

    Raises
    ------
    ValueError
        If shapes do not fit.

    References
    ----------
    Ba, Kiros and Hinton (2016), equations (3) and (4).
    """
    shape = _shape(normalized_shape)
    if x.shape[-len(shape) :] != shape:
        raise ValueError(
            f"x has the shape {tuple(x.shape)}, normalized_shape is {shape}: give the lengths of "
            "its last axes"
        )
    _check_vectors({"gamma": gamma, "beta": beta}, *shape)
    rows = x.reshape(-1, math.prod(shape))  # one row for each sample, or token
    x_hat = normalize(rows, "NC", over="C", eps=eps).reshape(x.shape)
    if gamma is not None:
        x_hat = x_hat * gamma
    return x_hat if beta is None else x_hat + beta


def group_norm(
    x: Tensor,
    num_groups: int,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize each group of channels of each sample by itself, then scale and shift channels.

    Parameters
    ----------
    x
        (N, C) or (N, C, positions).
    num_groups
        G, a divisor of C. 1: all channels together. C: each by itself, :func:`instance_norm`.
    gamma, beta
        Scale and shift, (C,). None: 1 and 0.
    eps
        Added to the variance.

    Raises
    ------
    ValueError
        If shapes do not fit, or the groups do not divide the channels.

    References
    ----------
    Wu and He (2018), equation (7).
    """
    names = _names(x, "NC")
    channels = x.shape[1]
    _check_groups(num_groups, channels)
    _check_vectors({"gamma": gamma, "beta": beta}, channels)
    grouped = x.unflatten(1, (num_groups, channels // num_groups))  # (N, G, C/G, H, W)
    names = names.replace("C", "GC")
    x_hat = normalize(grouped, names, over=names.replace("NG", ""), eps=eps).flatten(1, 2)
    return _scale_and_shift(x_hat, gamma, beta)


def instance_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalize each channel of each sample over its positions, then scale and shift channels.

    Parameters
    ----------
    x
        (N, C, positions), more than one position.
    gamma, beta
        Scale and shift, (C,). None: 1 and 0.
    eps
        Added to the variance.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is a single position.

    References
    ----------
    Ulyanov, Vedaldi and Lempitsky (2016).
    """
    names = _names(x, "NCL")
    _check_vectors({"gamma": gamma, "beta": beta}, x.shape[1])
    if x.shape[2:].numel() < 2:
        raise ValueError(
            f"x has the shape {tuple(x.shape)}, one position: its variance is 0 and the output "
            "would not depend on x; give larger maps, or use group_norm"
        )
    x_hat = normalize(x, names, over=names.replace("NC", ""), eps=eps)
    return _scale_and_shift(x_hat, gamma, beta)


class BatchNorm(nn.Module):
    """:func:`batch_norm` with its scale, shift and running averages: nn.BatchNorm1d to 3d in one.

    Parameters
    ----------
    num_features
        C, the channels of the input.
    eps, momentum
        As in :func:`batch_norm`. ``momentum=None``: the plain mean over all batches so far.
    affine
        Learn a scale `weight` (gamma, 1 at first) and a shift `bias` (beta, 0 at first).
    track_running_stats
        Keep `running_mean` and `running_var` for evaluation. Without: always the batch's own.

    Examples
    --------
    >>> norm = BatchNorm(1)
    >>> norm(torch.tensor([[1.0], [3.0]])).round(decimals=3).flatten().tolist()
    [-1.0, 1.0]
    >>> norm.running_mean.item(), round(norm.running_var.item(), 3)  # 0.9 * 1 + 0.1 * 2
    (0.20000000298023224, 1.1)
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ):
        super().__init__()
        check_positive(num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        _add_affine(self, (num_features,), affine, affine)
        mean, var, batches = torch.zeros(num_features), torch.ones(num_features), torch.tensor(0)
        self.register_buffer("running_mean", mean if track_running_stats else None)
        self.register_buffer("running_var", var if track_running_stats else None)
        self.register_buffer("num_batches_tracked", batches if track_running_stats else None)

    def forward(self, x: Tensor) -> Tensor:
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
            if momentum is None:
                momentum = 1 / self.num_batches_tracked.item()
        return batch_norm(
            x,
            self.weight,
            self.bias,
            running_mean=self.running_mean,
            running_var=self.running_var,
            training=self.training,
            momentum=0.0 if momentum is None else momentum,
            eps=self.eps,
        )

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class LayerNorm(nn.Module):
    """:func:`layer_norm` with its scale and shift. The same in training and in evaluation.

    Parameters
    ----------
    normalized_shape, eps
        As in :func:`layer_norm`.
    elementwise_affine
        Learn a scale `weight` of that shape, 1 at first.
    bias
        And a shift `bias`, 0 at first.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ):
        super().__init__()
        self.normalized_shape, self.eps = _shape(normalized_shape), eps
        _add_affine(self, self.normalized_shape, elementwise_affine, elementwise_affine and bias)

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


class GroupNorm(nn.Module):
    """:func:`group_norm` with its scale and shift. The same in training and in evaluation.

    Parameters
    ----------
    num_groups, num_channels
        G and C; G divides C.
    eps
        As in :func:`group_norm`.
    affine
        Learn `weight` and `bias`, one number a channel each.
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True):
        super().__init__()
        check_positive(num_channels=num_channels)
        _check_groups(num_groups, num_channels)
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        _add_affine(self, (num_channels,), affine, affine)

    def forward(self, x: Tensor) -> Tensor:
        _check_channels(x, self.num_channels)
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}"


class InstanceNorm(nn.Module):
    """:func:`instance_norm` with its scale and shift, which torch leaves out by default too.

    Parameters
    ----------
    num_features
        C, the channels of the input.
    eps
        As in :func:`instance_norm`.
    affine
        Learn `weight` and `bias`, one number a channel each.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, affine: bool = False):
        super().__init__()
        check_positive(num_features=num_features)
        self.num_features, self.eps = num_features, eps
        _add_affine(self, (num_features,), affine, affine)

    def forward(self, x: Tensor) -> Tensor:
        _check_channels(x, self.num_features)
        return instance_norm(x, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}"


def _add_affine(module: nn.Module, shape: tuple[int, ...], scale: bool, shift: bool) -> None:
    module.register_parameter("weight", nn.Parameter(torch.ones(shape)) if scale else None)
    module.register_parameter("bias", nn.Parameter(torch.zeros(shape)) if shift else None)


def _per_channel(vector: Tensor, x: Tensor) -> Tensor:
    return vector.reshape(1, -1, *[1] * (x.dim() - 2))  # (C,) to (1, C, 1, 1)


def _scale_and_shift(x_hat: Tensor, gamma: Tensor | None, beta: Tensor | None) -> Tensor:
    if gamma is not None:
        x_hat = x_hat * _per_channel(gamma, x_hat)
    return x_hat if beta is None else x_hat + _per_channel(beta, x_hat)


def _names(x: Tensor, at_least: str) -> str:
    if not len(at_least) <= x.dim() <= 5:
        raise ValueError(
            f"x has the shape {tuple(x.shape)}: give {len(at_least)} to 5 axes, samples first, then "
            "channels, then positions"
        )
    if not x.is_floating_point():
        raise ValueError(f"x is of {x.dtype}: give floating-point numbers")
    return AXES[x.dim()]


def _shape(normalized_shape: int | tuple[int, ...]) -> tuple[int, ...]:
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or any(not isinstance(n, int) or n < 1 for n in shape):
        raise ValueError(
            f"normalized_shape is {normalized_shape!r}: give a positive integer, or several"
        )
    return shape


def _check_vectors(vectors: dict[str, Tensor | None], *shape: int) -> None:
    for name, vector in vectors.items():
        if vector is not None and vector.shape != shape:
            raise ValueError(
                f"{name} has the shape {tuple(vector.shape)}, x needs {shape}: give one number for "
                "each channel, or for layer normalization each element of normalized_shape"
            )


def _check_channels(x: Tensor, channels: int) -> None:
    if x.dim() < 2 or x.shape[1] != channels:
        raise ValueError(
            f"x has the shape {tuple(x.shape)}, the layer was made for {channels} channels: give "
            f"(N, {channels}, ...)"
        )


def _check_groups(num_groups: int, channels: int) -> None:
    check_positive(num_groups=num_groups)
    if channels % num_groups:
        raise ValueError(
            f"num_groups is {num_groups}, there are {channels} channels: give a divisor of these"
        )
