"""Grades and feedback on their way out: deadlines, quoting, and what platforms take."""

import csv
import datetime
import shutil
import zipfile

import jupytext
import light
import pytest

from labnotes_classroom import cli
from labnotes_classroom.course import Course, CourseError
from labnotes_classroom.feedback import write_feedback
from labnotes_classroom.intake import deadlines
from labnotes_classroom.intake.collect import collect
from labnotes_classroom.reports.tables import quoted, write_table


@pytest.fixture
def course(light_course) -> Course:
    return light_course


def command(course, *words: str) -> int:
    return cli.main([*words, "--course", str(course.root)])


def table(course, *words: str) -> list[dict]:
    assert command(course, *words) == 0
    name = "grades/tiny.csv" if words[0] == "grades" else f"exports/tiny-{words[2]}.csv"
    return list(csv.DictReader((course.root / name).open(newline="", encoding="utf8")))


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_a_text_that_a_spreadsheet_would_run_is_quoted(tmp_path, cell):
    assert quoted(cell) == f"'{cell}"
    path = write_table(tmp_path / "x.csv", [cell], [[cell, -1.5, 3, "", "a=1", "Anna-Lena"]])
    with path.open(newline="", encoding="utf8") as file:
        head, row = csv.reader(file)
    assert head == [f"'{cell}"]
    assert row == [f"'{cell}", "-1.5", "3", "", "a=1", "Anna-Lena"]


def test_a_formula_in_a_name_or_a_reason_is_quoted_in_every_table(course, tmp_path):
    (course.root / "roster.csv").write_text(
        'id,name,email,platform id\nanna,"=HYPERLINK(""http://x"")",+a@b,7\n'
    )
    light.hand_in(course, "anna")
    light.graded(course, "anna", reason="@SUM(1)")
    for words in (
        ("grades", "tiny"),
        *(("export", "tiny", p) for p in ("moodle", "canvas", "plain")),
    ):
        rows = table(course, *words)
        for row in rows:
            for cell in row.values():
                assert not cell.startswith(("=", "@", "\t")) and not cell.startswith("+"), row
    assert "'=HYPERLINK" in (course.root / "grades/tiny.csv").read_text()


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-12-01 23:59 UTC", "2026-12-01 23:59"),
        ("2026-12-01 23:59 +01:00", "2026-12-01 22:59"),
        ("2026-12-01T23:59 -0500", "2026-12-02 04:59"),
        ("2026-07-01 12:00 Europe/Berlin", "2026-07-01 10:00"),
        ("2026-12-01 12:00:00 Europe/Berlin", "2026-12-01 11:00"),
    ],
)
def test_dates_are_read_with_their_zones(text, utc):
    found = deadlines.moment(text).astimezone(datetime.timezone.utc)
    assert f"{found:%Y-%m-%d %H:%M}" == utc


def test_a_date_without_a_zone_is_this_machines():
    here = datetime.datetime(2026, 12, 1, 23, 59).astimezone()
    assert deadlines.moment("2026-12-01 23:59") == here


@pytest.mark.parametrize(
    "text",
    ["2026-12-01", "1.12.2026 23:59", "2026-13-01 10:00", "soon", "2026-12-01 10:00 Mars", ""],
)
def test_what_is_no_date_is_one_clear_line(course, text, capsys):
    assert command(course, "due", "tiny", text) == 2
    said = capsys.readouterr().err
    assert f"{text!r} is no date: give YEAR-MONTH-DAY" in said and said.count("\n") == 1


@pytest.mark.parametrize("late", ["-1", "101", "ten", "nan"])
def test_what_is_no_percent_is_one_clear_line(course, late, capsys):
    assert command(course, "due", "tiny", f"--late={late}") == 2
    assert "give the percent that each day costs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "left"),
    [(0, 20), (1, 18), (86_400, 18), (86_401, 16), (86_400 * 30, 0), (None, 20)],
)
def test_each_day_begun_costs_its_percent(seconds, left):
    assert deadlines.Deadline(percent=10).left_of(20, seconds) == left


