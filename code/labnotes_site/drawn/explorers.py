"""The explorers on the static page: their loader, their still pictures, their present source.

MyST-NB embeds a widget's state in the page. ``loader.js`` mounts it with no kernel and without
ipywidgets' own html-manager, which is 0.9 MB and comes from another host. It knows anywidgets
only, so a page with any other widget breaks the build.
"""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
import re
from html import escape
from importlib import import_module
from pathlib import Path

from docutils import nodes
from ipywidgets.embed import embed_data
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from labnotes.files import replacing

from .figures import legible

LOG = logging.getLogger(__name__)
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
LOADER = "labnotes/loader.js"
WEIGHTS = "_static/labnotes/weights"
KNOWN = {"AnyModel", "LayoutModel"}
PLACE = re.compile(
    rf'<div class="ln-explorer docutils container">\s*<script type="{re.escape(VIEW)}">(.*?)</script>'
)


class StillPicture(SphinxPostTransform):
    """Keep a widget's picture beside its view, for readers without JavaScript and for print."""

    default_priority = 3  # before MyST-NB (4) leaves one representation of each output
    formats = ("html",)

    def run(self, **kwargs) -> None:
        for bundle in list(self.document.findall(nodes.container)):
            if bundle.get("nb_element") != "mime_bundle":
                continue
            forms = {form["mime_type"]: form for form in bundle.children}
            if VIEW not in forms:
                continue
            if "image/svg+xml" not in forms or "text/plain" not in forms:
                LOG.warning(
                    "a widget without a still picture: use labnotes.explore.base.Explorer",
                    location=bundle,
                )
                continue
            bundle.replace_self(self._explorer(forms))

    def _explorer(self, forms: dict[str, nodes.container]) -> nodes.container:
        still = nodes.container(classes=["ln-explorer-still"])
        still += forms["image/svg+xml"].children
        for image in still.findall(nodes.image):
            image["alt"] = forms["text/plain"].astext().strip()
        return nodes.container("", *forms[VIEW].children, still, classes=["ln-explorer"])


class ExplorerDirective(SphinxDirective):
    """An explorer on a page that is no notebook: ``{explorer} receptive_field.ReceptiveFieldExplorer``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        module, _, name = self.arguments[0].rpartition(".")
        explorer = getattr(import_module(f"labnotes.explore.{module}"), name)
        self.env.note_dependency(inspect.getfile(explorer))
        widget = explorer()
        state = embed_data(views=[widget], drop_defaults=False)["manager_state"]
        picture = base64.b64encode(legible(widget.still_svg()).encode()).decode()
        alt = escape(widget.describe(), quote=True)
        html = (
            f'<script type="{STATE}">{current(json.dumps(state))}</script>\n'
            f'<script type="{VIEW}">{json.dumps({"model_id": widget.model_id})}</script>\n'
            '<div class="ln-explorer-still">'
            f'<img alt="{alt}" src="data:image/svg+xml;base64,{picture}"></div>'
        )
        raw = nodes.raw("", html, format="html")
        return [
            nodes.container("", raw, classes=["ln-explorer", css_class(type(widget).__module__)])
        ]


def css_class(module: str) -> str:
    """The class of an explorer's place: the style sheet keeps room there until it has started.

    Examples
    --------
    >>> css_class("labnotes.explore.feature_maps")
    'ln-explorer-feature-maps'
    """
    return "ln-explorer-" + module.rpartition(".")[2].replace("_", "-")


def current(state: str) -> str:
    """A page's widget state with the explorers' script and style as they are now.

    The cache of executed notebooks keys on Python code: it cannot see that an explorer's
    JavaScript has changed.
    """
    page = json.loads(state)
    for model in page["state"].values():
        module, _, name = model["state"].get("_anywidget_id", "").rpartition(".")
        if module.partition(".")[0] != "labnotes":
            continue  # no anywidget, or one that a notebook defines itself
        explorer = getattr(import_module(module), name)
        model["state"]["_esm"] = str(explorer._esm)
        if hasattr(explorer, "_css"):
            model["state"]["_css"] = str(explorer._css)
    # Inside a script element no "<" may stand that could close it.
    return json.dumps(page, ensure_ascii=False).replace("<", r"\u003c")


def beside(state: str, out: Path, pagename: str) -> str:
    """A page's widget state, the weights of its explorers' networks in files of their own.

    An explorer with the traits ``weights`` (texts in base64) and ``places`` loads them when the
    reader asks for it. They are scripts: a browser also loads these where the site is a folder on
    the reader's disk, from which a page may fetch nothing. Each is named after its content.
    """
    page = json.loads(state)
    for model in page["state"].values():
        traits = model["state"]
        if not {"weights", "places"} <= traits.keys():
            continue
        for i, packed in enumerate(traits["weights"]):
            if not packed:
                continue
            name = hashlib.sha256(packed.encode()).hexdigest()[:16] + ".js"
            file = out / WEIGHTS / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(file) as new:
                new.write(f'(globalThis.labnotesWeights ??= {{}})["{name}"] = "{packed}";'.encode())
            traits["places"][i] = f"{'../' * pagename.count('/')}{WEIGHTS}/{name}"
            traits["weights"][i] = ""
    return json.dumps(page)


def foreign_models(state: str) -> list[str]:
    """The kinds of widget in `state` that the loader cannot mount."""
    models = json.loads(state)["state"].values()
    return sorted({m["model_name"] for m in models} - KNOWN)


def refresh(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Bring the widget state of a page up to date, and refuse widgets that would stay dead."""
    for script in context.get("script_files", []):
        attributes = getattr(script, "attributes", {})
        if attributes.get("type") != STATE:
            continue
        if foreign := foreign_models(attributes["body"]):
            LOG.warning(
                "widgets that need a kernel: %s. Only explorers (anywidget) live on a page",
                ", ".join(foreign),
                location=pagename,
            )
        apart = beside(attributes["body"], Path(app.outdir), pagename)
        attributes["body"] = current(apart)
        context["body"] = named(context["body"], attributes["body"])


def named(body: str, state: str) -> str:
    """A page with the class of its explorer at each place."""
    models = json.loads(state)["state"]

    def with_class(match: re.Match) -> str:
        widget = models[json.loads(match[1])["model_id"]]["state"].get("_anywidget_id", "")
        return match[0].replace("docutils", css_class(widget.rpartition(".")[0]) + " docutils", 1)

    return PLACE.sub(with_class, body)
