"""What platforms give and what becomes of it; nothing here runs a notebook."""

import os
import stat
import time
import warnings
import zipfile
from pathlib import Path

import nbformat
import pytest

from labnotes_classroom import cli
from labnotes_classroom.course import Course, CourseError
from labnotes_classroom.intake import collect as collect_module
from labnotes_classroom.intake.collect import came_as, collect
from labnotes_classroom.intake.platforms import read_label
from labnotes_classroom.intake.roster import read_roster

NOTEBOOK = nbformat.writes(nbformat.v4.new_notebook())
ANNA = "Anna Müller"


@pytest.fixture
def course(tmp_path) -> Course:
    """A course with an assignment and nothing else."""
    course = Course(tmp_path / "course")
    path = course.notebook("source", "tiny")
    path.parent.mkdir(parents=True)
    path.write_text(NOTEBOOK)
    return course


def sent(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(NOTEBOOK)
    return folder


def packed(path: Path, *names: str, moment=(2026, 11, 20, 10, 0, 0)) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name, moment), NOTEBOOK)
    return path


def roster(course: Course, text: str) -> None:
    (course.root / "roster.csv").write_text(text, "utf8")


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("Anna Müller_123_assignsubmission_file_/bleu.ipynb", "Anna_Müller"),
        ("Anna Müller_123_assignsubmission_file/my work/bleu.ipynb", "Anna_Müller"),  # Moodle 4.1
        ("Anna Müller_123_assignsubmission_file_bleu.ipynb", "Anna_Müller"),
        ("mulleranna_12345_678901_bleu.ipynb", "mulleranna"),
        ("mulleranna_LATE_12345_678901_bleu-1.ipynb", "mulleranna"),
        ("BLEU 1_amueller_attempt_2026-11-20-10-00-00_my_work.ipynb", "amueller"),
        ("Anna Müller - bleu.ipynb", "Anna_Müller"),
        ("Anna Mu\u0308ller.ipynb", "Anna_Müller"),  # as a Mac writes it
        ("  Anna   Müller .ipynb", "Anna_Müller"),
        ("anna.IPYNB", "anna"),
        ("anna.mueller@uni.example/notebook.ipynb", "anna.mueller@uni.example"),
        ("李明_7_assignsubmission_file_/a.ipynb", "李明"),
        ("Siobhán O'Brien-Smith.ipynb", "Siobhán_O_Brien-Smith"),
    ],
)
def test_names_of_platforms_become_students_names(course, tmp_path, name, student):
    found = collect(course, "tiny", sent(tmp_path / "sent", name))
    assert list(found.taken) == [student] == course.students("tiny") and not found.left
    assert course.notebook("submitted", "tiny", student).read_text() == NOTEBOOK


ROSTER = """id;Name;E-Mail;Platform ID;group
anna;Anna Müller;anna@uni.example;12345;A
ben;Li Ming;ben@uni.example;b_ming;A
cleo;Cleo Ray;cleo@uni.example;777;B
"""


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("Anna Müller_9_assignsubmission_file_/x.ipynb", "anna"),
        ("Anna Mu\u0308ller_9_assignsubmission_file_/x.ipynb", "anna"),
        ("Participant_777_assignsubmission_file_/x.ipynb", "cleo"),
        ("mulleranna_12345_1_x.ipynb", "anna"),
        ("T_b_ming_attempt_2026-11-20-10-00-00_x.ipynb", "ben"),
        ("T_cleo_attempt_2026-11-20-10-00-00_x.ipynb", "cleo"),
        ("cleo_5_assignsubmission_file_/x.ipynb", "cleo"),  # a Moodle that shows ids
        ("Müller, Anna.ipynb", "anna"),
        ("ANNA@uni.example.ipynb", "anna"),
        ("ming li - tiny.ipynb", "ben"),
    ],
)
def test_the_roster_says_who_it_is(course, tmp_path, name, student):
    roster(course, ROSTER)
    found = collect(course, "tiny", sent(tmp_path / "sent", name))
    assert list(found.taken) == [student] and not found.left
    assert found.missing == sorted({"anna", "ben", "cleo"} - {student})


