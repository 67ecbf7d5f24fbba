"""What builds the site of Deep Learning Lab Notes: a Sphinx extension. No notebook imports it."""
# ruff: noqa: E402

from __future__ import annotations

import sys

# jsonschema would build a grammar for web addresses, which nothing here checks: a second of each start.
sys.modules.setdefault("rfc3987_syntax", None)

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx_exercise.nodes import solution_node

from . import assets, outdated, quick
from .drawn import bitmaps, explorers, figures, formulas
from .export import downloads, notebooks
from .page import (
    around,
    badges,
    cells,
    exercises,
    generated,
    quiz,
    references,
    search,
    settles,
    syllabus,
    words,
)
from .record import page as records
from .source import frontmatter


def setup(app: Sphinx) -> dict:
    """Register the book's directives, roles, pages and assets with Sphinx."""
    app.setup_extension("myst_nb")
    quick.setup(app)
    _add_settles(app)
    _add_quiz(app)
    _add_records(app)
    app.add_post_transform(exercises.UniqueIds)
    app.add_post_transform(cells.FoldTools)
    app.add_post_transform(cells.SayWhatOpens)
    app.add_node(HideCodeCellNode, override=True, html=(cells.visit, cells.depart))
    app.add_node(
        solution_node, override=True, html=(exercises.visit_solution, exercises.depart_solution)
    )
    app.add_node(nodes.citation, override=True, html=(references.visit, references.depart))
    _add_badges(app)
    _add_pages(app)
    _add_assets(app)
    _add_search(app)
    app.connect("env-check-consistency", frontmatter.check)
    app.connect("env-get-outdated", outdated.outdated)
    app.connect("build-finished", notebooks.write_notebooks)
    return {
        "version": "1",
        "env_version": 1,
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }


def _add_settles(app: Sphinx) -> None:
    app.add_node(settles.mark, html=(settles.visit_mark, None))
    app.add_directive("settles", settles.SettlesDirective)
    app.add_role("settles", settles.SettlesRole())
    app.connect("env-purge-doc", settles.forget)
    app.connect("env-merge-info", settles.merge)
    app.connect("env-check-consistency", settles.check)


def _add_quiz(app: Sphinx) -> None:
    for name in ("question", "stem", "option", "choice", "reason"):
        visitors = getattr(quiz, f"visit_{name}"), getattr(quiz, f"depart_{name}")
        app.add_node(getattr(quiz, f"quiz_{name}"), html=visitors)
    app.add_directive("question", quiz.QuestionDirective)


def _add_records(app: Sphinx) -> None:
    app.add_node(records.record_box, html=(records.visit, records.depart))
    app.add_transform(records.ShowRecords)


def _add_badges(app: Sphinx) -> None:
    app.add_node(badges.badges, html=(badges.visit, None))
    app.connect("doctree-read", badges.insert)
    app.connect("html-page-context", badges.top_buttons)
    app.connect("html-page-context", downloads.in_template)


def _add_pages(app: Sphinx) -> None:
    app.add_node(generated.page_part, html=(generated.visit, None))
    app.add_directive("notes-map", generated.NotesMapDirective)
    app.add_directive("corrections", generated.CorrectionsDirective)
    app.add_directive("run-times", generated.RunTimesDirective)
    app.add_directive("course-map", generated.CourseMapDirective)
    app.add_directive("terms", generated.TermsDirective)
    app.add_directive("data-and-licences", generated.DataDirective)
    app.add_node(syllabus.syllabus, html=(syllabus.visit, None))
    app.add_directive("syllabus", syllabus.SyllabusDirective)
    app.add_node(syllabus.most_needed_table, html=(syllabus.visit_most_needed, None))
    app.add_directive("most-needed", syllabus.MostNeededDirective)
    app.connect("env-check-consistency", syllabus.check)


def _add_assets(app: Sphinx) -> None:
    app.connect("config-inited", assets.configure)
    app.add_html_math_renderer(
        formulas.NAME, (formulas.visit_inline, None), (formulas.visit_block, None)
    )
    app.connect("builder-inited", formulas.copy_katex)
    app.add_directive("explorer", explorers.ExplorerDirective)
    app.add_post_transform(explorers.StillPicture)
    app.connect("html-page-context", explorers.refresh, priority=890)
    app.connect("html-page-context", words.marked, priority=892)
    app.connect("html-page-context", around.told, priority=893)
    app.connect("html-page-context", figures.sized, priority=895)
    app.connect("build-finished", figures.ink)
    app.connect("build-finished", bitmaps.finish)
    app.connect("html-page-context", assets.tidy, priority=900)
    app.connect("build-finished", assets.shrink)


def _add_search(app: Sphinx) -> None:
    app.connect("builder-inited", search.no_index_of_sphinx)
    app.connect("doctree-read", search.collect)
    app.connect("env-purge-doc", search.forget)
    app.connect("env-merge-info", search.merge)
    app.connect("html-collect-pages", search.page)
    app.connect("build-finished", search.write)
