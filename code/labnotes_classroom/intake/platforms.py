"""Names of files as learning platforms write them, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    """What the name of a file or folder says."""

    platform: str  #: "moodle", "canvas", "blackboard", "google" or "" (a name and nothing else)
    person: str  #: as the platform writes it
    number: str = ""  #: of the person, or of the submission
    logins: tuple[str, ...] = ()  #: what may be the login name: it can hold a ``_`` itself
    attempt: str = ""  #: when it was handed in: the last one counts


# Anna Müller_123_assignsubmission_file_ (a folder; since Moodle 4.1 without the last _), or with
# the file's name behind it.
MOODLE = re.compile(r"(?P<person>[^_]+)_(?P<number>\d+)_assignsubmission_[a-z]+(_.*)?")
# mulleranna_LATE_12345_678901_bleu-1.ipynb: number of the student, number of the file.
CANVAS = re.compile(r"(?P<person>[^_]+)_(LATE_)?(?P<number>\d+)_\d+_.+")
# BLEU_amueller_attempt_2026-11-20-10-00-00_bleu.ipynb; the title may hold a _ too.
BLACKBOARD = re.compile(r"(?P<logins>.+)_attempt_(?P<attempt>\d{4}(-\d\d){5})(_.*)?")
# Anna Müller - bleu.ipynb: a copy for each student.
GOOGLE = re.compile(r"(?P<person>.+?) - .+")


def read_label(name: str) -> Label:
    """Take the name of a file (without its ending) or of a folder apart.

    Examples
    --------
    >>> read_label("Anna Müller_123_assignsubmission_file_").person
    'Anna Müller'
    >>> read_label("mulleranna_LATE_12345_678901_bleu").number
    '12345'
    """
    if found := MOODLE.fullmatch(name):
        return Label("moodle", found["person"], found["number"])
    if found := BLACKBOARD.fullmatch(name):
        parts = found["logins"].split("_")
        ends = tuple("_".join(parts[start:]) for start in range(1, len(parts))) or tuple(parts)
        return Label("blackboard", parts[-1], logins=ends, attempt=found["attempt"])
    if found := CANVAS.fullmatch(name):
        return Label("canvas", found["person"], found["number"])
    if found := GOOGLE.fullmatch(name):
        return Label("google", found["person"])
    return Label("", name)