@pytest.mark.parametrize(
    "name",
    [
        "Dora Unknown_9_assignsubmission_file_/x.ipynb",
        "Anna Miller_12345_assignsubmission_file_/x.ipynb",  # Moodle's numbers are no person's
        "mülleranna_99999_1_x.ipynb",  # Canvas's are: another Anna Müller
        "anna2.ipynb",
        "T_ming_attempt_2026-11-20-10-00-00_x.ipynb",
    ],
)
def test_whom_the_roster_does_not_know_is_not_guessed(course, tmp_path, name):
    roster(course, ROSTER)
    found = collect(course, "tiny", sent(tmp_path / "sent", name))
    assert not found.taken and "nobody in roster.csv is" in found.left[name.split("/")[0]]
    assert course.students("tiny") == []


def test_of_two_students_with_one_name_the_platforms_number_decides(course, tmp_path):
    roster(course, "id,name,platform id\nanna1,Anna Müller,1\nanna2,Anna Müller,2\n")
    found = collect(
        course, "tiny",
        sent(tmp_path / "a", f"{ANNA}_2_assignsubmission_file_/x.ipynb", f"{ANNA}.ipynb"),
    )  # fmt: skip
    assert list(found.taken) == ["anna2"]
    assert found.left[f"{ANNA}.ipynb"] == (
        "it could be anna1 (Anna Müller) or anna2 (Anna Müller): rename it"
    )


def test_an_archive_is_taken_as_it_was_downloaded(course, tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    archive = packed(
        tmp_path / "sent.zip",
        f"{ANNA}_1_assignsubmission_file_/tiny.ipynb",
        "Ben Ray_2_assignsubmission_file_/tiny.ipynb",
        "__MACOSX/._x.ipynb", "Cleo Ray_3_assignsubmission_file_/__MACOSX/._tiny.ipynb",
        "Cleo Ray_3_assignsubmission_file_/tiny.ipynb", ".DS_Store",
    )  # fmt: skip
    found = collect(course, "tiny", archive)
    assert sorted(found.taken) == ["Anna_Müller", "Ben_Ray", "Cleo_Ray"] and not found.left
    stamp = course.root / "submitted/Ben_Ray/tiny/timestamp.txt"
    assert stamp.read_text() == "2026-11-20 10:00:00 UTC\n"
    assert came_as(course, "tiny")["Ben_Ray"] == {
        "entry": "Ben Ray_2_assignsubmission_file_", "platform": "moodle", "person": "Ben Ray",
        "number": "2", "logins": [], "attempt": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    "names",
    [
        ("tiny/Anna Ray - tiny.ipynb", "tiny/Ben Ray - tiny.ipynb"),
        ("tiny/Anna Ray - tiny.ipynb",),  # from Google's drive
        ("sent/Anna Ray.ipynb", "sent/Ben Ray.ipynb", "__MACOSX/sent/._Ben Ray.ipynb"),
    ],
)
def test_a_folder_around_all_submissions_is_no_student(course, tmp_path, names):
    found = collect(course, "tiny", packed(tmp_path / "all.zip", *names))
    assert found.taken.keys() <= {"Anna_Ray", "Ben_Ray"} and "Anna_Ray" in found.taken
    assert not found.left


def test_a_students_folder_with_two_notebooks_is_no_folder_around(course, tmp_path):
    found = collect(course, "tiny", sent(tmp_path / "sent", "anna/a.ipynb", "anna/b.ipynb"))
    assert not found.taken and found.left == {"anna": "2 notebooks in it, give one"}


def test_an_archive_that_a_student_sent_is_opened_too(course, tmp_path):
    folder = tmp_path / "sent"
    folder.mkdir()
    packed(folder / "anna.zip", "work/tiny.ipynb", "__MACOSX/work/._tiny.ipynb")
    (folder / "ben").mkdir()
    packed(folder / "ben" / "handed in.zip", "tiny.ipynb")
    (folder / "cleo.zip").write_text("no archive")
    packed(folder / "dora.zip", "a.ipynb", "b.ipynb")
    found = collect(course, "tiny", folder)
    assert sorted(found.taken) == ["anna", "ben"]
    assert found.left == {
        "cleo.zip": "cleo.zip is no zip archive", "dora.zip": "2 notebooks in it, give one",
    }  # fmt: skip


def linked(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("anna.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return path


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: packed(path, "../../out.ipynb"), "could lead out of its folder"),
        (lambda path: packed(path, "/tmp/out.ipynb"), "could lead out of its folder"),
        (linked, "a link or a device"),
    ],
)
def test_what_leads_out_of_an_archive_is_left_alone_in_one_line(
    course, tmp_path, make, why, capsys
):
    archive = make(tmp_path / "sent.zip")
    with zipfile.ZipFile(archive, "a") as more:
        more.writestr("ben/x.ipynb", NOTEBOOK)
    out = Path("/tmp/out.ipynb")
    before = out.exists()
    assert cli.main(["collect", "tiny", str(archive), "--course", str(course.root)]) == 0
    said = capsys.readouterr().out
    assert len([line for line in said.splitlines() if why in line]) == 1
    assert not (tmp_path / "out.ipynb").exists() and out.exists() == before
    assert course.students("tiny") == ["ben"]


