"""What helps a reader along: key terms with their entries, Chinese that says so, cards, the map."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from sphinx.errors import ExtensionError

from labnotes_site.export import notebooks
from labnotes_site.page import words

from .test_directives import CONFIG, build, write_book

HEAD = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
"""
LEAD = "A page about sums & differences, which are small and finite here."
FIRST = f"""{HEAD}labnotes: {{minutes: 1, needs: []}}
---
# The **sum**

:::{{note}}
This box stands around no running text, although it is long enough to be taken for it.
:::

Too short.

Here a formula such as $1 + 1$ would be read out in a language of its own, so it does not serve.

{LEAD}

- the [**sum**](https://example.org) in a link
- **Sums:** (和、差) and once more the **sum**

```python
x = "**sum** 和"
```

**difference** **no term** {{term}}`sum`
"""
CHAPTERS = {
    "chapters/a/first": FIRST,
    "chapters/a/second": HEAD + "labnotes: {needs: [a/first]}\n---\n# Second\n\nText.\n",
    "chapters/a/third": HEAD + "labnotes: {needs: [a/second, a/first]}\n---\n# Third\n\nText.\n",
    "chapters/a/other": HEAD + "labnotes: {needs: []}\n---\n# Other <one>\n\nText.\n",
    "plain": "# Plain\n\nA **sum** on a page that is no chapter has no link, but 和 is Chinese.\n",
    "map": "# Map\n\n```{course-map}\n```\n",
}
TERMS = """
- {term: difference (gap), zh: 差, text: 'What "minus" gives, e.g. 1 < 2.'}
"""
FOOTER = {"html_theme_options": {"footer_content_items": ["book-footer.html"]}}


@pytest.fixture(scope="module", autouse=True)
def nothing_is_executed():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notebooks, "write_notebooks", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    root = tmp_path_factory.mktemp("reading")
    write_book(root, **CHAPTERS)
    (root / "data/glossary/start/more.yml").write_text(TERMS, "utf8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_REPOSITORY", "someone/book")
        patch.setitem(CONFIG, "html_theme_options", FOOTER["html_theme_options"])
        app, warnings = build(root)
    assert warnings == ""
    return lambda name: BeautifulSoup((Path(app.outdir) / f"{name}.html").read_text("utf8"), "lxml")


# --- key terms -----------------------------------------------------------------------------------


def test_the_first_bold_mention_of_a_term_that_may_be_a_link_is_one_with_its_entry(page):
    sums, difference = page("chapters/a/first").select("a.ln-term")
    assert sums.get_text() == "Sums:" and sums.find_parent("li")
    assert sums["href"] == "../../terms.html#term-sum"
    assert page("terms").find(id="term-sum")
    assert (sums["data-term"], sums["data-zh"]) == ("sum", "和")
    assert sums["data-text"] == "What addition gives."
    assert difference.get_text() == "difference"
    assert difference["data-text"] == 'What "minus" gives, e.g. 1 < 2.'
    assert page(difference["href"][6:].split(".")[0]).find(id=difference["href"].split("#")[1])


def test_only_chapters_have_key_terms(page):
    assert page("plain").select("article strong") and not page("plain").select("a.ln-term")


def test_a_term_is_known_in_its_short_form_its_long_form_and_as_several():
    term = {"names": ["rectified linear unit (ReLU)", "整流", "ramp"], "text": "", "url": "#t"}
    for form in ("ReLU", "ReLUs", "rectified linear units", "Ramp.", "整流"):
        assert "ln-term" in words.with_terms(f"<p><strong>{form}</strong></p>", [term]), form
    for form in ("rectified", "ReLUx", "unit"):
        assert "ln-term" not in words.with_terms(f"<p><strong>{form}</strong></p>", [term]), form


@pytest.mark.parametrize("tag", ["a", "h2", "summary", "label", "legend", "button", "script"])
def test_no_link_stands_in_what_is_a_link_or_a_name_already(tag):
    term = {"names": ["sum", "和"], "text": "", "url": "#t"}
    inside = f"<{tag}>x <strong>sum</strong></{tag}>"
    assert words.with_terms(inside, [term]) == inside
    assert words.with_terms(f"{inside}<strong>sum</strong>", [term]).count("ln-term") == 1


# --- Chinese -------------------------------------------------------------------------------------


