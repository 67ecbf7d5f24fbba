"""What the commands of the classroom say, without running a notebook."""

import light
import pytest

from labnotes_classroom import cli, grade
from labnotes_classroom.course import Course
from labnotes_classroom.progress import Progress
from labnotes_classroom.results import FAILED, GRADED, Result, read_result, write_result
from labnotes_classroom.standin import data_sets, missing_data


@pytest.fixture
def course(light_course, monkeypatch) -> Course:
    """With a grader that gives each submission its points at once, and notes how it was called."""
    course = light_course

    def graded(course, assignment, *, students, jobs, jailed, force, say):
        wanted = course.students(assignment) if students is None else students
        course.calls.append((wanted, jobs, force))
        results = [Result(s, GRADED, scores={"mean-graded": 4.0}, seconds=30) for s in wanted]
        for number, result in enumerate(results, 1):
            say(result, number, len(results))
        return results

    object.__setattr__(course, "calls", [])
    monkeypatch.setattr(grade, "grade", graded)
    monkeypatch.setattr("labnotes_classroom.jail.check", lambda: None)
    monkeypatch.setattr("labnotes_classroom.course.Course", lambda root: course)
    return course


def uses(course, **about) -> None:
    master = course.master("tiny")
    master.metadata["assignment"] |= about
    light.write_notebook(course.notebook("source", "tiny"), master)


def test_the_time_left_stands_there_from_the_first_line_on(course, capsys):
    path = course.root / "reference" / "tiny.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"seconds": 20.0}', "utf8")  # as a build leaves it
    for number in range(12):
        light.hand_in(course, f"s{number:02}")
    assert cli.main(["grade", "tiny", "--jobs", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tiny: 12 submissions, 2 at a time, about 2 min left"
    assert lines[1].startswith(
        "[1/12] s00: graded, 4 points so far (30.0 s, 0 MiB), about 2 min left"
    )
    assert lines[11].endswith("about 15 s left") and "left" not in lines[12]
    assert "Look at these (12):" in lines and "  s03: not graded yet" in lines


def test_without_a_known_time_nothing_is_promised(course):
    assert Progress(course, "tiny", 3, 1).first() == "tiny: 3 submissions, 1 at a time"


@pytest.mark.parametrize("jobs", ["0", "-1"])
def test_jobs_below_one_are_refused(course, jobs, capsys):
    assert cli.main(["grade", "tiny", f"--jobs={jobs}"]) == 2
    assert (
        capsys.readouterr().err == f"{jobs} notebooks at a time: give 1 or more (--jobs)\n"
        and not course.calls
    )


def test_a_student_who_has_not_handed_in_is_named_with_those_who_are_near(course, capsys):
    light.hand_in(course, "anna.mueller")
    assert cli.main(["grade", "tiny", "--student", "ana.mueller"]) == 2
    assert capsys.readouterr().err == (
        "nothing was handed in by ana.mueller; did you mean anna.mueller?\n"
    )
    assert cli.main(["grade", "tiny", "--student", "anna.mueller", "--jobs", "1"]) == 0
    assert course.calls == [(["anna.mueller"], 1, False)]


def test_retry_grades_alone_what_failed(course, capsys):
    assert cli.main(["retry", "tiny"]) == 0
    assert capsys.readouterr().out == "Nothing failed or took too long.\n"
    for name in ("anna", "ben"):
        light.hand_in(course, name)
        light.graded(course, name)
    failed = read_result(course, "tiny", "ben")
    failed.status, failed.reason = FAILED, "a cell ran on"
    write_result(course, "tiny", failed)
    assert cli.main(["retry", "tiny"]) == 0
    assert course.calls == [(["ben"], 1, True)]


def test_without_the_real_data_it_refuses_unless_told(course, capsys, monkeypatch):
    light.hand_in(course, "anna")
    uses(course, data=["fra_eng"])
    assert cli.main(["grade", "tiny"]) == 2
    said = capsys.readouterr().err
    assert "tiny uses fra_eng, which this machine does not have" in said and "--stand-in" in said
    assert said.count("\n") == 1 and not course.calls
    assert cli.main(["grade", "tiny", "--stand-in"]) == 0
    assert "GRADED WITH STAND-IN DATA. tiny uses fra_eng" in capsys.readouterr().out
    monkeypatch.setattr("labnotes.data.catalog.locate", lambda name: name)
    assert missing_data(course, "tiny") == ""
    assert cli.main(["grade", "tiny"]) == 0 and "STAND-IN" not in capsys.readouterr().out


def test_the_data_sets_of_a_run_are_known_from_what_it_shows():
    from labnotes.data import english_french, provenance
    from labnotes.data.catalog import entry

    stand_in = english_french(fallback=True).provenance
    assert stand_in.stand_in, "the tests have no real data"
    real = provenance.of(entry("fashion_mnist"), "cache")

    def shows(thing) -> list:
        return [{"output_type": "execute_result", "data": {"text/plain": repr(thing)}}]

    assert data_sets({"a": shows(stand_in)}) == ["fra_eng"]
    assert data_sets({"a": shows(real), "b": [{"output_type": "stream", "text": "x"}]}) == [
        "fashion_mnist"
    ]