def without_the_mark_of_utf8(path: Path, name: bytes) -> Path:
    """A member's name as it is, in bytes, and no word of what they mean, as a Mac packs it."""
    data = packed(path, "N" * len(name) + "_1_assignsubmission_file_/x.ipynb").read_bytes()
    path.write_bytes(data.replace(b"N" * len(name), name))
    return path


@pytest.mark.parametrize(
    "name", ["Anna Mu\u0308ller".encode(), b"Anna M\x81ller"], ids=["mac", "dos"]
)
def test_names_in_an_archive_are_read_as_they_were_meant(course, tmp_path, name):
    found = collect(course, "tiny", without_the_mark_of_utf8(tmp_path / "sent.zip", name))
    assert list(found.taken) == ["Anna_Müller"]


def test_a_file_that_is_bad_in_a_platforms_archive_stops_nobody(course, tmp_path, monkeypatch):
    """The name of a file is a student's own, and so is its size."""
    monkeypatch.setattr("labnotes_classroom.intake.archives.LARGEST_INNER", 1 << 20)
    archive = packed(
        tmp_path / "sent.zip",
        "anna/x.ipynb", "ben/my: work.ipynb", "cleo/my\\work.ipynb", "dora", "dora/x.ipynb",
        "e" * 300 + "/x.ipynb", "gil/x.ipynb", "/etc/x.ipynb", "../x.ipynb",
    )  # fmt: skip
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as more, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that the name is there already
        more.writestr("gil/x.ipynb", "other")
        more.writestr("finn/x.ipynb", " " * (3 << 20))
        more.writestr("hanna/film.mp4", " " * (3 << 20))
        more.writestr("hanna/x.ipynb", NOTEBOOK)
        more.writestr(zipfile.ZipInfo("ida/x.ipynb"), "as it was")
    archive.write_bytes(archive.read_bytes().replace(b"as it was", b"otherwise"))
    found = collect(course, "tiny", archive)
    assert sorted(found.taken) == ["anna", "ben", "cleo", "gil", "hanna"]
    assert course.notebook("submitted", "tiny", "gil").read_text() == NOTEBOOK
    for name, why in {
        "dora": "no notebook", "dora/x.ipynb": "there twice", "e" * 300 + "/x.ipynb": "name too long",
        "gil/x.ipynb": "there twice", "finn/x.ipynb": "more than 1 MiB", "finn": "0 notebooks",
        "ida": "0 notebooks", "ida/x.ipynb": "Bad CRC-32", "/etc/x.ipynb": "lead out", "../x.ipynb": "lead out",
    }.items():  # fmt: skip
        assert why in found.left[name], (name, found.left)


