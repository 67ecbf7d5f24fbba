"""The words of a page: key terms show their glossary entry, and Chinese is said to be Chinese."""

from __future__ import annotations

import re
from html import escape, unescape
from pathlib import Path

from sphinx.application import Sphinx

from ..source.frontmatter import chapter
from ..source.glossary import load_terms

#: Not running text: comments, scripts, drawings and formulas as a whole.
OTHER = r"<!--.*?-->|<(?P<other>script|style|textarea|select|svg|math)\b.*?</(?P=other)>"
#: What is in these has a name or a link already: no link may stand within.
TAKEN = r"</?(?:a|button|h[1-6]|label|legend|summary)\b[^>]*>"
LINKABLE = re.compile(rf"{OTHER}|(?P<taken>{TAKEN})|<strong>(?P<words>[^<]+)</strong>", re.DOTALL)
HAN = "\u3400-\u4dbf\u4e00-\u9fff"
#: Chinese characters, with the punctuation between them.
CHINESE = re.compile(
    rf"(?:{OTHER}|<[^>]*>)|(?P<chinese>[{HAN}](?:[{HAN}·、，。：；！？（）《》]*[{HAN}])?)",
    re.DOTALL,
)


def marked(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Link the key terms of a chapter to the glossary, and mark the Chinese of any page."""
    if doctree is None or "body" not in context:
        return
    body = context["body"]
    if chapter(app.env, pagename):
        body = with_terms(body, _linked(app, pagename))
    context["body"] = in_chinese(body)


def in_chinese(html: str) -> str:
    """`html` with its runs of Chinese characters marked, for fonts and for screen readers.

    Examples
    --------
    >>> in_chinese('<p title="和">sum (和)</p>')
    '<p title="和">sum (<span lang="zh-Hans">和</span>)</p>'
    """

    def mark(match: re.Match) -> str:
        run = match["chinese"]
        return f'<span lang="zh-Hans">{run}</span>' if run else match[0]

    return CHINESE.sub(mark, html)


def with_terms(html: str, terms: list[dict]) -> str:
    """`html` with a link at the first bold mention of each term.

    Parameters
    ----------
    html
        The body of a page.
    terms
        Entries of the glossary: ``names`` (the English one, the Chinese one, others), ``text``,
        and ``url``, the address of the entry from this page.

    Examples
    --------
    >>> sum_ = {"names": ["sum", "和"], "text": "What + gives.", "url": "terms.html#sum"}
    >>> with_terms("<strong>sums</strong>", [sum_])  # doctest: +ELLIPSIS
    '<a class="ln-term" href="terms.html#sum" data-term="sum" ...><strong>sums</strong></a>'
    """
    known = {form: term for term in terms for form in _forms(term["names"])}
    inside = 0  # how many elements are open that take no link
    linked: set[str] = set()

    def link(match: re.Match) -> str:
        nonlocal inside
        if match["taken"]:
            inside += -1 if match["taken"].startswith("</") else 1
        term = known.get(_plain(unescape(match["words"]))) if match["words"] else None
        if term is None or inside or term["names"][0] in linked:
            return match[0]
        linked.add(term["names"][0])
        return _link(term, match[0])

    return LINKABLE.sub(link, html)


def _link(term: dict, html: str) -> str:
    facts = {"term": term["names"][0], "zh": term["names"][1], "text": term["text"]}
    data = "".join(f' data-{name}="{escape(value)}"' for name, value in facts.items())
    return f'<a class="ln-term" href="{escape(term["url"])}"{data}>{html}</a>'


def _forms(names: list[str]) -> set[str]:
    """All ways to write a term: "unit (U)" is unit, units, U and Us."""
    found = set()
    for name in names:
        for form in (name, *re.findall(r"\(([^)]+)\)", name), re.sub(r"\s*\([^)]*\)", "", name)):
            found |= {_plain(form), f"{_plain(form)}s"}
    return found


def _plain(words: str) -> str:
    return " ".join(words.split()).strip(" .,:;").casefold()


def _linked(app: Sphinx, pagename: str) -> list[dict]:
    """The glossary's entries, each with its address from the page `pagename`."""
    places = app.env.get_domain("std")._terms  # lower-case term: (page, anchor)
    found = []
    for term in load_terms(Path(app.srcdir)):
        if place := places.get(term.names[0].lower()):
            page, anchor = place
            url = f"{app.builder.get_relative_uri(pagename, page)}#{anchor}"
            found.append({"names": term.names, "text": term.text, "url": url})
    return found
