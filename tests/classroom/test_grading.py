"""Comparing, restoring, entering, resuming: what grading is made of."""

import contextlib
import csv
import hashlib
import hmac
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time

import nbformat
import psutil
import pytest
from conftest import MEAN, SPREAD, answered, hand_in, released
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell

from labnotes_classroom import cli, grade, jail, reference
from labnotes_classroom.build import limits_of
from labnotes_classroom.compare import equal, is_comparable, value, verdicts
from labnotes_classroom.course import record_name, write_notebook
from labnotes_classroom.gradebook import scores, write_csv
from labnotes_classroom.jail.command import _masked
from labnotes_classroom.reports.wrong import wrong_values
from labnotes_classroom.restore import restore
from labnotes_classroom.results import read_result
from labnotes_classroom.source import task

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def result(text):
    return [nbformat.v4.new_output("execute_result", {"text/plain": text}, execution_count=1)]


@given(plain)
def test_a_plain_value_comes_back_from_its_text_and_equals_itself(thing):
    assert value(result(repr(thing))) == thing
    assert equal(thing, thing, 1e-6)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.sampled_from([0, 1e-9, 1e-3]))
def test_numbers_are_compared_as_math_isclose_does_it_with_both_tolerances(a, b, tolerance):
    assert equal(a, b, tolerance) == math.isclose(a, b, rel_tol=0, abs_tol=tolerance * (1 + abs(b)))


@pytest.mark.parametrize(
    "text",
    ["Anything()", "tensor([1.0])", "nan", "[1.0, ...", "__import__('os')", "(" * 5000, "[" * 99 + "]" * 99,
     "1" * 200_000, "float('1')", "{1: 2}.get(1)"],
)  # fmt: skip
def test_what_is_no_plain_value_is_none(text):
    assert value(result(text)) is None


def test_numbers_of_numpys_are_numbers():
    import numpy

    for made in (
        numpy.float64(0.5),
        numpy.float32(-2.5),
        numpy.int64(-3),
        numpy.uint8(200),
        numpy.True_,
    ):
        assert value(result(repr({"a": [made, (made,)]}))) == {"a": [made.item(), (made.item(),)]}
    assert type(value(result("np.float64(1.0)"))) is float
    odd = (
        "np.array([1.0])",
        "np.float64(np.float64(1))",
        "np.float64('1')",
        "os.float64(1)",
        "np.float64(x=1)",
    )
    for text in (*odd, "np.float64(nan)", "np.float64()", "np.system(1)"):
        assert value(result(text)) is None or not isinstance(value(result(text)), (int, float)), (
            text
        )
    # Far more brackets and signs than a parser can hold.
    for text in ("-" * 90_000 + "1", "np.float64(" * 9 + "1" + ")" * 9, "~1", "a" * 90_000):
        assert value(result(text)) is None or text == "~1"


@pytest.mark.parametrize(
    "odd",
    ["nan", "inf", "-inf", "[1.0, nan]", "tensor(2.)", "array([1., 2.])", "float64(2.0)", "1 + 2j",
     "Ellipsis", "{1, 2}", "{[]: 1}", "Anything()", "b'2'", "{0x" + "f" * 9000 + ": 1}",
     "-0x" + "f" * 90_000],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_what_is_no_plain_value_takes_no_other_names_points(odd):
    """As a loss that became nan: one value is wrong, and the submission neither failed nor empty."""
    cell = result(f"{{'a': [1, 2.5], 'b': {odd}}}")
    for expected in (2.0, [2.0], {"x": 2.0}, odd):
        found = verdicts(value(cell), {"a": [1, 2.5], "b": expected}, 1e-6)
        assert found == {"a": True, "b": False}
    assert wrong_values(cell, found)["b"].isprintable()


def test_a_solution_that_gives_no_number_cannot_serve():
    assert "not finite" in is_comparable(value(result("{'a': nan}")))


def test_only_the_result_of_the_cell_counts():
    printed = nbformat.v4.new_output("stream", text="{'a': 1}")
    shown = nbformat.v4.new_output("display_data", {"text/plain": "{'a': 1}"})
    error = nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])
    assert value([printed, shown]) is None
    assert value(result("{'a': 1}") * 2) is None
    assert value([*result("{'a': 1}"), error]) is None
    assert value([printed, *result("{'a': 1}")]) == {"a": 1}


