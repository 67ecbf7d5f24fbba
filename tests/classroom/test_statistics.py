"""How a class did, against the same counted by pandas."""

import shutil

import light
import pandas as pd
import pytest
from nbformat.v4 import new_output

from labnotes_classroom import cli
from labnotes_classroom.course import Course
from labnotes_classroom.reports.statistics_page import tasks_of
from labnotes_classroom.reports.wrong import LONGEST, wrong_values
from labnotes_classroom.results import FAILED, read_result, write_result


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    """A class of nine: one failed to run, one waits for a person."""
    course = light.make(tmp_path_factory.mktemp("light") / "course")
    for number in range(9):
        student = f"s{number}"
        light.hand_in(course, student)
        right = {"small": number % 2 == 0, "many": number % 3 == 0}
        light.graded(
            course, student, mean=4.0 * sum(right.values()) / 2, spread=2.0 * (number > 2),
            why=None if number == 8 else number % 3, seconds=10.0 + number,
            verdicts={"mean-graded": right, "spread-graded": {"distances": number > 2}},
            wrong={"mean-graded": {n: "6.5" if number < 6 else "<b>" for n in right if not right[n]},
                   "spread-graded": {} if number > 2 else {"distances": "error: TypeError"}},
        )  # fmt: skip
    failed = read_result(course, "tiny", "s7")
    failed.status = FAILED
    write_result(course, "tiny", failed)
    return course


def results(course) -> dict:
    return {s: read_result(course, "tiny", s) for s in course.students("tiny")}


def test_means_and_shares_agree_with_pandas(course):
    ran = [r for r in results(course).values() if r.status != FAILED]
    frame = pd.DataFrame([r.scores for r in ran])
    names = pd.DataFrame([r.verdicts["mean-graded"] for r in ran])
    mean, spread, why = tasks_of(course, "tiny", results(course))
    assert (mean.name, spread.name, why.name) == ("mean-graded", "spread-graded", "why")
    assert mean.mean == pytest.approx(frame["mean-graded"].mean()) and len(mean.points) == 8
    assert mean.full == pytest.approx((frame["mean-graded"] == 4).mean())
    assert mean.right == pytest.approx(names.mean().to_dict())
    assert spread.full == pytest.approx((frame["spread-graded"] == 2).mean())
    assert why.waiting == 1 and sorted(why.points) == [0, 0, 0, 1, 1, 2, 2]
    wrong = pd.Series([r.wrong["mean-graded"].get("small") for r in ran]).dropna()
    assert dict(mean.wrong["small"]) == wrong.value_counts().to_dict() == {"6.5": 3}
    assert spread.wrong["distances"] == [("error: TypeError", 3)]


def test_the_page_has_a_plot_for_each_task_and_nothing_runs(course, capsys):
    assert cli.main(["statistics", "tiny", "--course", str(course.root)]) == 0
    assert "mean-graded: mean 2.00 of 4, all points 25%" in capsys.readouterr().out
    page = (course.root / "statistics/tiny.html").read_text()
    assert page.count("data:image/png;base64,iVBOR") == 3 and page.count("alt=") == 3
    assert "&lt;b&gt;" in page and "<b>" not in page and "<script" not in page
    assert "1 of them failed to run" in page and "14 s (median)" in page


def test_without_results_there_is_a_page_too(tmp_path, course, capsys):
    empty = Course(shutil.copytree(course.root, tmp_path / "course"))
    shutil.rmtree(empty.root / "submitted")
    assert cli.main(["statistics", "tiny", "--course", str(empty.root)]) == 0
    assert "mean-graded: no points given yet" in capsys.readouterr().out


def output(text: str):
    return [new_output("execute_result", {"text/plain": text}, execution_count=1)]


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("{'a': 0.1234567891}", "0.123457"), ("{'a': [1, 2.0, 'x']}", "[1, 2, 'x']"),
        ("{'a': {'b': None}}", "{'b': None}"), ("{'b': 1}", "no value"), ("Anything()", "no value"),
        ("{'a': 1" + "0" * 4000 + "}", ("1" + "0" * 4000)[:LONGEST]),
        ("{'a': '\\x1b[31m'}", "'\\x1b[31m'"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_a_short_text(text, short):
    assert wrong_values(output(text), {"a": False}) == {"a": short}


def test_right_values_are_not_kept_and_errors_are_named():
    error = new_output("error", ename="E" * 500, evalue="secret", traceback=[])
    assert wrong_values(output("{'a': 1, 'b': 2}"), {"a": True, "b": False}) == {"b": "2"}
    assert wrong_values([error], {"a": False}) == {"a": ("error: " + "E" * 500)[:LONGEST]}
