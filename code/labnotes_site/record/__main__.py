"""Make records: ``python -m labnotes_site.record convnets/lenet`` (no name: all that are stale).

Runs the chapter at the size of a record and keeps what the cells tagged ``record`` show. A run
that was killed goes on where it was when the same command is given again.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from ..keys import Chapter, chapters
from . import Refused, run, stored, tagged


def state(root: Path, chapter: Chapter) -> str:
    """ "missing", "stale" (made by earlier code) or "fresh"; "" where nothing is to be recorded."""
    if not tagged.recording(chapter):
        return ""
    record = stored.load(root, tagged.name_of(chapter))
    if record is None:
        return "missing"
    return "stale" if stored.is_stale(record, chapter, root / "code") else "fresh"


def make(root: Path, chapter: Chapter) -> stored.Record:
    """Run a chapter and keep its record.

    Raises
    ------
    Refused
        If the run fails, or leaves something that may not be kept. An earlier record is then as it
        was.
    """
    name, job = tagged.name_of(chapter), tagged.job(chapter, root)
    work = root / "_build" / "records" / name
    work.mkdir(parents=True, exist_ok=True)
    with alone(work, name) as lock:
        if not _same_job(work / "job.json", job):
            # Checkpoints and results of other code are of no use.
            for left in work.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            run.write(work / "job.json", job)
        if not (work / "result.json").exists():
            command = [sys.executable, "-P", run.__file__, "job.json", "."]
            # The run has the lock too: it holds it on if this process is killed and it is not.
            env, lock_too = environment(root), [lock.fileno()]
            done = subprocess.run(command, cwd=work, env=env, pass_fds=lock_too)
            if done.returncode:
                raise Refused(f"no record of {name}: its run ended with {done.returncode}")
        record = stored.store(
            root, json.loads((work / "result.json").read_text()), work / "weights"
        )
    shutil.rmtree(work)
    return record


def environment(root: Path) -> dict[str, str]:
    """One thread, the package of this book, and data folders by their full names."""
    env = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(root / "code"))
    if folders := env.get("LABNOTES_DATA"):
        parts = [str((root / f).resolve()) for f in folders.split(os.pathsep)]
        env["LABNOTES_DATA"] = os.pathsep.join(parts)
    return env


def _same_job(file: Path, job: dict) -> bool:
    """Whether a run that was begun is a run of this very code; the commit may be another."""
    if not file.exists():
        return False
    before = json.loads(file.read_text("utf8"))
    return before["key"] == job["key"] and before["cells"] == job["cells"]


@contextmanager
def alone(work: Path, name: str):
    """Refuse to record a chapter that another process is recording."""
    with open(work.with_name(work.name + ".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(f"{name} is being recorded by another process") from error
        yield lock


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m labnotes_site.record", description=__doc__)
    parser.add_argument("chapter", nargs="*", help="part/chapter; none: all missing or stale ones")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the book's folder")
    parser.add_argument("--list", action="store_true", help="tell how each record stands, and stop")
    args = parser.parse_args(argv)
    root = args.root.resolve()
    try:
        found = {tagged.name_of(c): c for c in chapters(root)}
        states = {name: found_ for name, c in found.items() if (found_ := state(root, c))}
        if args.list:
            print("\n".join(f"{states[name]:8} {name}" for name in states))
            return 0
        names = [n.removeprefix("chapters/").removesuffix(".md") for n in args.chapter]
        if unknown := [n for n in names if n not in found]:
            parser.error(f"no chapter {', '.join(unknown)}; chapters: {', '.join(found)}")
        names = names or [name for name, how in states.items() if how != "fresh"]
        print(f"{len(names)} to record" + "".join(f"\n  {name}" for name in names), flush=True)
        for name in names:
            made = make(root, found[name]).made
            print(f"recorded {name}: {made['machine']}, {made['seconds']:.0f} s", flush=True)
    except (Refused, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    # As Ctrl-C does, `kill` ends the run that this has started too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
