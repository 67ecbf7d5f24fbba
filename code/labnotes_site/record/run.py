"""Run a chapter's cells at the size of a record, in one process: ``python -P run.py JOB FOLDER``.

It needs IPython and what the chapter itself imports, nothing else of Jupyter or of the book's
tools, so that it also runs where only torch was installed. JOB is a file of :mod:`.stored.job`.
FOLDER keeps what a killed run needs to go on: the checkpoints of every ``fit`` and the time spent.
When the last cell is done, ``FOLDER/result.json`` holds the outputs and how they were made, and
``FOLDER/weights`` the weights.
"""

from __future__ import annotations

import argparse
import base64
import functools
import importlib.abc
import importlib.machinery
import itertools
import json
import os
import platform
import sys
import tempfile
import threading
import time
import types
from datetime import datetime, timezone
from pathlib import Path

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

#: Chapters compare themselves with these; a record can do without.
PEERS = (
    "d2l", "nltk", "pandas", "pycocotools", "sacrebleu", "scipy", "skimage", "sklearn", "tokenizers",
)  # fmt: skip
TERMINAL = sys.stderr


class Clock:
    """Time spent on a record, that of killed runs included: they leave it in a file."""

    def __init__(self, file: Path):
        self.file = file
        before = json.loads(file.read_text()) if file.exists() else {}
        self.seconds, self.cpu = before.get("seconds", 0.0), before.get("cpu_seconds", 0.0)
        self.runs = before.get("runs", 0) + 1
        self.started = time.monotonic()
        threading.Thread(target=self._keep, daemon=True).start()

    def read(self) -> dict:
        spent = time.monotonic() - self.started
        cpu = time.process_time()
        return {"seconds": self.seconds + spent, "cpu_seconds": self.cpu + cpu, "runs": self.runs}

    def _keep(self) -> None:
        while True:
            write(self.file, self.read())
            time.sleep(5)


def write(file: Path, content: dict) -> None:
    """Write JSON under another name first: the file is there whole or not at all."""
    new = file.with_name(file.name + ".new")
    new.write_text(json.dumps(content), "utf8")
    os.replace(new, file)


# --- IPython, without a kernel -------------------------------------------------------------------


def as_text(data: dict) -> dict:
    r"""What a cell shows, with the bytes of a picture (Pillow's) in base64, as a kernel sends it.

    >>> as_text({"image/png": b"\x89PNG", "text/plain": "a picture"})
    {'image/png': 'iVBORw==', 'text/plain': 'a picture'}
    """
    return {
        form: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for form, value in data.items()
    }


class Publisher(DisplayPublisher):
    """Takes what a cell displays."""

    outputs: list = []

    def publish(self, data, metadata=None, **_) -> None:
        self.outputs.append({"output_type": "display_data", "data": as_text(data)})


class Hook(DisplayHook):
    """Takes the value of a cell's last line."""

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict, md_dict=None) -> None:
        Publisher.outputs.append({"output_type": "execute_result", "data": as_text(format_dict)})

    def finish_displayhook(self) -> None:
        pass


class Shell(InteractiveShell):
    """IPython's shell with its results in a list and its errors on the terminal."""

    def _showtraceback(self, etype, evalue, stb) -> None:
        print(self.InteractiveTB.stb2text(stb), file=TERMINAL)


class Printed:
    """Standard output: kept as the cell's, and shown on the terminal as it comes."""

    encoding, errors = "utf-8", "strict"

    def write(self, text: str) -> int:
        TERMINAL.write(text)
        outputs = Publisher.outputs
        if outputs and outputs[-1]["output_type"] == "stream":
            outputs[-1]["text"] += text
        else:
            outputs.append({"output_type": "stream", "name": "stdout", "text": text})
        return len(text)

    def flush(self) -> None:
        TERMINAL.flush()

    def isatty(self) -> bool:
        return False


def new_shell() -> Shell:
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.display_page = True
    return Shell.instance(config=config, display_pub_class=Publisher, displayhook_class=Hook)


# --- peers that a bare machine has not --------------------------------------------------------------


class Absent(ImportError):
    """Something was asked of a package that is not on this machine."""


class AbsentThing:
    """What ``from scipy.signal import correlate2d`` gives where there is no SciPy."""

    def __init__(self, name: str):
        self._name = name

    def __call__(self, *args, **options):
        raise Absent(f"{self._name} is not on this machine")

    def __getattr__(self, name: str):
        raise Absent(f"{self._name} is not on this machine")


class AbsentModule(types.ModuleType):
    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return AbsentThing(f"{self.__name__}.{name}")


class PeerFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The last to be asked for a module: lets a chapter import a peer that is not there.

    Cells that then use it are left out; a cell that makes the record may not.
    """

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in PEERS:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return AbsentModule(spec.name)

    def exec_module(self, module) -> None:
        pass


# --- what a record run changes in the package -------------------------------------------------------


def prepare_package(seeds: list[int]) -> None:
    """Make every ``fit`` of the chapter go on after a kill, refuse stand-in data, note the seeds."""
    import torch

    import labnotes.train
    from labnotes import runtime
    from labnotes.data import provenance

    fit = resumable(labnotes.train.fit)
    labnotes.train.fit = sys.modules["labnotes.train.fit"].fit = fit
    provenance.missing = refuse_stand_in
    runtime.seed_everything = noting(runtime.seed_everything, seeds)
    torch.manual_seed = noting(torch.manual_seed, seeds)


def resumable(fit):
    """`fit` with a checkpoint of its own where the chapter gives none.

    The same code calls ``fit`` in the same order, so a number is name enough. A finished run is
    loaded and not trained again, and leaves the random generators as the training left them.
    """
    from labnotes.train.checkpoint import Checkpoint

    numbers = itertools.count(1)

    @functools.wraps(fit)
    def with_checkpoint(*args, checkpoint=None, **options):
        name = f"fit-{next(numbers)}" if checkpoint is None else checkpoint
        started = time.monotonic()
        history = fit(*args, checkpoint=name, **options)
        if checkpoint is None:
            with Checkpoint(f"{name}-after", {}, {}) as after:
                if after.path.exists():
                    after.resume()
                    after.restore_random()
                else:
                    after.save()
        spent = time.monotonic() - started
        print(f"    {name}: {len(history.epochs)} epochs, {spent:.0f} s", file=TERMINAL, flush=True)
        return history

    return with_checkpoint


def refuse_stand_in(wanted, consequence: str) -> str:
    raise RuntimeError(
        f"{wanted.title} is not here, and a record is made with the real data, never with a "
        f"stand-in: get it with `labnotes data get {wanted.name}`, or name its folder in LABNOTES_DATA"
    )


def noting(seed_function, seeds: list[int]):
    """A function that seeds, and notes the seeds that the chapter's own code gives it."""

    @functools.wraps(seed_function)
    def seeding(seed, *args, **options):
        if sys._getframe(1).f_globals.get("__name__") == "__main__" and int(seed) not in seeds:
            seeds.append(int(seed))
        return seed_function(seed, *args, **options)

    return seeding


# --- how it was made ---------------------------------------------------------------------------------


def processor() -> str:
    """The processor's name, without anything that tells one machine from another."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def peak_memory() -> int:
    """The largest memory of this process, in bytes."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def provenance(job: dict, clock: Clock, seeds: list[int], left_out: list[str]) -> dict:
    import numpy
    import torch
    import torchvision

    from labnotes import runtime

    device = runtime.device()
    made = {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "device": device.type,
        "machine": processor(),
        "threads": torch.get_num_threads(),
        **{k: round(v, 1) for k, v in clock.read().items()},
        "peak_memory": peak_memory(),
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "torchvision": str(torchvision.__version__),
            "numpy": numpy.__version__,
        },
        "commit": job["commit"],
        "seeds": sorted(seeds),
    }
    if device.type == "cuda":
        made["machine"] = torch.cuda.get_device_name(device)
        made["peak_memory"] = torch.cuda.max_memory_allocated(device)
        made["versions"]["cuda"] = str(torch.version.cuda)
    if left_out:
        made["left_out"] = left_out
    return made


# --- the run ------------------------------------------------------------------------------------------


def run_cells(job: dict, without_peers: bool) -> tuple[list[list[dict]], list[str]]:
    """The outputs of the cells to record, and what was left out. Exits at the first error."""
    shell = new_shell()
    kept, left_out = [], []
    sys.stdout = Printed()
    for i, cell in enumerate(job["cells"], 1):
        first = next(filter(None, map(str.strip, cell["source"].split("\n"))), "")
        mark = ", to record" if cell["record"] else ""
        print(f"cell {i} of {len(job['cells'])}{mark}: {first[:70]}", file=TERMINAL, flush=True)
        Publisher.outputs = []
        if without_peers:
            sys.meta_path.append(peers := PeerFinder())
        result = shell.run_cell(cell["source"], store_history=True)
        if without_peers:
            sys.meta_path.remove(peers)
        error = result.error_before_exec or result.error_in_exec
        if isinstance(error, Absent) and not cell["record"]:
            left_out.append(f"{first[:70]} ({error})")
            continue
        if error is not None:
            raise SystemExit(f"{job['chapter']}: cell {i} failed, so there is no record")
        if cell["record"]:
            if not Publisher.outputs:
                raise SystemExit(f"{job['chapter']}: cell {i} is tagged record and shows nothing")
            kept.append(Publisher.outputs)
    return kept, left_out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("job", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--without-peers", action="store_true", help="leave out cells that need one"
    )
    args = parser.parse_args()
    job, folder = json.loads(args.job.read_text("utf8")), args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["LABNOTES_RECORD"] = str(folder / "weights")
    os.environ["LABNOTES_RUNS"] = str(folder / "runs")
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    # A checkpoint need not outlast a power cut, only a kill: no waiting for the disk, hundreds of times.
    os.fsync = lambda descriptor: None
    clock = Clock(folder / "time.json")
    if clock.runs > 1:
        print(f"going on after {clock.seconds:.0f} s", file=TERMINAL)
    seeds: list[int] = []
    prepare_package(seeds)
    with tempfile.TemporaryDirectory(prefix="labnotes-") as scratch:
        os.chdir(scratch)  # what a chapter writes does not stay
        os.environ["IPYTHONDIR"] = scratch
        try:
            outputs, left_out = run_cells(job, args.without_peers)
        finally:
            os.chdir(folder)
    made = provenance(job, clock, seeds, left_out)
    write(folder / "result.json", {"job": job, "made": made, "outputs": outputs})


if __name__ == "__main__":
    main()
