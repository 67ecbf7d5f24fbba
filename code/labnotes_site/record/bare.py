"""Records from a machine that has a graphics card, torch, torchvision and numpy, and no network.

``python -m labnotes_site.record.bare pack`` puts what the work there needs into ``_build/gpu``;
``benchmarks/gpu_records.sh`` does the work; ``… take FOLDER`` keeps what it brought back.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from labnotes.data import catalog

from ..keys import Chapter, chapters
from . import Refused, stored, tagged
from .__main__ import state
from .run import write

#: Bytes that may travel: the checkout's own files and what is packed, together.
MOST = 64 * 2**20
#: What a chapter, its run and the tests import, besides what the machine has; pip adds their needs.
NEEDED = (
    "anywidget",
    "hypothesis",
    "ipython",
    "matplotlib",
    "matplotlib-inline",
    "pooch",
    "pytest",
    "safetensors",
    "tqdm",
)
#: Left out of what pip adds: what comes with torch and torchvision, and 7 MB that serve typing in a
#: terminal and notebooks' browsers alone.
NOT_BROUGHT = (
    *("numpy", "pillow"),
    *("jedi", "jupyterlab_widgets", "parso", "tzdata", "widgetsnbextension"),
)
#: Oldest first: pip takes a wheel for any of these systems.
SYSTEMS = [f"manylinux{v}_x86_64" for v in ("2014", "_2_17", "_2_24", "_2_27", "_2_28")]


def by_worth(root: Path, found: list[Chapter]) -> list[Chapter]:
    """The chapters whose record is missing, then stale, then from a processor.

    Within each of these, chapters that want a graphics card come first.
    """

    def worth(chapter: Chapter) -> tuple[int, bool]:
        record = stored.load(root, tagged.name_of(chapter))
        on_a_card = record is not None and record.made["device"] != "cpu"
        order = {"missing": 0, "stale": 1, "fresh": 3 if on_a_card else 2, "": 3}
        gpu = chapter.notebook.metadata.get("labnotes", {}).get("gpu", False)
        return order[state(root, chapter)], not gpu

    return sorted((c for c in found if worth(c)[0] < 3), key=worth)


def pack(root: Path, names: list[str], data: list[str], python: str) -> Path:
    """Fill ``_build/gpu``: jobs in their order, data sets, and wheels for that machine's Python.

    Raises
    ------
    Refused
        If a chapter has nothing to record, a data set is not here, or all is larger than 64 MiB.
    """
    found = {tagged.name_of(c): c for c in chapters(root)}
    wanted = [found[n] for n in names] if names else by_worth(root, list(found.values()))
    target = root / "_build" / "gpu"
    for part in ("jobs", "data", "wheels"):  # what an unfinished run has left stays
        shutil.rmtree(target / part, ignore_errors=True)
        (target / part).mkdir(parents=True)
    for i, chapter in enumerate(wanted, 1):
        job = tagged.job(chapter, root)
        write(target / "jobs" / f"{i:02}-{job['chapter'].replace('/', '-')}.json", job)
        print(f"{i:3} {job['chapter']}")
    for name in data:
        copy_data(name, target / "data")
    if python:
        get_wheels(target / "wheels", root / "requirements.txt", python)
    check_size(root, target)
    return target


def copy_data(name: str, target: Path) -> None:
    """Copy a data set's files as a cache holds them."""
    found, dataset = catalog.locate(name), catalog.entry(name)
    if found is None:
        raise Refused(f"{name} is not here: run `labnotes data get {name}`")
    for path in found.paths.values():
        folder = next(f for _, f in catalog.places(dataset) if path.is_relative_to(f))
        copy = target / dataset.folder / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)


def get_wheels(target: Path, pins: Path, python: str) -> None:
    """Download the wheels for Python `python` on x86-64 Linux, in the book's versions."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--dest", str(target), "--constraint", str(pins), "--only-binary=:all:"]
    command += ["--implementation", "cp", "--python-version", python]
    command += [word for system in SYSTEMS for word in ("--platform", system)]
    if subprocess.run([*command, *NEEDED]).returncode:
        raise Refused("pip could not download the wheels: see above")
    for wheel in target.glob("*.whl"):
        if wheel.name.lower().startswith(tuple(f"{name}-" for name in NOT_BROUGHT)):
            wheel.unlink()
    (target / "python.txt").write_text(python)


def check_size(root: Path, target: Path) -> None:
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
    ).stdout
    files = [root / name for name in listed.split("\0") if name]
    files += [f for f in target.rglob("*") if f.is_file()]
    sizes = {f: f.stat().st_size for f in files if f.is_file()}
    total = sum(sizes.values())
    print(f"{total / 2**20:.1f} MiB with the checkout, of {MOST // 2**20} MiB")
    if total > MOST:
        large = sorted(sizes, key=sizes.get, reverse=True)[:3]
        named = ", ".join(f"{f.relative_to(root)} ({sizes[f] / 2**20:.1f} MiB)" for f in large)
        raise Refused(
            f"{total:,} bytes are to travel, and {MOST:,} may: name fewer data sets. "
            f"The largest files: {named}"
        )


def take(root: Path, folder: Path) -> list[str]:
    """Keep the finished records that came back, and lay the unfinished ones out to go on.

    Returns
    -------
    list of str
        The chapters that were recorded.
    """
    work = root / "_build" / "gpu" / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for archive in sorted(folder.glob("*.tar.gz")):
        with tarfile.open(archive) as packed:
            packed.extractall(work, filter="data")
    found = {tagged.name_of(c): c for c in chapters(root)}
    kept = []
    for result in sorted(work.glob("*/result.json")):
        content = json.loads(result.read_text("utf8"))
        name = content["job"]["chapter"]
        record = stored.store(root, content, result.parent / "weights")
        shutil.rmtree(result.parent)
        kept.append(name)
        old = name not in found or stored.is_stale(record, found[name], root / "code")
        print(f"recorded {name}: {record.made['machine']}{', with earlier code' if old else ''}")
    return kept


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m labnotes_site.record.bare")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the book's folder")
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="put what the work needs into _build/gpu")
    packing.add_argument(
        "chapter", nargs="*", help="in order of worth; none: all that need a record"
    )
    packing.add_argument("--data", nargs="*", default=["fashion_mnist"], help="data sets to bring")
    packing.add_argument(
        "--python", default="", help="that machine's Python, as 3.12; none: no wheels"
    )
    taking = commands.add_parser("take", help="keep the records in FOLDER")
    taking.add_argument("folder", type=Path)
    args = parser.parse_args(argv)
    root = args.root.resolve()
    try:
        if args.command == "take":
            return 0 if take(root, args.folder) else 1
        names = [n.removeprefix("chapters/") for n in args.chapter]
        if unknown := set(names) - {tagged.name_of(c) for c in chapters(root)}:
            parser.error(f"no chapter {', '.join(sorted(unknown))}")
        print(f"packed in {pack(root, names, args.data, args.python)}")
    except (Refused, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
