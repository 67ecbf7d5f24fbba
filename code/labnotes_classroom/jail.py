"""Runs a student's notebook in a jail: bubblewrap, with limits that hold from outside.

In the jail there is no network, no home folder, no gradebook and no other submission; the system,
Python and the package are read-only; what it writes lies in memory of a limited size and is gone
afterwards. Out of it comes one JSON text through a pipe, read up to a limit. Student code never runs
in the grader's process, and nothing that it makes is unpickled or executed there.

No process that a student can see holds anything of the teacher's: bubblewrap itself gets an empty
environment and stays outside, and process 1 of the jail is our own ``inside.py``, which closes its
memory and its files to the others before their code runs. It alone can write to the pipe, and it signs
with a token that nobody else in the jail can read: a result without it counts for nothing.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from nbformat import NotebookNode

import labnotes
from labnotes.data import catalog

from . import seccomp

MIB = 1 << 20
HOME = "/home/student"  # in the jail
PROGRAM, IN_JAIL = Path(__file__).with_name("inside.py"), "/jail/inside.py"
INSTALL = "install it (Debian, Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap)"


class NoJail(RuntimeError):
    """There is no bubblewrap, or it does not work here."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Sizes in MiB, times in seconds."""

    wall: int = 240  # for the whole notebook
    cell: int = 30  # for one cell
    cpu: int = 240  # for one process
    memory: int = 4096  # all processes together
    processes: int = 128
    disk: int = 256  # of each folder that can be written to; it lies in memory
    output: int = 8  # of the JSON text that comes out
    cell_output: float = 0.25  # of what a cell shows

    def inside(self) -> dict[str, int]:
        return {
            "DATA": self.memory * MIB,
            "NPROC": self.processes,
            "FSIZE": self.disk * MIB,
            "CPU": self.cpu,
            "NOFILE": 512,
            "output": int(self.cell_output * MIB),
            "seconds": self.cell,
        }


@dataclass(frozen=True)
class Ended:
    """What came of a program: what it wrote, or the limit that ended it."""

    wrote: bytes
    problem: str
    seconds: float
    memory: float  #: the most that all its processes used together, MiB

    def ran(self, problem: str = "") -> Ran:
        """As the end of a notebook that gave no result."""
        return Ran(self.problem or problem, seconds=self.seconds, memory=self.memory)


@dataclass
class Ran:
    """What came of a notebook: "done", or what ended it and in which cell, and the outputs."""

    status: str
    cell: str = ""
    outputs: dict[str, list] = field(default_factory=dict)
    seconds: float = 0.0
    memory: float = 0.0  #: the most that all its processes used together, MiB

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
    with _filter() as fd:
        trial = [*_command(Limits(), [], fd), "--", "/usr/bin/true"]
        done = subprocess.run(trial, capture_output=True, text=True, pass_fds=(fd,), env={})
    if done.returncode:
        raise NoJail(
            f"bubblewrap cannot make a jail here: {done.stderr.strip()}. It must be 0.7 or newer, "
            "and may have to be allowed to make user namespaces (in a container: start the container "
            "with that right)"
        )


