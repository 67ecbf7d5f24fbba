"""What a page loads: nothing from another host, nothing twice, nothing it does not use.

The theme brings all of Font Awesome, 0.9 MB on every page, and shows some twenty icons. The site
keeps the style rules of the icons that its pages and scripts name, and a font of just these.
Formulas are set when the book is built; their style sheet and fonts come from npm, and are loaded
only by pages with formulas.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from docutils import nodes
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

from .drawn import formulas
from .drawn.explorers import LOADER
from .page.settles import MAP

HERE = Path(__file__).parent
READING = "labnotes/reading.js"
THEME_CSS = Path("_static", "styles", "pydata-sphinx-theme.css")
THEME_JS = Path("_static", "scripts", "pydata-sphinx-theme.js")
#: The theme measures every listing and table when a page opens, so that those that scroll can be
#: reached by key: the whole chapter is laid out for it. ``reading.js`` does it section by section.
MEASURES = (
    'document.querySelectorAll(["pre",".nboutput > .output_area",".cell_output > .output",'
    '".jp-RenderedHTMLCommon",".pst-scrollable-table-container"].join(", "))'
)
WEBFONTS = Path("_static", "vendor", "fontawesome", "webfonts")
ICON_FONT = Path("_static", "labnotes", "icons.woff2")
ICON_RULE = re.compile(r"((?:\.fa-[a-z0-9-]+:before,?)+)\{content:\"\\([0-9a-f]+)\"\}")
ICON_NAME = re.compile(r"\bfa-([a-z0-9-]+)")
ESCAPED_ICON = re.compile(r"\\([ef][0-9a-f]{3})\b")
#: Scripts that wait for the page anyway: the first picture need not wait for them.
LATE = (
    "doctools",
    "sphinx_highlight",
    "clipboard",
    "copybutton",
    "togglebutton",
    "sphinx-book-theme",
)
FONT_FACE = re.compile(r"@font-face\{[^}]*\}")


def configure(app: Sphinx, config: Config) -> None:
    """Add the book's own static files and templates.

    They do not lie in the book's ``_static``: jupyter-book loads every script and style sheet
    below that folder on every page.
    """
    config.html_static_path.append(str(HERE / "static"))
    config.templates_path.append(str(HERE / "templates"))
    config.html_math_renderer = formulas.NAME
    config.html_css_files.append(formulas.SHEET)
    config.html_js_files.append((READING, {"defer": "defer"}))
    config.nb_ipywidgets_js = {LOADER: {"defer": "defer"}}


def tidy(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Load each script once, Thebe never (it needs a remote kernel), and others where they serve."""
    page = Needs(doctree)
    seen = set()
    keep = []
    for script in context.get("script_files", []):
        name = str(getattr(script, "filename", script) or "")
        key = (name, getattr(script, "attributes", {}).get("body"))
        if key in seen or "thebe" in str(key) or not page.uses(name):
            continue
        seen.add(key)
        keep.append(script)
        if any(late in name for late in LATE):
            script.attributes.setdefault("defer", "defer")
    if "script_files" in context:
        context["script_files"][:] = keep
        context["css_files"][:] = [
            css
            for css in context["css_files"]
            if "thebe" not in str(css.filename) and page.uses(str(css.filename))
        ]
    if page.explorer:
        app.add_js_file(LOADER, defer="defer")
    if pagename == MAP:
        app.add_js_file("labnotes/notes-map.js", loading_method="defer")


class Needs:
    """Which of the optional scripts and style sheets a page's content asks for."""

    def __init__(self, doctree: nodes.document | None):
        classes: set[str] = set()
        for node in doctree.findall(nodes.Element) if doctree else []:
            classes.update(node.get("classes", []))
        self.formulas = doctree is not None and any(
            True for kind in (nodes.math, nodes.math_block) for _ in doctree.findall(kind)
        )
        self.explorer = "ln-explorer" in classes
        self.tabs = "sd-tab-set" in classes
        self.design = any(c.startswith("sd-") for c in classes)
        self.code = doctree is not None and any(True for _ in doctree.findall(nodes.literal_block))

    def uses(self, file: str) -> bool:
        if "design-tabs" in file:
            return self.tabs
        if "sphinx-design" in file:
            return self.design
        if formulas.SHEET in file:
            return self.formulas
        if "clipboard" in file or "copybutton" in file:
            return self.code
        return True


