"""What every explorer shares: a live widget that also carries a still picture of itself."""

from __future__ import annotations

import sys
from pathlib import Path

import anywidget
import traitlets

SHARED = [Path(__file__).with_name(name) for name in ("element.js", "pointer.js")]


def with_shared(script: Path, *also: str) -> str:
    """An explorer's script, before it what all share: ``h`` makes an element, ``pointed`` listens.

    `also` are further files that stand beside this one: ``filed.js`` is for those that let a page
    keep their numbers apart.
    """
    files = [*SHARED, *(Path(__file__).with_name(name) for name in also), script]
    return "".join(file.read_text("utf8") for file in files)


class Explorer(anywidget.AnyWidget):
    """An anywidget whose MIME bundle also holds an SVG picture and one sentence of text.

    The site, JupyterLab and Colab run the widget; print, GitHub and a browser without JavaScript
    show the picture, with `describe` as its alternative text.
    """

    lang = traitlets.Unicode("").tag(sync=True)  # "": the language of the page

    def still_svg(self) -> str:
        """The explorer's first state as an SVG document."""
        raise NotImplementedError

    def describe(self) -> str:
        """One sentence that says what the picture shows."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        data = dict(data) | {"text/plain": self.describe()}
        # Colab draws the first picture it finds beside a widget: leave it only the widget.
        if "google.colab" not in sys.modules:
            data["image/svg+xml"] = self.still_svg()
        return data, metadata