def test_totals_before_and_after_lateness_and_a_students_own_date(course, capsys):
    (course.root / "roster.csv").write_text(
        "id,name,due tiny\nanna,Anna Müller,\nben,Ben Ray,2026-12-03 12:00 UTC\ncleo,Cleo,\ndora,Dora,\n"
    )
    for name in ("anna", "ben"):
        light.hand_in(course, name, when="2026-12-02 13:00:00 UTC")
    light.hand_in(course, "cleo", when="2026-12-01 11:59:59 UTC")
    for name in ("anna", "ben", "cleo"):
        light.graded(course, name)
    assert command(course, "due", "tiny", "2026-12-01 12:00 UTC", "--late", "10") == 0
    said = capsys.readouterr().out
    assert "tiny: due Tuesday 2026-12-01 12:00 +0000" in said and "costs 10 %" in said
    assert "ben (Ben Ray): due Thursday 2026-12-03 12:00" in said
    rows = {row["student"]: row for row in table(course, "grades", "tiny")}
    assert (rows["anna"]["before lateness"], rows["anna"]["total"]) == ("8.0", "6.4")
    assert rows["anna"]["seconds late"] == "90000" and rows["anna"]["name"] == "Anna Müller"
    assert (rows["ben"]["before lateness"], rows["ben"]["total"]) == ("8.0", "8.0")
    assert rows["cleo"]["seconds late"] == "0" and rows["cleo"]["total"] == "8.0"
    assert rows["dora"] == dict.fromkeys(rows["dora"], "") | {
        "student": "dora", "name": "Dora", "status": "handed in nothing",
    }  # fmt: skip
    assert command(course, "due", "tiny", "none") == 0
    assert "no due date" in capsys.readouterr().out
    assert {r["total"] for r in table(course, "grades", "tiny")} == {"8.0", ""}


def test_the_front_matter_gives_a_date_and_the_course_another(course, capsys):
    master = course.master("tiny")
    about = {"due": "2026-12-01 12:00 UTC", "late": 25}
    master.metadata["assignment"] |= deadlines.of_source(about | {"title": "x"}, "tiny.md")
    light.write_notebook(course.notebook("source", "tiny"), master)
    found = deadlines.deadline(course, "tiny")
    assert found.percent == 25 and f"{found.due:%d %H}" == "01 12"
    deadlines.set_deadline(course, "tiny", "2026-12-05 12:00 UTC", None)
    found = deadlines.deadline(course, "tiny")
    assert found.percent == 25 and f"{found.due:%d %H}" == "05 12"
    with pytest.raises(CourseError, match="tiny.md: 'soon' is no date"):
        deadlines.of_source({"due": "soon"}, "tiny.md")


@pytest.mark.parametrize(
    "due", ["2026-12-01 12:00 +01:00", "2026-12-01 12:00:00+01:00", "2026-12-01T12:00 Europe/Rome"]
)
def test_a_date_is_read_from_the_front_matter_as_yaml_gives_it(due):
    about = jupytext.reads(
        light.SOURCE.read_text().replace("  seconds: 4", f"  seconds: 4\n  due: {due}\n  late: 10"),
        "md:myst",
    ).metadata["assignment"]
    found = deadlines.moment(deadlines.of_source(about, "tiny.md")["due"])
    assert f"{found.astimezone(datetime.timezone.utc):%d %H:%M}" == "01 11:00"


def test_a_damaged_file_of_the_course_is_one_clear_line(course, capsys):
    (course.root / "deadlines.json").write_text("{")
    assert command(course, "due", "tiny") == 2
    said = capsys.readouterr().err
    assert "deadlines.json is damaged" in said and said.count("\n") == 1


def test_without_a_date_or_a_time_of_handing_in_nothing_is_late(course):
    light.hand_in(course, "anna")
    light.graded(course, "anna")
    (row,) = table(course, "grades", "tiny")
    assert row["seconds late"] == row["handed in"] == "" and row["total"] == "8.0"


def four(course, tmp_path, entry: str) -> None:
    """Anna and Ben from a platform, Cleo from a mail; Dora failed, Emil waits."""
    sent = tmp_path / "sent"
    for name in ("anna", "ben"):
        path = sent / entry.format(name=name, number=11 if name == "anna" else 12)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(course.notebook("release", "tiny"), path)
    collect(course, "tiny", sent)
    light.hand_in(course, "cleo")
    for name in ("anna", "ben", "cleo"):
        light.graded(course, name)
    light.hand_in(course, "dora")
    light.graded(course, "dora", mean=None, spread=None, why=None)
    light.hand_in(course, "emil")
    light.graded(course, "emil", why=None)
    pages, failed = write_feedback(course, "tiny")
    assert len(pages) == 5 and not failed