def shrink(app: Sphinx, exception: Exception | None) -> None:
    """At the build's end: cut the icons down to those in use, drop what no page loads."""
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    if not (out / WEBFONTS).exists():
        return  # no page was out of date: Sphinx left all files as the last build cut them down
    formulas.write_fonts(app)
    css, named = only_icons((out / THEME_CSS).read_text("utf8"), icons_in_use(out))
    mentioned = set()
    for sheet in static.rglob("*.css"):
        mentioned |= icon_characters(css if sheet == out / THEME_CSS else sheet.read_text("utf8"))
    face = (
        '@font-face{font-display:block;font-family:"Font Awesome 6 Free";font-style:normal;'
        'font-weight:400 900;src:url(../labnotes/icons.woff2) format("woff2")}'
    )
    (out / THEME_CSS).write_text(face + FONT_FACE.sub("", css), "utf8")
    write_font(out / WEBFONTS / "fa-solid-900.woff2", named, mentioned, out / ICON_FONT)
    script = (out / THEME_JS).read_text("utf8")
    if script.count(MEASURES) != 1:
        raise ExtensionError(f"{THEME_JS.name} does not measure the page as it did: see MEASURES")
    (out / THEME_JS).write_text(script.replace(MEASURES, "[]"), "utf8")
    shutil.rmtree(static / "vendor")
    unused = {
        *static.rglob("*.map"),
        *static.glob("scripts/fontawesome.js*"),
        *static.glob("*thebe*"),
    }
    for file in unused:
        file.unlink()


def icons_in_use(out: Path) -> set[str]:
    """The names of the icons that the site's pages and scripts mention."""
    files = [*out.rglob("*.html"), *out.glob("_static/*.js"), *out.glob("_static/scripts/*.js")]
    files = [f for f in files if f.name != "fontawesome.js"]
    return {name for file in files for name in ICON_NAME.findall(file.read_text("utf8"))}


def icon_characters(css: str) -> set[int]:
    """The characters of Unicode's private use area that a style sheet shows, escaped or literal."""
    escaped = {int(code, 16) for code in ESCAPED_ICON.findall(css)}
    return escaped | {ord(c) for c in css if "\ue000" <= c <= "\uf8ff"}


def only_icons(css: str, names: set[str]) -> tuple[str, set[int]]:
    """`css` with the rules of the icons in `names` alone, and the characters they show.

    Examples
    --------
    >>> only_icons('.fa-sun:before{content:"\\\\f185"}.fa-bug:before{content:"\\\\f188"}', {"sun"})
    ('.fa-sun:before{content:"\\\\f185"}', {61829})
    """
    codes: set[int] = set()

    def rule(match: re.Match) -> str:
        used = [
            s for s in match[1].strip(",").split(",") if s[len(".fa-") : -len(":before")] in names
        ]
        if not used:
            return ""
        codes.add(int(match[2], 16))
        return f'{",".join(used)}{{content:"\\{match[2]}"}}'

    return ICON_RULE.sub(rule, css), codes


def write_font(source: Path, named: set[int], mentioned: set[int], target: Path) -> None:
    """A font of the icons that pages name and of those that style sheets mention.

    Style sheets also define icons of other fonts (brands) that nothing shows: these are left out.

    Raises
    ------
    ExtensionError
        If the font lacks an icon that a page names: it would be an empty box.
    """
    font = TTFont(source)
    known = set(font.getBestCmap())
    if missing := named - known:
        raise ExtensionError(
            f"no such icon in {source.name}: {', '.join(f'{c:x}' for c in sorted(missing))}"
        )
    characters = (named | mentioned) & known
    formulas.cut_font(font, characters, target, layout_features=[], notdef_outline=True)
