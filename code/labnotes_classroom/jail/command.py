"""The command that makes the jail, and what bubblewrap and the kernel can do on this machine."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import labnotes
from labnotes.data import catalog

from . import seccomp

HOME = "/home/student"  # in the jail


@functools.cache
def features() -> dict[str, str]:
    """bubblewrap's version, and of its options those that not all versions have."""

    def said(word: str) -> str:
        return subprocess.run(["bwrap", word], capture_output=True, text=True).stdout

    known = {"version": (said("--version").split() or ["unknown"])[-1]}
    return known | {w: "" for w in ("--disable-userns",) if w in said("--help")}


def bus() -> dict[str, str]:
    """The environment of the command: what `systemd-run` needs to find the user's own systemd.

    It ends there: bubblewrap itself starts with none.
    """
    names = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
    return {name: os.environ[name] for name in names if name in os.environ}


@functools.cache
def scope(limits) -> tuple[str, ...]:
    """What stands before a command so that a cgroup of its own limits it; empty where none can.

    The kernel then counts all memory, its own for the student's sockets and files included.
    """
    words = [
        shutil.which("systemd-run") or "systemd-run", "--user", "--scope", "--quiet", "--collect",
        f"--property=MemoryMax={limits.memory}M", "--property=MemorySwapMax=0",
        f"--property=TasksMax={limits.processes}", "--",
    ]  # fmt: skip
    # Not only that it ends well: descriptors must reach the command, bubblewrap's filter is one.
    with filter_pipe() as fd:
        trial = [*words, "/usr/bin/test", "-e", f"/proc/self/fd/{fd}"]
        try:
            done = subprocess.run(trial, capture_output=True, pass_fds=(fd,), env=bus(), timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return ()
    return () if done.returncode else tuple(words)


@contextlib.contextmanager
def filter_pipe() -> Iterator[int]:
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


def bwrap(limits, withheld: Sequence[str], filter_fd: int) -> list[str]:
    """bubblewrap and its arguments, up to what is to be run."""
    python = Path(sys.base_prefix).resolve()
    seen = {python, Path(sys.prefix).resolve(), Path(labnotes.__file__).parent.resolve()}
    seen |= set(data_folders())
    # Python's own folders may be links; inside they are known by both names.
    links = {p for p in map(Path, (sys.base_prefix, sys.prefix)) if p.resolve() != p} - seen
    # A full path, for bubblewrap gets no PATH to be found by. --as-pid-1: without it the first
    # process inside is bubblewrap, and has the result's pipe and the teacher's environment.
    words = [
        "/usr/bin/env",
        "-i",
        shutil.which("bwrap") or "bwrap",
        "--unshare-all",
        "--unshare-user",
    ]
    words += [word for word in features() if word.startswith("--")]
    words += ["--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"]
    words += ["--cap-drop", "ALL", "--hostname", "jail", "--seccomp", str(filter_fd)]
    if os.geteuid() == 0:
        words += ["--uid", "65534", "--gid", "65534"]
    words += ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
    for name in ("/bin", "/lib", "/lib64"):
        if os.path.islink(name):
            words += ["--symlink", os.readlink(name), name]
        elif os.path.isdir(name):
            words += ["--ro-bind", name, name]
    for name in ("/etc/ld.so.cache", "/etc/fonts", "/etc/alternatives"):
        words += ["--ro-bind-try", name, name]
    for name in ("/tmp", HOME, "/dev/shm"):  # before the rest, which may lie below one of them
        words += ["--size", str(limits.disk << 20), "--tmpfs", name]
    for folder in sorted(seen | links):
        words += ["--ro-bind", str(folder.resolve()), str(folder)]
    for module in withheld:
        words += _masked(module)
    # Nothing of the kernel's can be set: where the teacher is root, so is the student, for /proc.
    # /dev/zero could be mapped, as memory that no process shows; /dev/full reads alike and cannot.
    words += [
        "--dev-bind",
        "/dev/full",
        "/dev/zero",
        "--remount-ro",
        "/dev",
        "--remount-ro",
        "/proc",
    ]
    for name, value in _environment().items():
        words += ["--setenv", name, value]
    return words


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
        "LABNOTES_DEVICE": "cpu",
        "LABNOTES_OFFLINE": "1",
        "LABNOTES_DATA": os.pathsep.join(folders),
        "LABNOTES_CACHE": str(catalog.cache_folder().resolve()),
    }