def test_what_moodle_takes(course, tmp_path, capsys):
    four(course, tmp_path, "{name}_{number}_assignsubmission_file_/x.ipynb")
    (course.root / "roster.csv").write_text("id,name,email\nanna,Anna Müller,anna@uni.example\n")
    rows = table(course, "export", "tiny", "moodle")
    # Moodle finds these three columns by name (mod/assign/feedback/offline/importgradeslib.php).
    assert {"Identifier", "Grade", "Last modified (grade)"} <= rows[0].keys()
    assert [(r["Identifier"], r["Full name"], r["Email address"], r["Grade"]) for r in rows] == [
        ("Participant 11", "Anna Müller", "anna@uni.example", "8.0"), ("Participant 12", "ben", "", "8.0"),
    ]  # fmt: skip
    said = capsys.readouterr().out
    assert "left out: cleo: Moodle cannot know whose it is" in said
    assert (
        "left out: dora: no grade: " in said and "left out: emil: no grade: needs a person" in said
    )
    with zipfile.ZipFile(course.root / "exports/tiny-moodle-feedback.zip") as archive:
        assert archive.namelist() == [
            "anna_11_assignsubmission_file_/tiny.html", "ben_12_assignsubmission_file_/tiny.html",
        ]  # fmt: skip
        page = course.notebook("feedback", "tiny", "anna").with_suffix(".html").read_bytes()
        assert archive.read("anna_11_assignsubmission_file_/tiny.html") == page


def test_what_canvas_takes(course, tmp_path, capsys):
    four(course, tmp_path, "{name}_{number}_99_tiny-1.ipynb")
    (course.root / "roster.csv").write_text(
        "id,name,platform id\nanna,Anna Müller,11\ncleo,Cleo,13\n"
    )
    assert command(course, "export", "tiny", "canvas") == 0
    lines = list(csv.reader((course.root / "exports/tiny-canvas.csv").open(encoding="utf8")))
    assert lines == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "tiny"],
        ["    Points Possible", "", "", "", "", "8.0"],
        ["Anna Müller", "11", "", "", "", "8.0"],
        ["ben", "12", "", "", "", "8.0"],
        ["Cleo", "13", "", "", "", "8.0"],
    ]
    said = capsys.readouterr().out
    assert "3 grades" in said and "2 pages" in said
    assert "left out: cleo: no feedback in the archive: it did not come from canvas" in said
    with zipfile.ZipFile(course.root / "exports/tiny-canvas-feedback.zip") as archive:
        assert archive.namelist() == ["anna_11_99_tiny-1.html", "ben_12_99_tiny-1.html"]


def test_what_any_other_platform_takes(course, tmp_path, capsys):
    four(course, tmp_path, "{name}.ipynb")
    rows = table(course, "export", "tiny", "plain")
    assert [r["student"] for r in rows] == ["anna", "ben", "cleo", "dora", "emil"]
    with zipfile.ZipFile(course.root / "exports/tiny-plain-feedback.zip") as archive:
        assert archive.namelist() == [f"{r['student']}.html" for r in rows]


def test_the_formgrader_shows_the_rosters_names(course):
    (course.root / "roster.csv").write_text(
        'id,name,email\nanna,"Müller, Anna",a@b\nben,Ben van Ray,\nli,李明,\n'
    )
    for name in ("anna", "ben", "li", "nobody"):
        light.hand_in(course, name)
        light.graded(course, name)
    with course.gradebook() as book:
        names = {s.id: (s.first_name, s.last_name, s.email) for s in book.students}
    assert names["anna"] == ("Anna", "Müller", "a@b") and names["ben"][:2] == ("Ben van", "Ray")
    assert names["li"][:2] == names["nobody"][:2] == (None, None)


def test_nbgraders_own_feedback_is_our_page_without_hidden_tests(course):
    from nbgrader.apps import NbGraderAPI

    light.hand_in(course, "anna")
    light.graded(course, "anna")
    hidden = "4.0, 9.0"
    assert hidden in course.notebook("autograded", "tiny", "anna").read_text()
    write_feedback(course, "tiny")
    path = course.notebook("feedback", "tiny", "anna").with_suffix(".html")
    ours = path.read_text()
    done = NbGraderAPI(config=course.config).generate_feedback("tiny", "anna", force=True)
    assert done["success"], done["log"]
    assert path.read_text() == ours and hidden not in ours


def test_the_exchange_releases_our_pages(course, tmp_path):
    from nbgrader.apps import NbGraderAPI

    exchange = tmp_path / "exchange"
    exchange.mkdir(mode=0o777)
    exchange.chmod(0o777)
    light.hand_in(course, "anna", when="2026-12-01 12:00:00 UTC")
    secret = course.notebook("submitted", "tiny", "anna").with_name("submission_secret.txt")
    secret.write_text("as the exchange gave it")
    light.graded(course, "anna")
    assert command(course, "feedback", "tiny") == 0
    config = course.config
    config.Exchange.root = str(exchange)
    done = NbGraderAPI(config=config).release_feedback("tiny")
    assert done["success"], done["log"]
    (page,) = (exchange / "labnotes" / "feedback").glob("*.html")
    assert (
        page.read_text()
        == course.notebook("feedback", "tiny", "anna").with_suffix(".html").read_text()
    )
