"""Games that a page can play: data on a line or in the plane, whose densities are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from labnotes.gan.losses import non_saturating_loss
from labnotes.gan.steps import discriminator_step, generator_step

#: Adam as it is usual for GANs: less momentum than its defaults have.
ADAM = partial(torch.optim.Adam, betas=(0.5, 0.9), fused=True)


def network(
    inputs: int, hidden: int, outputs: int, activation: Callable[[], nn.Module] = nn.ReLU
) -> nn.Sequential:
    """A multilayer perceptron with two hidden layers: ``(batch, inputs)`` to ``(batch, outputs)``."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        activation(),
        nn.Linear(hidden, hidden),
        activation(),
        nn.Linear(hidden, outputs),
    )


@dataclass(frozen=True)
class Blobs:
    """Equally likely round Gaussians: `centres` ``(modes, d)``, all with one deviation `std`."""

    centres: Tensor
    std: float

    def sample(self, n: int, draw: torch.Generator) -> Tensor:
        """`n` points ``(n, d)``: for each a centre by chance, and noise around it."""
        which = torch.randint(len(self.centres), (n,), generator=draw)
        return self.centres[which] + self.std * torch.randn(
            n, self.centres.shape[1], generator=draw
        )

    def density(self, x: Tensor) -> Tensor:
        """The density at each point: ``(n, d)`` to ``(n,)``."""
        d = self.centres.shape[1]
        squares = torch.cdist(x, self.centres) ** 2 / (2 * self.std**2)  # (n, modes)
        return torch.exp(-squares).mean(1) / (self.std * math.sqrt(2 * math.pi)) ** d


def ring(modes: int = 8, radius: float = 2.0, std: float = 0.1) -> Blobs:
    """Gaussians on a circle, a usual test of whether a generator finds all modes.

    References
    ----------
    Metz et al., "Unrolled generative adversarial networks", 2017, section 3.1.
    """
    turn = torch.arange(modes) * (2 * math.pi / modes)
    return Blobs(radius * torch.stack([turn.cos(), turn.sin()], 1), std)


@dataclass(frozen=True)
class Coverage:
    """What of the data a generator reaches; see :func:`coverage`."""

    modes: int  #: how many centres have their share of good samples
    good: float  #: the share of samples that lie near a centre
    shares: Tensor  #: for each centre the share of all samples, ``(modes,)``


def coverage(samples: Tensor, centres: Tensor, std: float, least: float = 0.2) -> Coverage:
    """Count the modes that samples cover, and the samples that are good.

    A sample is good if it lies within three standard deviations of a centre. A mode is covered if
    it has at least `least` times the share of good samples that it would have by equal shares.

    Parameters
    ----------
    samples
        ``(n, d)``
    centres
        ``(modes, d)``, farther from each other than six deviations.
    std
        The deviation of each mode.
    least
        From above 0 to 1.

    Raises
    ------
    ValueError
        If there are no samples, shapes do not fit, or `std` or `least` is not positive.

    References
    ----------
    The three deviations: Srivastava et al., "VEEGAN", 2017, section 4.1. They call a mode captured
    if one good sample lies near it; we ask for a fifth of its share.

    Examples
    --------
    >>> two = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    >>> coverage(torch.tensor([[0.1, 0.0], [0.0, -0.1], [2.0, 0.0]]), two, 0.1).modes
    1
    """
    _check_coverage(samples, centres, std, least)
    distance, nearest = torch.cdist(samples, centres).min(1)  # (n,)
    good = distance < 3 * std
    shares = torch.bincount(nearest[good], minlength=len(centres)) / len(samples)
    covered = shares >= least / len(centres)
    return Coverage(int(covered.sum()), good.float().mean().item(), shares)


def _check_coverage(samples: Tensor, centres: Tensor, std: float, least: float) -> None:
    if samples.ndim != 2 or centres.ndim != 2 or samples.shape[1] != centres.shape[1]:
        raise ValueError(
            f"samples are {tuple(samples.shape)} and centres {tuple(centres.shape)}: "
            "give (n, d) and (modes, d)"
        )
    if not len(samples) or not len(centres):
        raise ValueError("coverage needs at least one sample and one centre")
    if not std > 0 or not 0 < least <= 1:
        raise ValueError(f"std is {std} and least {least}: give std > 0 and 0 < least <= 1")


