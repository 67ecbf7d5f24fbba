"""A course on disk: nbgrader's folders, and where in them an assignment's files are."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from sqlalchemy.exc import SAWarning
from traitlets.config import Config, PyFileConfigLoader

from labnotes.files import replacing


class CourseError(RuntimeError):
    """The course is not as it must be; the text says what to do."""


LONGEST = 128  # bytes of a student's name: as nbgrader's data base has it
NAMES = f"letters, digits and . _ - + @, at most {LONGEST} bytes"


def is_student(name: str) -> bool:
    """Whether `name` can be a student's: :data:`NAMES`, the first a letter, a digit or ``_``."""
    return re.fullmatch(r"\w[\w.@+-]*", name) is not None and len(name.encode()) <= LONGEST


def shown(text: str) -> str:
    """The text as any terminal and any file can hold it, its control characters as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def record_name(folder: str) -> str:
    """The name under which a student is kept in the gradebook, the results and the table.

    It is the folder's, unless that is no text (bytes in another encoding, control characters) or it
    leaves no room for an ending: then a readable part of it, and a number made of the whole.
    """
    if shown(folder) == folder and len(folder.encode()) <= LONGEST:
        return folder
    return f"{shown(folder)[:32]}...{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"


def find_alembic() -> None:
    """nbgrader calls a program that lies beside Python, which need not be on the path."""
    beside = str(Path(sys.executable).parent)
    if beside not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])


def write_notebook(path: Path, notebook: NotebookNode) -> None:
    """Write a notebook, whole or not at all, into a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, "w", encoding="utf8") as file:
        nbformat.write(notebook, file)


def read_saved(path: Path) -> dict:
    """A JSON file of the course; empty if there is none.

    Raises
    ------
    CourseError
        If it is damaged.
    """
    try:
        return json.loads(path.read_text("utf8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise CourseError(f"{path} is damaged ({error}): mend it or remove it") from error


@dataclass(frozen=True)
class Course:
    """The folder of a course."""

    root: Path

    def notebook(self, kind: str, assignment: str, student: str = "") -> Path:
        """``<kind>/<student>/<assignment>/<assignment>.ipynb``; kinds as nbgrader names them."""
        return self.root / kind / student / assignment / f"{assignment}.ipynb"

    def master(self, assignment: str) -> NotebookNode:
        """The source, hidden tests and solutions included.

        Raises
        ------
        CourseError
            If the course has no such assignment.
        """
        path = self.notebook("source", assignment)
        if not path.exists():
            there = sorted(p.name for p in (self.root / "source").glob("*"))
            raise CourseError(
                f"the course {self.root} has no assignment {assignment!r}; it has: "
                f"{', '.join(there) or 'none (run `labnotes-classroom build` first)'}"
            )
        return nbformat.read(path, 4)

    def students(self, assignment: str) -> list[str]:
        """The folders of those who have handed something in, sorted."""
        return sorted(p.parent.name for p in (self.root / "submitted").glob(f"*/{assignment}"))

    @property
    def config(self) -> Config:
        config = PyFileConfigLoader("nbgrader_config.py", path=str(self.root)).load_config()
        config.CourseDirectory.root = str(self.root)
        return config

    def gradebook(self) -> Gradebook:
        """nbgrader's data base of the course; use it in a ``with`` statement."""
        find_alembic()
        warnings.filterwarnings("ignore", category=SAWarning, module="nbgrader")  # its own queries
        return Gradebook(
            f"sqlite:///{self.root / 'gradebook.db'}", self.config.CourseDirectory.course_id
        )
