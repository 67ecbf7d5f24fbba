"""``labnotes-classroom``: build a course, grade what comes in, give it back.

labnotes-classroom build                       source, release, solution of all assignments
labnotes-classroom collect ASSIGNMENT SENT     what students sent, into the course
labnotes-classroom grade ASSIGNMENT            each submission in a jail
labnotes-classroom retry ASSIGNMENT            again, alone, what failed
labnotes-classroom look ASSIGNMENT             what needs a teacher's eye
labnotes-classroom similar ASSIGNMENT          answers that are alike, side by side
labnotes-classroom statistics ASSIGNMENT       how the class did
labnotes-classroom feedback ASSIGNMENT         a page for each student
labnotes-classroom due ASSIGNMENT DATE         when it is due
labnotes-classroom grades ASSIGNMENT           a table (CSV)
labnotes-classroom export ASSIGNMENT PLATFORM  grades and feedback for Moodle or Canvas
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

HERE = Path("classroom")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="labnotes-classroom",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        one.add_argument(
            "--course", type=Path, default=HERE / "course", help="its folder (%(default)s)"
        )
        return one

    build = command("build", "write the nbgrader course from the assignments, and test it")
    build.add_argument("only", nargs="*", metavar="ASSIGNMENT", help="only these")
    build.add_argument(
        "--assignments", type=Path, default=HERE / "assignments", help="(%(default)s)"
    )
    collect = command("collect", "take what students sent: a folder, or a platform's archive (zip)")
    collect.add_argument("assignment")
    collect.add_argument("sent", type=Path, metavar="FOLDER_OR_ZIP")
    collect.add_argument(
        "--dry-run", action="store_true", help="only show what would become whom; change nothing"
    )
    grade = command("grade", "grade all submissions that are new or changed")
    grade.add_argument("assignment")
    grade.add_argument("--student", action="append", help="only this one; may be repeated")
    grade.add_argument("--jobs", type=int, help="notebooks at a time (default: one per core)")
    grade.add_argument("--force", action="store_true", help="grade again what has not changed")
    retry = command("retry", "grade again, one at a time, what failed or took too long")
    retry.add_argument("assignment")
    for one in (grade, retry):
        one.add_argument(
            "--stand-in",
            action="store_true",
            help="go on without the real data set: your students have the stand-in too",
        )
        one.add_argument(
            "--unsafe-no-jail",
            action="store_true",
            help="run the notebooks with your own rights: they can read and change all that you can",
        )
    for name, text in (
        ("feedback", "write a page for each student, without hidden tests"),
        ("grades", "write the grades as CSV"),
        ("look", "what needs a teacher's eye: failed, late, misplaced, stale, alike"),
        ("statistics", "a page on how the class did, per task and per compared value"),
        ("similar", "a page of answers that are alike, side by side"),
    ):
        command(name, text).add_argument("assignment")
    export = command("export", "grades and feedback in the form that a learning platform takes")
    export.add_argument("assignment")
    export.add_argument("platform", choices=("moodle", "canvas", "plain"))
    due = command("due", "show or set when an assignment is due, and what lateness costs")
    due.add_argument("assignment")
    due.add_argument(
        "date", nargs="?", help='"2026-12-01 23:59", a time zone behind it if you like; or none'
    )
    due.add_argument("--late", metavar="PERCENT", help="of the points, for each day begun")
    return top


def main(argv: list[str] | None = None) -> int:
    chosen = parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that this console has no letters for
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _run(chosen)
    except KeyboardInterrupt:  # in the imports too
        print("\nStopped. What is done is kept: call it again to go on.", file=sys.stderr)
        return 130


def _run(chosen) -> int:
    try:
        import nbgrader  # noqa: F401
    except ModuleNotFoundError:
        print(
            'This needs nbgrader and a few more: pip install "labnotes[classroom]"', file=sys.stderr
        )
        return 2
    from .course import Course, CourseError
    from .jail import NoJail
    from .source import SourceError

    try:
        return globals()[f"_{chosen.command}"](chosen, Course(chosen.course.resolve()))
    except NoJail as error:
        print(
            f"Not graded: {error}.\nWithout a jail a submission can read and change all that you "
            "can, the gradebook too. If every notebook is your own: --unsafe-no-jail",
            file=sys.stderr,
        )
    except (CourseError, SourceError, OSError) as error:  # OSError: a full disk, a right that lacks
        print(f"{error}", file=sys.stderr)
    return 2


def _build(chosen, course) -> int:
    from .build import build

    build(chosen.assignments, course, chosen.only)
    print(f"The course is in {chosen.course}; give students what is in {chosen.course / 'release'}")
    return 0


def _collect(chosen, course) -> int:
    from .course import shown
    from .intake.collect import collect
    from .intake.roster import read_roster

    roster = read_roster(course)
    found = collect(course, chosen.assignment, chosen.sent, chosen.dry_run)
    for student, name in found.taken.items():
        print(f"  {found.news[student]}: {shown(name)} -> {roster.called(student)}")
    for name, reason in found.left.items():
        print(f"  left alone: {shown(name)}: {shown(reason)}")
    for student in found.missing:
        print(f"  handed in nothing: {roster.called(student)}")
    count = f"{len(found.taken)} submissions, {len(found.left)} left alone"
    if roster:
        count += f", {len(found.missing)} of {len(roster.students)} handed in nothing"
    print(f"{count}. " + ("Nothing was changed." if chosen.dry_run else f"In {course.root}."))
    return 0


def _grade(chosen, course) -> int:
    return _run_grade(chosen, course, chosen.student, chosen.jobs, chosen.force)


def _retry(chosen, course) -> int:
    from .reports.look import again

    course.master(chosen.assignment)
    students = again(course, chosen.assignment)
    if not students:
        print("Nothing failed or took too long.")
        return 0
    return _run_grade(chosen, course, students, jobs=1, force=True)


def _run_grade(chosen, course, students: list[str] | None, jobs: int | None, force: bool) -> int:
    from .course import record_name
    from .grade import default_jobs, grade, refuse, wanted
    from .intake.roster import read_roster
    from .jail import largest_memory
    from .progress import Progress
    from .reports.look import look
    from .results import FAILED, GRADED, PERSON
    from .standin import missing_data

    jobs = default_jobs() if jobs is None else jobs
    refuse(jobs, jailed=not chosen.unsafe_no_jail)
    course.master(chosen.assignment)
    read_roster(course)  # what is wrong with it is told before anything runs
    count = len(wanted(course.students(chosen.assignment), students))
    missing = missing_data(course, chosen.assignment)
    if missing and not chosen.stand_in:
        print(
            f"Not graded: {missing} If your students have the stand-in too: --stand-in",
            file=sys.stderr,
        )
        return 2
    progress = Progress(course, chosen.assignment, count, jobs)
    print(progress.first(), flush=True)

    def say(result, number, count):
        total = sum(score or 0 for score in result.scores.values())
        about = result.reason if result.status == FAILED else f"{total:g} points so far"
        print(
            f"[{number}/{count}] {record_name(result.student)}: {result.status}, {about} "
            f"({result.seconds:.1f} s, {result.memory:.0f} MiB){progress.after(result)}",
            flush=True,
        )

    results = grade(
        course, chosen.assignment, students=students, jobs=jobs,
        jailed=not chosen.unsafe_no_jail, force=force, say=say,
    )  # fmt: skip
    by_status = {s: [r for r in results if r.status == s] for s in (GRADED, PERSON, FAILED)}
    print(
        f"\n{len(results)} submissions in {progress.elapsed:.0f} s; the grader itself "
        f"used {largest_memory():.0f} MiB at most"
    )
    for status, found in by_status.items():
        print(f"  {status}: {len(found)}")
    for result in by_status[FAILED]:
        print(f"    {record_name(result.student)}: {result.reason}")
    if missing:
        print(f"GRADED WITH STAND-IN DATA. {missing}")
    _print_hints([h for h in look(course, chosen.assignment) if not h.what.startswith(FAILED)])
    return 0


def _feedback(chosen, course) -> int:
    from .course import record_name
    from .feedback import write_feedback
    from .reports.exports import for_the_exchange

    pages, failed = write_feedback(course, chosen.assignment)
    for_the_exchange(course, chosen.assignment)
    print(f"{len(pages)} pages in {chosen.course / 'feedback'}")
    for student, reason in failed.items():
        print(f"  no page for {record_name(student)}: {reason}")
    return 1 if failed else 0


def _grades(chosen, course) -> int:
    from .course import record_name
    from .gradebook import write_csv
    from .intake.deadlines import deadline

    results = _results(chosen, course)
    path = write_csv(
        course, chosen.assignment, results, course.root / "grades" / f"{chosen.assignment}.csv"
    )
    print(f"{len(results)} students in {path}; {deadline(course, chosen.assignment)}")
    if missing := sorted(set(course.students(chosen.assignment)) - set(results)):
        print(f"Not graded yet: {', '.join(map(record_name, missing))}")
    return 0


def _look(chosen, course) -> int:
    from .reports.look import look

    course.master(chosen.assignment)
    _print_hints(look(course, chosen.assignment))
    return 0


def _print_hints(hints: list) -> None:
    from .course import record_name, shown

    print(f"Look at these ({len(hints)}):" if hints else "Nothing to look at.")
    for hint in hints:
        print(f"  {record_name(hint.student)}: {shown(hint.what)}")


def _similar(chosen, course) -> int:
    from .intake.roster import read_roster
    from .reports.pages import side_by_side, write_page
    from .reports.similarity import alike, answers, released

    texts = answers(course, chosen.assignment)
    pairs = alike(texts, released(course, chosen.assignment))
    body = side_by_side(pairs, texts, read_roster(course))
    path = course.root / "similar" / f"{chosen.assignment}.html"
    write_page(path, f"{chosen.assignment}: answers that are alike", body)
    print(f"{len(pairs)} pairs of {len(texts)} submissions in {path}")
    return 0


def _statistics(chosen, course) -> int:
    from .reports.pages import write_page
    from .reports.statistics_page import body, tasks_of

    results = _results(chosen, course)
    tasks = tasks_of(course, chosen.assignment, results)
    for one in tasks:
        print(f"  {one}")
    path = course.root / "statistics" / f"{chosen.assignment}.html"
    write_page(path, f"{chosen.assignment}: how the class did", body(tasks, results))
    print(f"{len(results)} submissions in {path}")
    return 0


def _results(chosen, course) -> dict:
    from .results import read_results

    course.master(chosen.assignment)
    return read_results(course, chosen.assignment)


def _export(chosen, course) -> int:
    from .reports.exports import export

    found = export(course, chosen.assignment, chosen.platform, _results(chosen, course))
    print(f"{found.rows} grades in {found.grades}\n{found.pages} pages in {found.feedback}")
    for student, reason in sorted(found.left.items()):
        print(f"  left out: {student}: {reason}")
    return 0


def _due(chosen, course) -> int:
    from .intake.deadlines import deadline, set_deadline
    from .intake.roster import read_roster

    if chosen.date is not None or chosen.late is not None:
        set_deadline(course, chosen.assignment, chosen.date, chosen.late)
    print(f"{chosen.assignment}: {deadline(course, chosen.assignment)}")
    for student in read_roster(course).students.values():
        if own := student.due.get(chosen.assignment):
            print(f"  {student.called}: {deadline(course, chosen.assignment, own)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
