"""Packs what students have submitted on a hub, for the teacher to take home: plain files only.

    ssh HOST sudo python3 - /srv/nbgrader/exchange/labnotes/inbound < pack.py > inbound.tar
    kubectl exec -i deploy/exchange -- python3 - --folders /exchange/inbound < pack.py > inbound.tar

Do not point `nbgrader collect` at folders that students can write to. It follows links with the
rights of the one who collects, so that a notebook that is a link to your source becomes a perfect
submission; it takes work handed in under another's name with no more than a warning; and one folder
whose name has no date stops it for the whole class.

Here a submission counts if its folder belongs to the student whom it names: to that account, or with
`--folders` because it lies in that student's folder. Of its files it takes the regular ones that
belong to the same account, and opens nothing through a link. What it leaves out, it says on stderr.
It needs Python 3.8 or newer and nothing else: it runs on the hub.
"""

import argparse
import contextlib
import hashlib
import io
import os
import pwd
import stat
import sys
import tarfile
from datetime import datetime, timezone

SIZE = 20_000_000  # bytes of a submission, as in nbgrader_config.py
FILES = 200
DEPTH = 4
LATE = 60  # seconds that handing in may take

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe would block for ever


class Refused(Exception):
    pass


@contextlib.contextmanager
def opened(folder, within=None):
    fd = os.open(folder, FOLDER, dir_fd=within)
    try:
        yield fd
    finally:
        os.close(fd)


def named(folder):
    """Whose submission it says it is, and when: nbgrader's student+assignment+time+random."""
    try:
        student, assignment, stamp, _ = folder.rsplit("+", 3)
        when = datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=timezone.utc)
    except ValueError:
        raise Refused("its name is not student+assignment+time+random") from None
    if not student or student.startswith(".") or not assignment or assignment.startswith("."):
        raise Refused("its name is not student+assignment+time+random")
    return student, stamp, when.timestamp()


def owner(folder_stat):
    try:
        return pwd.getpwuid(folder_stat.st_uid).pw_name
    except KeyError:
        return f"account {folder_stat.st_uid}"


def slug_of(slug, student):
    """Whether KubeSpawner makes `slug` of the name (its "safe" scheme: a name, or name---hash)."""
    mark = hashlib.sha256(student.encode()).hexdigest()[:8]
    return slug == student or slug.endswith(f"---{mark}")


def files(fd, uid, say, path="", depth=0):
    """The regular files below an open folder: (path, content, stat)."""
    for name in sorted(os.listdir(fd)):
        here = path + name
        kind = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if name == ".ipynb_checkpoints":
            continue
        if stat.S_ISDIR(kind.st_mode) and depth < DEPTH:
            with opened(name, fd) as below:
                yield from files(below, uid, say, here + "/", depth + 1)
        elif stat.S_ISREG(kind.st_mode):
            with os.fdopen(os.open(name, FILE, dir_fd=fd), "rb") as file:
                found = os.fstat(file.fileno())  # what was opened, not what was there before
                if not stat.S_ISREG(found.st_mode) or found.st_uid != uid:
                    say(here, "it is not a file of this student")
                    continue
                yield here, file.read(SIZE + 1), found
        else:
            say(here, "it is a link, a device, a pipe or too deep a folder")


def read(folders, folder, student, say):
    """A submission's files, all of them or None: [(path, content, time)]."""

    def tell(path, text):
        say(f"{os.path.join(student, folder, path)!a}: {text}")

    try:
        return checked(folders, folder, student, tell)
    except Refused as why:
        tell("", f"left out: {why}")
    except OSError as error:  # not a folder, or it changes while we read
        tell("", f"left out: {error.strerror}")
    return None


def checked(folders, folder, student, say):
    with opened(folder, folders) as fd:
        top = os.fstat(fd)
        claimed, stamp, when = named(folder)
        if not (slug_of(student, claimed) if student else claimed == owner(top)):
            raise Refused(f"it names {claimed!a} and belongs to {student or owner(top)!a}")
        if when > datetime.now(timezone.utc).timestamp() + LATE:
            raise Refused("its time lies in the future")
        taken, size, newest = [], 0, top.st_ctime
        for path, content, found in files(fd, top.st_uid, say):
            taken.append((path, content, found.st_mtime))
            size, newest = size + len(content), max(newest, found.st_ctime)
            if size > SIZE or len(taken) > FILES:
                raise Refused(f"it has more than {SIZE} bytes or {FILES} files")
    if newest - when > LATE:  # the file system's clock, which a student cannot set
        changed = datetime.fromtimestamp(newest, timezone.utc)
        say("", f"taken, but its files were last changed on {changed:%Y-%m-%d %H:%M:%S} UTC")
    rest = [file for file in taken if file[0].split("/")[0] != "timestamp.txt"]
    if not rest:
        raise Refused("there is no plain file in it")
    return [*rest, ("timestamp.txt", stamp.encode(), when)]  # nbgrader counts lateness from it


def pack(inbound, tar, course, by_folder, say):
    """Write the submissions of an inbound folder as COURSE/inbound/... ; give how many there are."""
    count = 0
    with opened(inbound) as top:
        for student in sorted(os.listdir(top)) if by_folder else [""]:
            try:
                with opened(student or ".", top) as folders:
                    count += pack_folder(folders, tar, f"{course}/inbound", student, say)
            except OSError as error:
                say(f"{student!a}: left out: {error.strerror}")
    return count


def pack_folder(folders, tar, prefix, student, say):
    count = 0
    for folder in sorted(os.listdir(folders)):
        taken = read(folders, folder, student, say)
        for path, content, time in taken or []:
            member = tarfile.TarInfo(f"{prefix}/{folder}/{path}")
            member.size, member.mtime = len(content), int(time)
            tar.addfile(member, io.BytesIO(content))
        count += taken is not None
    return count


def main():
    parser = argparse.ArgumentParser(prog="pack.py", description=__doc__.split("\n")[0])
    parser.add_argument("inbound")
    parser.add_argument("--folders", action="store_true", help="INBOUND has a folder per student")
    parser.add_argument("--course", default="labnotes", help="the course id (labnotes)")
    options = parser.parse_args()
    if sys.stdout.isatty():
        parser.error("the archive goes to standard output: > inbound.tar")

    def say(text):
        print(text, file=sys.stderr)

    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
        count = pack(options.inbound, tar, options.course, options.folders, say)
    say(f"{count} submissions packed")


if __name__ == "__main__":
    main()
