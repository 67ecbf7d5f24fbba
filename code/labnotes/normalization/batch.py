"""Batch normalization: over the samples of a batch, with averages for use after training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labnotes.checks import check_positive
from labnotes.normalization.affine import check_vectors, per_channel, scale_and_shift
from labnotes.normalization.moments import AXES, check_axes, moments, standardize


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
    _check_input(x, gamma, beta, running_mean, running_var, training)
    names = AXES[x.dim()]  # "NCHW" for images
    averages = running_mean is not None and running_var is not None
    if training or not averages:
        mean, var = moments(x, names, over=names.replace("C", ""))  # (1, C, 1, 1)
    else:
        mean, var = per_channel(running_mean, x), per_channel(running_var, x)
    if training and averages:
        n = x.numel() // x.shape[1]  # values of a channel
        unbiased = var.flatten() * (n / (n - 1))
        with torch.no_grad():  # a.lerp_(b, m) makes a, in place, (1 - m) * a + m * b
            running_mean.lerp_(mean.flatten().to(running_mean.dtype), momentum)
            running_var.lerp_(unbiased.to(running_var.dtype), momentum)
    return scale_and_shift(standardize(x, mean, var, eps), gamma, beta)


def _check_input(x, gamma, beta, running_mean, running_var, training: bool) -> None:
    check_axes(x, "NC")
    vectors = {"gamma": gamma, "beta": beta}
    vectors |= {"running_mean": running_mean, "running_var": running_var}
    check_vectors(vectors, x.shape[1])
    if training and x.numel() // max(x.shape[1], 1) < 2:
        raise ValueError(
            f"x has the shape {tuple(x.shape)}, one value a channel: its variance is 0 and the "
            "output would not depend on x; give a larger batch, or training=False"
        )


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
    _check_gradient(dy, x, gamma)
    names = AXES[x.dim()]
    batch = [axis for axis, letter in enumerate(names) if letter != "C"]
    n = x.numel() // x.shape[1]

    def total(values: Tensor) -> Tensor:
        return values.sum(batch, keepdim=True)  # (1, C, 1, 1)

    mean, var = moments(x, names, over=names.replace("C", ""))
    x_hat = standardize(x, mean, var, eps)
    dx_hat = dy if gamma is None else dy * per_channel(gamma, x)
    dvar = total(dx_hat * (x - mean)) * -0.5 * (var + eps) ** -1.5
    dmean = -total(dx_hat) / torch.sqrt(var + eps) - 2 * dvar * total(x - mean) / n
    dx = dx_hat / torch.sqrt(var + eps) + dvar * 2 * (x - mean) / n + dmean / n
    return dx, total(dy * x_hat).flatten(), total(dy).flatten()


def _check_gradient(dy: Tensor, x: Tensor, gamma: Tensor | None) -> None:
    check_axes(x, "NC")
    check_vectors({"gamma": gamma}, x.shape[1])
    if dy.shape != x.shape:
        raise ValueError(
            f"dy has the shape {tuple(dy.shape)}, x {tuple(x.shape)}: give the gradient of the "
            "output, which has the shape of x"
        )


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
        zeros, ones = torch.zeros(num_features), torch.ones(num_features)
        # Parameters are learned; buffers are not, but are saved and moved to a device with them.
        self.register_parameter("weight", nn.Parameter(ones.clone()) if affine else None)
        self.register_parameter("bias", nn.Parameter(zeros.clone()) if affine else None)
        self.register_buffer("running_mean", zeros if track_running_stats else None)
        self.register_buffer("running_var", ones if track_running_stats else None)
        batches = torch.tensor(0) if track_running_stats else None
        self.register_buffer("num_batches_tracked", batches)

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
