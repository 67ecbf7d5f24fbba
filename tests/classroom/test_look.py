"""What is shown to a teacher after grading: the list, and answers that are alike."""

import shutil

import light
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from labnotes_classroom import cli, grade
from labnotes_classroom.course import Course, write_notebook
from labnotes_classroom.look import look
from labnotes_classroom.misplaced import misplaced
from labnotes_classroom.results import FAILED, read_result, write_result
from labnotes_classroom.similarity import alike, answers, fingerprints, released

WHY = "When a few values are far from all the others, as in 1, 1, 1, 97."


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return light.make(tmp_path_factory.mktemp("light") / "course").root


@pytest.fixture
def course(made, tmp_path) -> Course:
    return Course(shutil.copytree(made, tmp_path / "course"))


def graded(course, student, **more):
    """Graded as it is handed in."""
    light.graded(course, student, key=grade._key(course, "tiny", student), **more)


def hints(course) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for hint in look(course, "tiny"):
        found.setdefault(hint.student, []).append(hint.what)
    return found


@pytest.fixture
def notebook(course):
    return nbformat.read(course.notebook("release", "tiny"), 4)


def place(notebook, name: str) -> int:
    return next(
        i for i, c in enumerate(notebook.cells)
        if c.metadata.get("nbgrader", {}).get("grade_id") == name
    )  # fmt: skip


def test_a_release_and_a_full_answer_give_no_hint(course, notebook):
    assert misplaced(notebook, course.master("tiny")) == []
    for name, text in (("mean", "def mean(v): ..."), ("spread", "x = 1"), ("why", WHY)):
        notebook.cells[place(notebook, name)].source = text
    notebook.cells.insert(0, new_code_cell("my_own = 1"))
    assert misplaced(notebook, course.master("tiny")) == []


def test_an_answer_below_the_stub_is_found(course, notebook):
    notebook.cells.insert(place(notebook, "why") + 1, new_markdown_cell(WHY))
    (found,) = misplaced(notebook, course.master("tiny"))
    assert found.startswith("text near the empty answer why: 'When a few values")


def test_an_answer_in_a_code_cell_is_found(course, notebook):
    notebook.cells.insert(place(notebook, "mean") + 1, new_code_cell("def mean(v): return 1"))
    (found,) = misplaced(notebook, course.master("tiny"))
    assert found == "text near the empty answer mean: 'def mean(v): return 1'"


def test_an_answer_in_a_replaced_cell_is_found(course, notebook):
    notebook.cells[place(notebook, "why")] = new_markdown_cell(WHY)
    found = misplaced(notebook, course.master("tiny"))
    assert found[0] == "missing tasks: why" and "near the empty answer why: 'When" in found[1]


def test_an_answer_in_a_cell_of_another_kind_is_found(course, notebook):
    index = place(notebook, "why")
    notebook.cells[index] = new_code_cell(WHY, metadata=notebook.cells[index].metadata)
    (found,) = misplaced(notebook, course.master("tiny"))
    assert found.startswith("why is a code cell now and does not count: 'When a few")


def test_an_answer_in_a_locked_cell_is_found(course, notebook):
    notebook.cells[place(notebook, "mean-try")].source += "\ndef mean(v): return 1"
    (found,) = misplaced(notebook, course.master("tiny"))
    assert found.startswith("text near the empty answer mean: 'assert mean(numbers)")


def test_a_notebook_that_lost_its_metadata_is_named(course, notebook):
    for cell in notebook.cells:
        cell.metadata = {}
    (found,) = misplaced(notebook, course.master("tiny"))
    assert "lost the marks" in found


def test_the_list_names_what_failed_is_stale_late_missing_or_took_too_long(course, capsys):
    (course.root / "roster.csv").write_text("id,name\nanna,Anna\nben,Ben\nnobody,No Body\n")
    for name in ("anna", "ben", "cleo", "dora", "emil", "fay"):
        light.hand_in(course, name, when="2026-12-01 12:00:00 UTC", why=WHY)
    for name in ("anna", "ben", "cleo", "emil", "fay"):
        graded(course, name)
    light.hand_in(course, "anna", when="2026-12-01 15:00:00 UTC", why=WHY + " Yes.")
    failed = read_result(course, "tiny", "ben")
    failed.status, failed.reason = FAILED, "it used too much memory"
    write_result(course, "tiny", failed)
    path = course.notebook("autograded", "tiny", "cleo")
    slow = nbformat.read(path, 4)
    cell = next(c for c in slow.cells if c.id == "spread")
    cell.outputs = [new_output("error", ename="KeyboardInterrupt", evalue="", traceback=[])]
    write_notebook(path, slow)
    course.notebook("submitted", "tiny", "fay").write_text("no notebook")
    cli.main(["due", "tiny", "2026-12-01 13:30 UTC", "--course", str(course.root)])
    found = hints(course)
    assert "handed in again, or the assignment has changed: grade again" in found["anna"]
    assert "1.5 hours late" in found["anna"]
    assert "failed to run: it used too much memory" in found["ben"]
    assert "a cell took too long and was interrupted: spread" in found["cleo"]
    assert "not graded yet" in found["dora"]
    assert found["nobody"] == ["handed in nothing"] and found["emil"] == ["is not in roster.csv"]
    capsys.readouterr()
    assert cli.main(["look", "tiny", "--course", str(course.root)]) == 0
    said = capsys.readouterr().out
    assert "  nobody: handed in nothing\n" in said and said.startswith("Look at these (")