def energy_distance(x: Tensor, y: Tensor) -> float:
    r"""How far two sets of points are apart: :math:`2 E|X-Y| - E|X-X'| - E|Y-Y'|`.

    It is 0 for two equal sets, and for a large number of samples only for equal distributions.

    Parameters
    ----------
    x, y
        ``(n, d)`` and ``(m, d)``; a pair of a point with itself counts, as in SciPy.

    Raises
    ------
    ValueError
        If a set is empty, or points have different numbers of coordinates.

    References
    ----------
    Székely and Rizzo, "Energy statistics", 2013. SciPy's ``energy_distance``, for numbers, is the
    square root of this.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not len(x) or not len(y):
        raise ValueError(
            f"sets of points are {tuple(x.shape)} and {tuple(y.shape)}: give (n, d) and (m, d)"
        )
    between, own = torch.cdist(x, y).mean(), torch.cdist(x, x).mean() + torch.cdist(y, y).mean()
    return (2 * between - own).item()


def optimal_discriminator(p: Tensor, q: Tensor) -> Tensor:
    r"""The best answer to a fixed generator: :math:`D^*(x) = p(x) / (p(x) + q(x))`.

    Parameters
    ----------
    p, q
        Densities or probabilities of the data and of the generator, at the same places, of one
        shape. Where both are 0 the answer does not matter, and is 0.5.

    Raises
    ------
    ValueError
        If shapes differ or a number is negative.

    References
    ----------
    Goodfellow et al., "Generative adversarial nets", 2014, proposition 1.
    """
    _check_densities(p, q)
    both = p + q
    return torch.where(both > 0, p / both.clamp_min(torch.finfo(both.dtype).tiny), 0.5)


def game_value(p: Tensor, q: Tensor, d: Tensor, width: float = 1.0) -> float:
    r"""The value of the game, :math:`\sum_x p \log D + q \log(1 - D)`, times the cell's `width`.

    Parameters
    ----------
    p, q
        As in :func:`optimal_discriminator`.
    d
        The discriminator's answers there, from 0 to 1.
    width
        1 for probabilities; for densities on a grid, the distance of its places.

    Raises
    ------
    ValueError
        If shapes differ, a density is negative, or an answer is not between 0 and 1.

    References
    ----------
    Goodfellow et al. (2014), equation 3.
    """
    _check_densities(p, q)
    _check_answers(p, d)
    return width * (torch.xlogy(p, d) + torch.xlogy(q, 1 - d)).sum().item()


def _check_densities(p: Tensor, q: Tensor) -> None:
    if p.shape != q.shape or (p < 0).any() or (q < 0).any():
        raise ValueError(
            f"p {tuple(p.shape)} and q {tuple(q.shape)} must have one shape and no negative number"
        )


def _check_answers(p: Tensor, d: Tensor) -> None:
    if d.shape != p.shape or not ((d >= 0) & (d <= 1)).all():
        raise ValueError(
            f"d {tuple(d.shape)} must have the shape {tuple(p.shape)} of p and lie between 0 and 1: "
            "give probabilities, not logits"
        )


def pushed_density(generator: nn.Module, edges: Tensor, n: int = 4000) -> Tensor:
    """The density of a generator of numbers, in the bins between `edges`.

    `n` equally likely values of standard normal noise go through the generator and are counted.

    Parameters
    ----------
    generator
        Called with ``(n, 1)``, gives ``(n, 1)``.
    edges
        Rising and equally spaced, ``(bins + 1,)``.

    Returns
    -------
    Tensor
        ``(bins,)``; what falls outside of `edges` is not counted.
    """
    with torch.no_grad():
        x = generator(equally_likely(n))[:, 0]
    counts = torch.histogram(x, edges.to(x)).hist
    return counts / (n * (edges[1] - edges[0]))


def equally_likely(n: int) -> Tensor:
    """The middles of `n` parts of the standard normal distribution that are equally likely, ``(n, 1)``."""
    return torch.special.ndtri((torch.arange(n) + 0.5) / n)[:, None]


def play(
    generator: nn.Module,
    discriminator: nn.Module,
    data: Blobs,
    *,
    steps: int,
    rates: tuple[float, float] = (1e-3, 1e-3),
    k: int = 1,
    optimizer: Callable[..., torch.optim.Optimizer] = ADAM,
    loss: Callable[[Tensor], Tensor] = non_saturating_loss,
    r1: float = 0.0,
    batch: int = 128,
    seed: int = 0,
    watch: Callable[[], dict] = dict,
    at: Iterable[int] = (),
) -> list[dict]:
    """Let two networks play: in each step the discriminator learns `k` times, then the generator.

    Parameters
    ----------
    generator, discriminator
        Standard normal noise ``(batch, z)`` to points ``(batch, d)``, and these to logits; `z` is
        the width of the generator's first layer.
    data
        Gives the real points.
    steps
        Of the generator.
    rates
        Learning rates of the generator and of the discriminator.
    k
        Steps of the discriminator for one of the generator.
    optimizer
        Called with parameters and a learning rate, once for each network.
    loss
        Of the generator.
    r1
        As in :func:`labnotes.gan.steps.discriminator_step`.
    batch, seed
        Points in a batch, and where its chance begins.
    watch, at
        ``watch()`` is called after these numbers of steps (0 is before the first).

    Returns
    -------
    list of dict
        For each number in `at` what `watch` gave, and ``"step"``, ``"D"`` and ``"G"``: the two
        losses, as means over the steps since the last entry.

    Raises
    ------
    ValueError
        If `steps` is negative, or `k` or `batch` is less than 1.
    """
    _check_rules(steps, k, batch)
    draw = torch.Generator().manual_seed(seed)
    size, at, found, losses = generator[0].in_features, set(at), [], []
    first = optimizer(generator.parameters(), lr=rates[0])
    second = optimizer(discriminator.parameters(), lr=rates[1])

    def noise():
        return torch.randn(batch, size, generator=draw)

    for step in range(steps + 1):
        if step in at:
            d, g = torch.tensor(losses or [[math.nan] * 2]).mean(0).tolist()
            found.append({"step": step, "D": d, "G": g} | watch())
            losses = []
        if step < steps:
            for _ in range(k):
                real = data.sample(batch, draw)
                d = discriminator_step(generator, discriminator, second, real, noise(), r1=r1)
            g = generator_step(generator, discriminator, first, noise(), loss=loss)
            losses.append([d, g])
    return found


def _check_rules(steps: int, k: int, batch: int) -> None:
    if steps < 0 or k < 1 or batch < 1:
        raise ValueError(
            f"steps is {steps}, k {k} and batch {batch}: give steps >= 0, k >= 1 and batch >= 1"
        )
