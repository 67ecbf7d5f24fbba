"""The notebooks made for Colab and Jupyter: valid, plain, and complete."""

from __future__ import annotations

import ast
import re
import sys
import tomllib

import nbformat
import pytest
from bs4 import BeautifulSoup
from built_book import HTML, ROOT, executed

from labnotes_site.keys import plain_python

RAW = [
    re.compile(r"^\s*(`{3,}|:{3,})\{", re.M),  # a directive
    re.compile(r"\{[\w:]+\}`"),  # a role
    re.compile(r"^\([\w:.-]+\)=$", re.M),  # a target
    re.compile(r"\$\$[ \t]*\([\w:.-]+\)"),  # an equation's label
]

OURS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
#: What any notebook has: Jupyter's own, our package and what that needs (Pillow with matplotlib).
BROUGHT = {"IPython", "PIL", "ipywidgets", "labnotes"} | {
    re.split("[<>=]", need)[0] for need in OURS["dependencies"]
}


def portable(chapter):
    return nbformat.read(HTML / "notebooks" / f"{chapter.docname}.ipynb", nbformat.NO_CONVERT)


def test_the_notebook_is_valid(chapter):
    nbformat.validate(portable(chapter))


def test_the_install_cell_stands_first_and_touches_no_torch(chapter):
    first = portable(chapter).cells[0]
    assert first.cell_type == "code" and "LABNOTES_SOURCE" in first.source
    compile(first.source, "install", "exec")
    assert not re.search(r"install\(.*(torch|numpy)", first.source)


def test_the_install_cell_gets_every_package_that_the_chapter_imports(chapter):
    """(On the tests' own machine all are there, and in Colab's image some, for a while.)"""
    nodes = [node for source in chapter.code for node in ast.walk(ast.parse(plain_python(source)))]
    names = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    asked = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - BROUGHT
    install = portable(chapter).cells[0].source
    assert {name for name in asked if f"'{name}':" not in install} == set()


@pytest.mark.parametrize("pattern", RAW, ids=lambda p: p.pattern)
def test_text_holds_nothing_that_only_the_book_understands(chapter, pattern):
    for cell in portable(chapter).cells:
        if cell.cell_type == "markdown":
            text = (
                re.sub(r"```.*?```", "", cell.source, flags=re.S)
                if "{" not in cell.source[:4]
                else cell.source
            )
            assert not pattern.search(text), cell.source


def test_every_code_cell_and_its_outputs_came_along(chapter):
    ours = [c for c in portable(chapter).cells if c.cell_type == "code"][1:]
    theirs = [c for c in executed(chapter.docname).cells if c.cell_type == "code"]
    assert [c.source for c in ours] == [c.source for c in theirs]
    assert [len(c.outputs) for c in ours] == [len(c.outputs) for c in theirs]


def test_no_widget_is_left_that_github_could_not_show(chapter):
    notebook = portable(chapter)
    assert "widgets" not in notebook.metadata
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert not any("widget" in kind for kind in output.get("data", {}))


def test_a_gpu_is_asked_for_where_the_chapter_wants_one(chapter):
    wants = chapter.notebook.metadata["labnotes"]["gpu"]
    assert portable(chapter).metadata.get("accelerator") == ("GPU" if wants else None)


#: What a page counts: figures, tables and exercises before their titles, equations beside them.
NUMBERED = re.compile(r"(?:Fig\.|Table|Exercise) \d+\.\d+")
TAG = re.compile(r"\\tag\{([\d.]+)\}")


def test_page_and_notebook_count_alike(chapter):
    page = BeautifulSoup((HTML / f"{chapter.docname}.html").read_text("utf8"), "lxml")
    counted = [" ".join(each.get_text().split()) for each in page.select("main .caption-number")]
    equations = [each.get_text().strip("()#¶ ") for each in page.select("main .eqno")]
    assert counted and all(NUMBERED.fullmatch(each) for each in counted)
    texts = [c.source for c in portable(chapter).cells if c.cell_type == "markdown"]
    heads = [m for t in texts for m in re.findall(r"^\*{1,2}(\w+\.? [\d.]+): ", t, re.M)]
    assert heads == counted
    assert TAG.findall("\n".join(texts)) == equations
    # What the text refers to is there by that name.
    named = NUMBERED.findall("\n".join(texts))
    there = set(counted) | set(NUMBERED.findall(page.select_one("main").get_text(" ")))
    assert set(named) <= there


def test_references_and_questions_are_written_out(chapter):
    text = "\n".join(c.source for c in portable(chapter).cells if c.cell_type == "markdown")
    assert "<details>" in text and "**Question.**" in text
    if "{cite" in chapter.path.read_text("utf8"):
        assert re.search(r"^- .*\d{4}", text.split("## References")[1], re.M)