def test_a_number_that_no_float_can_hold_is_wrong_and_no_error():
    assert verdicts({"a": 10**400, "b": -(10**400)}, {"a": 1.5, "b": 2}, 1e-6) == {
        "a": False, "b": False,
    }  # fmt: skip
    assert equal(10**400, 10**400, 1e-6) and not equal(10**400 + 1, 10**400, 1e-6)
    assert value(result("1" + "0" * 400)) == 10**400


@pytest.mark.parametrize(
    ("got", "right"),
    [({"a": [1, 2.0]}, True), ({"a": (1, 2.0)}, True), ({"a": [1.0000001, 2]}, True), ({"a": [1]}, False),
     ({"a": [True, 2.0]}, False), ({"a": ["1", 2.0]}, False), ({"b": [1, 2.0]}, False), ([1, 2.0], False),
     (None, False), ({"a": [1, math.inf]}, False), ({"a": [1, 2.1]}, False)],
)  # fmt: skip
def test_verdicts(got, right):
    assert verdicts(got, {"a": [1, 2.0]}, 1e-6) == {"a": right}


def test_true_is_not_one_and_one_is_not_true():
    assert not equal(1, True, 0.1) and not equal(True, 1, 0.1) and equal(True, True, 0)


@pytest.mark.parametrize(
    "bad", [{}, [1], {"a": 0.0}, {"a": [0, 0.0]}, {"a": []}, {"a": math.inf}, {1: 2}, None]
)
def test_values_that_cannot_serve_are_named(bad):
    assert is_comparable(bad)


def names(notebook):
    return [task(c).get("id") for c in notebook.cells]


def test_a_submission_is_put_in_order(course):
    master = course.master("tiny")
    submitted = answered(course, mean=MEAN)
    order = [task(c)["id"] for c in master.cells if task(c)]
    # Without all that is ours, in reverse, with a helper cell and outputs.
    submitted.cells = [c for c in submitted.cells[::-1] if c.id in ("mean", "spread")]
    submitted.cells.append(new_code_cell("1", metadata={"nbgrader": {"grade_id": ["mean"]}}))
    submitted.cells.append(new_code_cell("2", metadata={"nbgrader": "mean"}))
    submitted.cells.insert(
        0, new_code_cell("helper = 1", outputs=result("1"), metadata={"tags": ["x"]})
    )
    notebook = restore(submitted, master)
    assert sorted(filter(None, names(notebook))) == sorted(order)
    assert notebook.cells[0].id == "student-0" or "student-0" in [c.id for c in notebook.cells]
    by_id = {c.id: c for c in notebook.cells}
    assert by_id["mean"].source == MEAN
    assert by_id["student-0"].outputs == [] and by_id["student-0"].metadata == {}
    for name in ("install", "setup", "mean-try", "mean-graded", "spread-graded"):
        assert by_id[name].source == next(c for c in master.cells if c.id == name).source
    assert "YOUR ANSWER HERE" in by_id["why"].source
    nbformat.validate(notebook)


def test_a_whole_submission_keeps_its_order(course):
    master = course.master("tiny")
    assert names(restore(released(course), master)) == names(master)
    assert len({c.id for c in restore(released(course), master).cells}) == len(master.cells)


def test_a_task_that_changed_its_kind_of_cell_counts_as_not_answered(course):
    submitted = released(course)
    index = next(i for i, c in enumerate(submitted.cells) if c.id == "mean")
    submitted.cells[index] = nbformat.v4.new_markdown_cell(
        "text", metadata=submitted.cells[index].metadata
    )
    notebook = restore(submitted, course.master("tiny"))
    assert "NotImplementedError" in next(c for c in notebook.cells if c.id == "mean").source


def test_partial_points_for_the_names_that_are_right(course):
    hand_in(
        course, "half", answered(course, mean="def mean(v):\n    return sum(v) / min(len(v), 50)")
    )
    (found,) = grade.grade(course, "tiny")
    assert found.verdicts["mean-graded"] == {"small": True, "many": False}
    assert found.scores == {"mean-graded": 2.0, "spread-graded": 0.0, "why": None}


