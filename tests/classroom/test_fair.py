"""Fair points: what an honest student hands in is graded, whatever program has written it."""

import json
import os
import threading
from types import SimpleNamespace

import nbformat
import pytest
from conftest import MEAN, SPREAD, answered, hand_in, released
from nbformat.v4 import new_code_cell, new_markdown_cell

from labnotes_classroom import cli, grade
from labnotes_classroom.apart import TooMuch, apart
from labnotes_classroom.course import CourseError
from labnotes_classroom.outputs import as_written, without_markup
from labnotes_classroom.restore import remarks, text_near

WHY = "Outliers mislead it, as in 1, 1, 1, 97."
RAN = SimpleNamespace(done=True, outputs={}, stopped={}, seconds=1.0, memory=1.0)


def place(notebook, name: str) -> int:
    return next(i for i, c in enumerate(notebook.cells) if c.id == name)


def without_metadata(notebook) -> dict:
    text = json.loads(nbformat.writes(notebook))
    for cell in text["cells"]:
        cell["metadata"] = {}
    return text


class TestTextNearAnEmptyAnswer:
    @pytest.fixture
    def empty(self, course):
        notebook = answered(course, why="", mean=MEAN)
        assert text_near(notebook, course.master("tiny")) == {}
        return notebook

    def found(self, course, notebook) -> dict[str, str]:
        near = text_near(notebook, course.master("tiny"))
        master = course.master("tiny")
        restored = grade.restore(notebook, master)
        for text in near.values():
            assert text in [cell.source for cell in restored.cells], "a person sees it there"
        wrong = {"mean-graded": {"small": 1, "many": 1}, "spread-graded": {"distances": 1}}
        result = grade.judge("anna", "", restored, master, RAN, wrong, [], near)
        assert result.scores["why"] is (None if near else 0.0) or not near
        assert (result.status == "needs a person") == bool(near)
        assert all(f"text near the empty answer to {name}" in str(result.notes) for name in near)
        return near

    def test_in_a_cell_below_the_stub(self, course, empty):
        empty.cells.insert(place(empty, "why") + 1, new_markdown_cell(WHY))
        assert self.found(course, empty) == {"why": WHY}

    def test_in_a_cell_that_replaces_the_stub(self, course, empty):
        empty.cells[place(empty, "why")] = new_markdown_cell(WHY)
        assert self.found(course, empty) == {"why": WHY}

    def test_in_a_cell_that_was_turned_into_code(self, course, empty):
        cell = empty.cells[place(empty, "why")]
        empty.cells[place(empty, "why")] = new_code_cell(WHY, id="why", metadata=cell.metadata)
        assert self.found(course, empty) == {"why": WHY}

    def test_in_a_cell_that_was_turned_into_none_of_both(self, course, empty):
        empty.cells[place(empty, "why")] = nbformat.v4.new_raw_cell(WHY)
        assert self.found(course, empty) == {"why": WHY}

    def test_in_a_comment_in_a_code_cell(self, course, empty):
        empty.cells.append(new_code_cell(f"# {WHY}"))
        assert self.found(course, empty) == {"why": f"# {WHY}"}

    def test_at_the_top_of_the_notebook(self, course, empty):
        empty.cells.insert(0, new_markdown_cell(f"My answers. Task 3: {WHY}"))
        assert "why" in self.found(course, empty)

    def test_below_the_question_in_a_cell_of_ours(self, course, empty):
        heading = next(c for c in empty.cells if c.cell_type == "markdown" and "Task 2" in c.source)
        heading.source += f"\n\n{WHY}"
        assert "why" in self.found(course, empty)

    def test_code_before_another_task_is_no_answer(self, course, empty):
        empty.cells.insert(place(empty, "mean"), new_code_cell("helper = 1"))
        assert self.found(course, empty) == {}

    def test_an_answer_in_its_place_needs_no_search(self, course):
        notebook = answered(course, why=WHY)
        notebook.cells.append(new_markdown_cell("Thank you"))
        assert text_near(notebook, course.master("tiny")) == {}


