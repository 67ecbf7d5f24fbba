"""Unpack archives that come from elsewhere, without trusting them."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import lzma
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

LARGEST = 2**32  # bytes unpacked, unless the caller says otherwise
LARGEST_TAIL = 2**24  # bytes of padding after a tar's last member
MOST_MEMBERS = 1_000_000
DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, EOFError,
    RuntimeError, NotImplementedError,  # zipfile: encrypted, unknown compression
)  # fmt: skip

Member = zipfile.ZipInfo | tarfile.TarInfo


class BadArchive(ValueError):
    """An archive that is damaged, or holds what no data set needs (links, paths that lead out)."""


def unpack(archive: Path | str, folder: Path | str, *, largest: int = LARGEST) -> Path:
    """Unpack a zip or tar archive (plain, gzip, bzip2 or xz) into a new folder.

    The members go to a temporary folder beside `folder`, which is renamed when all is done. So
    `folder` is there in full or not at all; if it is there already, nothing is done.

    Parameters
    ----------
    archive
        The file. Its kind is told from its content.
    folder
        The folder to make, with its parents.
    largest
        Refuse an archive that unpacks to more bytes.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    BadArchive
        If the archive is damaged, unpacks to more than `largest` bytes, holds links or devices,
        two members of one name, or a name that leads out of the folder. Nothing is left behind.
    OSError
        If `archive` cannot be read or `folder` cannot be written (no space, no permission).
        Nothing is left behind.
    """
    archive, folder = Path(archive), Path(folder)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        whole = Path(scratch, "whole")
        whole.mkdir()
        try:
            with _opened(archive) as members:
                _write(members, whole, archive.name, largest)
        except DAMAGED as error:
            raise BadArchive(f"{archive.name} is damaged or locked: {error}") from error
        try:
            os.rename(whole, folder)
        except OSError:
            if not folder.is_dir():  # else another process was quicker with the same content
                raise
    return folder


def contents_digest(archive: Path, folder: str) -> str:
    """A checksum of what an archive holds below a folder, however it was packed.

    A server that packs an archive anew for every request (as GitHub does for a commit) gives
    files that differ in their bytes and not in their content.

    Parameters
    ----------
    archive
        A zip or tar file.
    folder
        The folder's own name. Where it lies in the archive makes no difference, and hidden files
        and licences (``LICENSE…``) in it do not count.

    Returns
    -------
    str
        The sha256, in hexadecimal, of the sorted lines ``sha256 of the content, two blanks, path
        below the folder``.

    Raises
    ------
    BadArchive
        If the archive is damaged, or unpacks to more than the bytes allowed.
    """
    lines, room = [], LARGEST
    try:
        with _opened(archive) as members:
            for member, content in members:
                parts = _safe_name(member, archive.name).parts
                if content is None or folder not in parts[:-1]:
                    continue
                if parts[-1].startswith((".", "LICENSE")):
                    continue
                with content:
                    data = content.read(room + 1)
                room -= len(data)
                if room < 0:
                    raise BadArchive(f"{archive.name} unpacks to more than the bytes allowed")
                path = "/".join(parts[parts.index(folder) + 1 :])
                lines.append(f"{hashlib.sha256(data).hexdigest()}  {path}\n")
    except DAMAGED as error:
        raise BadArchive(f"{archive.name} is damaged or locked: {error}") from error
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[Iterator[tuple[Member, IO[bytes] | None]]]:
    """The members of the archive, each with a stream of its content (None if it is no file)."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            yield ((m, None if m.is_dir() else packed.open(m)) for m in packed.infolist())
    else:
        with tarfile.open(archive) as packed:
            yield ((m, packed.extractfile(m) if m.isreg() else None) for m in packed)
            # Read to the very end: only there does gzip compare its checksum.
            if len(packed.fileobj.read(LARGEST_TAIL + 1)) > LARGEST_TAIL:
                raise BadArchive(f"{archive.name} goes on after its last member")


def _write(
    members: Iterator[tuple[Member, IO[bytes] | None]], whole: Path, archive: str, largest: int
) -> None:
    room = largest
    for count, (member, content) in enumerate(members, 1):
        if count > MOST_MEMBERS:
            raise BadArchive(f"{archive} has more than {MOST_MEMBERS:,} members")
        target = whole / _safe_name(member, archive)
        if _is_folder(member):
            target.mkdir(parents=True, exist_ok=True)
            continue
        if content is None or _is_link(member):
            raise BadArchive(f"{archive} holds a link or a device, {_name(member)!r}: not unpacked")
        room -= _copy(content, target, room, member, archive)


def _copy(content: IO[bytes], target: Path, room: int, member: Member, archive: str) -> int:
    """Write one file, at most `room` bytes of it; its size."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    try:
        with content, open(target, "xb") as file:
            while part := content.read(min(2**20, room - written + 1)):
                written += len(part)
                if written > room:
                    raise BadArchive(f"{archive} unpacks to more than the bytes allowed")
                file.write(part)
    except FileExistsError as error:
        raise BadArchive(f"{archive} holds {_name(member)!r} twice") from error
    size = member.file_size if isinstance(member, zipfile.ZipInfo) else member.size
    if written != size:
        raise BadArchive(f"{archive} is cut off: {_name(member)!r} has {written} of {size} bytes")
    return written


def _name(member: Member) -> str:
    return member.filename if isinstance(member, zipfile.ZipInfo) else member.name


def _is_folder(member: Member) -> bool:
    return member.is_dir() if isinstance(member, zipfile.ZipInfo) else member.isdir()


def _is_link(member: Member) -> bool:
    if isinstance(member, tarfile.TarInfo):
        return not member.isreg()
    kind = stat.S_IFMT(member.external_attr >> 16)
    return kind not in (0, stat.S_IFREG)


def _safe_name(member: Member, archive: str) -> PurePosixPath:
    """The member's name as a path that stays in the folder, on every system."""
    name = _name(member)
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or set(name) & set("\\:\0"):
        raise BadArchive(f"{archive} holds the name {name!r}, which could lead out of its folder")
    return path
