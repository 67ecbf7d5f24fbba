"""The command ``labnotes``: get and check the data, and look whether this machine is fit."""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import labnotes
from labnotes.data import catalog
from labnotes.data.catalog import DatasetUnavailable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status, 0 if all is well.

    Parameters
    ----------
    arguments
        The words after ``labnotes``; those of the command line unless given.
    """
    chosen = _parser().parse_args(arguments)
    return chosen.run(chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="labnotes", description=__doc__)
    parser.add_argument("--version", action="version", version=f"labnotes {labnotes.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    data = commands.add_parser("data", help="list, get and check data sets")
    actions = data.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="the data sets, and where each one is").set_defaults(run=_list)
    get = actions.add_parser("get", help="download data sets that are not here yet")
    get.add_argument("names", nargs="*", metavar="NAME", help="which (all, if none is named)")
    get.set_defaults(run=_get)
    verify = actions.add_parser("verify", help="check every file that is here against its checksum")
    verify.set_defaults(run=_verify)

    doctor = commands.add_parser("doctor", help="is this machine ready to run the book?")
    doctor.set_defaults(run=_doctor)
    return parser


def _list(chosen: argparse.Namespace) -> int:
    for name, dataset in catalog.catalog().items():
        print(f"{name:15} {_where(name):25} {dataset.title}: {dataset.items} ({dataset.licence})")
    return 0


def _where(name: str) -> str:
    found = catalog.locate(name)
    if found:
        return found.source
    return f"not here ({catalog.entry(name).size / 1e6:.1f} MB)"


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
            print(f"{name}: {found.source}, {folder}")
    return 1 if failed else 0


def _verify(chosen: argparse.Namespace) -> int:
    wrong = 0
    for name, dataset in catalog.catalog().items():
        for source, folder in catalog.places(dataset):
            good, bad = catalog.check(dataset, folder)
            if good or bad:
                print(f"{name:15} {source:15} {len(good)} right, {len(bad)} wrong, in {folder}")
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
    ]
    checks += [(name, functools.partial(_dataset, name)) for name in catalog.catalog()]
    broken = absent = 0
    for name, check in checks:
        try:
            state, told = "ok", check()
        except DatasetUnavailable:
            state, told = "absent", f"{catalog.entry(name).size / 1e6:.1f} MB to download"
            absent += 1
        except Exception as error:  # noqa: BLE001  whatever is broken is what the reader wants to hear of
            state, told = "BROKEN", f"{type(error).__name__}: {error}"
            broken += 1
        print(f"{state:7} {name:15} {told}")
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
