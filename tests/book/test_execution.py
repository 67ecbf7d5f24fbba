"""Every chapter ran, in its time, with clean outputs; its exercises do what they promise."""

from __future__ import annotations

import os
import re

import pytest
from built_book import ROOT, executed, run_times

from labnotes_site.record import stored

#: The most processor time that a chapter may take, in seconds; slower machines may set their own.
LIMIT = float(os.environ.get("LABNOTES_TIME_LIMIT", "60"))


def outputs(chapter):
    for cell in executed(chapter.docname).cells:
        if cell.cell_type == "code":
            for output in cell.outputs:
                yield cell, output


def text_of(cell) -> str:
    return "".join(o.get("text", "") for o in cell.outputs if o.output_type == "stream")


def test_every_code_cell_was_executed(chapter):
    cells = [c for c in executed(chapter.docname).cells if c.cell_type == "code"]
    assert cells and all(c.execution_count for c in cells)


def test_no_output_is_an_error_or_a_warning(chapter):
    for cell, output in outputs(chapter):
        assert output.output_type != "error", cell.source
        assert not (output.output_type == "stream" and output.name == "stderr"), output.text


def test_the_chapter_keeps_to_its_time(chapter):
    run = run_times()[chapter.docname]
    # Builds of earlier versions wrote down the time by the clock alone.
    assert run.get("cpu", run["seconds"]) <= LIMIT


def test_pictures_come_as_figures_with_alternative_text(chapter):
    """A picture printed by a cell that says nothing of it would be silent to a screen reader."""
    for cell, output in outputs(chapter):
        kinds = set(output.get("data", {}))
        if kinds & {"image/png", "image/svg+xml"} and not any("widget-view" in k for k in kinds):
            assert cell.metadata.get("mystnb", {}).get("image", {}).get("alt"), cell.source


def test_a_cell_that_is_recorded_shows_something(chapter):
    """A record of it would be refused, after all the minutes that it took.

    Some cells tell of their progress only at the record's size: there the record is what counts.
    """
    record = stored.load(ROOT, chapter.docname.removeprefix("chapters/"))
    if record is not None and not stored.is_stale(record, chapter, ROOT / "code"):
        assert all(cell["outputs"] for cell in record.cells)
        return
    cells = executed(chapter.docname).cells
    recorded = [c for c in cells if "record" in c.metadata.get("tags", [])]
    assert [c.source.splitlines()[0] for c in recorded if not c.outputs] == []


def test_stubs_answer_kindly_and_solutions_pass(chapter):
    cells = [c for c in executed(chapter.docname).cells if c.cell_type == "code"]
    stubs = [c for c in cells if "exercise-stub" in c.metadata.get("tags", [])]
    solutions = [c for c in cells if "exercise-solution" in c.metadata.get("tags", [])]
    checks = [c for c in cells if re.search(r"\bcheck\(", c.source)]
    assert stubs and solutions and checks
    assert all("NotImplementedError" in c.source and '"""' in c.source for c in stubs)
    for cell in checks:
        mark = "✓" if cell in solutions else "○"
        lines = [line for line in text_of(cell).splitlines() if line[:1] in "✓✗○"]
        assert lines and all(line.startswith(mark) for line in lines), text_of(cell)
    checked = {n for c in solutions for n in re.findall(r"""\bcheck\(\s*["']([\w.]+)""", c.source)}
    asked = {n for c in checks for n in re.findall(r"""\bcheck\(\s*["']([\w.]+)""", c.source)}
    assert asked == checked


def test_no_progress_bar_is_left_in_the_page(chapter):
    for _, output in outputs(chapter):
        assert "it/s]" not in str(output.get("text", ""))


@pytest.mark.parametrize("word", ["Traceback (most recent call last)"])
def test_no_output_shows_a_traceback(chapter, word):
    assert all(word not in str(output) for _, output in outputs(chapter))
