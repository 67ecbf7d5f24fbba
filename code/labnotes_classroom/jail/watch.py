"""Runs a command, looks at what it and its descendants use, and ends them all beyond a limit."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MIB = 1 << 20
LOOKS = 0.1  # seconds between two
LAST = 10  # seconds that its output may come after its end
PATIENCE = 10  # so many times the limit of the clock, however long it waited for a processor
TICKS = os.sysconf("SC_CLK_TCK")
#: What a process has in memory: its own, what it shares, and the tables that say where it is. Not
#: the libraries that it has mapped from files.
MEMORY = re.compile(rb"^(?:RssAnon|RssShmem|VmPTE):\s+(\d+) kB", re.M)
THREADS = re.compile(rb"^Threads:\s+(\d+)", re.M)
QUEUES = re.compile(rb" ([0-9A-F]{8}):([0-9A-F]{8}) ")  # of a socket: bytes sent, and to be read
NETS = ("unix", "tcp", "tcp6", "udp", "udp6", "udplite", "raw", "raw6", "icmp", "netlink", "packet")
IN_JAIL = "/jail/inside.py"  # where the program lies that is run
WRITABLE = ("tmp", "home/student", "dev/shm")  # in the jail


@dataclass(frozen=True)
class Ended:
    """What came of a command: what it wrote, or the limit that ended it."""

    wrote: bytes
    problem: str
    seconds: float
    cpu: float  #: CPU time of all its processes together, seconds
    memory: float  #: the most that all its processes used together, MiB
    late: bool = False  #: the clock ended it, not what it used
    crowded: bool = False  #: the machine's memory was used up, perhaps by others


@dataclass
class Use:
    """What a command and its descendants use at one moment; memory in MiB, CPU time in seconds."""

    memory: float = 0.0
    processes: int = 0  # and their threads
    cpu: float = 0.0
    waited: dict[int, float] = field(default_factory=dict)  # for a processor, by process
    sockets: int = 0
    files: int = 0

    def beyond(self, limits) -> str:
        """The limit that it is beyond, in words; empty if there is none."""
        if self.cpu > limits.cpu:
            return f"it computed for more than {limits.cpu} s"
        if self.memory > limits.memory:
            return f"it used more than {limits.memory} MiB of memory"
        if self.processes > limits.processes:
            return f"it started more than {limits.processes} processes and threads"
        if self.sockets > limits.sockets:
            return f"it opened more than {limits.sockets} sockets and terminals"
        if self.files > limits.files:
            return f"it made more than {limits.files} files"
        return ""


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
    """Reads a pipe to its end, keeps no more than `most` bytes, and closes it.

    Nobody else may close it: that would wait for whatever still holds the other end.
    """

    def __init__(self, pipe, most: int):
        super().__init__(daemon=True)
        self.pipe, self.most, self.content, self.too_much = pipe, most, bytearray(), False
        self.start()

    def run(self) -> None:
        with self.pipe:
            while block := self.pipe.read1(1 << 16):
                if len(self.content) + len(block) > self.most:
                    self.too_much = True
                else:
                    self.content += block


def watch(
    command,
    told: str,
    limits,
    stop: threading.Event | None = None,
    cpus: Iterable[int] | None = None,
    **options,
) -> Ended:
    """Run `command` until it ends or goes beyond a limit; then end all of its processes.

    Parameters
    ----------
    told
        Its standard input.
    limits
        :class:`labnotes_classroom.jail.Limits`.
    cpus
        The processors that it may use; None: all.
    options
        Of :class:`subprocess.Popen`; with ``pass_fds`` it is a jail.
    """
    stop, started = stop or threading.Event(), time.monotonic()
    with _on(cpus):
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True, **options,
        )  # fmt: skip
    _Writer(process.stdin, told)
    reader = _Reader(process.stdout, limits.output * MIB)
    memory, cpu, waited, problem, late, crowded = 0.0, 0.0, Waited(), "", False, False
    try:
        while process.poll() is None and not problem:
            use = usage(process.pid, jailed="pass_fds" in options)
            memory, cpu = max(memory, use.memory), max(cpu, use.cpu)
            passed = time.monotonic() - started
            late = (
                passed - waited.until(use.waited) > limits.wall or passed > PATIENCE * limits.wall
            )
            if late:
                problem = f"it ran longer than {limits.wall} s"
            elif problem := use.beyond(limits):
                pass
            elif crowded := psutil.virtual_memory().available < limits.spare * MIB:
                problem = f"the machine had less than {limits.spare} MiB of memory left"
            elif stop.is_set():
                problem = "the grading was stopped"
            elif reader.too_much:
                problem = f"it gave more than {limits.output} MiB of output"
            time.sleep(LOOKS)
    finally:
        _end(process)
    reader.join(LAST)
    seconds = time.monotonic() - started
    return Ended(bytes(reader.content), problem, seconds, cpu, memory, late, crowded)


class Waited:
    """For how long a command waited for a processor, in seconds.

    Of processes that wait at the same time the one counts that waits longest: else a hundred of them
    that wake together would wait for more time than there is, and the clock would never end them.
    """

    def __init__(self):
        self.seconds, self.before = 0.0, {}

    def until(self, now: dict[int, float]) -> float:
        """All that was waited, given what each process has waited till now."""
        self.seconds += max((s - self.before.get(p, 0.0) for p, s in now.items()), default=0.0)
        self.before = now
        return self.seconds


@contextlib.contextmanager
def _on(cpus: Iterable[int] | None):
    """What this thread starts meanwhile runs on these processors, and so do its children."""
    if cpus is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def usage(pid: int, jailed: bool) -> Use:
    """What the process `pid` and all that descend from it use now.

    Memory that several of them share counts for each.
    """
    try:
        family = [pid, *(p.pid for p in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return Use()
    use = Use()
    for member in family:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            status = Path(f"/proc/{member}/status").read_bytes()  # its name can be any bytes
            use.memory += sum(map(int, MEMORY.findall(status))) / 1024
            use.processes += int(THREADS.search(status)[1])
            use.cpu += _cpu(member)
            use.waited[member] = int(Path(f"/proc/{member}/schedstat").read_text().split()[1]) / 1e9
    # The first is bubblewrap, outside; the second is in the jail once its root is the jail's.
    if jailed and len(family) > 1 and os.path.exists(f"/proc/{family[1]}/root{IN_JAIL}"):
        with contextlib.suppress(OSError):
            use.sockets, held = _sockets(family[1])
            use.memory += held
            use.files = _files(family[1])
    return use


def _cpu(pid: int) -> float:
    """CPU time of a process and of its children that have ended, seconds."""
    numbers = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return sum(map(int, numbers[11:15])) / TICKS


def _sockets(pid: int) -> tuple[int, float]:
    """How many sockets there are in the jail, those on their way from one process to another too;
    and terminals, of which the machine has a number for all. And what waits in them, MiB."""
    count, held = len(os.listdir(f"/proc/{pid}/root/dev/pts")) - 1, 0
    for name in NETS:
        with contextlib.suppress(FileNotFoundError):
            table = Path(f"/proc/{pid}/net/{name}").read_bytes()
            count += table.count(b"\n") - 1
            held += sum(int(queue, 16) for both in QUEUES.findall(table) for queue in both)
    return count, held / MIB


def _files(pid: int) -> int:
    """How many files and folders lie in the folders that can be written to."""
    count = 0
    for name in WRITABLE:
        about = os.statvfs(f"/proc/{pid}/root/{name}")
        count += about.f_files - about.f_ffree
    return count


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
    """End a process and its descendants. The end of a jail's first process ends all that is in it.

    Before they are listed the process is stopped: else bubblewrap could make its child after that,
    which would not notice that its parent has ended, and run on.
    """
    if process.poll() is None:
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)  # it has stopped, or ended
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    for child in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    process.kill()
    process.wait()