def test_missing_unknown_and_doubled_tasks_are_listed(course):
    notebook = answered(course, mean=MEAN)
    notebook.cells = [c for c in notebook.cells if c.id not in ("spread", "mean-try")]
    notebook.cells.append(new_code_cell("1", metadata={"nbgrader": {"grade_id": "of-last-year"}}))
    notebook.cells.append(
        nbformat.from_dict({**notebook.cells[place(notebook, "mean")], "id": "x"})
    )
    assert remarks(notebook, course.master("tiny")) == [
        "missing tasks: mean-try, spread",
        "unknown tasks: of-last-year",
        "tasks that are there twice, the first counts: mean",
    ]
    assert remarks(released(course), course.master("tiny")) == []


def encodings(notebook) -> dict[str, bytes]:
    text = nbformat.writes(notebook)
    loud = json.loads(text)
    noise = {"output_type": "stream", "name": "stdout", "text": "x" * 30_000_000}
    loud["cells"][0]["outputs"] = [noise]
    third = json.dumps(nbformat.convert(nbformat.from_dict(notebook), 3))
    windows = json.loads(text)
    for cell in windows["cells"]:
        cell["source"] = "".join(cell["source"]).replace("\n", "\r\n")
    return {
        "utf-8": text.encode(), "bom": text.encode("utf-8-sig"), "utf-16": text.encode("utf-16"),
        "big-endian": text.encode("utf-16-be"), "crlf": text.replace("\n", "\r\n").encode(),
        "crlf-inside": json.dumps(windows).encode(), "30-mb": json.dumps(loud).encode(),
        "lines": json.dumps(json.loads(text) | {"nbformat_minor": 99}).encode(), "old": third.encode(),
    }  # fmt: skip


def test_the_encoding_and_the_outputs_of_the_file_do_not_matter(course):
    notebook = answered(course, mean=MEAN, spread=SPREAD)
    found = {}
    for name, content in encodings(notebook).items():
        hand_in(course, name, content)
        cells = grade.read_submission(course, "tiny", name).cells
        found[name] = [(c.cell_type, c.source, c.metadata.get("nbgrader", {}).get("grade_id")) for c in cells]  # fmt: skip
    for name in found:
        assert found[name] == found["utf-8"] or name == "old", name
    assert [text for _, text, _ in found["old"]] == [text for _, text, _ in found["utf-8"]]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{", "JSON"), (b"[" * 200_000, "brackets"), (b"[]", "no JSON object"), (b"\xff\x00\x01", "decode"),
     (b'{"nbformat": 4}', "no list of cells"), (b'{"cells": [1]}', "no list of cells"),
     (b'{"cells": [{"cell_type": "code", "source": 1}]}', "no text or no kind"),
     (b'{"cells": [' + b'{"cell_type": "code"},' * 2000 + b"{}]}", "2001 cells"),
     (b'{"cells": [{"cell_type": "code", "source": "' + b"x" * 5_000_000 + b'"}]}', "letters"),
     (b'{"a": [' + b"[]," * 20_000_000 + b"[]]}", "")],
    ids=["half", "deep", "list", "bytes", "none", "numbers", "number", "many", "long", "large"],
)  # fmt: skip
def test_what_is_no_notebook_is_said_and_costs_the_grader_nothing(content, said):
    with pytest.raises(TooMuch, match=said):
        apart("cells", content)


@pytest.mark.parametrize(
    "text", ["if x<b:\n    a[i](x)", "`x<b` and [a](b)", "a <b>bold</b> [x]: y"]
)
def test_what_a_student_wrote_is_shown_as_written(text):
    cell = new_markdown_cell(f"```\n{text}\n```")
    (shown,) = without_markup(nbformat.v4.new_notebook(cells=[cell])).cells
    assert as_written(shown.source) == cell.source
    assert shown.source.replace("\u2060", "") == cell.source, "and nothing is added that one sees"


def test_a_text_that_is_very_long_is_code_in_the_formgrader():
    cell = new_markdown_cell("*a **b \n" * 16_000)
    (shown,) = without_markup(nbformat.v4.new_notebook(cells=[cell])).cells
    assert all(line.startswith("    ") for line in shown.source.split("\n"))