def run(
    notebook: NotebookNode,
    limits: Limits,
    withheld: Sequence[str] = (),
    jailed: bool = True,
    stop: threading.Event | None = None,
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
    """
    token = secrets.token_hex(16)
    told = f"{token}\n{nbformat.writes(notebook)}"
    words = [json.dumps(limits.inside())]
    if not jailed:
        command = [sys.executable, str(PROGRAM), *words]
        with tempfile.TemporaryDirectory(prefix="classroom-") as folder:
            ended = _watch(command, told, limits, stop, cwd=folder)
    else:
        ended = run_program(PROGRAM, words, told, limits, withheld, stop)
    return ended.ran() if ended.problem else _result(ended, token)


def run_program(
    program: Path,
    words: Sequence[str],
    told: str,
    limits: Limits,
    withheld: Sequence[str] = (),
    stop: threading.Event | None = None,
) -> Ended:
    """Run a Python program in a jail: `words` are its arguments, `told` is its standard input."""
    with tempfile.TemporaryDirectory(prefix="classroom-") as folder, _filter() as fd:
        jail = _command(limits, withheld, fd)
        jail += ["--ro-bind", str(program), IN_JAIL, "--remount-ro", "/", "--chdir", HOME, "--"]
        command = [*jail, sys.executable, IN_JAIL, *words]
        return _watch(command, told, limits, stop, cwd=folder, env={}, pass_fds=(fd,))


@contextlib.contextmanager
def _filter() -> Iterator[int]:
    """A pipe out of which bubblewrap reads the filter of system calls."""
    read, write = os.pipe()
    try:
        os.write(write, seccomp.program())
        os.close(write)
        yield read
    finally:
        os.close(read)


def data_folders() -> list[Path]:
    """Where data sets are on this machine: they can be read inside, at the same places."""
    folders = [*catalog.data_folders(), catalog.cache_folder()]
    return [folder.resolve() for folder in folders if folder.is_dir()]


def _command(limits: Limits, withheld: Sequence[str], filter_fd: int) -> list[str]:
    """bubblewrap and its arguments, up to what is to be run."""
    python = Path(sys.base_prefix).resolve()
    seen = {python, Path(sys.prefix).resolve(), Path(labnotes.__file__).parent.resolve()}
    seen |= set(data_folders())
    # Python's own folders may be links; inside they are known by both names.
    links = {p for p in map(Path, (sys.base_prefix, sys.prefix)) if p.resolve() != p} - seen
    # A full path, for bubblewrap gets no PATH to be found by. --as-pid-1: without it the first
    # process inside is bubblewrap, and has the result's pipe and the teacher's environment.
    command = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent"]
    command += ["--new-session", "--as-pid-1", "--clearenv"]
    command += ["--cap-drop", "ALL", "--hostname", "jail", "--seccomp", str(filter_fd)]
    if os.geteuid() == 0:
        command += ["--uid", "65534", "--gid", "65534"]
    command += ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
    for name in ("/bin", "/lib", "/lib64"):
        if os.path.islink(name):
            command += ["--symlink", os.readlink(name), name]
        elif os.path.isdir(name):
            command += ["--ro-bind", name, name]
    for name in ("/etc/ld.so.cache", "/etc/fonts", "/etc/alternatives"):
        command += ["--ro-bind-try", name, name]
    for name in ("/tmp", HOME, "/dev/shm"):  # before the rest, which may lie below one of them
        command += ["--size", str(limits.disk * MIB), "--tmpfs", name]
    for folder in sorted(seen | links):
        command += ["--ro-bind", str(folder.resolve()), str(folder)]
    for module in withheld:
        command += _masked(module)
    command += ["--remount-ro", "/dev"]
    for name, value in _environment().items():
        command += ["--setenv", name, value]
    return command


def _masked(module: str) -> list[str]:
    """Put nothing in the place of a module's file or folder."""
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # not even what it is a part of
        found = None
    if found is None or found.origin is None:
        if module.startswith("labnotes"):  # others need not be installed
            raise ValueError(f"{module} is to be withheld, and there is no such module")
        return []
    path = Path(found.origin).resolve()
    if path.name == "__init__.py":
        return ["--tmpfs", str(path.parent), "--remount-ro", str(path.parent)]
    compiled = importlib.util.cache_from_source(str(path))
    files = [str(path), *([compiled] if os.path.exists(compiled) else [])]
    return [word for file in files for word in ("--ro-bind", "/dev/null", file)]


def _environment() -> dict[str, str]:
    package = Path(labnotes.__file__).parent.parent.resolve()
    folders = [str(folder) for folder in data_folders()]
    return {
        "PATH": f"{Path(sys.prefix) / 'bin'}:/usr/bin:/bin",
        "HOME": HOME,
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(package),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
        "LABNOTES_DEVICE": "cpu",
        "LABNOTES_OFFLINE": "1",
        "LABNOTES_DATA": os.pathsep.join(folders),
        "LABNOTES_CACHE": str(catalog.cache_folder().resolve()),
    }


class _Writer(threading.Thread):
    """Writes a text into a pipe."""

    def __init__(self, pipe, text: str):
        super().__init__(daemon=True)
        self.pipe, self.content = pipe, text.encode()
        self.start()

    def run(self) -> None:
        with contextlib.suppress(BrokenPipeError), self.pipe:  # the reader has ended: seen there
            self.pipe.write(self.content)


class _Reader(threading.Thread):
    """Reads a pipe to its end, and keeps no more than `most` bytes."""

    def __init__(self, pipe, most: int):
        super().__init__(daemon=True)
        self.pipe, self.most, self.content, self.too_much = pipe, most, bytearray(), False
        self.start()

    def run(self) -> None:
        while block := self.pipe.read1(1 << 16):
            if len(self.content) + len(block) > self.most:
                self.too_much = True
            else:
                self.content += block


def _watch(command, told: str, limits: Limits, stop: threading.Event | None, **options) -> Ended:
    """Run `command` until it ends or goes beyond a limit; then end all of its processes."""
    stop, started = stop or threading.Event(), time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True, **options,
    )  # fmt: skip
    _Writer(process.stdin, told)
    reader = _Reader(process.stdout, limits.output * MIB)
    most, problem = 0.0, ""
    try:
        while process.poll() is None and not problem:
            used, count = _usage(process.pid)
            most = max(most, used)
            if time.monotonic() - started > limits.wall:
                problem = f"it ran longer than {limits.wall} s"
            elif used > limits.memory:
                problem = f"it used more than {limits.memory} MiB of memory"
            elif count > limits.processes:
                problem = f"it started more than {limits.processes} processes"
            elif stop.is_set():
                problem = "the grading was stopped"
            elif reader.too_much:
                problem = f"it gave more than {limits.output} MiB of output"
            time.sleep(0.1)
    finally:
        _end(process)
    reader.join(10)
    process.stdout.close()
    return Ended(bytes(reader.content), problem, time.monotonic() - started, most)