def test_the_gradebook_and_the_table_agree_and_a_persons_points_stay(course, tmp_path):
    hand_in(course, "anna", answered(course, mean=MEAN, spread=SPREAD))
    (course.root / "submitted/anna/tiny/timestamp.txt").write_text("2026-11-20 10:00:00 UTC")
    results = {r.student: r for r in grade.grade(course, "tiny")}
    with course.gradebook() as book:  # as the formgrader does it
        mine = book.find_grade("why", "tiny", "tiny", "anna")
        assert mine.needs_manual_grade and mine.auto_score is None
        mine.manual_score, mine.needs_manual_grade = 1.5, False
        book.find_comment("why", "tiny", "tiny", "anna").manual_comment = "An <b>example</b>?"
        book.db.commit()
        total = book.find_submission("tiny", "anna").score
    path = write_csv(course, "tiny", results, tmp_path / "grades.csv")
    (row,) = csv.DictReader(path.open(newline=""))
    assert float(row["total"]) == total == 7.5 and row["status"] == "graded"
    assert row["by a person"] == "1.5" and row["waiting for a person"] == "0"
    assert cli.main(["feedback", "tiny", "--course", str(course.root)]) == 0
    page = course.notebook("feedback", "tiny", "anna").with_suffix(".html").read_text()
    assert "An &lt;b&gt;example&lt;/b&gt;?" in page and "7.5" in page
    # Handed in once more: graded anew, and the person's points wait for a second look.
    hand_in(course, "anna", answered(course, mean=MEAN))
    grade.grade(course, "tiny")
    assert scores(course, "tiny", "anna")["why"] == (1.5, 2)
    assert scores(course, "tiny", "anna")["spread-graded"] == (0, 2)
    with course.gradebook() as book:
        assert book.find_grade("why", "tiny", "tiny", "anna").needs_manual_grade


def test_what_has_not_changed_is_not_graded_again(course):
    hand_in(course, "anna", answered(course, mean=MEAN))
    (first,) = grade.grade(course, "tiny")
    path = course.root / "results/tiny/anna.json"
    before = path.stat().st_mtime_ns
    assert grade.grade(course, "tiny") == [first]
    assert path.stat().st_mtime_ns == before
    grade.grade(course, "tiny", force=True)
    assert path.stat().st_mtime_ns > before


def grading(course) -> list[str]:
    """The command that grades the tiny assignment."""
    words = ["grade", "tiny", "--course", str(course.root)]
    return [sys.executable, "-m", "labnotes_classroom.cli", *words]


#: Grading that is killed, without a word of farewell, right after its second result is written.
KILLED = """
import os, signal, sys
from labnotes_classroom import cli, grade
write, written = grade.write_result, []
def write_and_die(*words):
    write(*words)
    written.append(words)
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
grade.write_result = write_and_die
cli.main(sys.argv[1:])
"""


def test_grading_that_was_killed_goes_on_where_it_was(course):
    for number in range(4):
        hand_in(course, f"student-{number}", answered(course, mean=MEAN, spread=SPREAD))
    words = [*grading(course)[3:], "--jobs", "2"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *words], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    folder = course.root / "results/tiny"
    done = {p.name: p.stat().st_mtime_ns for p in folder.glob("*.json")}
    assert len(done) == 2
    for path in folder.glob("*.json"):
        json.loads(path.read_text())  # whole
    again = subprocess.run(grading(course), capture_output=True, text=True, check=True)
    assert "4 submissions" in again.stdout
    assert len(list(folder.glob("*.json"))) == 4
    for name, moment in done.items():
        assert (folder / name).stat().st_mtime_ns == moment, "graded twice"
    with course.gradebook() as book:
        assert [s.score for s in book.assignment_submissions("tiny")] == [6.0] * 4


def endless(course) -> None:
    """Cells may compute for an hour: what ends sooner was ended. The first jail is a student's."""
    known = json.loads((course.root / "reference/tiny.json").read_text())
    master = course.master("tiny")
    master.metadata["assignment"]["seconds"] = 3600
    write_notebook(course.notebook("source", "tiny"), master)
    reference.keep(course, "tiny", limits_of(3600), known["values"], known["seconds"])


