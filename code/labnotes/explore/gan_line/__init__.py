"""The GAN explorer: two small networks play for a density on a line, live in the page."""

from __future__ import annotations

import math
from functools import partial
from html import escape
from pathlib import Path

import torch
import traitlets
from torch import Tensor, nn

from labnotes.explore.base import Explorer, with_shared
from labnotes.gan.losses import minimax_loss, non_saturating_loss
from labnotes.gan.steps import discriminator_step, generator_step
from labnotes.gan.toy import ADAM, Blobs, network, optimal_discriminator
from labnotes.plot import BLUE, GREEN, GREY, INK

HERE = Path(__file__).parent
BATCH, LOW, HIGH, CELLS = 64, -4.0, 4.0, 80
LOSSES = {"non-saturating": non_saturating_loss, "saturating": minimax_loss}
KS, RATES = [1, 5, 20], [0.001, 0.003, 0.01, 0.03, 0.1]
WORLDS = {
    "one": {"centres": [1.0], "std": 0.5},
    "two": {"centres": [-1.5, 1.5], "std": 0.4},
}


class Chance:
    """The numbers that chance gives in the page: mulberry32, and normal ones by Box and Muller."""

    def __init__(self, seed: int):
        self.state = seed

    def uniform(self) -> float:
        """From 0 to 1."""
        self.state = (self.state + 0x6D2B79F5) % 2**32
        t = (self.state ^ self.state >> 15) * (self.state | 1) % 2**32
        t ^= (t + (t ^ t >> 7) * (t | 61)) % 2**32
        return (t ^ t >> 14) / 2**32

    def normal(self) -> float:
        """Of the standard normal distribution."""
        size = math.sqrt(-2 * math.log(1 - self.uniform()))
        return size * math.cos(2 * math.pi * self.uniform())


