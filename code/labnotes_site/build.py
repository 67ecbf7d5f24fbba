"""Build the book: run the chapters that need it, in parallel, then write the site.

``python -m labnotes_site.build`` is what ``make book`` calls. It ends with an error if a cell
fails, a chapter runs no cell, or Sphinx has anything to complain about.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
import psutil
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

from labnotes.data import catalog
from labnotes.files import replacing

from .keys import Chapter, chapters, execution_key, site_key, surroundings
from .record import stored

#: Longest time one cell may take, in seconds.
CELL_TIMEOUT = 600
#: Large downloads without which every chapter is as good: only for those who ask for them by name.
ON_REQUEST = ("voc2007", "voc2012", "vgg19", "inception")
#: Its modules do nothing under ``-m``, and its own program would not start as fast as ours.
JUPYTER_BOOK = "import labnotes_site, jupyter_book.cli.main as book; book.main()"


class ExecutionRecord:
    """Which key each chapter was last run with, kept in one small file beside the cache."""

    def __init__(self, path: Path):
        self.path = path
        self.keys: dict[str, dict] = json.loads(path.read_text()) if path.exists() else {}

    def put(self, docname: str, key: str, seconds: float, cpu: float) -> None:
        self.keys[docname] = {"key": key, "seconds": seconds, "cpu": cpu}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path, "w") as file:
            json.dump(self.keys, file, indent=1)


def stale(found: list[Chapter], cache, record: ExecutionRecord, code_root: Path) -> list[Chapter]:
    """The chapters whose cached results are missing or were made from something else."""
    wanted = []
    for chapter in found:
        try:
            cache.match_cache_notebook(chapter.notebook)
            fresh = record.keys.get(chapter.docname, {}).get("key") == execution_key(
                chapter, code_root
            )
        except KeyError:
            fresh = False
        if not fresh:
            wanted.append(chapter)
    return wanted


def fetch_data() -> None:
    """Download what the chapters read, once and before they run side by side.

    A data set that is not to be had is no error: the chapters have stand-ins, and say so.
    """
    for name in catalog.catalog():
        if name in ON_REQUEST:
            continue
        try:
            catalog.fetch(name)
        except catalog.DatasetUnavailable as error:
            print(f"Without {name} (the chapters will use a stand-in): {error}\n", flush=True)
    # What could not be had now is not asked for again by every chapter.
    os.environ["LABNOTES_OFFLINE"] = "1"
    surroundings.cache_clear()


def run_chapter(chapter: Chapter) -> tuple[nbformat.NotebookNode, float, float, str]:
    """Run one chapter in a kernel of its own.

    Gives the notebook, the seconds it took, the seconds of processor time in them (which other
    work on the machine does not change), and the error or "".
    """
    notebook = nbformat.from_dict(chapter.notebook)
    error, cpu = "", 0.0

    def count(**about_the_cell) -> None:
        nonlocal cpu
        cpu = sum(psutil.Process(client.km.provisioner.process.pid).cpu_times()[:4])

    started = time.perf_counter()
    # What a chapter writes is left in the folder; of the kernel's own messages only errors are ours.
    with tempfile.TemporaryDirectory(prefix="labnotes-") as folder:
        client = NotebookClient(
            notebook,
            resources={"metadata": {"path": folder}},
            timeout=CELL_TIMEOUT,
            record_timing=False,  # it would stand in the cells' options, which the cache compares
            extra_arguments=["--IPKernelApp.log_level=40"],
            on_cell_executed=count,
        )
        try:
            client.execute()
        except (CellExecutionError, CellTimeoutError) as failure:
            error = str(failure)
    if not error and not any(c.cell_type == "code" and c.execution_count for c in notebook.cells):
        error = "no cell of this chapter was executed"
    return notebook, time.perf_counter() - started, cpu, error


def execute(
    wanted: list[Chapter], cache, record: ExecutionRecord, code_root: Path, jobs: int
) -> list[str]:
    """Run `wanted`, the slowest of last time first; store what succeeded; name what failed."""
    failed = []
    before = {name: entry["seconds"] for name, entry in record.keys.items()}
    wanted = sorted(wanted, key=lambda c: -before.get(c.docname, float("inf")))
    # A chapter gets one thread: several pools of threads on the same cores stand in each
    # other's way (measured: 4 to 9 times slower on two cores).
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ThreadPoolExecutor(jobs) as pool:
        # The key is taken before the run: code that changes meanwhile counts as changed.
        running = {pool.submit(run_chapter, c): (c, execution_key(c, code_root)) for c in wanted}
        for future in as_completed(running):
            chapter, key = running[future]
            notebook, seconds, cpu, error = future.result()
            if error:
                failed.append(chapter.docname)
                print(f"FAILED {chapter.docname} after {seconds:.1f} s\n{error}", flush=True)
                continue
            bundle = CacheBundleIn(notebook, str(chapter.path), data={"execution_seconds": seconds})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            record.put(chapter.docname, key, seconds, cpu)
            print(f"{seconds:7.1f} s  {chapter.docname}  (processor {cpu:.1f} s)", flush=True)
    return failed


def refresh_metadata(found: list[Chapter], cache) -> None:
    """Give the cached notebooks the cells' options as they are now.

    MyST-NB takes tags and captions from the cache; a caption mended in the source would not show.
    """
    for chapter in found:
        key = cache.match_cache_notebook(chapter.notebook).hashkey
        file = cache.path / "executed" / key / "base.ipynb"
        cached = nbformat.read(file, nbformat.NO_CONVERT)
        current = [c.metadata for c in chapter.notebook.cells if c.cell_type == "code"]
        if [c.metadata for c in cached.cells] == current:
            continue
        for cell, metadata in zip(cached.cells, current, strict=True):
            cell.metadata = metadata
        nbformat.write(cached, file)


def write_site(root: Path) -> int:
    """Run Sphinx through jupyter-book, strictly. Returns its exit status."""
    build = root / "_build"
    stamp, key = build / ".site-key", site_key(root)
    if not stamp.exists() or stamp.read_text() != key:
        # The extension or the configuration changed, or the last build had warnings, which Sphinx
        # would not repeat for pages it has read: every page must be written anew.
        shutil.rmtree(build / "html", ignore_errors=True)
        shutil.rmtree(build / ".doctrees", ignore_errors=True)
    stamp.unlink(missing_ok=True)
    command = [sys.executable, "-P", "-c", JUPYTER_BOOK]
    command += ["build", str(root), "-n", "-W", "--keep-going", "-q"]
    status = subprocess.run(command, cwd=root).returncode
    if status == 0:
        stamp.write_text(key)
    return status


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m labnotes_site.build", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the book's folder")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help="run just these chapters (docname or its end), write no site",
    )
    parser.add_argument("--force", action="store_true", help="run chapters though nothing changed")
    parser.add_argument(
        "--jobs",
        type=int,
        default=None,
        help="chapters at a time (default: one per core; one on a GPU)",
    )
    parser.add_argument(
        "--list", action="store_true", help="name the chapters that would run, and stop"
    )
    args = parser.parse_args(argv)
    root = args.root.resolve()
    code_root = root / "code"
    if folders := os.environ.get("LABNOTES_DATA"):  # kernels run elsewhere: they need the full path
        os.environ["LABNOTES_DATA"] = os.pathsep.join(
            str((root / f).resolve()) for f in folders.split(os.pathsep)
        )
    started = time.perf_counter()
    cache = get_cache(root / "_build" / ".jupyter_cache")
    record = ExecutionRecord(root / "_build" / "executions.json")
    try:
        found = chapters(root)
    except ValueError as error:
        print(f"The book cannot be read: {error}", file=sys.stderr)
        return 2
    if args.only:
        unknown = [n for n in args.only if not any(c.docname.endswith(n) for c in found)]
        if unknown:
            parser.error(
                f"no chapter {', '.join(unknown)}; chapters: {', '.join(c.docname for c in found)}"
            )
        found = [c for c in found if any(c.docname.endswith(n) for n in args.only)]
    wanted = found if args.force else stale(found, cache, record, code_root)
    if args.list:
        print("\n".join(c.docname for c in wanted))
        return 0
    print(f"{len(wanted)} of {len(found)} chapters to run", flush=True)
    if wanted:
        fetch_data()
    failed = execute(wanted, cache, record, code_root, args.jobs or default_jobs())
    ran = time.perf_counter()
    if failed:
        print(f"\n{len(failed)} chapters failed: {', '.join(failed)}. No site was written.")
        return 1
    refresh_metadata(found, cache)
    if args.only:
        return 0
    status = write_site(root)
    if status:
        print("\nSphinx reported what stands above: the site is not complete.")
        return status
    print("\nLast run of each chapter:")
    for chapter in found:
        print(f"{record.keys[chapter.docname]['seconds']:7.1f} s  {chapter.docname}")
    for name in stored.all_stale(root, found):
        print(f"The record of {name} was made with earlier code: make records")
    print(f"\nChapters {ran - started:.1f} s, site {time.perf_counter() - ran:.1f} s.")
    print(f"The book is at {root / '_build' / 'html' / 'index.html'}")
    return 0


def default_jobs() -> int:
    from labnotes.runtime import device

    return (os.cpu_count() or 1) if device().type == "cpu" else 1


if __name__ == "__main__":
    sys.exit(main())
