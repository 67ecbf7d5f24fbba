"""Steps of a GAN with d2l's functions and with ours: points in the plane, and DCGAN's pictures.

Networks, sizes and rates are those of chapter 20 of "Dive into Deep Learning". Both sides have the
same initial weights and see the same batches and noise.

"plane": its first game, a linear generator and a discriminator of three layers, Adam with the rates
0.05 and 0.005, batches of 8 points of a normal distribution. "DCGAN": its second one, networks of
four blocks for pictures of 64 x 64, Adam with the rate 0.005 and the momentum 0.5, on random
pictures. d2l sums the losses over a batch where we take the mean; Adam makes no difference of it.

Both sides step with Adam. Ours is torch's fused one, and for pictures the networks and batches are
kept channels last. The last task has our side compute its convolutions in bfloat16, which d2l's
functions cannot be told to do: it is another arithmetic, and so a row of its own.

Each run is a process of its own, on one thread, and d2l's does not import labnotes: that lets the C
library keep freed memory (see `labnotes.heap`), for whoever runs in the process. The sides take
turns; the medians of CPU time are compared, and whether both generators end up with the same
outputs. A first pass of each process is not timed.

    python benchmarks/gan_against_d2l.py --repeats 5 --save
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch._dynamo  # noqa: F401  optimizers import it when first made
from against_d2l import Clock, in_a_process, in_turns, options, peak_mib, quiet_d2l, write
from torch import nn


@dataclass(frozen=True)
class Game:
    """Who plays, with what, and for how long."""

    build: Callable[[], tuple[nn.Module, nn.Module]]
    steps: int
    batch: int
    shapes: tuple[tuple[int, ...], tuple[int, ...]]  # of a real example, of its noise
    rates: tuple[float, float]  # of the generator, of the discriminator
    betas: tuple[float, float]
    pictures: bool
    half: bool = False  # our side in bfloat16

    def players(self) -> tuple[nn.Module, nn.Module]:
        """Generator and discriminator, always with the same weights."""
        torch.manual_seed(0)
        players = self.build()
        for net in players:
            for parameter in net.parameters():
                nn.init.normal_(parameter, 0, 0.02)
        return players

    def batches(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Real examples and noise, always the same."""
        draw = torch.Generator().manual_seed(0)
        reals, noises = (
            torch.randn(self.steps, self.batch, *shape, generator=draw) for shape in self.shapes
        )
        return list(zip(reals, noises))

    def adams(self, players, **options) -> list[torch.optim.Optimizer]:
        return [
            torch.optim.Adam(net.parameters(), lr=rate, betas=self.betas, **options)
            for net, rate in zip(players, self.rates)
        ]


def plane() -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator for points."""
    judge = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 1))
    return nn.Sequential(nn.Linear(2, 2)), judge


def dcgan(width: int = 64, noise: int = 100) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator for pictures: four blocks each, and a last convolution."""

    def block(layer, before, after, stride, padding, activation):
        convolution = layer(before, after, 4, stride, padding, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(after), activation)

    up = [noise, 8 * width, 4 * width, 2 * width, width]
    down = [3, width, 2 * width, 4 * width, 8 * width]
    generator = nn.Sequential(
        *(
            block(nn.ConvTranspose2d, a, b, 2 if i else 1, 1 if i else 0, nn.ReLU())
            for i, (a, b) in enumerate(zip(up, up[1:]))
        ),
        nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    judge = nn.Sequential(
        *(block(nn.Conv2d, a, b, 2, 1, nn.LeakyReLU(0.2)) for a, b in zip(down, down[1:])),
        nn.Conv2d(8 * width, 1, 4, bias=False),
    )
    return generator, judge


PLANE = Game(plane, 500, 8, ((2,), (2,)), (0.005, 0.05), (0.9, 0.999), pictures=False)
DCGAN = Game(dcgan, 1, 256, ((3, 64, 64), (100, 1, 1)), (0.005, 0.005), (0.5, 0.999), pictures=True)
TASKS = {
    "plane, 500 steps of 8 points": PLANE,
    "DCGAN, a step of 256 pictures": DCGAN,
    "DCGAN, ours in bfloat16": replace(DCGAN, half=True),
}


def by_d2l(game: Game) -> tuple[dict, nn.Module]:
    """Time of all steps, and the generator that they have made."""
    d2l = quiet_d2l()
    generator, judge = players = game.players()
    of_generator, of_judge = game.adams(players)
    loss = nn.BCEWithLogitsLoss(reduction="sum")
    batches, clock = game.batches(), Clock()
    for x, z in batches:
        d2l.update_D(x, z, judge, generator, loss, of_judge)
        d2l.update_G(z, judge, generator, loss, of_generator)
    found = clock.read()
    assert "labnotes" not in sys.modules
    return found, generator


def by_ours(game: Game) -> tuple[dict, nn.Module]:
    """Time of all steps, and the generator that they have made."""
    from labnotes.gan.steps import discriminator_step, generator_step

    generator, judge = players = game.players()
    layout = {"memory_format": torch.channels_last} if game.pictures else {}
    for net in players:
        net.to(**layout)
    of_generator, of_judge = game.adams(players, fused=True)
    low = torch.autocast("cpu", torch.bfloat16, enabled=game.half)
    batches, clock = game.batches(), Clock()
    for x, z in batches:
        x = x.to(**layout) if game.pictures else x
        with low:  # a context for each: what it casts without a gradient it would keep
            discriminator_step(generator, judge, of_judge, x, z)
        with low:
            generator_step(generator, judge, of_generator, z)
    return clock.read(), generator


def one_run(task: str, side: str, folder: Path) -> dict:
    """A first pass, and a timed one; the outputs of its generator go to the folder."""
    torch.set_num_threads(1)
    game, play = TASKS[task], {"d2l": by_d2l, "ours": by_ours}[side]
    play(game)
    found, generator = play(game)
    with torch.no_grad():
        torch.save(generator.eval()(game.batches()[0][1]), folder / f"{side}.pt")
    return found | {"peak_mib": peak_mib()}


def apart(folder: Path) -> float:
    """The largest difference between the outputs of the two sides."""
    first, second = (torch.load(folder / f"{side}.pt") for side in ("d2l", "ours"))
    return (first - second).abs().max().item()


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        task, side, _, folder = sys.argv[2:]
        print(json.dumps(one_run(task, side, Path(folder))))
        return
    chosen, results = options(__doc__).parse_args(), []
    with tempfile.TemporaryDirectory() as folder:
        for task in TASKS:
            found = in_turns(
                task, ("d2l", "ours"), chosen.repeats,
                lambda side, seed: in_a_process(__file__, task, side, seed, folder),  # noqa: B023
            )  # fmt: skip
            results.append({"task": task, "apart": apart(Path(folder))} | found)
            times = {side: row["cpu_seconds"] for side, row in found["medians"].items()}
            print(
                f"{task:32} CPU s: d2l {times['d2l']:.3f}, ours {times['ours']:.3f} "
                f"({times['d2l'] / times['ours']:.2f} x); generators {results[-1]['apart']:.0e} apart",
                flush=True,
            )
    if chosen.save:
        write("gan_against_d2l", results)


if __name__ == "__main__":
    main()