def test_the_time_in_an_archive_of_a_students_own_is_not_when_it_was_handed_in(course, tmp_path):
    folder = tmp_path / "sent"
    folder.mkdir()
    packed(folder / "anna.zip", "tiny.ipynb")  # packed in 2026, by the clock of that computer
    os.utime(folder / "anna.zip", (1_800_000_000, 1_800_000_000))
    collect(course, "tiny", folder)
    stamp = course.root / "submitted/anna/tiny/timestamp.txt"
    assert stamp.read_text() == "2027-01-15 08:00:00 UTC\n"


def test_a_name_in_another_encoding_is_taken_and_noted(course, tmp_path):
    folder = tmp_path / "sent"
    path = os.fsencode(folder) + b"/M\xfcller_123_assignsubmission_file_"
    os.makedirs(path)
    Path(os.fsdecode(path), "x.ipynb").write_text(NOTEBOOK)
    found = collect(course, "tiny", folder)
    assert list(found.taken) == ["M_ller"] and not found.left
    noted = came_as(course, "tiny")["M_ller"]
    assert noted["number"] == "123" and noted["person"] == "M\\udcfcller"


def test_an_archive_that_swells_is_left_alone(course, tmp_path, monkeypatch):
    folder = tmp_path / "sent"
    folder.mkdir()
    monkeypatch.setattr("labnotes_classroom.intake.archives.LARGEST_INNER", 1000)
    with zipfile.ZipFile(folder / "anna.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny.ipynb", " " * 100_000)
    found = collect(course, "tiny", sent(folder, "ben.ipynb"))
    assert list(found.taken) == ["ben"] and "more than the bytes allowed" in found.left["anna.zip"]


def test_two_that_would_become_one_student_are_both_reported(course, tmp_path):
    found = collect(course, "tiny", sent(tmp_path / "s", "x/a.ipynb", "x.ipynb", "y.ipynb"))
    assert list(found.taken) == ["y"]
    assert found.left == dict.fromkeys(
        ("x", "x.ipynb"), "x and x.ipynb would all be x: give one"
    )  # fmt: skip


def test_of_several_attempts_the_last_counts(course, tmp_path):
    late, early = (f"T_anna_attempt_2026-11-{day}-10-00-00_x.ipynb" for day in (21, 20))
    found = collect(course, "tiny", sent(tmp_path / "s", early, late))
    assert found.taken == {"anna": late} and found.left == {early: "an earlier attempt"}


def test_the_text_file_beside_each_notebook_is_no_news(course, tmp_path):
    name = "T_{}_attempt_2026-11-20-10-00-00"
    folder = sent(tmp_path / "s", name.format("anna") + "_x.ipynb", name.format("anna") + ".txt")
    sent(folder, name.format("ben") + ".txt")
    found = collect(course, "tiny", folder)
    assert list(found.taken) == ["anna"]
    assert found.left == {name.format("ben") + ".txt": "no notebook (*.ipynb)"}


def test_a_file_that_cannot_be_copied_stops_nobody(course, tmp_path, monkeypatch):
    folder = sent(tmp_path / "s", "anna.ipynb", "ben.ipynb")
    take = collect_module._take

    def fails(course, assignment, student, *more):
        if student == "anna":
            raise OverflowError("no calendar has this time")
        return take(course, assignment, student, *more)

    monkeypatch.setattr(collect_module, "_take", fails)
    found = collect(course, "tiny", folder)
    assert list(found.taken) == ["ben"]
    assert found.left == {"anna.ipynb": "it could not be copied, no calendar has this time"}


