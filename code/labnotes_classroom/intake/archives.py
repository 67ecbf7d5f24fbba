"""Archives, as a platform packs them and as students do, unpacked without trusting either."""

from __future__ import annotations

import contextlib
import os
import stat
import time
import zipfile
from pathlib import Path, PurePosixPath

from labnotes.data.archives import DAMAGED, BadArchive, unpack

LARGEST_INNER = 2**28  # bytes unpacked of what one student sent
LARGEST_ALL = 2**34  # bytes unpacked of a platform's archive
IN_UTF8 = 0x800  # a member's name is; without it a Mac means the same
NO_DATE = ((1980, 1, 1), (1980, 0, 0))  # of an archive's member that has none


def unpack_all(archive: Path, folder: Path, left: dict[str, str]) -> None:
    """Unpack a platform's archive, with the times that it gives its files.

    A member that is bad is left alone and named: the name of a student's file stops no other's.
    """
    room = LARGEST_ALL
    folder.mkdir()
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            try:
                room -= _unpack_one(packed, member, folder, min(room, LARGEST_INNER))
            except FileExistsError:
                left[member.filename] = "it is there twice, the first counts"
            except OSError as error:
                left[member.filename] = f"it cannot be unpacked, {error.strerror or error}"
            except (BadArchive, *DAMAGED) as error:
                left[member.filename] = f"{error}"


def _unpack_one(packed: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, room: int) -> int:
    """Unpack one member: of what is no notebook and no archive only the name. Its size."""
    name = member.filename
    if not member.flag_bits & IN_UTF8:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf8")
    path, size = PurePosixPath(name), 0
    if path.is_absolute() or ".." in path.parts:
        raise BadArchive("its name could lead out of its folder")
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadArchive("a link or a device")
    target = folder / path
    if member.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "xb") as file:
        try:
            if target.suffix.lower() in (".ipynb", ".zip"):
                with packed.open(member) as content:
                    while part := content.read(1 << 20):
                        size += len(part)
                        if size > room:
                            raise BadArchive(f"it unpacks to more than {room >> 20} MiB")
                        file.write(part)
        except BaseException:  # not half of it
            target.unlink()
            raise
    moment = 0.0 if member.date_time[:3] in NO_DATE else _local(member.date_time)
    os.utime(target, (moment, moment))
    return size


def _local(date_time: tuple[int, ...]) -> float:
    """Archives have the clock's time of the computer that packed them: we take it for this one's."""
    return time.mktime((*date_time, 0, 0, -1))


def unpack_inner(archive: Path, scratch: Path) -> Path:
    """Unpack the archive that a student sent into a folder of its own in `scratch`.

    Raises
    ------
    BadArchive
        If it is none, is damaged, or holds what no notebook needs.
    """
    if not zipfile.is_zipfile(archive):
        raise BadArchive(f"{archive.name} is no zip archive")
    folder = scratch / f"{len(list(scratch.iterdir()))}"
    unpack(archive, folder, largest=LARGEST_INNER)
    moment = archive.stat().st_mtime  # not the times in it: those the student's own clock gave
    for path in folder.rglob("*"):
        os.utime(path, (moment, moment))
    return folder