def in_a_jail(running: subprocess.Popen) -> list[psutil.Process]:
    """Waits until a notebook runs in a jail of this grader's; the grader's processes."""
    grader = psutil.Process(running.pid)

    def runs_a_notebook(process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            return "ipykernel_launcher" in process.cmdline()
        return False

    while True:
        mine = grader.children(True)
        if any(map(runs_a_notebook, mine)):
            return mine
        assert running.poll() is None, "it has ended without a jail"
        time.sleep(0.05)


def test_the_end_of_the_grader_ends_the_jails(course):
    endless(course)
    hand_in(course, "slow", answered(course, mean="import signal\nprint(1)\nsignal.pause()"))
    running = subprocess.Popen(grading(course), stdout=subprocess.PIPE)
    mine = in_a_jail(running)
    running.kill()
    running.wait()
    _, alive = psutil.wait_procs(mine, timeout=600)
    assert alive == []


def test_a_notebook_ends_when_nobody_is_left_to_read_its_result(course):
    """As when the grader is killed in the moment in which bubblewrap starts, which then ends no jail."""
    notebook = answered(course, mean="import signal\nsignal.pause()")
    limits = json.dumps(jail.Limits(cell=3600, wall=3600).inside())
    inside = subprocess.Popen(
        [sys.executable, jail.PROGRAM, limits], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    inside.stdin.write(f"key\n{nbformat.writes(notebook)}".encode())
    inside.stdin.close()
    mine = in_a_jail(inside)
    inside.stdout.close()
    assert inside.wait(timeout=120) == 1
    for process in mine:  # outside a jail the kernel outlives it, until it notices
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def test_without_bubblewrap_it_refuses_and_says_how_to_get_it(
    course, monkeypatch, capsys, tmp_path
):
    hand_in(course, "anna", answered(course, mean=MEAN))
    monkeypatch.setattr(jail.shutil, "which", lambda name: None)
    assert cli.main(["grade", "tiny", "--course", str(course.root)]) == 2
    said = capsys.readouterr().err
    assert "apt-get install bubblewrap" in said and "--unsafe-no-jail" in said
    assert not (course.root / "results").exists() and not (course.root / "autograded").exists()
    with course.gradebook() as book:
        assert list(book.students) == []


def test_a_jail_that_cannot_be_made_is_refused_too(course, monkeypatch, capsys, tmp_path):
    broken = tmp_path / "bin/bwrap"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:/usr/bin:/bin")
    assert cli.main(["grade", "tiny", "--course", str(course.root)]) == 2
    assert "Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("short", ["--unsafe", "--unsafe-no", "--no-jail"])
def test_the_unsafe_way_must_be_typed_out(course, short, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["grade", "tiny", short, "--course", str(course.root)])
    assert stopped.value.code == 2


def test_typed_out_it_grades_without_a_jail(course, monkeypatch, capsys):
    hand_in(course, "anna", answered(course, mean=MEAN, spread=SPREAD))
    monkeypatch.setattr(jail.shutil, "which", lambda name: None)
    assert cli.main(["grade", "tiny", "--unsafe-no-jail", "--course", str(course.root)]) == 0
    assert "6 points so far" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["grade", "absent"], ["feedback", "absent"], ["grades", "absent"]]
)
def test_an_assignment_that_there_is_not_is_named(course, words, capsys):
    assert cli.main([*words, "--course", str(course.root)]) == 2
    assert "no assignment 'absent'; it has: tiny" in capsys.readouterr().err


def test_without_nbgrader_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "nbgrader", None)
    assert cli.main(["build"]) == 2
    assert 'pip install "labnotes[classroom]"' in capsys.readouterr().err


def test_what_students_sent_is_collected(course, tmp_path, capsys):
    sent = tmp_path / "sent"
    for name in ("ben/any name.ipynb", "two/a.ipynb", "two/b.ipynb", "none/a.txt"):
        (sent / name).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(answered(course, mean=MEAN), sent / name)
    nbformat.write(answered(course, mean=MEAN), sent / "anna.ipynb")
    os.utime(sent / "anna.ipynb", (1_795_000_000, 1_795_000_000))
    (sent / "notes.txt").write_text("x")
    (sent / "-odd.ipynb").write_text("{}")
    (sent / "link.ipynb").symlink_to(course.notebook("solution", "tiny"))
    assert cli.main(["collect", "tiny", str(sent), "--course", str(course.root)]) == 0
    said = capsys.readouterr().out
    assert course.students("tiny") == ["anna", "ben"]
    for left, why in {
        "two": "2 notebooks",
        "none": "0 notebooks",
        "notes.txt": "no notebook",
        "-odd.ipynb": "its name cannot be a student's",
        "link.ipynb": "a link",
    }.items():
        assert f"left alone: {left}: {why}" in said
    stamp = course.root / "submitted/anna/tiny/timestamp.txt"
    assert stamp.read_text() == "2026-11-18 11:06:40 UTC\n"
    results = grade.grade(course, "tiny")
    assert [r.scores["mean-graded"] for r in results] == [4.0, 4.0]
    with course.gradebook() as book:
        assert str(book.find_submission("tiny", "anna").timestamp) == "2026-11-18 11:06:40"
    assert cli.main(["collect", "tiny", str(tmp_path / "x"), "--course", str(course.root)]) == 2


