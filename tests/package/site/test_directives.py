"""The site's directives, on a small book of their own: what they write, and what they refuse."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import docutils_namespace

from labnotes_site import assets, outdated
from labnotes_site.drawn import explorers, formulas
from labnotes_site.page import badges, generated, search, words
from labnotes_site.source import glossary, notes

ROOT = Path(__file__).parents[3]
NOTES = """
- {id: net-right, area: foundations, kind: fact, says: One and one is two., from: ['000'], verdict: right, show: x}
- {id: net-wrong, area: foundations, kind: fact, says: One and one is <three>., from: ['000'], verdict: wrong, truth: It is two (Peano 1889)., show: x}
- {id: net-open, area: attention, kind: question, says: 'Why two?', from: ['000'], verdict: open, truth: Because., show: x}
"""
GOOD = """---
labnotes:
  notes: [net-right, net-wrong]
  needs: []
  gpu: true
  minutes: 12
---
# Sums

One and one is two.{settles}`net-right` A {term}`sum` is small.

:::{settles} net-wrong
It is **two**, as $1 + 1$ shows.
:::

:::{question} What is $1 + 1$ in `python`?
- [ ] Three
  One too many.
- [x] Two
  Count on your fingers.

  Twice.
:::

:::{question} And once more?
A longer stem.

- [x] Two
  Still.
- [ ] $2 + 2$
  No.
