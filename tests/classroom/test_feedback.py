"""The page of a student: no text of theirs stops the others, and no hidden test reaches it."""

import base64

import nbformat
import pytest
from conftest import MEAN, answered, hand_in
from nbformat.v4 import new_code_cell, new_markdown_cell

from labnotes_classroom import feedback, grade
from labnotes_classroom.outputs import png

WIDE = "|" + "a|" * 1200 + "\n" + "|" + "-|" * 1200 + "\n" + "|\n" * 1200
DEAR = {
    "table": WIDE,
    "stars": "*a **b " * 16_000,
    "definitions": "".join(f"[{i}]: /x\n" for i in range(4000)) + "[a][1] " * 4000,
    "brackets": "[" * 50_000,
    "quotes": ">" * 40_000,
    "ticks": "".join("`" * i + " " for i in range(300)),
    "lists": "".join(" " * i + "- a\n" for i in range(400)),
}


@pytest.mark.parametrize("kind", DEAR)
def test_a_text_that_is_dear_to_render_is_shown_as_it_was_written(kind):
    (page, other) = feedback._rendered([DEAR[kind], "*two*"])
    assert len(page) < 40 << 20
    assert "<em>two</em>" in other or other == '<pre tabindex="0">*two*</pre>'


def test_what_can_be_rendered_is():
    text = "`x<b` *a*\n\n```\nif x<b: a[0](1)\n```\n\n[link](http://x) <b>\n\n| a |\n|---|\n| 1 |"
    (page,) = feedback._rendered([text])
    assert "<code>x&lt;b</code> <em>a</em>" in page and "if x&lt;b: a[0](1)" in page
    assert "<a" not in page and "<b>" not in page and "<td>1</td>" in page


def test_no_hidden_test_comes_through_a_name_of_an_error_or_a_display_that_is_updated(course):
    """Each attack reads the hidden cell as it runs, and shows it where it may be seen later."""
    spy = (
        "from IPython.display import display, update_display\n"
        "display('mine', display_id='first')\n"
        "seen = []\n"
        "get_ipython().events.register('pre_run_cell', lambda info: seen.append(info.raw_cell))\n"
    )
    show = (
        "text = ''.join(seen)\n"
        "update_display(text, display_id='first')\nprint(text)\ndisplay(text)\n"
        "raise type(text[:4000], (Exception,), {})(text)"
    )
    notebook = answered(course, mean=MEAN)
    notebook.cells.insert(0, new_code_cell(spy))
    notebook.cells += [new_code_cell(show), new_code_cell("1 / 0"), new_code_cell("raise seen.x")]
    hand_in(course, "spy", notebook)
    grade.grade(course, "tiny")
    autograded = course.notebook("autograded", "tiny", "spy").read_text()
    assert "range(100)" in autograded, "the teacher may see it; the attack works"
    pages, failed = feedback.write_feedback(course, "tiny")
    text = pages[0].read_text()
    assert not failed
    for hidden in ("range(100)", "12.0", "BEGIN HIDDEN", "-3.0, 3.5", "4.0, 9.0"):
        assert hidden not in text, hidden
    assert "an error of a kind of its own (see your own notebook)" in text
    assert "ZeroDivisionError (see your own notebook)" in text and "AttributeError (see" in text


def test_a_figure_and_what_was_noted_are_on_the_page(course):

    notebook = answered(course, mean=MEAN, why="")
    notebook.cells.insert(1, new_code_cell("import matplotlib.pyplot as plt\nplt.plot([1, 3]);"))
    notebook.cells.insert(2, new_code_cell("while True:\n    pass"))
    notebook.cells += [new_markdown_cell("Task 3: outliers, where x<b")]
    hand_in(course, "anna", notebook)
    (found,) = grade.grade(course, "tiny")
    assert found.status == "needs a person"
    assert found.notes == [
        "cell student-2 was stopped after 4 s of computing",
        "text near the empty answer to why: Task 3: outliers, where x<b",
    ]
    feedback.write_feedback(course, "tiny")
    page = course.notebook("feedback", "tiny", "anna").with_suffix(".html").read_text()
    assert 'src="data:image/png;base64,' in page and "was stopped after 4 s" in page
    assert "outliers, where x&lt;b" in page
    assert nbformat.read(course.notebook("autograded", "tiny", "anna"), 4).cells


def test_a_picture_of_more_pixels_than_a_browser_can_hold_is_left_out():
    def picture(width: int, height: int) -> str:
        sizes = width.to_bytes(4, "big") + height.to_bytes(4, "big")
        return base64.b64encode(
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + sizes + b"\x08\x06\0\0\0"
        ).decode()

    assert png(picture(640, 480)) == picture(640, 480)
    assert (
        png(picture(60_000, 60_000)) == png(picture(0, 9)) == png("<script>") == png("AAAA") == ""
    )