def test_what_a_student_drew_and_wrote_cannot_run_in_the_formgrader(course):
    show = (
        "from IPython.display import HTML, SVG, Javascript, display\n"
        "display(HTML('<script>alert(1)</script>'), Javascript('alert(2)'))\n"
        "display({'image/png': '\"><script>alert(3)</script>', 'text/plain': 'x'}, raw=True)\n"
        "display({'image/svg+xml': '<svg onload=alert(4)>', 'text/html': '<b>'}, raw=True)\n"
    )
    text = "<script>alert(5)</script> <img src=x onerror=alert(6)> a < b [x](javascript:alert(7))\n\n[y]\n\n[y]: javascript:x"
    hand_in(course, "anna", answered(course, mean=show + MEAN, why=text))
    grade.grade(course, "tiny")
    from nbconvert.exporters import HTMLExporter

    notebook = nbformat.read(course.notebook("autograded", "tiny", "anna"), 4)
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    for active in ("<script>alert", "onload=alert(4)>", "<img src=x", 'href="javascript'):
        assert active not in page, active
    assert "a &lt; b" in page


def test_a_submission_that_the_grader_fails_on_is_listed_and_the_others_are_graded(
    course, monkeypatch
):
    for name in ("anna", "ben", "cleo"):
        hand_in(course, name, answered(course, mean=MEAN))
    read = grade.read_submission

    def fails(course, assignment, student):
        if student == "ben":
            raise ZeroDivisionError("a bug of ours")
        return read(course, assignment, student)

    monkeypatch.setattr(grade, "read_submission", fails)
    found = {r.student: r for r in grade.grade(course, "tiny", jobs=2)}
    assert found["ben"].status == "failed to run" and "a bug of ours" in found["ben"].reason
    assert found["anna"].scores["mean-graded"] == found["cleo"].scores["mean-graded"] == 4


def test_an_interrupt_ends_the_notebooks_that_run(course):
    endless(course)
    hand_in(course, "slow", answered(course, mean="while True:\n    pass"))
    hand_in(course, "slower", answered(course, mean="while True:\n    pass"))
    running = subprocess.Popen(
        grading(course), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background
    )  # fmt: skip
    mine = in_a_jail(running)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=600)
    assert running.returncode == 130 and not (course.root / "results").exists()
    assert b"What is done is kept" in said and b"Traceback" not in said
    assert psutil.wait_procs(mine, timeout=600)[1] == []


def test_an_interrupt_that_wakes_nobody_is_seen(course, monkeypatch):
    """It comes just before the grader goes to sleep; here to another thread, with the same effect."""
    hand_in(course, "anna", answered(course, mean=MEAN))
    stopped = []

    def runs(notebook, limits, withheld, jailed, stop, cpus):
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        stopped.append(stop.wait(60))
        return jail.Ran("the grading was stopped")

    monkeypatch.setattr(jail, "run", runs)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            grade.grade(course, "tiny")
    finally:
        signal.signal(signal.SIGINT, before)
    assert stopped == [True] and not (course.root / "results").exists()


def test_a_result_that_the_key_of_this_run_did_not_sign_counts_for_nothing():
    """What another process of the jail could write, if it ever reached the pipe."""
    output = {"output_type": "stream", "name": "stdout", "text": "x"}
    text = json.dumps({"status": "done", "cell": "", "outputs": {"a": [output]}})

    def found(wrote: str) -> str:
        return jail._result(jail.Ended(wrote.encode(), "", 1.0, 1.0, 1.0), "right").status

    def sign(key: str, text: str) -> str:
        return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest() + "\n" + text

    assert found(sign("right", text)) == "done"
    altered = sign("right", text).replace('"x"', '"y"')
    for forged in (text, f"\n{text}", f"right\n{text}", sign("wrong", text), altered,
                   sign("right", text) + "\n", sign("right", text) + text, "right\n", ""):  # fmt: skip
        assert found(forged) == "it ended without a result of ours", forged
    odd = {"output_type": "pickle"}, {"output_type": "stream", "name": "stdout"}, "text", None
    for bad in (*({"status": "done", "cell": "", "outputs": {"a": [o]}} for o in odd), [], {"status": 1, "outputs": 1}):  # fmt: skip
        assert found(sign("right", json.dumps(bad))) == "it ended without a result", bad


