"""Discrete sequences in a GAN: what lets the discriminator's opinion reach the generator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def gumbel_softmax(logits: Tensor, temperature: float, noise: Tensor, hard: bool = False) -> Tensor:
    r"""A soft choice: the softmax of logits plus Gumbel noise, divided by the temperature.

    The largest of ``logits + noise`` is a sample of the softmax of the logits. The soft choice
    comes close to its one-hot vector as the temperature goes to 0, and has a gradient.

    Parameters
    ----------
    logits
        ``(..., classes)``.
    temperature
        Above 0.
    noise
        As `logits`, from :func:`gumbel_noise`.
    hard
        Straight-through: the one-hot vector forwards, the soft choice's gradient backwards.

    Returns
    -------
    Tensor
        As `logits`; each row has the sum 1.

    Raises
    ------
    ValueError
        If the temperature is not above 0, or the shapes differ.

    References
    ----------
    Jang, Gu and Poole, "Categorical reparameterization with Gumbel-softmax", 2017, equation 2 and
    section 2.2.

    Examples
    --------
    >>> gumbel_softmax(torch.tensor([1.0, 2.0]), 1.0, torch.tensor([3.0, 0.0]), hard=True)
    tensor([1., 0.])
    """
    _check_choice(logits, temperature, noise)
    soft = ((logits + noise) / temperature).softmax(-1)
    return straight_through(soft) if hard else soft


def straight_through(soft: Tensor) -> Tensor:
    """The one-hot vector of the largest entry; its gradient is passed on to `soft` as it comes.

    References
    ----------
    Bengio, Léonard and Courville, "Estimating or propagating gradients through stochastic neurons
    for conditional computation", 2013.
    """
    hard = F.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft.dtype)
    return hard + (soft - soft.detach())


def gumbel_noise(
    *shape: int, generator: torch.Generator | None = None, device: torch.device | None = None
) -> Tensor:
    r"""Numbers of the standard Gumbel distribution: :math:`-\log(-\log u)` for a uniform `u`."""
    waits = torch.empty(shape, device=device).exponential_(generator=generator)  # -log u
    return -waits.clamp(min=1e-30).log()


def reinforce_loss(log_probs: Tensor, rewards: Tensor, baseline: Tensor | float = 0.0) -> Tensor:
    r"""A number whose gradient is REINFORCE's estimate of that of the mean reward, sign changed.

    :math:`-\frac1n \sum_i (r_i - b)\, \log p(x_i)`, with no gradient through rewards and baseline.

    Parameters
    ----------
    log_probs
        ``(n,)``: the log-probability of each sequence under the generator that drew it.
    rewards
        ``(n,)``.
    baseline
        One number, or ``(n,)``; it must not depend on the sequence that it is taken from.

    Raises
    ------
    ValueError
        If the shapes are not ``(n,)``, or there is no sequence.

    References
    ----------
    Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement
    learning", 1992, theorem 1.
    """
    if log_probs.dim() != 1 or log_probs.shape != rewards.shape:
        raise ValueError(
            f"log_probs are {tuple(log_probs.shape)}, rewards {tuple(rewards.shape)}: give (n,) each, "
            "one number a sequence"
        )
    _check_baseline(baseline, rewards)
    return -((rewards - baseline).detach() * log_probs).mean()


def others_mean(rewards: Tensor) -> Tensor:
    """For each of n rewards the mean of the n - 1 others: a baseline that needs no network.

    Raises
    ------
    ValueError
        If there are fewer than two rewards.

    Examples
    --------
    >>> others_mean(torch.tensor([0.0, 1.0, 5.0]))
    tensor([3.0000, 2.5000, 0.5000])
    """
    if rewards.dim() != 1 or len(rewards) < 2:
        raise ValueError(f"rewards are {tuple(rewards.shape)}: give (n,) with at least two")
    return (rewards.sum() - rewards) / (len(rewards) - 1)


class SequenceGenerator(nn.Module):
    """Writes sequences symbol by symbol with a GRU cell; it starts from nothing.

    Parameters
    ----------
    symbols
        Size of the alphabet.
    length
        Symbols of a sequence.
    width
        Features of the GRU.
    """

    def __init__(self, symbols: int, length: int, width: int = 32):
        super().__init__()
        self.symbols, self.length, self.width = symbols, length, width
        self.cell = nn.GRUCell(symbols, width)
        self.out = nn.Linear(width, symbols)

    def forward(self, noise: Tensor, temperature: float | None = None) -> tuple[Tensor, Tensor]:
        """Draw sequences, by the largest of logits plus noise at each place.

        Parameters
        ----------
        noise
            Gumbel noise ``(n, length, symbols)``.
        temperature
            Of straight-through Gumbel-softmax; without it the choice has no gradient.

        Returns
        -------
        tuple of Tensor
            One-hot sequences ``(n, length, symbols)`` and their log-probabilities ``(n,)``.
        """
        _check_symbols("noise", noise, self.length, self.symbols)
        state = noise.new_zeros(len(noise), self.width)
        chosen, steps, total = noise.new_zeros(len(noise), self.symbols), [], 0.0
        for place in noise.unbind(1):  # (n, symbols)
            state = self.cell(chosen, state)
            logits = self.out(state)
            if temperature is None:
                chosen = F.one_hot((logits + place).argmax(-1), self.symbols).float()
            else:
                chosen = gumbel_softmax(logits, temperature, place, hard=True)
            steps.append(chosen)
            total = total + (logits.log_softmax(-1) * chosen.detach()).sum(-1)
        return torch.stack(steps, 1), total

    def log_prob(self, sequences: Tensor) -> Tensor:
        """One-hot sequences ``(n, length, symbols)`` to their log-probabilities ``(n,)``."""
        _check_symbols("sequences", sequences, self.length, self.symbols)
        state, total = sequences.new_zeros(len(sequences), self.width), 0.0
        before = F.pad(sequences, (0, 0, 1, 0))[:, :-1]  # nothing stands before the first
        for read, chosen in zip(before.unbind(1), sequences.unbind(1)):
            state = self.cell(read, state)
            total = total + (self.out(state).log_softmax(-1) * chosen).sum(-1)
        return total


class SequenceDiscriminator(nn.Module):
    """One-hot sequences, or soft ones, to a logit: two layers on all places together."""

    def __init__(self, symbols: int, length: int, width: int = 64):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(symbols * length, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, 1),
        )

    def forward(self, sequences: Tensor) -> Tensor:
        """``(n, length, symbols)`` to ``(n,)``."""
        _check_flat(sequences, self.layers[1].in_features)
        return self.layers(sequences)[:, 0]


def _check_baseline(baseline: Tensor | float, rewards: Tensor) -> None:
    if len(rewards) == 0:
        raise ValueError("there are no rewards: give at least one sequence")
    if isinstance(baseline, Tensor) and baseline.shape not in ((), rewards.shape):
        raise ValueError(
            f"the baseline is {tuple(baseline.shape)}: give one number, or {tuple(rewards.shape)}"
        )


def _check_symbols(name: str, given: Tensor, length: int, symbols: int) -> None:
    if given.dim() != 3 or given.shape[1:] != (length, symbols) or not given.is_floating_point():
        raise ValueError(
            f"{name} are {given.dtype} {tuple(given.shape)}: give floats (n, {length}, {symbols}); "
            "one_hot(...).float() makes sequences of whole numbers"
        )


def _check_flat(sequences: Tensor, wanted: int) -> None:
    if sequences.dim() != 3 or sequences.shape[1] * sequences.shape[2] != wanted:
        raise ValueError(
            f"sequences are {tuple(sequences.shape)}: give (n, length, symbols) with length times "
            f"symbols {wanted}"
        )


def _check_choice(logits: Tensor, temperature: float, noise: Tensor) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}: give a number above 0, 1 to begin with")
    if logits.shape != noise.shape:
        raise ValueError(
            f"logits are {tuple(logits.shape)}, noise {tuple(noise.shape)}: give a number of noise "
            "for each logit"
        )
