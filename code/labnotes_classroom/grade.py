"""Grade what was handed in: each notebook in a jail of its own, its values compared here."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed

import nbformat
from nbformat import NotebookNode

from . import jail, reference
from .build import limits_of
from .compare import cell_verdicts
from .course import NAMES, Course, is_student, record_name, shown, write_notebook
from .gradebook import enter
from .restore import is_unanswered, restore
from .results import FAILED, GRADED, PERSON, Result, read_result, write_result
from .source import is_kind, task
from .wrong import wrong_values

LARGEST = 20 * jail.MIB  # bytes of a notebook that is handed in
#: What nbformat raises of a file that is none.
NO_NOTEBOOK = (
    ValueError, KeyError, AttributeError, TypeError, RecursionError, nbformat.ValidationError,
)  # fmt: skip


class BadSubmission(ValueError):
    """What was handed in cannot be run; the text says why."""


def grade(
    course: Course,
    assignment: str,
    *,
    students: list[str] | None = None,
    jobs: int = 1,
    jailed: bool = True,
    force: bool = False,
    say: Callable[[Result, int, int], None] = lambda *_: None,
) -> list[Result]:
    """Grade all submissions of an assignment that are new or changed.

    Parameters
    ----------
    course
        With the assignment built, and notebooks in ``submitted/<student>/<assignment>/``.
    students
        Only these.
    jobs
        How many run at a time.
    jailed
        False: in no jail, as ordinary processes. Any submission may then do what you may do.
    force
        Grade again what has been graded and has not changed.
    say
        Called with each result, its number, and how many there are.

    Returns
    -------
    list of Result
        One a student, those graded before included.

    Raises
    ------
    CourseError, jail.NoJail
        If there is no such assignment, its solution does not run, or there is no jail.
    """
    if jailed:
        jail.check()
    master = course.master(assignment)
    about = master.metadata["assignment"]
    limits, withheld = limits_of(about["seconds"]), about["withheld"]
    expected = reference.values(course, assignment, limits, withheld, jailed)
    handed_in = course.students(assignment)
    wanted = [s for s in handed_in if students is None or {s, record_name(s)} & set(students)]
    results, waiting = {}, []
    for student in wanted:
        before = None if force else _before(course, assignment, student)
        if before:
            results[student] = before
            say(before, len(results), len(wanted))
        else:
            waiting.append(student)

    stop = threading.Event()

    def one(student: str) -> tuple[Result, NotebookNode | None]:
        key = ""
        try:
            key = _key(course, assignment, student)
            notebook = restore(read_submission(course, assignment, student), master)
            ran = jail.run(notebook, limits, withheld, jailed, stop)
            return judge(student, key, notebook, master, ran, expected), notebook
        except BadSubmission as error:
            return Result(student, FAILED, shown(str(error)), key), None
        except Exception as error:  # one submission must not stop the others: it is listed
            return _failed(student, key, error), None

    with ThreadPoolExecutor(jobs) as pool:
        try:
            # No list of them is kept: a notebook's outputs are freed once they are written.
            for future in as_completed(pool.submit(one, student) for student in waiting):
                result = _kept(course, assignment, *future.result())
                results[result.student] = result
                say(result, len(results), len(wanted))
        except BaseException:
            stop.set()  # the notebooks that run now end at once; they will run again
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [results[student] for student in wanted]


def _before(course: Course, assignment: str, student: str) -> Result | None:
    """The result of what is handed in, if it is known already."""
    try:
        before = read_result(course, assignment, student)
        return before if before and before.key == _key(course, assignment, student) else None
    except OSError:  # it will be graded, and what is wrong with it told
        return None


def _kept(course: Course, assignment: str, result: Result, notebook: NotebookNode | None) -> Result:
    """The result as it was recorded; if it cannot be, that failure, recorded as far as can be."""
    try:
        _keep(course, assignment, result, notebook)
    except Exception as error:  # one submission must not stop the others: it is listed
        result = _failed(result.student, result.key, error)
        try:
            _keep(course, assignment, result, None)
        except Exception as again:  # told now, and tried again by the next call
            result.reason += f"; that could not be recorded either, {_words(again)}"
    return result


def _keep(course: Course, assignment: str, result: Result, notebook: NotebookNode | None) -> None:
    if notebook is not None:
        path = course.notebook("autograded", assignment, result.student)
        write_notebook(path, without_markup(notebook))
    enter(course, assignment, result)
    write_result(course, assignment, result)  # last: until then it will be done again


def _failed(student: str, key: str, error: Exception) -> Result:
    return Result(student, FAILED, f"the grader itself failed on it, {_words(error)}", key)


def _words(error: Exception) -> str:
    return shown(f"{type(error).__name__}: {error}"[:300])


def judge(
    student: str, key: str, notebook: NotebookNode, master: NotebookNode, ran: jail.Ran, expected
) -> Result:
    """The scores of a run; the notebook's cells get the outputs that may be shown."""
    result = Result(
        student, GRADED if ran.done else FAILED, "" if ran.done else _why(ran), key,
        seconds=ran.seconds, memory=ran.memory,
    )  # fmt: skip
    for cell in notebook.cells:
        name, outputs = task(cell).get("id"), ran.outputs.get(cell.id, [])
        if is_kind(cell, "compare"):
            found = cell_verdicts(cell, outputs, expected[name])
            result.verdicts[name] = found
            result.wrong[name] = wrong_values(outputs, found)
            share = sum(found.values()) / len(found)
            result.scores[name] = task(cell)["points"] * share if ran.done else None
            outputs = _shown(found, result.scores[name], task(cell)["points"])
        elif is_kind(cell, "written"):
            result.scores[name] = 0.0 if is_unanswered(cell, master) else None
        if cell.cell_type == "code":
            cell.outputs = [nbformat.from_dict(o) for o in harmless(outputs)]
    if ran.done and None in result.scores.values():
        result.status = PERSON
    return result


