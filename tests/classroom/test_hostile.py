"""Hostile and clumsy submissions between honest ones, graded in one run of the command."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import psutil
import pytest
from conftest import MEAN, SPREAD, answered, hand_in, released
from hostile import ESCAPE, hostile

from labnotes_classroom.course import Course, record_name
from labnotes_classroom.gradebook import scores
from labnotes_classroom.restore import LARGEST
from labnotes_classroom.results import read_result

WARNING = "import warnings\n\n" + MEAN.replace(
    "    return", "    warnings.warn('as you like')\n    return"
)


IN_GBK = os.fsdecode("李明".encode("gbk"))  # as a folder from an old archive is named
LONG = "x" * 250
SECRET = "what-only-the-teacher-has"


def clumsy(course: Course) -> dict[str, str]:
    """Files that are no notebooks to run; name -> a part of the reason."""
    hand_in(course, "no-json", "{this is no JSON")
    hand_in(course, "deep-json", "[" * 200_000)
    hand_in(course, "other-json", json.dumps({"nbformat": 4, "cells": "none"}))
    hand_in(course, "binary", os.urandom(1000))
    hand_in(course, "too-large", b" " * (LARGEST + 1))
    hand_in(course, "wrong-name", answered(course, mean=MEAN), name="tiny (1).ipynb")
    hand_in(course, "a b", answered(course, mean=MEAN))
    hand_in(course, IN_GBK, answered(course, mean=MEAN))
    hand_in(course, LONG, answered(course, mean=MEAN))
    hand_in(course, "red\x1b[31m", answered(course, mean=MEAN))
    (course.root / "submitted/file").mkdir()
    (course.root / "submitted/file/tiny").write_text("no folder")
    (course.root / "submitted/empty/tiny").mkdir(parents=True)
    linked = course.root / "submitted/linked/tiny/tiny.ipynb"
    linked.parent.mkdir(parents=True)
    linked.symlink_to(course.notebook("solution", "tiny"))
    return {
        "no-json": "no notebook", "deep-json": "no notebook", "other-json": "no notebook",
        "binary": "no notebook", "too-large": "more than 64", "wrong-name": "tiny (1).ipynb",
        "a b": "cannot be a student's", IN_GBK: "cannot be a student's", LONG: "at most 128 bytes",
        "red\x1b[31m": "cannot be a student's", "file": "tiny is no folder",
        "empty": "there is: nothing", "linked": "link",
    }  # fmt: skip


def marked(mark: dict[str, str]) -> list[int]:
    """The processes that have this in their environment or their command, as all have that the
    grader starts: bubblewrap itself gets no environment, but is told what to set inside."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            pairs = process.environ().items() | set(zip(words, words[1:]))
            if mark.items() <= pairs:
                found.append(process.pid)
        except psutil.Error:  # it has ended, or is not ours
            continue
    return found


