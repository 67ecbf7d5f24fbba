"""What is shown to a teacher after grading: the list, and answers that are alike."""

from types import SimpleNamespace

import light
import pytest

from labnotes_classroom import cli, grade
from labnotes_classroom.course import Course
from labnotes_classroom.reports import look as look_module
from labnotes_classroom.reports import pages
from labnotes_classroom.reports.look import again, look
from labnotes_classroom.reports.similarity import alike, answers, fingerprints, released
from labnotes_classroom.restore import blank, submission_key
from labnotes_classroom.results import FAILED, Result, read_result, write_result

WHY = "When a few values are far from all the others, as in 1, 1, 1, 97."


@pytest.fixture
def course(light_course) -> Course:
    return light_course


def graded(course, student, **more):
    """Graded as it is handed in."""
    light.graded(course, student, key=submission_key(course, "tiny", student), **more)


def hints(course) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for hint in look(course, "tiny"):
        found.setdefault(hint.student, []).append(hint.what)
    return found


def judged(course, stopped: dict) -> Result:
    """What grading says of a run in which cells were stopped."""
    wrong = {"mean-graded": {"small": 1, "many": 1}, "spread-graded": {"distances": 1}}
    ran = SimpleNamespace(done=True, outputs={}, stopped=stopped, seconds=1.0, memory=1.0)
    notebook = blank(course.master("tiny"))
    return grade.judge("x", "", notebook, course.master("tiny"), ran, wrong, [], {})


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
    slow = read_result(course, "tiny", "cleo")
    slow.notes = judged(course, {"spread": "30 s"}).notes
    write_result(course, "tiny", slow)
    course.notebook("submitted", "tiny", "fay").write_text("no notebook")
    cli.main(["due", "tiny", "2026-12-01 13:30 UTC", "--course", str(course.root)])
    found = hints(course)
    assert "handed in again, or the assignment has changed: grade again" in found["anna"]
    assert "1.5 hours late" in found["anna"]
    assert "failed to run: it used too much memory" in found["ben"]
    assert "cell spread was stopped after 30 s" in found["cleo"]
    assert again(course, "tiny") == ["ben", "cleo"]
    assert "not graded yet" in found["dora"]
    assert found["nobody"] == ["handed in nothing"] and found["emil"] == ["is not in roster.csv"]
    capsys.readouterr()
    assert cli.main(["look", "tiny", "--course", str(course.root)]) == 0
    said = capsys.readouterr().out
    assert "  nobody: handed in nothing\n" in said and said.startswith("Look at these (")


def test_a_submission_that_cannot_be_looked_at_stops_nobody(course, monkeypatch):
    for name in ("anna", "ben"):
        light.hand_in(course, name)
        graded(course, name)
    key = look_module.submission_key

    def fails(course, assignment, student):
        return 1 / 0 if student == "anna" else key(course, assignment, student)

    monkeypatch.setattr(look_module, "submission_key", fails)
    assert hints(course) == {
        "anna": ["could not be looked at, ZeroDivisionError: division by zero"]
    }  # fmt: skip


def program(number: int) -> str:
    """A program of some twenty lines that no other number gives."""
    lines = [f"def step{number}(values):"]
    for i in range(20):
        lines.append(
            f"    values['{(number * 7 + i) % 97}'] = torch.op{(number * 13 + i * 5) % 89}(3 + {i * number})"
        )
    return "\n".join([*lines, "    return values"])


def test_a_class_that_is_all_alike_does_not_bury_the_list(course):
    for number in range(9):
        light.hand_in(course, f"s{number}", mean=program(1), why=WHY)
        graded(course, f"s{number}")
    found = [h.what for h in look(course, "tiny") if "alike" in h.what or "like those" in h.what]
    assert len(found) == 21 and found[-1].startswith("16 pairs more are alike")  # of 36


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
    for name, text in (
        ("anna", long + "    return '<script>alert(1)</script>'"), ("ben", renamed(long)),
        ("cleo", "def mean(v):\n    return sum(v) / len(v)"),
    ):  # fmt: skip
        light.hand_in(course, name, mean=text)
        graded(course, name)
    (pair,) = alike(answers(course, "tiny"), released(course, "tiny"))
    assert (pair.one, pair.other) == ("anna", "ben")
    assert cli.main(["similar", "tiny", "--course", str(course.root)]) == 0
    assert "1 pairs of 3 submissions" in capsys.readouterr().out
    page = (course.root / "similar/tiny.html").read_text()
    assert "<script" not in page and "&lt;script&gt;" in page and "&lt;b&gt;Anna" in page
    assert "<mark>    a3 = v[3]" in page and "no proof" in page and "default-src 'none'" in page
    assert any("answers like those of ben" in what for what in hints(course)["anna"])


def test_of_answers_of_thousands_of_lines_not_all_are_compared(monkeypatch):
    """Reversed, ten thousand short lines take a third of a minute; a class has many pairs."""
    sizes, compare = [], pages.difflib.SequenceMatcher

    def counted(junk, *sides):
        sizes.extend(map(len, sides))
        return compare(junk, *sides)

    monkeypatch.setattr(pages.difflib, "SequenceMatcher", counted)
    lines = [chr(0x4E00 + number % 160) for number in range(10_000)]
    one, other = pages._marked("\n".join(lines), "\n".join(lines[::-1]))
    assert max(sizes) <= 1000 and one.count("\n") == other.count("\n") == 9999
    assert "<mark>" in one