def test_a_dry_run_shows_what_would_become_whom_and_changes_nothing(course, tmp_path, capsys):
    roster(course, ROSTER)
    folder = sent(tmp_path / "s", f"{ANNA}_9_assignsubmission_file_/x.ipynb", "dora.ipynb")
    before = sorted(course.root.rglob("*"))
    words = ["collect", "tiny", str(folder), "--course", str(course.root)]
    assert cli.main([*words, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "  new: Anna Müller_9_assignsubmission_file_ -> anna (Anna Müller)\n" in said
    assert "  left alone: dora.ipynb: nobody in roster.csv is dora\n" in said
    assert "  handed in nothing: ben (Li Ming)\n" in said
    assert "1 submissions, 1 left alone, 2 of 3 handed in nothing. Nothing was changed." in said
    assert sorted(course.root.rglob("*")) == before
    assert cli.main(words) == 0
    assert cli.main(words) == 0
    assert "  as before: Anna" in capsys.readouterr().out
    (folder / f"{ANNA}_9_assignsubmission_file_/x.ipynb").write_text("other")
    assert cli.main(words) == 0
    assert "  changed: Anna" in capsys.readouterr().out


def test_odd_files_stop_nobody(course, tmp_path):
    folder = sent(tmp_path / "s", "anna.ipynb", "-x.ipynb")
    os.mkfifo(folder / "pipe.ipynb")
    (folder / "link.ipynb").symlink_to("/etc/passwd")
    (folder / "ben").mkdir()
    (folder / "ben" / "x.ipynb").symlink_to("/etc/passwd")
    (folder / "notes.txt").write_text("x")
    os.mkdir(os.fsencode(folder) + b"/\xc0\xee")
    (folder / ("n" * 200 + ".ipynb")).write_text(NOTEBOOK)
    found = collect(course, "tiny", folder)
    assert sorted(found.taken) == ["anna"]
    assert found.left["pipe.ipynb"] == found.left["notes.txt"] == "no notebook (*.ipynb)"
    assert found.left["link.ipynb"] == found.left["ben"] == "a link"
    for name in ("n" * 200 + ".ipynb", "-x.ipynb"):
        assert "its name cannot be a student's" in found.left[name]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"name,email\nAnna,a@b\n", "no column `id`"),
        ("id,name\nanna,Müller\n".encode("utf-16"), "save it as CSV UTF-8"),
        (b"id,name\nanna,A\nAnna,B\n", "id 'anna' stands there twice"),
        (b"id,email\na,x@y\nb,X@y\n", "email 'x@y' stands there twice"),
        (b"id,name\n../x,A\n", "line 2: '../x' cannot be an id"),
        (b"id,due tyni\nanna,2026-12-01 12:00\n", "names no assignment"),
        (b"id,due tiny\nanna,soon\n", "line 2: 'soon' is no date"),
        (b"", "no column `id`"),
    ],
)
def test_a_roster_that_cannot_be_read_is_one_clear_line(course, tmp_path, text, why):
    (course.root / "roster.csv").write_bytes(text)
    with pytest.raises(CourseError, match=why) as raised:
        collect(course, "tiny", sent(tmp_path / "s", "anna.ipynb"))
    assert "\n" not in str(raised.value) and course.students("tiny") == []


def test_a_roster_is_read_as_spreadsheets_write_it(course):
    (course.root / "roster.csv").write_bytes(
        '\ufeffID;Name;E-mail;due tiny\r\nanna;"Müller; Anna";a@b;2026-12-01 12:00\r\n;;;\r\n'.encode()
    )
    (student,) = read_roster(course).students.values()
    assert (student.id, student.name, student.email) == ("anna", "Müller; Anna", "a@b")
    assert student.due == {"tiny": "2026-12-01 12:00"}


def test_a_source_that_is_none_is_one_clear_line(course, tmp_path):
    (tmp_path / "x.txt").write_text("x")
    for source, why in (("x.txt", "no folder and no zip"), ("y", "there is no folder or archive")):
        with pytest.raises(CourseError, match=why):
            collect(course, "tiny", tmp_path / source)


def test_a_plain_name_has_no_platform():
    assert read_label("anna").platform == read_label("anna_1").platform == ""