@pytest.fixture(scope="module")
def graded(built, tmp_path_factory):
    """All of them handed in, graded by the command, with a server that nobody may reach."""
    course = Course(Path(shutil.copytree(built, tmp_path_factory.mktemp("hostile") / "course")))
    server = socket.create_server(("127.0.0.1", 0))
    reached = []
    threading.Thread(target=lambda: reached.append(server.accept()), daemon=True).start()
    wrong = hostile(course, released, answered, server.getsockname()[1])
    for name, (notebook, _) in wrong.items():
        hand_in(course, name, notebook)
    # Spread over the alphabet, so that they run before, beside and after the others.
    for name in ("anna", "mia", "zoe"):
        hand_in(course, name, answered(course, mean=MEAN, spread=SPREAD, why=ESCAPE))
    hand_in(course, "warns", answered(course, mean=WARNING, spread=SPREAD))
    half = json.dumps(answered(course, mean=f"{MEAN}\n# \ud83d", spread=SPREAD))
    hand_in(course, "half-a-character", half)
    reasons = clumsy(course)
    outside = set(course.root.parent.rglob("*"))
    command = [sys.executable, "-m", "labnotes_classroom.cli"]
    scratch, cache = tmp_path_factory.mktemp("scratch"), tmp_path_factory.mktemp("cache")
    for words in ("grade", "feedback", "grades"):
        done = subprocess.run(
            [*command, words, "tiny", "--course", str(course.root)], capture_output=True, text=True,
            env=os.environ | {"LABNOTES_CACHE": str(cache), "TMPDIR": str(scratch), SECRET: SECRET},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        if words == "grade":
            report = done.stdout
            print(report)  # seen with -s: what each got, time and memory
    server.close()
    new = {p for p in set(course.root.parent.rglob("*")) - outside}
    return {"course": course, "report": report, "wrong": wrong, "reasons": reasons,
            "reached": reached, "new": new, "scratch": scratch, "cache": cache}  # fmt: skip


class TestHostile:
    def test_none_gains_a_point(self, graded):
        got = {}
        for name, (_, status) in graded["wrong"].items():
            result = read_result(graded["course"], "tiny", name)
            automatic = [s for task, s in result.scores.items() if task != "why"]
            got[name] = (sum(score or 0 for score in automatic), result.status)
            assert got[name][0] == 0, (name, result)
            if status:
                assert got[name][1] == status, (name, result)
            if result.status == "failed to run":
                assert automatic == [None, None], "a failure has no score, not a zero"
        assert len(got) == len(graded["wrong"]) >= 20

    def test_the_others_get_what_they_earned(self, graded):
        for name in ("anna", "mia", "zoe", "warns", "half-a-character"):
            points = scores(graded["course"], "tiny", name)
            assert points == {"mean-graded": (4, 4), "spread-graded": (2, 2), "why": (None, 2)}

    def test_no_connection_came(self, graded):
        assert graded["reached"] == []

    def test_nothing_was_read_written_or_reached(self, graded):
        for name in (
            "reads-what-is-not-its-own", "writes-outside", "opens-a-connection",
            "looks-into-all-processes", "new-namespaces", "takes-leases",
        ):  # fmt: skip
            notebook = graded["course"].notebook("autograded", "tiny", name).read_text()
            shown = [o for c in json.loads(notebook)["cells"] for o in c.get("outputs", [])]
            text = "".join("".join(o.get("text", "")) for o in shown)
            assert text.strip(), name
            assert not re.search("FOUND|WROTE|CONNECTED|REACHED|READ ", text), (name, text)
        written = [p for p in graded["new"] if p.name == "written-by-a-student"]
        assert written == []

    def test_no_process_that_a_student_sees_holds_anything_of_the_teachers(self, graded):
        path = graded["course"].notebook("autograded", "tiny", "looks-into-all-processes")
        cells = nbformat.read(path, 4).cells
        text = "".join(o.get("text", "") for c in cells for o in c.get("outputs", []))
        assert "1 " in text and "inside.py" in text and "environ PermissionError" in text
        assert "LABNOTES_OFFLINE" in text, "its own environment was shown"
        for what in (SECRET, "bwrap", str(graded["scratch"]) + "/classroom-", "READ "):
            assert what not in text, text

    def test_only_the_courses_own_files_came_to_be(self, graded):
        root = graded["course"].root
        kinds = {p.relative_to(root).parts[0] for p in graded["new"]}
        assert kinds <= {"autograded", "results", "feedback", "grades", "reference"}

    def test_each_failure_is_listed_with_its_reason_and_has_no_total(self, graded):
        with (graded["course"].root / "grades/tiny.csv").open(newline="") as file:
            rows = {row["student"]: row for row in csv.DictReader(file)}
        for name, reason in graded["reasons"].items():
            row = rows[record_name(name)]
            assert reason in row["reason"], row
            assert row["status"] == "failed to run"
            assert row["total"] == row["automatic"] == ""
            assert f"{record_name(name)}: " in graded["report"]
        assert "\x1b" not in graded["report"]
        assert (
            rows["does-nothing"]["status"] == "graded" and float(rows["does-nothing"]["total"]) == 0
        )
        assert rows["anna"]["total"] == "" and rows["anna"]["automatic"] == "6.0"

    def test_the_grader_stays_small(self, graded):
        peak = int(re.search(r"the grader itself used (\d+) MiB", graded["report"])[1])
        assert peak < 1000, graded["report"]

    def test_no_process_and_no_file_is_left(self, graded):
        mark = {"LABNOTES_CACHE": str(graded["cache"])}
        with subprocess.Popen(["sleep", "60"], env=os.environ | mark) as left_behind:
            assert marked(mark) == [left_behind.pid], "such a process would be seen"
            left_behind.kill()
        assert marked(mark) == []
        assert list(graded["scratch"].iterdir()) == []

    def test_feedback_holds_no_hidden_test_and_no_script(self, graded):
        pages = list((graded["course"].root / "feedback").rglob("*.html"))
        assert len(pages) == len(graded["wrong"]) + 5 + len(graded["reasons"])
        for page in pages:
            text = page.read_text("utf8")
            for hidden in ("range(100)", "12.0", "BEGIN HIDDEN", "-3.0, 3.5", "4.0, 9.0"):
                assert hidden not in text, page
            body = text.partition("</head>")[2]
            for active in ("<script", "<img src=x", "<a ", "href", "<iframe", "<svg", "http-equiv"):
                assert active not in body, (page, active)
            assert "default-src 'none'" in text