def test_chinese_in_the_text_is_marked_with_the_punctuation_within(page):
    marked = page("chapters/a/first").select('article [lang="zh-Hans"]')
    assert [m.get_text() for m in marked] == ["和、差", "和"]
    assert page("plain").select_one('[lang="zh-Hans"]').get_text() == "和"


@pytest.mark.parametrize(
    "html",
    [
        '<img alt="感受野">',
        "<script>let a = '感受野';</script>",
        "<style>a::after{content:'感'}</style>",
        "<svg><text>感受野</text></svg>",
        "<!-- 感受野 -->",
        "<p>1×1 ReLU é — “x”</p>",
    ],
)
def test_what_is_no_chinese_text_stays_as_it_is(html):
    assert words.in_chinese(html) == html


def test_nothing_but_the_marks_is_added_to_a_page():
    html = "<p>卷积 (convolution), <b>感受野</b>。</p>"
    marked = words.in_chinese(html)
    assert re.sub(r'<span lang="zh-Hans">([^<]*)</span>', r"\1", marked) == html
    assert marked.count("<span") == 2


# --- head, foot ----------------------------------------------------------------------------------


def test_a_page_has_one_viewport_and_a_card_from_its_first_running_text(page):
    head = page("chapters/a/first").head
    assert len(head.find_all("meta", attrs={"name": "viewport"})) == 1
    assert [m["content"] for m in head.find_all("meta", attrs={"name": "description"})] == [LEAD]
    assert head.find("meta", property="og:description")["content"] == LEAD
    assert head.find("meta", property="og:title")["content"] == "The sum"
    assert head.find("meta", attrs={"name": "twitter:card"})["content"] == "summary"


def test_a_page_without_running_text_has_no_description(page):
    head = page("map").head
    assert head.find("meta", attrs={"name": "description"}) is None
    assert head.find("meta", property="og:title")["content"] == "Map"


def test_a_chapter_ends_with_a_button_that_waits_for_its_script(page):
    box = page("chapters/a/first").select_one("article .ln-progress")
    assert box.has_attr("hidden") and box.button["aria-pressed"] == "false"
    assert box.find_next("section") is None and not page("plain").select(".ln-progress")


def test_the_footer_leads_to_a_new_report_with_the_pages_title(page):
    link = page("chapters/a/other").find("a", string="Report a mistake on this page")
    assert link["href"] == "https://github.com/someone/book/issues/new?title=Other%20%3Cone%3E"


def test_without_a_repository_the_footer_asks_for_no_report(tmp_path, monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.setitem(CONFIG, "html_theme_options", FOOTER["html_theme_options"])
    write_book(tmp_path)
    app, _ = build(tmp_path)
    text = (Path(app.outdir) / "index.html").read_text("utf8")
    assert "ln-footer" in text and "issues/new" not in text


# --- the map of the course -----------------------------------------------------------------------


def test_the_map_of_the_course_has_each_chapter_after_all_that_it_needs(page):
    steps = page("map").select("ol.ln-course-map > li")
    names = [[a["href"].split("/")[-1] for a in step.select("a")] for step in steps]
    assert names == [["first.html", "other.html"], ["second.html"], ["third.html"]]
    assert steps[2].get_text(" ", strip=True) == "Third after Second, The sum"
    assert steps[0].select(".ln-after") == []


def test_chapters_that_need_each_other_are_refused(tmp_path):
    ring = {"a": "c", "b": "a", "c": "b"}
    pages = {
        f"chapters/{name}": HEAD + f"labnotes: {{needs: [{need}]}}\n---\n# {name}\n"
        for name, need in ring.items()
    }
    write_book(tmp_path, **pages)
    with pytest.raises(ExtensionError, match=r"circle: .*chapters/b needs chapters/a"):
        build(tmp_path)


# --- notebooks -----------------------------------------------------------------------------------


def test_the_zip_has_every_notebook_and_is_the_same_each_time(tmp_path):
    texts = {"chapters/b/two": '{"n": "二"}\n', "chapters/a/one": "{}\n"}
    first, second = tmp_path / "x" / "all.zip", tmp_path / "y" / "all.zip"
    notebooks.write_zip(first, texts)
    notebooks.write_zip(second, dict(reversed(texts.items())))
    with zipfile.ZipFile(first) as archive:
        assert archive.testzip() is None
        found = {n: archive.read(n).decode("utf8") for n in archive.namelist()}
    assert found == {"all/a/one.ipynb": "{}\n", "all/b/two.ipynb": '{"n": "二"}\n'}
    assert first.read_bytes() == second.read_bytes()