def _why(ran: jail.Ran) -> str:
    return f"{ran.status} (in cell {ran.cell})" if ran.cell else ran.status


def _shown(found: dict[str, bool], score: float | None, points: float) -> list[dict]:
    lines = [f"{name}: {'right' if ok else 'not right'}" for name, ok in found.items()]
    lines.append(
        f"{points:g} points at most" if score is None else f"{score:g} of {points:g} points"
    )
    return [{"output_type": "stream", "name": "stdout", "text": "\n".join(lines) + "\n"}]


def harmless(outputs: list[dict]) -> list[dict]:
    """The outputs with text and pixels only: no HTML, script, SVG or widget of a student's."""
    kept = []
    for output in outputs:
        if output["output_type"] == "stream":
            output = {**output, "name": "stderr" if output["name"] == "stderr" else "stdout"}
        if "data" in output:
            data = {"text/plain": output["data"].get("text/plain", "")}
            if picture := png(output["data"].get("image/png", "")):
                data["image/png"] = picture
            output = {**output, "data": data, "metadata": {}}
        kept.append(output)
    return kept


def without_markup(notebook: NotebookNode) -> NotebookNode:
    """The notebook with the HTML and the links of Markdown cells shown as text.

    The formgrader would run the one, and follow the other (``javascript:``) in the teacher's name.
    """
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", cell.source)
            cell.source = text.replace("](", "]&#40;").replace("]:", "]&#58;")
    return copy


def png(text: object) -> str:
    """A picture in base64 as it is safe in a page; "" if it is no PNG."""
    try:
        content = base64.b64decode("".join(str(text).split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return base64.b64encode(content).decode() if content.startswith(b"\x89PNG\r\n") else ""


def read_submission(course: Course, assignment: str, student: str) -> NotebookNode:
    """The notebook that a student handed in.

    Raises
    ------
    BadSubmission
        If it is missing, has another name, is no regular file, too large, or no notebook.
    """
    if not is_student(student):
        raise BadSubmission(f"its folder's name cannot be a student's: {NAMES}")
    path = course.notebook("submitted", assignment, student)
    if not path.parent.is_dir():
        raise BadSubmission(f"{path.parent.name} is no folder")
    if not path.exists() and not path.is_symlink():
        there = sorted(p.name for p in path.parent.iterdir())
        raise BadSubmission(f"no file {path.name}; there is: {', '.join(there) or 'nothing'}"[:300])
    if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
        raise BadSubmission(f"{path.name} is a link or no regular file")
    if path.stat().st_size > LARGEST:
        raise BadSubmission(
            f"{path.name} has {path.stat().st_size / jail.MIB:.0f} MiB, more than "
            f"{LARGEST // jail.MIB}: ask for it with its outputs cleared"
        )
    try:
        notebook = nbformat.reads(jail.whole_characters(path.read_text("utf8")), 4)
        nbformat.validate(notebook)
    except NO_NOTEBOOK as error:
        raise BadSubmission(f"{path.name} is no notebook: {str(error)[:200]}") from error
    return notebook


def _key(course: Course, assignment: str, student: str) -> str:
    digest = hashlib.sha256(course.notebook("source", assignment).read_bytes())
    path = course.notebook("submitted", assignment, student)
    if path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def default_jobs() -> int:
    return os.cpu_count() or 1
