"""Train the same networks with d2l's own code and with ours, and compare time and accuracy.

Each run is a process of its own; the sides take turns; the medians are compared. A run is timed
from reading the data to the last evaluation (not the imports), with all threads there are, as wall
time and as CPU time of the process and its data workers. d2l's live plot is switched off, which
helps d2l.

    python benchmarks/against_d2l.py                     # LeNet and a residual network
    python benchmarks/against_d2l.py --networks lenet --repeats 5 --save
    python benchmarks/against_d2l.py --all               # one epoch of every small network as well

Three sides: `d2l`, its Trainer and data pipeline (1.0.3) with plain SGD as its chapters use it;
`same`, our loop and batches with that very recipe; `ours`, our loop with our recipe, which takes
fewer epochs to the same accuracy.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
import importlib.metadata
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).parent
SIDES = ("d2l", "same", "ours")


@dataclass(frozen=True)
class Work:
    """What a run trains: images of Fashion-MNIST, d2l's recipe, and ours."""

    images: int
    test_images: int
    epochs: int  # of d2l's recipe
    rate: float  # of d2l's recipe: plain SGD, batches of 128
    our_epochs: int
    our_rate: float  # the peak of one cycle
    adam: bool = False  # else SGD with Nesterov momentum 0.9


#: LeNet as chapter 7.6 of "Dive into Deep Learning" trains it (section "Training").
MAIN = {
    "lenet": Work(60_000, 10_000, epochs=10, rate=0.1, our_epochs=2, our_rate=0.02, adam=True),
    "resnet": Work(5_000, 1_000, epochs=4, rate=0.05, our_epochs=2, our_rate=0.1),
}
#: One epoch with d2l's recipe on both sides, on as many images: only the machinery differs.
EACH = {
    name: Work(images, images // 4, epochs=1, rate=0.01, our_epochs=1, our_rate=0.01)
    for name, images in (
        ("lenet", 10_000), ("alexnet", 5_000), ("vgg", 5_000), ("nin", 5_000),
        ("googlenet", 1_000), ("resnet", 2_000), ("densenet", 1_000),
    )
}  # fmt: skip


def network(name: str) -> nn.Module:
    """The small form of an architecture, for grey 28x28 images."""
    from labnotes import convnets

    builders = {
        "lenet": lambda: convnets.lenet(),
        "alexnet": lambda: convnets.alexnet_small(),
        "vgg": lambda: convnets.vgg_small(batch_norm=True),
        "nin": lambda: convnets.nin_small(width=24),
        "googlenet": lambda: convnets.googlenet_small(aux_logits=False),
        "resnet": lambda: convnets.resnet_small(depth=14),
        "densenet": lambda: convnets.densenet_small(depth=22),
    }
    return builders[name]()


class Clock:
    """Wall time, and CPU time of this process and of the children that it has waited for."""

    def __init__(self):
        self.start, self.used = time.perf_counter(), self._cpu()

    def read(self) -> dict[str, float]:
        return {
            "seconds": time.perf_counter() - self.start,
            "cpu_seconds": self._cpu() - self.used,
        }

    @staticmethod
    def _cpu() -> float:
        who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        used = [resource.getrusage(each) for each in who]
        return sum(u.ru_utime + u.ru_stime for u in used)


def quiet_d2l():
    """d2l's torch module, which draws into no window."""
    import matplotlib

    matplotlib.use("Agg")
    from d2l import torch as d2l

    return d2l


def classifier(d2l, net: nn.Module, rate: float):
    """A network as d2l's Trainer takes it."""

    class Wrapped(d2l.Classifier):
        def __init__(self, net, lr):
            super().__init__()
            self.save_hyperparameters(ignore=["net"])
            self.net = net

    return Wrapped(net, rate)


def trained_by_d2l(d2l, model, data, epochs: int) -> nn.Module:
    """The network of one of d2l's models after so many epochs, without the live plot."""
    model.board.display = False
    d2l.Trainer(max_epochs=epochs).fit(model, data)
    return model.net


def train_with_d2l(name: str, work: Work, seed: int, folder: Path) -> tuple[nn.Module, dict]:
    """d2l's Trainer, its data pipeline with its four workers, its SGD; and the time of it."""
    os.chdir(folder / "run")  # d2l reads ../data
    d2l = quiet_d2l()

    def part(data, count):
        return data if count >= len(data) else torch.utils.data.Subset(data, range(count))

    clock = Clock()
    torch.manual_seed(seed)
    data = d2l.FashionMNIST(batch_size=128)
    data.train, data.val = part(data.train, work.images), part(data.val, work.test_images)
    if name == "lenet":
        model = d2l.LeNet(lr=work.rate)
        model.apply_init([next(iter(data.get_dataloader(True)))[0]], d2l.init_cnn)
    else:
        model = classifier(d2l, network(name), work.rate)
    return trained_by_d2l(d2l, model, data, work.epochs), clock.read()


def train_with_ours(name: str, work: Work, seed: int, same: bool) -> tuple[nn.Module, dict]:
    """labnotes.train.fit on Batches, with d2l's recipe or with ours; and the time of it."""
    from labnotes import runtime
    from labnotes.data import Batches, channel_statistics, fashion_mnist
    from labnotes.train import fit, one_cycle

    def optimizer(parameters):
        if same:
            return torch.optim.SGD(parameters, lr=work.rate, fused=True)
        if work.adam:
            return torch.optim.Adam(parameters, lr=work.our_rate)
        return torch.optim.SGD(parameters, lr=work.our_rate, momentum=0.9, nesterov=True)

    clock = Clock()
    runtime.seed_everything(seed)
    data = fashion_mnist()
    images, labels = data.train.images[: work.images], data.train.labels[: work.images]
    mean, std = (0.0, 1.0) if same else channel_statistics(images)
    train = Batches(images, labels, 128, shuffle=True, mean=mean, std=std, seed=seed)
    count = work.test_images
    test = Batches(data.test.images[:count], data.test.labels[:count], 512, mean=mean, std=std)
    model = network(name)
    if name == "lenet":
        model.apply(xavier)
    fit(
        model, train, test, epochs=work.epochs if same else work.our_epochs, optimizer=optimizer,
        schedule=None if same else one_cycle(), seed=seed, progress=False,
        memory_format=torch.channels_last,
    )  # fmt: skip
    model.mean, model.std = mean, std
    return model, clock.read()


def xavier(layer: nn.Module) -> None:
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(layer.weight)


@torch.no_grad()
def accuracy(model: nn.Module, count: int) -> float:
    """On the first test images, with code of neither side; outside the clock."""
    from labnotes.data import fashion_mnist

    test = fashion_mnist().test
    mean, std = getattr(model, "mean", 0.0), getattr(model, "std", 1.0)
    mean, std = torch.as_tensor(mean).flatten(), torch.as_tensor(std).flatten()
    model.eval()
    right = 0
    for images, labels in zip(test.images[:count].split(500), test.labels[:count].split(500)):
        right += (model((images / 255 - mean) / std).argmax(1) == labels).sum().item()
    return right / count


def one_run(name: str, side: str, work: Work, seed: int, folder: Path) -> dict:
    import torch._dynamo  # noqa: F401  torch's optimizers import it (over a second) when first made

    if side == "d2l":
        model, times = train_with_d2l(name, work, seed, folder)
    else:
        model, times = train_with_ours(name, work, seed, same=side == "same")
    peak = peak_mib()
    return times | {"accuracy": accuracy(model, work.test_images), "peak_mib": peak}


def peak_mib() -> float:
    """The most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux


def unpacked_data(folder: Path) -> None:
    """Fashion-MNIST where and as d2l wants it: ``data/FashionMNIST/raw``, unzipped."""
    from labnotes.data import catalog

    raw = folder / "data/FashionMNIST/raw"
    raw.mkdir(parents=True)
    (folder / "run").mkdir()
    for name, path in catalog.fetch("fashion_mnist").paths.items():
        (raw / Path(name).stem).write_bytes(gzip.decompress(path.read_bytes()))


def in_a_process(script: str, *arguments) -> dict:
    """What ``script --one ...`` prints last."""
    done = subprocess.run(
        [sys.executable, script, "--one", *map(str, arguments)], stdout=subprocess.PIPE, text=True,
        check=True, env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def in_turns(
    name: str, sides: tuple[str, ...], repeats: int, run: Callable[[str, int], dict]
) -> dict:
    """The machine, and of each side what ``run(side, seed)`` gives: all runs and their medians."""
    about, runs = machine(), {side: [] for side in sides}
    for seed in range(repeats):
        for side in sides if seed % 2 == 0 else sides[::-1]:
            runs[side].append(run(side, seed))
            print(f"  {name}, {side}, {seed}: {runs[side][-1]}", file=sys.stderr, flush=True)
    medians = {
        side: {key: statistics.median(run[key] for run in found) for key in found[0]}
        for side, found in runs.items()
    }
    return {"machine": about, "medians": medians, "runs": runs}


def compare(name: str, work: Work, sides: tuple[str, ...], repeats: int, folder: Path) -> dict:
    told = json.dumps(asdict(work))
    found = in_turns(
        name, sides, repeats,
        lambda side, seed: in_a_process(__file__, name, side, told, seed, folder),
    )  # fmt: skip
    return {"network": name, "work": asdict(work)} | found


def show(result: dict) -> None:
    slow = result["medians"]["d2l"]
    for side, found in result["medians"].items():
        print(
            f"{result['network']:10} {side:5} {found['seconds']:7.1f} s  "
            f"{found['cpu_seconds']:7.1f} CPU s  accuracy {found['accuracy']:.3f}  "
            f"{found['peak_mib']:6.0f} MiB   {slow['seconds'] / found['seconds']:5.1f} x d2l's speed "
            f"({slow['cpu_seconds'] / found['cpu_seconds']:.1f} x by CPU time)"
        )


def machine() -> dict:
    import torchvision

    from labnotes import runtime

    return runtime.describe() | {
        "torchvision": torchvision.__version__,
        "d2l": importlib.metadata.version("d2l"),
        "cores": os.cpu_count(),
        "load before": round(os.getloadavg()[0], 2),
        "date": datetime.date.today().isoformat(),
    }


def options(about: str) -> argparse.ArgumentParser:
    """What every benchmark can be told; `about` is its docstring."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results")
    return parser


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        name, side, work, seed, folder = sys.argv[2:]
        found = one_run(name, side, Work(**json.loads(work)), int(seed), Path(folder))
        print(json.dumps(found))
        return
    parser = options(__doc__)
    parser.add_argument("--networks", nargs="*", choices=MAIN, default=list(MAIN))
    parser.add_argument("--sides", nargs="*", choices=SIDES, default=list(SIDES))
    parser.add_argument("--all", action="store_true", help="one epoch of each small network too")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        unpacked_data(folder)
        for name in chosen.networks:
            keep(compare(name, MAIN[name], chosen.sides, chosen.repeats, folder), chosen.save)
        if chosen.all:
            print("one epoch of 1,000 to 10,000 images, d2l's recipe on both sides")
            for name, work in EACH.items():
                keep(compare(name, work, SIDES[:2], chosen.repeats, folder), chosen.save)


def keep(result: dict, save: bool) -> None:
    """Show a result and, if asked, put it in the place of the same work's in the results."""
    show(result)
    if not save:
        return
    target = HERE / "results" / "against_d2l.json"
    known = json.loads(target.read_text()) if target.exists() else []
    others = [r for r in known if (r["network"], r["work"]) != (result["network"], result["work"])]
    write("against_d2l", [*others, result])


def write(name: str, results) -> None:
    """Write the results of a benchmark in the place of its earlier ones."""
    from labnotes.files import replacing  # here: d2l's side runs without our package

    target = HERE / "results" / f"{name}.json"
    target.parent.mkdir(exist_ok=True)
    with replacing(target, "w") as file:
        file.write(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