class GanLineExplorer(Explorer):
    """A generator and a discriminator of numbers: train them, and change the rules while they play.

    Parameters
    ----------
    data : str
        "one" bump or "two".
    loss : str
        What the generator pays: "non-saturating" or "saturating".
    k : int
        Steps of the discriminator for one of the generator: 1, 5 or 20.
    rate_g, rate_d : float
        Adam's learning rates, of `RATES`.
    steps : int
        That have been taken before the reader begins, from 0 to 1000.
    seed : int
        Of the networks and of the batches.
    """

    _esm = with_shared(HERE / "gan_line.js")
    _css = HERE / "gan_line.css"

    data = traitlets.Enum(list(WORLDS), "one").tag(sync=True)
    loss = traitlets.Enum(list(LOSSES), "non-saturating").tag(sync=True)
    k = traitlets.Enum(KS, 1).tag(sync=True)
    rate_g = traitlets.Enum(RATES, 0.003).tag(sync=True)
    rate_d = traitlets.Enum(RATES, 0.03).tag(sync=True)
    steps = traitlets.Int(0, min=0, max=1000).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)
    weights = traitlets.Dict().tag(sync=True)
    worlds = traitlets.Dict(WORLDS).tag(sync=True)
    ks = traitlets.List(KS).tag(sync=True)
    rates = traitlets.List(RATES).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        torch_seed = torch.random.get_rng_state()
        torch.manual_seed(self.seed)
        nets = {name: network(1, 8, 1, nn.Tanh) for name in "GD"}
        torch.random.set_rng_state(torch_seed)
        with torch.no_grad():  # the generator starts beside the data, wide enough to be seen
            nets["G"][-1].weight.mul_(2)
            nets["G"][-1].bias.fill_(-1.5)
        self.weights = {name: _flat(net) for name, net in nets.items()}

    def players(self) -> tuple[nn.Module, nn.Module]:
        """Generator and discriminator before the first step, in double precision."""
        found = []
        for name in "GD":
            net = network(1, 8, 1, nn.Tanh).double()
            numbers = torch.tensor(self.weights[name], dtype=torch.float64)
            nn.utils.vector_to_parameters(numbers, net.parameters())
            found.append(net)
        return tuple(found)

    def play(self) -> tuple[nn.Module, nn.Module, list[list[float]]]:
        """Both networks after `steps` steps, and for each step the losses of D and of G."""
        generator, discriminator = self.players()
        adam = partial(ADAM, fused=False)
        first = adam(generator.parameters(), lr=self.rate_g)
        second = adam(discriminator.parameters(), lr=self.rate_d)
        chance, losses = Chance(self.seed), []
        for _ in range(self.steps):
            for _ in range(self.k):
                batch = self._real(chance), _noise(chance)
                d = discriminator_step(generator, discriminator, second, *batch)
            g = generator_step(
                generator, discriminator, first, _noise(chance), loss=LOSSES[self.loss]
            )
            losses.append([d, g])
        return generator, discriminator, losses

    def _real(self, chance: Chance) -> Tensor:
        centres, std = WORLDS[self.data].values()
        return _column(
            centres[int(chance.uniform() * len(centres))] + std * chance.normal()
            for _ in range(BATCH)
        )

    def samples(self, generator: nn.Module) -> dict[str, list[float]]:
        """A batch of real and of generated numbers, to look at, with a chance of their own."""
        chance = Chance(self.steps)
        real = self._real(chance)[:, 0]
        with torch.no_grad():
            made = generator(_noise(chance))[:, 0]
        return {"real": real.tolist(), "made": made.tolist()}

    def truth(self) -> Tensor:
        """The density of the data at :func:`places`."""
        world = WORLDS[self.data]
        return Blobs(torch.tensor(world["centres"])[:, None].double(), world["std"]).density(
            places()[:, None]
        )

    def describe(self) -> str:
        generator, _, losses = self.play()
        shared = (HIGH - LOW) / CELLS * torch.minimum(density(generator), self.truth()).sum()
        said = f", the losses {losses[-1][0]:.2f} and {losses[-1][1]:.2f}" if losses else ""
        return (
            f"GAN explorer. Real and generated density on a line and what the discriminator says, "
            f"after {self.steps} steps{said}: the generated density lies on {100 * shared:.0f} % "
            "of the real one."
        )

    def still_svg(self) -> str:
        generator, discriminator, _ = self.play()
        made, truth = density(generator), self.truth()
        with torch.no_grad():
            says = discriminator(places()[:, None]).sigmoid()[:, 0]
        curves = [
            (optimal_discriminator(truth, made), GREY, "1.2", "", "best answer of D"),
            (truth, INK, "2.5", "2 3", "real"),
            (says, BLUE, "2.5", "7 4", "D says, from 0 to 1"),
            (made, GREEN, "2.5", "", "generated"),
        ]
        paths = "".join(
            f'<path d="M{"L".join(map(_spot, places().tolist(), values.tolist()))}" '
            f'stroke="{colour}" stroke-width="{wide}" stroke-dasharray="{dashes}"/>'
            for values, colour, wide, dashes, _ in curves
        )
        samples = "".join(
            f'<path d="{"".join(f"M{_across(x):.1f} {top}v8" for x in drawn)}" stroke="{colour}"/>'
            for drawn, top, colour in zip(
                self.samples(generator).values(), (255, 267), (INK, GREEN), strict=True
            )
        )
        keys = "".join(
            f'<path d="M{20 + 155 * i} 296h24" stroke="{colour}" stroke-width="{wide}" '
            f'stroke-dasharray="{dashes}"/><text x="{50 + 155 * i}" y="300">{word}</text>'
            for i, (_, colour, wide, dashes, word) in enumerate(curves)
        )
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 314" width="640" '
            'height="314" role="img" font-family="sans-serif" font-size="13" fill="#24292f">'
            f"<title>{escape(self.describe())}</title>"
            # A light card of its own: a picture does not know the page's theme.
            f'<rect x="0.5" y="0.5" width="639" height="313" rx="6" fill="#ffffff" stroke="{GREY}"/>'
            f'<g fill="none"><path d="M20 250H620" stroke="{INK}"/>{paths}{samples}</g>{keys}</svg>'
        )


def places() -> Tensor:
    """Where densities are drawn, ``(CELLS + 1,)``."""
    return torch.linspace(LOW, HIGH, CELLS + 1, dtype=torch.float64)


def density(generator: nn.Module) -> Tensor:
    """The generator's density at :func:`places`: each noise value's weight goes to two neighbours."""
    z = torch.linspace(-4, 4, 801, dtype=torch.float64)
    weight = 0.01 * torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    width = (HIGH - LOW) / CELLS
    with torch.no_grad():
        place = (generator(z[:, None])[:, 0] - LOW) / width
    place = place.clamp(-2, CELLS + 2)  # what lies outside falls into cells that are cut off
    left = place.floor().long()
    found = torch.zeros(CELLS + 6, dtype=torch.float64)
    found.index_add_(0, left + 2, weight * (1 - (place - left)))
    found.index_add_(0, left + 3, weight * (place - left))
    return found[2 : CELLS + 3] / width


def _flat(net: nn.Module) -> list[float]:
    return nn.utils.parameters_to_vector(net.parameters()).tolist()


def _column(numbers) -> Tensor:
    return torch.tensor(list(numbers), dtype=torch.float64)[:, None]


def _noise(chance: Chance) -> Tensor:
    return _column(chance.normal() for _ in range(BATCH))


def _across(x: float) -> float:
    return 20 + 600 * (min(max(x, LOW), HIGH) - LOW) / (HIGH - LOW)


def _spot(x: float, height: float) -> str:
    return f"{_across(x):.1f} {250 - 220 * min(height, 1.05):.1f}"