def _result(ended: Ended, token: str) -> Ran:
    try:
        signed, text = ended.wrote.decode().split("\n", 1)
        if not secrets.compare_digest(signed.encode(), token.encode()):
            return ended.ran("it ended without a result of ours")
        found = json.loads(whole_characters(text))
        ran = Ran(str(found["status"]), str(found["cell"]), dict(found["outputs"]))
        notebook_outputs = [nbformat.from_dict(o) for os_ in ran.outputs.values() for o in os_]
        for output in notebook_outputs:
            nbformat.validate(output, ref="output", version=4)
    except (ValueError, KeyError, TypeError, RecursionError, nbformat.ValidationError):
        return ended.ran("it ended without a result")
    ran.seconds, ran.memory = ended.seconds, ended.memory
    return ran


def whole_characters(text: str) -> str:
    """A JSON text with a "?" for each half of a character.

    ``"\\ud83d"`` alone is valid JSON, but no file and no terminal can hold it.
    """
    return json.dumps(json.loads(text), ensure_ascii=False).encode("utf8", "replace").decode()


def _usage(pid: int) -> tuple[float, int]:
    """Memory (MiB) and number of the process `pid` and all that descend from it.

    Memory that several of them share counts for each.
    """
    try:
        family = [pid, *(p.pid for p in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return 0.0, 0
    used = 0
    for member in family:
        try:
            status = Path(f"/proc/{member}/status").read_text()
        except OSError:  # it has ended meanwhile
            continue
        # Its own memory and what it shares, but not the libraries that it has mapped from files.
        used += sum(int(kib) for kib in re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+) kB", status, re.M))
    return used / 1024, len(family)


def largest_memory() -> float:
    """The most memory that this process has had in its life, MiB.

    Not ``getrusage``: that counts from the process which started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():  # macOS, without a jail: there it is counted in bytes
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
    return int(re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.M)[1]) / 1024


def _end(process: subprocess.Popen) -> None:
    """End a process and its descendants. The end of bubblewrap ends all that is in the jail."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.kill()
    for child in family:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