class TestOneLine:
    def test_root_is_refused_unless_told(self, course, monkeypatch):
        monkeypatch.delenv("LABNOTES_GRADE_AS_ROOT")
        monkeypatch.setattr(grade.os, "geteuid", lambda: 0)
        with pytest.raises(CourseError, match="you are root.*LABNOTES_GRADE_AS_ROOT=1"):
            grade.grade(course, "tiny")

    @pytest.mark.parametrize("jobs", [0, -1])
    def test_a_number_of_jobs_that_is_none(self, course, jobs):
        with pytest.raises(CourseError, match="give 1 or more"):
            grade.grade(course, "tiny", jobs=jobs)

    def test_a_student_who_is_mistyped(self, course):
        hand_in(course, "anna", "{}")
        with pytest.raises(CourseError, match="nothing was handed in by ana; did you mean anna?"):
            grade.grade(course, "tiny", students=["ana"])

    def test_a_second_grader_is_refused(self, course, monkeypatch):
        hand_in(course, "anna", "{}")
        read, reads, held = grade.read_submission, threading.Event(), threading.Event()

        def read_when_told(*words):
            reads.set()
            held.wait()
            return read(*words)

        monkeypatch.setattr(grade, "read_submission", read_when_told)
        first = threading.Thread(target=grade.grade, args=(course, "tiny"))
        first.start()
        try:
            assert reads.wait(600), "the first grader does not begin"
            assert grade_is_refused(course), "two graders at once"
        finally:
            held.set()
            first.join()
        assert [r.status for r in grade.grade(course, "tiny")] == ["failed to run"], "and then not"

    def test_a_folder_a_pipe_or_a_link_in_the_place_of_the_work(self, course, capsys):
        for name, make in (("folder", os.mkdir), ("pipe", os.mkfifo)):
            path = course.root / "submitted" / name / "tiny" / "tiny.ipynb"
            path.parent.mkdir(parents=True)
            make(path)
        hand_in(course, "real", answered(course, mean=MEAN))
        (course.root / "submitted" / "linked").symlink_to("real")
        assert cli.main(["grade", "tiny", "--course", str(course.root)]) == 0
        said = capsys.readouterr().out
        assert "real: needs a person, 4 points" in said
        for name in ("folder", "pipe", "linked"):
            assert f"    {name}: tiny.ipynb is a link or no regular file\n" in said

    def test_a_full_disk(self, course, monkeypatch, capsys):
        def full(*_, **__):
            raise OSError(28, "No space left on device", "grades")

        monkeypatch.setattr("labnotes_classroom.reports.tables.replacing", full)
        assert cli.main(["grades", "tiny", "--course", str(course.root)]) == 2
        assert capsys.readouterr().err == "[Errno 28] No space left on device: 'grades'\n"

    def test_what_cannot_be_shown_stops_nobody(self, course):
        for name in ("anna", "ben"):
            hand_in(course, name, "{}")

        def say(*_):
            raise BrokenPipeError

        assert len(grade.grade(course, "tiny", say=say)) == 2

    def test_a_notebook_without_its_metadata_fails_and_says_so(self, course):
        hand_in(course, "anna", json.dumps(without_metadata(answered(course, mean=MEAN))))
        (found,) = grade.grade(course, "tiny")
        assert found.status == "failed to run" and "has dropped the cells' metadata" in found.reason


def grade_is_refused(course) -> bool:
    try:
        with grade._only_grader(course):
            return False
    except CourseError as error:
        return "another grading" in str(error)


@pytest.mark.parametrize("why", ["late", "crowded"])
def test_what_a_machine_too_busy_ended_is_graded_again_alone(course, monkeypatch, why):
    runs = []

    def run(notebook, limits, withheld, jailed, stop, cpus=None):
        runs.append(cpus)
        if len(runs) == 1:
            return grade.jail.Ran("it was ended", **{why: True})
        return grade.jail.Ran("done", outputs={c.id: [] for c in notebook.cells})

    monkeypatch.setattr(grade.jail, "run", run)
    monkeypatch.setattr(grade, "_overloaded", lambda: why == "late")
    hand_in(course, "anna", answered(course, mean=MEAN))
    (found,) = grade.grade(course, "tiny")
    assert found.status == "needs a person" and "a second time, alone" in found.notes[-1]
    assert len(runs) == 2 and runs[0] and runs[1] is None
