"""One step of each player: what the one learns leaves the other as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from labnotes.gan.losses import discriminator_loss, non_saturating_loss, r1_penalty


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Within it no parameter of `model` gets a gradient; afterwards each is as it was."""
    asked = [(p, p.requires_grad) for p in model.parameters()]
    model.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, was in asked:
            parameter.requires_grad_(was)


def discriminator_step(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer: torch.optim.Optimizer,
    real: Tensor,
    noise: Tensor,
    condition: Sequence[Tensor] = (),
    r1: float = 0.0,
) -> float:
    """The discriminator learns to tell `real` from ``generator(noise)``.

    Real and generated examples go through the discriminator apart: in one batch, normalization
    over both would tell them from each other by their mean alone.

    Parameters
    ----------
    generator, discriminator
        Called as ``generator(noise, *condition)`` and ``discriminator(examples, *condition)``,
        which gives logits.
    optimizer
        Of the discriminator's parameters.
    real, noise
        ``(batch, ...)`` each.
    condition
        What both see besides, such as labels: tensors of ``(batch, ...)``.
    r1
        Weight of :func:`labnotes.gan.losses.r1_penalty`; 0 leaves it out.

    Returns
    -------
    float
        The loss before the step, without the penalty.

    Raises
    ------
    ValueError
        If a batch is empty: its mean loss is not a number, and would spoil all weights.
    """
    _check_batches(real=real, noise=noise)
    with torch.no_grad():
        made = generator(noise, *condition)
    optimizer.zero_grad()
    real = real.detach().requires_grad_(r1 > 0)
    says = discriminator(real, *condition)
    loss = discriminator_loss(says, discriminator(made, *condition))
    total = loss + r1 * r1_penalty(real, says) if r1 > 0 else loss
    total.backward()
    optimizer.step()
    return loss.item()


def generator_step(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer: torch.optim.Optimizer,
    noise: Tensor,
    condition: Sequence[Tensor] = (),
    loss: Callable[[Tensor], Tensor] = non_saturating_loss,
) -> float:
    """The generator learns to be taken for real by the discriminator as it stands.

    Parameters
    ----------
    generator, discriminator, noise, condition
        As in :func:`discriminator_step`.
    optimizer
        Of the generator's parameters.
    loss
        Of the discriminator's logits for what was generated.

    Returns
    -------
    float
        The loss before the step.

    Raises
    ------
    ValueError
        If the batch is empty.
    """
    _check_batches(noise=noise)
    optimizer.zero_grad()
    with frozen(discriminator):
        value = loss(discriminator(generator(noise, *condition), *condition))
        value.backward()
    optimizer.step()
    return value.item()


def _check_batches(**batches: Tensor) -> None:
    for name, batch in batches.items():
        if not len(batch):
            raise ValueError(f"{name} is empty, {tuple(batch.shape)}: a step needs an example")
