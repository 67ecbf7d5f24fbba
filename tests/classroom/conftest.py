import os
import shutil
from pathlib import Path

import light
import nbformat
import pytest

from labnotes_classroom import jail
from labnotes_classroom.build import build
from labnotes_classroom.course import Course

HERE = Path(__file__).parent
ASSIGNMENTS = HERE / "course_source" / "assignments"


REAL_DATA = os.environ.get("LABNOTES_DATA", "")


@pytest.fixture(scope="session", autouse=True)
def quiet_surroundings(tmp_path_factory):
    """No data set of this machine, no download: the stand-ins that come with the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LABNOTES_DATA", raising=False)
        patch.setenv("LABNOTES_OFFLINE", "1")
        patch.setenv(
            "LABNOTES_GRADE_AS_ROOT", "1"
        )  # containers in which tests run know no other user
        patch.setenv("LABNOTES_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def jailed():
    """Skips where no jail can be made; under CI that is a failure."""
    try:
        jail.check()
    except jail.NoJail as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def built(tmp_path_factory, jailed) -> Path:
    """The course of the tiny assignment, built once."""
    root = tmp_path_factory.mktemp("course") / "course"
    build(ASSIGNMENTS, Course(root), [])
    return root


@pytest.fixture
def course(built, tmp_path) -> Course:
    """A copy of it, to hand in to."""
    return Course(Path(shutil.copytree(built, tmp_path / "course")))


@pytest.fixture(scope="session")
def light_root(tmp_path_factory) -> Path:
    """The same course without a jail: nothing of it has run. For tests of what comes after grading."""
    return light.make(tmp_path_factory.mktemp("light") / "course").root


@pytest.fixture
def light_course(light_root, tmp_path) -> Course:
    return Course(Path(shutil.copytree(light_root, tmp_path / "course")))


MEAN = "def mean(values):\n    return sum(values) / len(values)"
SPREAD = "def spread(values):\n    return max(abs(v - mean(values)) for v in values)"


def released(course: Course) -> nbformat.NotebookNode:
    return nbformat.read(course.notebook("release", "tiny"), 4)


def answered(course: Course, **answers: str) -> nbformat.NotebookNode:
    """The release with answers, by task; the written one is given unless it is "" """
    notebook = released(course)
    answers = {"why": "Outliers, as 1, 1, 1, 97."} | answers
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if answers.get(name):
            cell.source = answers[name]
    return notebook


def hand_in(course: Course, student: str, notebook, name: str = "tiny.ipynb") -> Path:
    path = course.root / "submitted" / student / "tiny" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(notebook, (str, bytes)):
        path.write_bytes(notebook if isinstance(notebook, bytes) else notebook.encode())
    else:
        nbformat.write(notebook, path)
    return path
