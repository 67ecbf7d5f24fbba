"""The command ``labnotes``: get and check the data, train by a recipe, look whether this machine is
fit."""

from __future__ import annotations

import argparse
import functools
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import labnotes
from labnotes.data import catalog
from labnotes.data.catalog import DatasetUnavailable

LARGEST = 1024  # pixels, the side of an image to train on: a typing error costs no memory
CHECKPOINTS = ("checkpoint.pt", "checkpoint.pt.prev")  # what a run can go on from


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status, 0 if all is well.

    Parameters
    ----------
    arguments
        The words after ``labnotes``; those of the command line unless given.
    """
    chosen = _parser().parse_args(arguments)
    try:
        return chosen.run(chosen)
    except KeyboardInterrupt:
        print("labnotes: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="labnotes", description=__doc__)
    parser.add_argument("--version", action="version", version=f"labnotes {labnotes.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    data = commands.add_parser("data", help="list, get and check data sets")
    actions = data.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="the data sets, and where each one is").set_defaults(run=_list)
    get = actions.add_parser("get", help="download data sets that are not here yet")
    get.add_argument(
        "names", nargs="*", metavar="NAME", help="which (all, several GB, if none is named)"
    )
    get.set_defaults(run=_get)
    verify = actions.add_parser("verify", help="check every file that is here against its checksum")
    verify.set_defaults(run=_verify)

    _add_train(commands)

    doctor = commands.add_parser("doctor", help="is this machine ready to run the book?")
    doctor.set_defaults(run=_doctor)
    return parser


def _add_train(commands) -> None:
    train = commands.add_parser(
        "train",
        help="train a network by its recipe",
        description="Train a network of the book by its recipe, alone or under torchrun. The "
        "output folder gets the curves (history.png, history.csv), the model (model.pt, for "
        "labnotes.train.recipes.load) and a checkpoint.",
    )
    train.add_argument("recipe", nargs="?", metavar="RECIPE", help="which (see --list)")
    train.add_argument("--list", action="store_true", help="show the recipes and stop")
    train.add_argument(
        "--data",
        default="fashion-mnist",
        metavar="NAME",
        help="fashion-mnist, cifar10, digits, or a folder with train/CLASS/NAME.jpg and test/",
    )
    train.add_argument("--size", type=int, metavar="PIXELS", help="scale the images to this")
    train.add_argument("--epochs", type=int, metavar="N", help="passes over the training images")
    train.add_argument(
        "--batch-size", type=int, metavar="N", help="images in a step, over all processes"
    )
    train.add_argument("--lr", type=float, metavar="RATE", help="peak learning rate")
    train.add_argument(
        "--precision", default="auto", choices=("auto", "fp32", "bf16", "fp16"), help="of the sums"
    )
    train.add_argument("--seed", type=int, default=0, metavar="N", help="of weights and order")
    train.add_argument("--output", metavar="FOLDER", help="where the results go (runs/RECIPE-DATA)")
    train.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint in the output folder"
    )
    train.set_defaults(run=_train)


def _train(chosen: argparse.Namespace) -> int:
    from labnotes.train import CheckpointError, distributed, recipes
    from labnotes.train.checkpoint import runs_folder

    if chosen.list:
        for name, recipe in recipes.RECIPES.items():
            print(
                f"{name:10} {recipe.about}; {recipe.epochs} epochs, batches of "
                f"{recipe.batch_size}, lr {recipe.lr}"
            )
        return 0
    first = distributed.rank() == 0
    data = Path(recipes.data_name(chosen.data)).name
    output = Path(chosen.output or runs_folder() / f"{chosen.recipe}-{data}")
    options = {
        name: getattr(chosen, name)
        for name in ("size", "epochs", "batch_size", "lr", "precision", "seed", "resume")
    }
    try:
        if chosen.recipe is None:
            raise ValueError(f"no recipe is named: give one of {', '.join(recipes.RECIPES)}")
        _check_train(chosen, output)
        history = recipes.train(chosen.recipe, chosen.data, output, **options)
    except (ValueError, CheckpointError) as error:
        if first:
            print(f"labnotes: {error}", file=sys.stderr)
        return 2
    except (DatasetUnavailable, FloatingPointError, OSError) as error:
        if first:
            print(f"labnotes: {error}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not _is_memory(error):
            raise
        if first:
            print(
                "labnotes: there is not enough memory: try a smaller --batch-size or --size",
                file=sys.stderr,
            )
        return 1
    except KeyboardInterrupt:
        if first:
            print("labnotes: interrupted; --resume goes on from the checkpoint", file=sys.stderr)
        return 130
    if first:
        last = history.last
        print(
            f"{chosen.recipe} after {last['epoch']} epochs: loss {last['valid_loss']:.4f}, "
            f"accuracy {last['valid_accuracy']:.2%} on the test images; results in {output}"
        )
    return 0


def _check_train(chosen: argparse.Namespace, output: Path) -> None:
    """Refuse what would fail only after the data are read, or harm."""
    import torch

    from labnotes import runtime

    if chosen.size is not None and chosen.size > LARGEST:
        raise ValueError(f"size is {chosen.size}: give at most {LARGEST} pixels")
    if chosen.lr is not None and not math.isfinite(chosen.lr):
        raise ValueError(f"lr is {chosen.lr}: give a finite learning rate")
    if output.exists() and not output.is_dir():
        raise ValueError(f"{output} is no folder: give --output a folder, there or new")
    if chosen.resume and not any((output / name).exists() for name in CHECKPOINTS):
        raise ValueError(
            f"{output} holds no checkpoint to go on from: correct --output, or leave --resume out "
            "to start a run there"
        )
    here = runtime.device()
    try:
        torch.empty(0, device=here).cpu()  # and back: torch's "meta" only looks like a device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        there = ["cpu", *["mps"] * torch.backends.mps.is_available()]
        there += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        raise ValueError(
            f"there is no device {here} here ({str(error).splitlines()[0]}): set LABNOTES_DEVICE "
            f"to {' or '.join(there)}, or not at all"
        ) from error


def _is_memory(error: BaseException) -> bool:
    import torch

    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        "can't allocate memory" in str(error)  # torch's words on a CPU
    )


def _list(chosen: argparse.Namespace) -> int:
    for name, dataset in catalog.catalog().items():
        print(f"{name:20} {_where(name):25} {dataset.title}: {dataset.items} ({dataset.licence})")
    return 0


def _where(name: str) -> str:
    found = catalog.locate(name)
    if found:
        return found.source
    return f"not here ({_to_download(catalog.entry(name))})"


def _to_download(dataset: catalog.Dataset) -> str:
    if not dataset.downloadable:
        return "no address to download from"
    if dataset.size is None:
        return "size not known"
    return f"{dataset.size / 1e6:.1f} MB"


def _get(chosen: argparse.Namespace) -> int:
    failed = 0
    for name in chosen.names or catalog.catalog():
        try:
            found = catalog.fetch(name)
        except (DatasetUnavailable, ValueError) as error:
            print(f"labnotes: {error}", file=sys.stderr)
            failed += 1
        else:
            folder = os.path.commonpath([path.parent for path in found.paths.values()])
            print(f"{catalog.plain_name(name)}: {found.source}, {folder}")
    return 1 if failed else 0


def _verify(chosen: argparse.Namespace) -> int:
    wrong = 0
    for name, dataset in catalog.catalog().items():
        for source, folder in catalog.places(dataset):
            good, bad = catalog.check(dataset, folder)
            if good or bad:
                print(f"{name:20} {source:15} {len(good)} right, {len(bad)} wrong, in {folder}")
            for path in bad:
                print(f"labnotes: {path} has not the official checksum", file=sys.stderr)
            wrong += len(bad)
    return 1 if wrong else 0


def _doctor(chosen: argparse.Namespace) -> int:
    checks: list[tuple[str, Callable[[], str]]] = [
        ("python", _python),
        ("torch", _torch),
        ("torchvision", _torchvision),
        ("device", _device),
        ("memory", _memory),
        ("cache", _cache),
        ("LABNOTES_DATA", _data_folders),
        ("jail", _jail),
    ]
    checks += [(name, functools.partial(_dataset, name)) for name in catalog.catalog()]
    broken = absent = 0
    for name, check in checks:
        try:
            state, told = "ok", check()
        except DatasetUnavailable:
            state, told = "absent", f"to download: {_to_download(catalog.entry(name))}"
            absent += 1
        except Exception as error:  # noqa: BLE001  whatever is broken is what the reader wants to hear of
            state, told = "BROKEN", f"{type(error).__name__}: {error}"
            broken += 1
        print(f"{state:7} {name:20} {told}")
    if absent:
        print("For absent data the book uses stand-ins; `labnotes data get` downloads them.")
    print(f"{broken} broken." if broken else "Everything needed works.")
    return 1 if broken else 0


def _dataset(name: str) -> str:
    dataset, looked = catalog.entry(name), []
    for _, folder in catalog.places(dataset):
        for path in catalog.check(dataset, folder)[1]:
            raise ValueError(f"{path} has not the official checksum: delete it")
    found = catalog.locate(name, looked)
    if not found:
        raise DatasetUnavailable(dataset, looked)
    return found.source


def _python() -> str:
    return sys.version.split()[0]


def _torch() -> str:
    import torch

    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 9):
        raise RuntimeError(f"{torch.__version__} is too old: 2.9 or newer is needed")
    return f"{torch.__version__}, {torch.get_num_threads()} threads"


def _torchvision() -> str:
    import torch
    import torchvision

    # A torchvision that was built for another torch imports, but has no operators.
    torchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1), 0.5)
    return torchvision.__version__


def _device() -> str:
    import torch

    from labnotes import runtime

    here = runtime.device()
    ones = torch.ones(64, 64, device=here)
    if (ones @ ones).sum().item() != 64**3:
        raise RuntimeError(f"a matrix product on {here} came out wrong")
    return ", ".join(f"{k} {v}" for k, v in runtime.describe().items() if k in ("device", "card"))


def _memory() -> str:
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total, free = os.sysconf("SC_PHYS_PAGES") * page, os.sysconf("SC_AVPHYS_PAGES") * page
    except (AttributeError, ValueError, OSError):
        return "cannot be told on this system"
    return f"{total / 2**30:.1f} GiB, {free / 2**30:.1f} GiB of it unused"


def _jail() -> str:
    """What a teacher's jail has here: only grading needs one."""
    try:
        from labnotes_classroom import jail
    except ModuleNotFoundError as error:
        return f"not here, only grading needs it: there is no {error.name}"
    try:
        return jail.describe()
    except jail.NoJail as error:
        return f"not here, only grading needs it: {error}"


def _cache() -> str:
    folder = catalog.cache_folder()
    there = next(p for p in [folder, *folder.parents] if p.exists())
    with tempfile.TemporaryFile(dir=there):  # it can be written to
        return f"{folder}, {shutil.disk_usage(there).free / 1e9:.1f} GB free"


def _data_folders() -> str:
    folders: list[Path] = catalog.data_folders()
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is no folder: correct LABNOTES_DATA")
    return os.pathsep.join(map(str, folders)) or "not set (then data come from the cache)"


if __name__ == "__main__":
    sys.exit(main())