:::
"""
GLOSSARY = """
- {term: sum, zh: 和, text: What addition gives.}
"""
CONFIG = {
    "extensions": ["myst_nb", "sphinx_external_toc", "labnotes_site"],
    "html_theme": "sphinx_book_theme",
    "nb_execution_mode": "off",
    "myst_enable_extensions": ["colon_fence", "dollarmath"],
    "html_context": {"default_mode": "auto"},
    "external_toc_path": "_toc.yml",
    "nitpicky": True,
    "exclude_patterns": ["_build", "node_modules"],
}


def write_book(root: Path, **pages: str) -> None:
    """A book at `root` with `pages`, the notes, a glossary and tokens of what npm installs."""
    files = {
        "data/notes.yml": NOTES,
        "data/glossary/start/sums.yml": GLOSSARY,
        "index.md": "# A book\n",
        "terms.md": "# Terms\n\n```{terms}\n```\n",
        "_toc.yml": "root: index\nsubtrees:\n- entries:\n  - file: terms\n"
        + "".join(f"  - file: {name}\n" for name in pages),
    }
    for name, text in (files | {f"{name}.md": text for name, text in pages.items()}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf8")
    if not (root / "node_modules").exists():
        (root / "node_modules").symlink_to(ROOT / "node_modules")


def build(root: Path) -> tuple[Sphinx, str]:
    """Build the book at `root`; give the application and the warnings."""
    warnings = StringIO()
    out = root / "_build" / "html"
    trees = root / "_build" / "trees"
    with docutils_namespace():  # several books are built in one process
        app = Sphinx(root, None, out, trees, "html", CONFIG, status=None, warning=warnings)
        app.build()
    return app, warnings.getvalue()


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    root = tmp_path_factory.mktemp("good")
    write_book(
        root,
        sums=GOOD,
        map="# Map\n\n```{notes-map}\n```\n",
        corrections="# Corrections\n\n```{corrections}\n```\n",
        times="# Times\n\n```{run-times}\n```\n",
    )
    app, warnings = build(root)
    assert warnings == ""
    return lambda page: BeautifulSoup((Path(app.outdir) / f"{page}.html").read_text("utf8"), "lxml")


@pytest.fixture
def warnings_of(tmp_path):
    """The warnings that a book with these pages gives."""

    def build_bad(**pages: str) -> str:
        write_book(tmp_path, **pages)
        return build(tmp_path)[1]

    return build_bad


# --- data and licences ---------------------------------------------------------------------------


def test_the_page_of_the_data_tells_of_every_set_of_the_catalogue(tmp_path):
    write_book(tmp_path, data="# Data\n\n```{data-and-licences}\n```\n")
    listed = ROOT / generated.DATASETS
    (tmp_path / generated.DATASETS).parent.mkdir(parents=True)
    (tmp_path / generated.DATASETS).write_bytes(listed.read_bytes())
    app, warnings = build(tmp_path)
    assert warnings == ""
    page = BeautifulSoup((Path(app.outdir) / "data.html").read_text("utf8"), "lxml")
    for name, fields in tomllib.loads(listed.read_text("utf8")).items():
        section = page.find(id=f"data-{name}")
        facts = [dd.get_text() for dd in section.find_all("dd")]
        wanted = ("items", "use", "licence", "citation", "homepage")
        assert facts == [*(fields[field] for field in wanted), name]
        assert section.find("a", href=fields["homepage"])


# --- settles -------------------------------------------------------------------------------------


def test_settles_shows_what_the_notes_say_the_verdict_and_the_answer(good):
    box = good("sums").select_one(".ln-settles")
    assert box.select_one(".ln-says").get_text() == "One and one is <three>."
    assert box.select_one(".ln-chip").get_text() == "The notes are wrong"
    assert box.select_one(".ln-answer strong").get_text() == "two"
    assert box.select_one("#note-net-wrong")


def test_the_role_leaves_a_mark_with_an_anchor_and_a_name_for_screen_readers(good):
    mark = good("sums").select_one("a.ln-mark#note-net-right")
    assert mark["title"] == "The notes say: One and one is two."
    assert mark.get_text() == "In the notes"


@pytest.mark.parametrize(
    "page, complaint",
    [
        ("# P\n\nText.{settles}`net-nowhere`\n", "no statement 'net-nowhere'"),
        ("# P\n\nText.{settles}`net-right`\n", "missing from this chapter's front matter"),
        ("---\nlabnotes: {notes: [net-right]}\n---\n# P\n", "nothing on this page settles it"),
        (
            "---\nlabnotes: {notes: [net-right]}\n---\n# P\n\nA.{settles}`net-right` B.{settles}`net-right`\n",
            "settled here and in page",
        ),
        ("---\nlabnotes: {note: [net-right]}\n---\n# P\n", "labnotes.note is unknown"),
        (
            "---\nlabnotes: {minutes: soon}\n---\n# P\n",
            "labnotes.minutes is 'soon', which is no int",
        ),
        ("---\nlabnotes: {needs: [no/such]}\n---\n# P\n", "names no chapter: no/such"),
        (":::{settles} net-right\n:::\n", "Content block expected"),
    ],
)
def test_a_book_and_its_notes_that_disagree_are_a_warning(warnings_of, page, complaint):
    assert complaint in warnings_of(page=page)


# --- questions -----------------------------------------------------------------------------------


def test_a_question_is_a_group_of_radio_buttons_with_labels_and_reasons(good):
    first, second = good("sums").select("fieldset.ln-question")
    assert first.legend.select_one(".math") and first.legend.code
    buttons = first.select("input[type=radio]")
    assert len({b["name"] for b in buttons}) == 1 and len({b["id"] for b in buttons}) == 2
    assert [first.select_one(f"label[for={b['id']}]").get_text() for b in buttons] == [
        "Three",
        "Two",
    ]
    reasons = [r.get_text(" ", strip=True) for r in first.select(".ln-reason")]
    assert reasons == ["Not this one. One too many.", "Right. Count on your fingers. Twice."]
    assert second.select_one("input")["name"] != buttons[0]["name"]
    assert "A longer stem." in second.get_text()
    assert second.select("label")[1].get_text().startswith("Answer b:"), (
        "a formula alone is no name"
    )


@pytest.mark.parametrize(
    "options, complaint",
    [
        ("- [ ] A\n  No.\n- [ ] B\n  No.\n", "2 options, 0 of them right"),
        ("- [x] A\n  Yes.\n- [x] B\n  Yes.\n", "2 options, 2 of them right"),
        ("- [x] A\n  Yes.\n", "1 options, 1 of them right"),
        ("- [x] A\n- [ ] B\n  No.\n", "'A' has no reason"),
    ],
)
def test_a_question_without_one_right_option_or_a_reason_is_refused(
    warnings_of, options, complaint
):
    assert complaint in warnings_of(page=f"# P\n\n:::{{question}} Q?\n{options}:::\n")


# --- badges and generated pages ------------------------------------------------------------------


def test_the_badges_stand_right_under_the_title(good):
    row = good("sums").select_one("article h1").find_next_sibling()
    assert row["class"] == ["ln-badges"]
    texts = [li.get_text() for li in row.select("li")]
    assert texts == ["12 min to read", "full size wants a GPU", "settles 2 statements of the notes"]


def test_the_map_lists_all_statements_and_links_to_those_that_are_settled(good):
    rows = good("map").select(".ln-note")
    assert [r["id"] for r in rows] == ["map-net-right", "map-net-wrong", "map-net-open"]
    assert rows[1].a["href"] == "sums.html#note-net-wrong"
    assert rows[2].a is None and "on the way" in rows[2].get_text()


def test_corrections_give_the_truth_of_settled_statements_only(good):
    page = good("corrections")
    assert [c.select_one(".ln-truth").get_text() for c in page.select(".ln-correction")] == [
        "It is two (Peano 1889)."
    ]
    assert "Because." not in page.get_text() and "1 more will follow" in page.get_text()


def test_a_term_links_to_its_glossary_entry_in_both_languages(good):
    link = good("sums").select_one("a[href='terms.html#term-sum']")
    assert link is not None
    assert [
        dt.get_text(strip=True).rstrip("#") for dt in good("terms").select("dl.glossary dt")
    ] == ["sum", "和"]


def test_a_term_defined_twice_is_refused(tmp_path):
    write_book(tmp_path)
    (tmp_path / "data/glossary/start/more.yml").write_text(
        "- {term: Sum, zh: 和, text: Again.}", "utf8"
    )
    with pytest.raises(ExtensionError, match="'sum' is in start/sums.yml and in start/more.yml"):
        build(tmp_path)


def test_an_entry_of_the_glossary_with_a_slip_is_refused(tmp_path):
    write_book(tmp_path)
    (tmp_path / "data/glossary/start/more.yml").write_text("- {term: Product, text: Times.}")
    with pytest.raises(ExtensionError, match=r"more\.yml: .*Product.* needs term, zh and text"):
        build(tmp_path)


def test_page_search_and_pop_ups_take_the_glossary_from_one_reader(tmp_path, monkeypatch):
    write_book(tmp_path, sums=GOOD.replace("A {term}`sum`", "A **sum**"))
    term = glossary.Term(("sum", "总和", "total"), "Another text.", "sums")
    for reader in (generated, search, words):
        monkeypatch.setattr(reader, "load_terms", lambda root: [term])
    app, warnings = build(tmp_path)
    assert warnings == ""
    out = Path(app.outdir)
    for page in ("terms.html", "sums.html", "_static/labnotes/search-data.js"):
        text = (out / page).read_text("utf8")
        assert "Another text." in text and "总和" in text and "What addition gives" not in text


# --- the notes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry, complaint",
    [
        ("- {id: a, area: attention, kind: fact, verdict: right}", "lacks says"),
        ("- {id: a, area: attention, kind: fact, says: A, verdict: maybe}", "verdict 'maybe'"),
        ("- {id: a, area: cooking, kind: fact, says: A, verdict: right}", "unknown area 'cooking'"),
        (
            "- &n {id: a, area: attention, kind: fact, says: A, verdict: right}\n- *n",
            "is there twice",
        ),
    ],
)
def test_a_faulty_list_of_notes_is_refused_with_its_fault(tmp_path, entry, complaint):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "notes.yml").write_text(entry)
    with pytest.raises(ValueError, match=complaint):
        notes.load_notes(tmp_path)


# --- explorers, assets, outdated pages -------------------------------------------------------------


def widget_state(**models) -> str:
    return json.dumps(
        {
            "state": {
                name: {"model_name": kind, "state": state} for name, (kind, state) in models.items()
            }
        }
    )


def test_an_explorer_gets_its_script_of_today_and_no_tag_can_close_the_element():
    from labnotes.explore.bleu import BleuExplorer

    name = f"{BleuExplorer.__module__}.{BleuExplorer.__qualname__}"
    old = {"_anywidget_id": name, "_esm": "old", "_css": "old", "candidate": "</script>"}
    text = explorers.current(widget_state(a=("AnyModel", old), b=("LayoutModel", {})))
    assert "<" not in text
    state = json.loads(text)["state"]["a"]["state"]
    assert state["_esm"] != "old" and "export" in state["_esm"]
    assert state["_css"] != "old" and state["candidate"] == "</script>"


def test_the_place_of_an_explorer_is_named_after_it():
    state = widget_state(
        a=("AnyModel", {"_anywidget_id": "labnotes.explore.feature_maps.Explorer"})
    )
    place = (
        '<div class="ln-explorer docutils container">\n'
        f'<script type="{explorers.VIEW}">{{"model_id": "a"}}</script></div><p>text</p>'
    )
    assert explorers.named(place, state) == place.replace(
        "ln-explorer ", "ln-explorer ln-explorer-feature-maps "
    )


def test_weights_of_an_explorers_networks_lie_beside_its_page_once(tmp_path):
    packed = "AAE8</AA=="
    traits = {"weights": [packed, "", packed], "places": ["", "kept", ""], "titles": ["a"]}
    state = widget_state(a=("AnyModel", traits), b=("AnyModel", {"weights": 3}))
    found = json.loads(explorers.beside(state, tmp_path, "chapters/part/page"))["state"]
    first, second, third = found["a"]["state"]["places"]
    assert second == "kept" and first == third and first.startswith("../../_static/")
    assert found["a"]["state"]["weights"] == ["", "", ""]
    assert found["a"]["state"]["titles"] == ["a"] and found["b"]["state"] == {"weights": 3}
    (file,) = (f for f in tmp_path.rglob("*") if f.is_file())
    assert file == (tmp_path / "chapters" / "part" / first).resolve()
    script = f"{file.read_text('utf8')} console.log(labnotesWeights[{json.dumps(file.name)}])"
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == packed


def test_a_page_is_written_with_places_where_its_widget_had_weights(tmp_path):
    traits = {"weights": ["AAE8AA=="], "places": [""]}
    script = SimpleNamespace(
        attributes={"type": explorers.STATE, "body": widget_state(a=("AnyModel", traits))}
    )
    context = {"script_files": [script], "body": "<p>text</p>"}
    explorers.refresh(SimpleNamespace(outdir=tmp_path), "chapters/page", "", context, None)
    assert "AAE8AA" not in script.attributes["body"] and context["body"] == "<p>text</p>"
    (place,) = json.loads(script.attributes["body"])["state"]["a"]["state"]["places"]
    assert (tmp_path / "chapters" / place).resolve().is_file()


def test_widgets_that_would_need_a_kernel_are_found():
    state = widget_state(a=("IntSliderModel", {}), b=("AnyModel", {}), c=("LayoutModel", {}))
    assert explorers.foreign_models(state) == ["IntSliderModel"]


def test_only_the_icons_in_use_keep_their_rules():
    css = '.fa-home:before,.fa-house:before{content:"\\f015"}.fa-bug:before{content:"\\f188"}p{color:red}'
    left, codes = assets.only_icons(css, {"house"})
    assert left == '.fa-house:before{content:"\\f015"}p{color:red}'
    assert codes == {0xF015}


def test_icons_are_found_escaped_and_literal():
    assert assets.icon_characters('a{content:"\\f107"} b{content:"\uf05a"} c{content:"x"}') == {
        0xF107,
        0xF05A,
    }


def test_a_formula_that_is_none_breaks_the_build_and_names_the_place(warnings_of):
    warnings = warnings_of(sums=GOOD + "\nA slip: $\\frac{1}{2$ and more.\n")
    assert re.search(r"sums\.md:\d+: .*KaTeX does not understand", warnings), warnings


def test_a_formula_has_a_form_for_the_eye_and_one_for_the_ear(tmp_path):
    tex = r"\frac{a}{b}"
    set_ = BeautifulSoup(formulas.setter(ROOT / formulas.KATEX).html(tex, True), "lxml")
    assert set_.select_one("mfrac").get_text(" ", strip=True) == "a b"
    assert set_.select_one(".katex-html")["aria-hidden"] == "true"
    assert set_.select_one("annotation").get_text() == tex


def test_the_style_sheet_of_formulas_is_written_when_it_is_missing_or_old_and_no_process_starts(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(formulas.subprocess, "Popen", lambda *a, **k: pytest.fail("Node started"))
    app = SimpleNamespace(
        builder=SimpleNamespace(format="html"), srcdir=ROOT, outdir=tmp_path / "html"
    )
    sheet = tmp_path / "html" / "_static" / formulas.SHEET
    formulas.setter.cache_clear()
    formulas.copy_katex(app)
    first = sheet.read_text("utf8")
    assert ".katex" in first and "woff2" in first and "truetype" not in first
    os.utime(sheet, (1, 1))
    formulas.copy_katex(app)
    assert sheet.stat().st_mtime == 1  # nothing was written
    sheet.write_text("of another version")
    formulas.copy_katex(app)
    assert sheet.read_text("utf8") == first


@pytest.mark.parametrize("part", [formulas.copy_katex, lambda app: search.write(app, None)])
def test_what_npm_has_not_installed_stops_the_build_and_says_what_to_do(part, tmp_path):
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), srcdir=tmp_path, outdir=tmp_path)
    with pytest.raises(ExtensionError, match="npm ci"):
        part(app)


def test_seconds_are_told_as_a_reader_says_them():
    assert [badges.duration(t) for t in (0.2, 59.4, 59.6, 125)] == [
        "1 s",
        "59 s",
        "1 min 0 s",
        "2 min 5 s",
    ]


def test_a_changed_list_of_notes_or_glossary_makes_pages_outdated(tmp_path):
    write_book(tmp_path)
    before = outdated.keys(tmp_path)
    assert outdated.keys(tmp_path) == before
    (tmp_path / "data/glossary/start/sums.yml").write_text(
        GLOSSARY.replace("gives", "leaves"), "utf8"
    )
    after = outdated.keys(tmp_path)
    assert {page for page in after if after[page] != before[page]} == {outdated.GLOSSARY}
    (tmp_path / "data/notes.yml").write_text(NOTES.replace("Why two?", "Why not three?"), "utf8")
    assert {p for p, k in outdated.keys(tmp_path).items() if after[p] != k} == set(
        outdated.GENERATED
    )
