"""Runs a student's notebook in a jail: bubblewrap, with limits that hold from outside.

In the jail there is no network, no home folder, no gradebook and no other submission; the system,
Python and the package are read-only; what it writes lies in memory of a limited size and is gone
afterwards. Out of it comes one JSON text through a pipe, read up to a limit. Student code never runs
in the grader's process, and nothing that it makes is unpickled or executed there.

No process that a student can see holds anything of the teacher's: bubblewrap itself gets an empty
environment and stays outside, and process 1 of the jail is our own ``inside.py``, which closes its
memory and its files to the others before their code runs. It alone can write to the pipe, and it signs
with a key that nobody else in the jail can read: a result without it counts for nothing.
"""

from __future__ import annotations

import hmac
import json
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from . import seccomp
from .command import HOME, bus, bwrap, data_folders, features, filter_pipe, scope
from .watch import IN_JAIL, MIB, Ended, largest_memory, watch

__all__ = [
    "MIB", "Ended", "Limits", "NoJail", "Ran", "check", "data_folders", "describe",
    "largest_memory", "run", "run_program", "whole_characters",
]  # fmt: skip

PROGRAM = Path(__file__).with_name("inside.py")
INSTALL = "install it (Debian, Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap)"


class NoJail(RuntimeError):
    """There is no bubblewrap, or it does not work here."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Sizes in MiB, times in seconds.

    CPU time is what counts: it is the same on a machine that has too much to do. The limits on the
    clock end what sleeps; time in which it waited for a processor is not counted there. A cell may
    take three times its CPU time on the clock.
    """

    wall: int = 480  # on the clock, for the whole notebook
    cell: int = 30  # of CPU time, for one cell
    cpu: int = 240  # of CPU time, for all processes together
    memory: int = 4096  # all processes together
    processes: int = 128  # and threads
    files: int = 50_000  # files and folders that it makes
    sockets: int = 256  # and terminals; the kernel keeps up to a MiB for each
    disk: int = 256  # of each folder that can be written to; it lies in memory
    spare: int = 256  # memory that the machine must have left, whoever uses it
    output: int = 8  # of the JSON text that comes out
    cell_output: float = 0.5  # of what a cell shows

    def inside(self) -> dict:
        return {
            "resources": {
                "DATA": self.memory * MIB,
                "NPROC": self.processes,
                "FSIZE": self.disk * MIB,
                "CPU": self.cpu,
                "NOFILE": 256,
                "CORE": 0,
                "MSGQUEUE": 0,
                "MEMLOCK": 1 << 16,  # also what a socket may hold without a copy
                "RTPRIO": 0,
                "NICE": 0,
                "SIGPENDING": 1024,
            },
            "output": int(self.cell_output * MIB),
            "outputs": self.output * MIB // 2,
            "seconds": self.cell,
        }


@dataclass
class Ran:
    """What came of a notebook: "done", or what ended it and in which cell, and the outputs."""

    status: str
    cell: str = ""
    outputs: dict[str, list] = field(default_factory=dict)
    stopped: dict[str, str] = field(
        default_factory=dict
    )  #: cells that were interrupted: after what
    seconds: float = 0.0
    cpu: float = 0.0  #: CPU time of all its processes together, seconds
    memory: float = 0.0  #: the most that all its processes used together, MiB
    late: bool = False  #: the clock ended it or a cell of it, not what it used
    crowded: bool = False  #: the machine's memory was used up, perhaps by others

    @property
    def done(self) -> bool:
        return self.status == "done"


def check() -> None:
    """Try the jail.

    Raises
    ------
    NoJail
        If bubblewrap is missing or may not make a jail here.
    """
    if shutil.which("bwrap") is None:
        raise NoJail(f"there is no bubblewrap (bwrap) on this machine: {INSTALL}")
    if platform.machine() not in seccomp.MACHINES:
        raise NoJail(f"there is no jail for this processor, {platform.machine()}")
    with filter_pipe() as fd:
        trial = [*bwrap(Limits(), [], fd), "--", "/usr/bin/true"]
        done = subprocess.run(trial, capture_output=True, text=True, pass_fds=(fd,), env={})
    if done.returncode:
        raise NoJail(
            f"bubblewrap cannot make a jail here: {done.stderr.strip()}. It must be 0.7 or newer, "
            "and may have to be allowed to make user namespaces (in a container: start the container "
            "with that right)"
        )