def test_a_submission_that_cannot_be_looked_at_stops_nobody(course, monkeypatch):
    for name in ("anna", "ben"):
        light.hand_in(course, name)
    course.notebook("submitted", "tiny", "anna").unlink()
    course.notebook("submitted", "tiny", "anna").mkdir()
    monkeypatch.setattr("labnotes_classroom.look.misplaced", lambda *_: 1 / 0)
    found = hints(course)
    assert any("link or no regular file" in what for what in found["anna"])
    assert any("ZeroDivisionError" in what for what in found["ben"])


def program(number: int) -> str:
    """A program of some twenty lines that no other number gives."""
    lines = [f"def step{number}(values):"]
    for i in range(20):
        lines.append(
            f"    values['{(number * 7 + i) % 97}'] = torch.op{(number * 13 + i * 5) % 89}(3 + {i * number})"
        )
    return "\n".join([*lines, "    return values"])


def renamed(text: str) -> str:
    """The same with other names, comments and blanks."""
    return "# my own\n\n" + text.replace("values", "w").replace("):", "):  # here") + "\n\n# end"


def test_renamed_copies_are_found_and_different_programs_are_not():
    texts = {f"s{n:02}": {"t": program(n)} for n in range(12)} | {
        "copy": {"t": renamed(program(3))}
    }
    (found,) = alike(texts, "")
    assert (found.one, found.other, found.same) == ("copy", "s03", False) and found.share > 0.8


def test_what_was_given_and_what_the_class_shares_does_not_count():
    texts = {f"s{n:02}": {"t": program(50)} for n in range(8)}
    for n, text in enumerate(texts.values()):
        text["t"] += f"\n# {n}"
    assert alike(texts, "") == [], "as everybody writes it"
    assert alike(dict(list(texts.items())[:2]), program(50)) == [], "as it was given"
    assert len(alike(dict(list(texts.items())[:2]), "")) == 1


def test_a_run_of_nine_tokens_is_always_found():
    """The guarantee of winnowing, on texts that share these tokens and nothing else."""
    shared = "alpha beta gamma delta epsilon zeta eta theta iota"
    for before in range(12):
        one = " ".join(f"a{i}" for i in range(before)) + f" {shared} " + " ".join("uvw")
        other = " ".join(f"b{i}" for i in range(5)) + f" {shared} " + " ".join("xyz")
        assert fingerprints(one) & fingerprints(other)


@pytest.mark.parametrize(
    "text", ["", "def", "(" * 5000, "x = '\\d'", "\x00", "\ud800", "\f\n  x", "a" * 30_000]
)
def test_odd_answers_have_fingerprints_too(text):
    assert isinstance(fingerprints(text), set)


def test_the_page_shows_two_side_by_side_and_runs_nothing(course, capsys):
    long = "def mean(v):\n" + "".join(f"    a{i} = v[{i}] * {i * 3} + len(v)\n" for i in range(20))
    (course.root / "roster.csv").write_text("id,name\nanna,<b>Anna</b>\n")
    light.hand_in(course, "anna", mean=long + "    return '<script>alert(1)</script>'")
    light.hand_in(course, "ben", mean=renamed(long))
    light.hand_in(course, "cleo", mean="def mean(v):\n    return sum(v) / len(v)")
    (pair,) = alike(answers(course, "tiny"), released(course, "tiny"))
    assert (pair.one, pair.other) == ("anna", "ben")
    assert cli.main(["similar", "tiny", "--course", str(course.root)]) == 0
    assert "1 pairs of 3 submissions" in capsys.readouterr().out
    page = (course.root / "similar/tiny.html").read_text()
    assert "<script" not in page and "&lt;script&gt;" in page and "&lt;b&gt;Anna" in page
    assert "<mark>    a3 = v[3]" in page and "no proof" in page and "default-src 'none'" in page
    assert any("answers like those of ben" in what for what in hints(course)["anna"])