def test_what_cannot_be_recorded_is_listed_and_the_others_are_graded(course, monkeypatch, capsys):
    for name in ("anna", "ben", "cleo"):
        hand_in(course, name, answered(course, mean=MEAN))

    def fails_for(student, function):
        def wrapped(*arguments):
            if any(student in str(getattr(a, "student", a)) for a in arguments):
                raise OSError(28, "No space left on device")
            return function(*arguments)

        return wrapped

    monkeypatch.setattr(grade, "write_notebook", fails_for("anna", grade.write_notebook))
    monkeypatch.setattr(grade, "enter", fails_for("ben", grade.enter))
    assert cli.main(["grade", "tiny", "--course", str(course.root)]) == 0
    said = capsys.readouterr().out
    assert "3 submissions" in said and "failed to run: 2" in said
    assert (
        said.count("anna: the grader itself failed on it, OSError: [Errno 28] No space left") == 1
    )
    assert (
        "could not be recorded either, OSError" in said and "ben: the grader itself failed" in said
    )
    assert read_result(course, "tiny", "anna").status == "failed to run"
    assert scores(course, "tiny", "anna")["mean-graded"] == (None, 4)
    assert read_result(course, "tiny", "ben") is None, "so the next call tries again"
    assert read_result(course, "tiny", "cleo").scores["mean-graded"] == 4
    # Feedback and the table do without ben, too.
    assert cli.main(["feedback", "tiny", "--course", str(course.root)]) == 0
    assert cli.main(["grades", "tiny", "--course", str(course.root)]) == 0
    assert "Not graded yet: ben" in capsys.readouterr().out


def test_a_page_that_cannot_be_written_is_told_and_the_others_are(course, capsys):
    for name in ("anna", "ben"):
        hand_in(course, name, answered(course, mean=MEAN))
    grade.grade(course, "tiny")
    course.notebook("autograded", "tiny", "anna").write_text("damaged")
    (course.root / "results/tiny/ben.json").write_text("damaged")
    assert cli.main(["feedback", "tiny", "--course", str(course.root)]) == 1
    assert "0 pages" in (said := capsys.readouterr().out) and "no page for anna: " in said
    found = {r.student: r for r in grade.grade(course, "tiny")}
    assert found["ben"].scores["mean-graded"] == 4, "graded anew"


def test_an_environment_that_is_reached_through_a_link_can_grade(course, tmp_path):
    link = tmp_path / "environment"
    link.symlink_to(sys.prefix)
    hand_in(course, "anna", answered(course, mean=MEAN, spread=SPREAD))
    command = [str(link / "bin" / "python"), *grading(course)[1:]]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "anna: needs a person, 6 points so far" in done.stdout, done.stdout + done.stderr


def test_a_module_of_ours_that_is_withheld_and_is_not_there_is_an_error():
    assert _masked("no_such_package") == _masked("no_such_package.part") == []
    for name in ("labnotes.no_such_part", "labnotes.no_such_part.below"):
        with pytest.raises(ValueError, match=f"{name} is to be withheld"):
            _masked(name)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("anna", "anna"), ("李明", "李明"), ("a b", "a b"),
     ("x" * 250, "x" * 32 + "..."),
     ("\udcc0\udcee", r"\udcc0\udcee..."), ("red\x1b[31m", r"red\x1b[31m...")],
)  # fmt: skip
def test_a_record_has_a_name_that_any_file_and_terminal_can_hold(folder, name):
    found = record_name(folder)
    assert found.startswith(name[:35]) and found.isprintable()
    assert (found == folder) == (len(folder) < 100 and folder.isprintable())
    assert len(f"{found}.json.tmp".encode()) < 255
    assert record_name(folder + "x") != found