def describe() -> str:
    """Which limits the jail has on this machine, in words; for ``labnotes doctor``.

    Raises
    ------
    NoJail
        If there is no jail.
    """
    check()
    known = features()
    namespaces = "also by bubblewrap" if "--disable-userns" in known else "by the filter of calls"
    group = scope(Limits())
    return (
        f"bubblewrap {known['version']}; new user namespaces are refused {namespaces}; memory, "
        f"processes and CPU are limited {'by a cgroup and ' if group else ''}by looking ten times a "
        f"second{'' if group else ' (no cgroup of your own: systemd-run --user does not work here)'}"
    )


def run(
    notebook: NotebookNode,
    limits: Limits,
    withheld: Sequence[str] = (),
    jailed: bool = True,
    stop: threading.Event | None = None,
    cpus: Iterable[int] | None = None,
) -> Ran:
    """Execute a notebook's code cells, all of them, and give their outputs.

    Parameters
    ----------
    notebook
        Its cells need ids.
    withheld
        Modules that cannot be imported inside.
    jailed
        False runs the notebook as an ordinary process with your rights: never do this to work
        of others.
    stop
        Set it from another thread to end the run.
    cpus
        The processors that it may use; None: all.
    """
    key = secrets.token_hex(32)
    told = f"{key}\n{nbformat.writes(notebook)}"
    words = [json.dumps(limits.inside())]
    if not jailed:
        program = [sys.executable, str(PROGRAM), *words]
        with tempfile.TemporaryDirectory(prefix="classroom-") as folder:
            ended = watch(program, told, limits, stop, cwd=folder)
    else:
        ended = run_program(PROGRAM, words, told, limits, withheld, stop, cpus)
    return _ran(ended, ended.problem) if ended.problem else _result(ended, key)


def run_program(
    program: Path,
    words: Sequence[str],
    told: str,
    limits: Limits,
    withheld: Sequence[str] = (),
    stop: threading.Event | None = None,
    cpus: Iterable[int] | None = None,
) -> Ended:
    """Run a Python program in a jail: `words` are its arguments, `told` is its standard input."""
    with tempfile.TemporaryDirectory(prefix="classroom-") as folder, filter_pipe() as fd:
        jail = [*scope(limits), *bwrap(limits, withheld, fd)]
        jail += ["--ro-bind", str(program), IN_JAIL, "--remount-ro", "/", "--chdir", HOME, "--"]
        # Its folder is mounted by its own name: Python keeps the "..", if it was called so.
        python = Path(sys.executable)
        jail += [str(python.parent.resolve() / python.name), IN_JAIL, *words]
        return watch(jail, told, limits, stop, cpus, cwd=folder, env=bus(), pass_fds=(fd,))


def _ran(ended: Ended, status: str, found: dict | None = None) -> Ran:
    found = found or {}
    stopped = {str(cell): str(words) for cell, words in found.get("stopped", {}).items()}
    late = ended.late or any("clock" in words for words in stopped.values())
    outputs = {str(c): [_output(o) for o in os_] for c, os_ in found.get("outputs", {}).items()}
    return Ran(
        status, str(found.get("cell", "")), outputs, stopped,
        ended.seconds, ended.cpu, ended.memory, late, ended.crowded,
    )  # fmt: skip


def _result(ended: Ended, key: str) -> Ran:
    try:
        wrote = ended.wrote.decode()
        text = wrote.partition("\n")[2]
        signature = hmac.new(key.encode(), text.encode(), "sha256").hexdigest()
        if not hmac.compare_digest(wrote.encode(), f"{signature}\n{text}".encode()):
            return _ran(ended, "it ended without a result of ours")
        found = json.loads(whole_characters(text))
        return _ran(ended, str(found["status"]), found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _ran(ended, "it ended without a result")


def _output(output: dict) -> dict:
    """An output with nothing in it but what we know: texts and pictures."""
    kind = output["output_type"]
    if kind == "stream":
        return {"output_type": kind, "name": str(output["name"]), "text": str(output["text"])}
    if kind == "error":
        error = {name: str(output[name]) for name in ("ename", "evalue")}
        return {"output_type": kind, **error, "traceback": [str(t) for t in output["traceback"]]}
    if kind not in ("execute_result", "display_data"):
        raise ValueError(f"no kind of output: {kind}")
    known = ("text/plain", "text/html", "image/png")
    data = {name: str(output["data"][name]) for name in known if name in output["data"]}
    count = {"execution_count": None} if kind == "execute_result" else {}
    return {"output_type": kind, "data": data, "metadata": {}, **count}


def whole_characters(text: str) -> str:
    """A JSON text with a "?" for each half of a character.

    ``"\\ud83d"`` alone is valid JSON, but no file and no terminal can hold it.
    """
    return json.dumps(json.loads(text), ensure_ascii=False).encode("utf8", "replace").decode()
