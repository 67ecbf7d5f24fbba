"""Steps of a GAN with d2l's functions and with ours: points in the plane, and DCGAN's pictures.

Networks, sizes and rates are those of chapter 20 of "Dive into Deep Learning". Both sides have the
same initial weights and see the same batches and noise.

"plane": its first game, a linear generator and a discriminator of three layers, Adam with the rates
0.05 and 0.005, batches of 8 points of a normal distribution. "DCGAN": its second one, networks of
four blocks for pictures of 64 x 64, Adam with the rate 0.005 and the momentum 0.5, on random
pictures. d2l sums the losses over a batch where we take the mean; Adam makes no difference of it.

Both sides step with Adam. Ours is torch's fused one, and for pictures the networks and batches are
kept channels last. The last task has our side compute its convolutions in bfloat16, which d2l's
functions cannot be told to do: it is another arithmetic, and so a row of its own. The sides take turns in one process, on one thread; the medians of CPU time are
compared, and whether both generators end up with the same outputs.

    python benchmarks/gan_against_d2l.py --repeats 5 --save
"""

from __future__ import annotations

import copy
from functools import partial

import torch
import torch._dynamo  # noqa: F401  optimizers import it when first made
from against_d2l import Clock, in_turns, options, quiet_d2l, write
from torch import nn

from labnotes.gan.steps import discriminator_step, generator_step

d2l = quiet_d2l()


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


def normal_weights(*networks: nn.Module) -> None:
    for net in networks:
        for parameter in net.parameters():
            nn.init.normal_(parameter, 0, 0.02)


def game(
    build, steps: int, batch: int, shapes: tuple, rates: tuple, betas: tuple, last: bool,
    half: bool = False,
):  # fmt: skip
    """What each side runs, and how far its generators' outputs are apart afterwards."""
    draw = torch.Generator().manual_seed(0)
    reals = torch.randn(steps, batch, *shapes[0], generator=draw)
    noises = torch.randn(steps, batch, *shapes[1], generator=draw)
    torch.manual_seed(0)
    first = build()
    normal_weights(*first)
    made = {}

    def adams(players, **options):
        return [
            torch.optim.Adam(net.parameters(), lr=rate, betas=betas, **options)
            for net, rate in zip(players, rates)
        ]

    def by_d2l():
        generator, judge = players = copy.deepcopy(first)
        of_generator, of_judge = adams(players)
        loss = nn.BCEWithLogitsLoss(reduction="sum")
        clock = Clock()
        for x, z in zip(reals, noises):
            d2l.update_D(x, z, judge, generator, loss, of_judge)
            d2l.update_G(z, judge, generator, loss, of_generator)
        found = clock.read()
        made["d2l"] = generator
        return found

    def by_ours():
        generator, judge = players = copy.deepcopy(first)
        layout = {"memory_format": torch.channels_last} if last else {}
        for net in players:
            net.to(**layout)
        of_generator, of_judge = adams(players, fused=True)
        low = torch.autocast("cpu", torch.bfloat16, enabled=half)
        clock = Clock()
        for x, z in zip(reals, noises):
            x = x.to(**layout) if last else x
            with low:  # a context for each: what it casts without a gradient it would keep
                discriminator_step(generator, judge, of_judge, x, z)
            with low:
                generator_step(generator, judge, of_generator, z)
        found = clock.read()
        made["ours"] = generator
        return found

    def apart() -> float:
        with torch.no_grad():
            first, second = (net.eval()(noises[0]) for net in made.values())
        return (first - second).abs().max().item()

    return {"d2l": by_d2l, "ours": by_ours}, apart


def run(sides: dict, side: str, seed: int) -> dict:
    return sides[side]()


def main() -> None:
    chosen = options(__doc__).parse_args()
    torch.set_num_threads(1)
    tasks = {
        "plane, 500 steps of 8 points": partial(
            game, plane, 500, 8, ((2,), (2,)), (0.005, 0.05), (0.9, 0.999), False
        ),
        "DCGAN, a step of 16 pictures": partial(
            game, dcgan, 1, 16, ((3, 64, 64), (100, 1, 1)), (0.005, 0.005), (0.5, 0.999), True
        ),
    }
    pictures = tasks["DCGAN, a step of 16 pictures"]
    tasks["DCGAN, ours in bfloat16"] = partial(pictures, half=True)
    results = []
    for task, build in tasks.items():
        sides, apart = build()
        found = in_turns(task, tuple(sides), chosen.repeats, partial(run, sides))
        results.append({"task": task, "apart": apart()} | found)
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
