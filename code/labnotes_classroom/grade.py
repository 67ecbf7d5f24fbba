"""Grade what was handed in: each notebook in a jail of its own, its values compared here."""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import nbformat
from nbformat import NotebookNode

from . import jail, reference
from .build import limits_of
from .compare import cell_verdicts
from .course import Course, CourseError, record_name, shown, write_notebook
from .gradebook import enter
from .outputs import harmless, without_markup
from .reports.wrong import wrong_values
from .restore import (
    BadSubmission,
    is_unanswered,
    read_submission,
    remarks,
    restore,
    submission_key,
    text_near,
)  # fmt: skip
from .results import FAILED, GRADED, PERSON, Result, read_result, write_result
from .source import is_kind, task

AS_ROOT = "LABNOTES_GRADE_AS_ROOT"
HEEDS = 0.5  # seconds within which an interrupt is seen


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
        How many run at a time. Each gets its share of the processors.
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
        If there is no such assignment or student, its solution does not run, another grading of the
        course runs, or there is no jail.
    """
    refuse(jobs, jailed)
    master = course.master(assignment)
    about = master.metadata["assignment"]
    limits, withheld = limits_of(about["seconds"]), about["withheld"]
    chosen = wanted(course.students(assignment), students)
    stop, slots = threading.Event(), _slots(jobs)

    def one(student: str, cpus: set[int] | None = None):
        """The result, the notebook with its outputs, and whether a machine less busy might help."""
        key = ""
        try:
            key = submission_key(course, assignment, student)
            submitted = read_submission(course, assignment, student)
            notes, near = remarks(submitted, master), text_near(submitted, master)
            notebook = restore(submitted, master)
            ran = jail.run(notebook, limits, withheld, jailed, stop, cpus)
            result = judge(student, key, notebook, master, ran, expected, notes, near)
            return result, notebook, ran.crowded or (ran.late and _overloaded())
        except BadSubmission as error:
            return Result(student, FAILED, shown(str(error)), key), None, False
        except Exception as error:  # one submission must not stop the others: it is listed
            return _failed(student, key, error), None, False

    def beside_others(student: str):
        cpus = slots.get()
        try:
            return one(student, cpus)
        finally:
            slots.put(cpus)

    results: dict[str, Result] = {}

    def done(result: Result) -> None:
        results[result.student] = result
        with contextlib.suppress(Exception):  # what cannot be shown has been recorded
            say(result, len(results), len(chosen))

    with _only_grader(course):
        expected = reference.values(course, assignment, limits, withheld, jailed)
        waiting, alone = [], []
        for student in chosen:
            before = None if force else _before(course, assignment, student)
            done(before) if before else waiting.append(student)
        with ThreadPoolExecutor(jobs) as pool:
            try:
                # No list of them is kept: a notebook's outputs are freed once they are written.
                for future in _as_they_end(pool.submit(beside_others, s) for s in waiting):
                    result, notebook, late = future.result()
                    if late:
                        alone.append(result.student)
                    else:
                        done(_kept(course, assignment, result, notebook))
                for student in alone:
                    result, notebook, _ = one(student)
                    result.notes.append("graded a second time, alone: the machine was overloaded")
                    done(_kept(course, assignment, result, notebook))
            except BaseException:
                stop.set()  # the notebooks that run now end at once; they will run again
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return [results[student] for student in chosen]


def refuse(jobs: int, jailed: bool) -> None:
    """Say in one line why nothing can be graded."""
    if jobs < 1:
        raise CourseError(f"{jobs} notebooks at a time: give 1 or more (--jobs)")
    if not jailed:
        return
    jail.check()
    if os.geteuid() == 0 and os.environ.get(AS_ROOT) != "1":
        raise CourseError(
            "you are root, and a program that gets out of a jail would be root, too: grade as an "
            f"ordinary user. In a container that holds nothing else: set {AS_ROOT}=1"
        )


def wanted(handed_in: list[str], students: list[str] | None) -> list[str]:
    """Those of `students` who handed in; all if it is None."""
    if students is None:
        return handed_in
    by_name = {name: s for s in handed_in for name in (record_name(s), s)}
    if unknown := sorted(set(students) - set(by_name)):
        near = difflib.get_close_matches(unknown[0], by_name, 1)
        hint = f"; did you mean {shown(near[0])}?" if near else ""
        raise CourseError(f"nothing was handed in by {', '.join(map(shown, unknown))}{hint}")
    return sorted({by_name[name] for name in students})


def _slots(jobs: int) -> queue.SimpleQueue:
    """A share of the processors for each of the notebooks that run at a time."""
    slots: queue.SimpleQueue = queue.SimpleQueue()
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    for number in range(jobs):
        mine = set(cpus[number::jobs]) or {cpus[number % len(cpus)]} if cpus else None
        slots.put(mine)
    return slots


def _as_they_end(futures: Iterable[Future]) -> Iterator[Future]:
    """The futures, each once it is done.

    ``concurrent.futures.as_completed`` waits for ever: an interrupt that comes in the moment before
    it goes to sleep is seen only when the next notebook has ended. This one wakes to look.
    """
    running = set(futures)
    while running:
        ended, running = wait(running, timeout=HEEDS, return_when=FIRST_COMPLETED)
        while ended:
            yield ended.pop()


def _overloaded() -> bool:
    return os.getloadavg()[0] > default_jobs()


@contextlib.contextmanager
def _only_grader(course: Course) -> Iterator[None]:
    """No other grading of this course runs at the same time."""
    folder = os.open(course.root, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise CourseError(
            f"another grading of {course.root} is running: wait until it has ended"
        ) from None
    except OSError:  # a network's disk that knows no locks
        pass
    try:
        yield
    finally:
        os.close(folder)


def _before(course: Course, assignment: str, student: str) -> Result | None:
    """The result of what is handed in, if it is known already."""
    try:
        before = read_result(course, assignment, student)
        return (
            before if before and before.key == submission_key(course, assignment, student) else None
        )
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
    student: str,
    key: str,
    notebook: NotebookNode,
    master: NotebookNode,
    ran: jail.Ran,
    expected,
    notes: list[str],
    near: dict[str, str],
) -> Result:
    """The scores of a run; the notebook's cells get the outputs that may be shown.

    Parameters
    ----------
    notes
        What else a person should look at.
    near
        Written tasks without an answer, and text of the student's near by: a person's to judge.
    """
    notes = notes + [
        f"cell {cell} was stopped after {after}" for cell, after in ran.stopped.items()
    ]
    notes += [f"text near the empty answer to {n}: {shown(text[:60])}" for n, text in near.items()]
    result = Result(
        student, GRADED if ran.done else FAILED, "" if ran.done else _why(ran), key,
        seconds=ran.seconds, memory=ran.memory, notes=[shown(note[:300]) for note in notes],
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
            empty = is_unanswered(cell, master) and name not in near
            result.scores[name] = 0.0 if empty else None
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


def default_jobs() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
