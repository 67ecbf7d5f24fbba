"""One process at a time: a lock that the operating system takes back when its holder dies."""

from __future__ import annotations

import os
from pathlib import Path


class Locked(RuntimeError):
    """Another process holds the lock; the text is what it has written into the file."""


class Lock:
    """A file that one process holds, from here until :meth:`release` or its end, however it ends.

    On a file system that knows no locks, such as some network drives, nothing is held.

    Raises
    ------
    Locked
        If another process holds it.
    OSError
        If the file cannot be made.
    """

    def __init__(self, path: Path):
        self.path = path
        while True:
            self._file = open(path, "a+b")
            try:
                known = _take(self._file.fileno())
            except BlockingIOError:
                self._file.seek(0)
                holder = self._file.read(20).decode(errors="replace")
                self._file.close()
                raise Locked(holder) from None
            if not known or _is_file(self._file.fileno(), path):
                break
            self._file.close()  # its last holder has removed it in the meantime: make a new one
        self._file.truncate(0)
        self._file.write(str(os.getpid()).encode())
        self._file.flush()

    def release(self) -> None:
        """Give it back, and remove the file. Does nothing the second time."""
        if self._file.closed:
            return
        if os.name != "nt":  # while it is held: nobody else can hold the file that is removed
            self.path.unlink(missing_ok=True)
        self._file.close()
        if os.name == "nt":  # which removes no open file
            try:
                self.path.unlink(missing_ok=True)
            except PermissionError:  # somebody has taken it already
                pass


def _take(descriptor: int) -> bool:
    """Lock an open file; False where that cannot be done. BlockingIOError if another process has."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        # One byte far beyond what is written: Windows lets nobody read a byte that is locked.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError from error
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True
    try:
        # A lock of the process, not of the open file: workers that it forks do not keep it.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        raise BlockingIOError from error
    except OSError:
        return False
    return True


def _is_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
