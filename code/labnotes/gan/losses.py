"""The losses of the two players, on the discriminator's logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    r"""What the discriminator pays: :math:`-\log D(x) - \log(1 - D(G(z)))`, each term a mean.

    Parameters
    ----------
    real, fake
        Its logits for real and for generated examples, of any shape; :math:`D` is their sigmoid.

    Returns
    -------
    Tensor
        One number: :math:`2 \log 2 = 1.386` for a discriminator that always says 0.5.

    References
    ----------
    Goodfellow et al., "Generative adversarial nets", 2014, equation 1 with the sign changed.

    Examples
    --------
    >>> discriminator_loss(torch.zeros(4), torch.zeros(4)).item()  # doctest: +ELLIPSIS
    1.386...
    """
    # softplus(x) = log(1 + e^x): -log sigmoid(x) = softplus(-x), -log(1 - sigmoid(x)) = softplus(x)
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def minimax_loss(fake: Tensor) -> Tensor:
    r"""The generator's share of the game's value, :math:`\log(1 - D(G(z)))`, as a mean.

    Its gradient in the logit is :math:`-D(G(z))`: almost none where the discriminator is sure.

    Parameters
    ----------
    fake
        The discriminator's logits for generated examples, of any shape.

    References
    ----------
    Goodfellow et al. (2014), algorithm 1.
    """
    return -F.softplus(fake).mean()


def non_saturating_loss(fake: Tensor) -> Tensor:
    r"""What generators pay in practice: :math:`-\log D(G(z))`, as a mean.

    Its gradient in the logit is :math:`D(G(z)) - 1`: largest where the discriminator is sure.

    Parameters
    ----------
    fake
        The discriminator's logits for generated examples, of any shape.

    References
    ----------
    Goodfellow et al. (2014), section 3, last paragraph.
    """
    return F.softplus(-fake).mean()


def r1_penalty(inputs: Tensor, logits: Tensor) -> Tensor:
    r"""How steep the discriminator is at real examples: the mean of :math:`|\nabla_x D(x)|^2`.

    :math:`D` stands for the logit here. Multiply it by half of the paper's :math:`\gamma`.

    Parameters
    ----------
    inputs
        Real examples ``(batch, ...)``, with ``requires_grad``.
    logits
        What the discriminator said of them, ``(batch,)`` or ``(batch, ...)``.

    Returns
    -------
    Tensor
        One number, through which gradients flow on to the discriminator's parameters.

    Raises
    ------
    ValueError
        If `inputs` do not require a gradient.

    References
    ----------
    Mescheder et al., "Which training methods for GANs do actually converge?", 2018, equation 9.
    """
    if not inputs.requires_grad:
        raise ValueError("inputs need inputs.requires_grad_() before the discriminator sees them")
    (slope,) = torch.autograd.grad(logits.sum(), inputs, create_graph=True)  # as inputs
    return slope.square().flatten(1).sum(1).mean()
