"""Formulas, set when the book is built: a page needs no script for them, and nothing moves when it
opens. KaTeX, from npm, writes HTML for the eye and MathML for screen readers.
"""

from __future__ import annotations

import atexit
import json
import re
import subprocess
from functools import cache
from pathlib import Path

from docutils import nodes
from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

LOG = logging.getLogger(__name__)
KATEX = Path("node_modules", "katex")
NAME = "katex"
SHEET = "labnotes/katex.css"
SERVER = Path(__file__).with_name("set-formulas.js")
OTHER_FORMATS = re.compile(r",url\([^)]*\) format\(\"(?:woff|truetype)\"\)")


class Setter:
    """A process of Node.js that sets one formula a line; it lives as long as the build."""

    def __init__(self, katex: Path):
        self.process = subprocess.Popen(
            ["node", str(SERVER), str(katex.resolve())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf8",
        )  # fmt: skip
        atexit.register(self.process.terminate)
        self._known: dict[tuple[str, bool], str] = {}

    def html(self, tex: str, display: bool) -> str:
        """The HTML of a formula.

        Raises
        ------
        ValueError
            If KaTeX does not understand it.
        """
        if (tex, display) in self._known:
            return self._known[tex, display]
        self.process.stdin.write(json.dumps({"tex": tex, "display": display}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise ValueError(answer["error"])
        return self._known.setdefault((tex, display), answer["html"])


@cache
def setter(katex: Path) -> Setter:
    """The process that sets formulas with KaTeX in the folder `katex`, started at the first one."""
    return Setter(katex)


def _check_installed(katex: Path) -> None:
    if not (katex / "package.json").exists():
        raise ExtensionError(f"KaTeX is not in {katex}: run `npm ci` in {katex.parents[1]} first")


def _set(translator, node: nodes.Node, tex: str, display: bool) -> str:
    try:
        return setter(Path(translator.builder.srcdir) / KATEX).html(tex, display)
    except ValueError as error:
        LOG.warning("a formula that KaTeX does not understand: %s", error, location=node)
        return f"<code>{translator.encode(tex)}</code>"


def visit_inline(translator, node: nodes.math) -> None:
    translator.body.append(
        translator.starttag(node, "span", "", CLASS="math notranslate nohighlight")
    )
    translator.body.append(_set(translator, node, node.astext(), False) + "</span>")
    raise nodes.SkipNode


def visit_block(translator, node: nodes.math_block) -> None:
    """A formula on lines of its own; its number stands after it, on a phone below it."""
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate nohighlight"))
    translator.body.append(_set(translator, node, in_lines(node.astext()), True))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def in_lines(tex: str) -> str:
    r"""The formula with places to break where a wide space parts two, and its lines put together.

    Examples
    --------
    >>> in_lines(r"a = b, \qquad c = d")
    'a = b, \\qquad\\allowbreak c = d'
    """
    tex = tex.strip()
    if r"\\" in tex and r"\begin" not in tex:
        return rf"\begin{{split}}{tex}\end{{split}}"
    return tex if r"\begin" in tex else tex.replace(r"\qquad", r"\qquad\allowbreak")


def copy_katex(app: Sphinx) -> None:
    """Put KaTeX's style sheet beside the pages, with fonts of one format, if it is not there yet."""
    if app.builder.format != "html":
        return
    katex = Path(app.srcdir) / KATEX
    _check_installed(katex)
    css = OTHER_FORMATS.sub("", (katex / "dist" / "katex.min.css").read_text("utf8"))
    target = Path(app.outdir, "_static", SHEET)
    # Compared by its words: all files that npm unpacks say that they are of 1985.
    if not target.exists() or target.read_text("utf8") != css:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(css, "utf8")


def write_fonts(app: Sphinx) -> None:
    """KaTeX's fonts, cut down to the characters that some page shows."""
    out = Path(app.outdir)
    pages = [page.read_text("utf8") for page in out.rglob("*.html")]
    characters = {ord(character) for page in pages for character in set(page)}
    target = (out / "_static" / SHEET).with_name("fonts")
    for file in (Path(app.srcdir) / KATEX / "dist" / "fonts").glob("*.woff2"):
        cut_font(TTFont(file), characters, target / file.name)


def cut_font(font: TTFont, characters: set[int], target: Path, **options) -> None:
    """Save a font with these characters alone; `options` are those of fontTools' subsetter."""
    cutter = subset.Subsetter(subset.Options(flavor="woff2", **options))
    cutter.populate(unicodes=characters)
    cutter.subset(font)
    target.parent.mkdir(parents=True, exist_ok=True)
    font.flavor = "woff2"
    font.save(target)
