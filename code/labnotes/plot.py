"""The look of the book's figures: colours by meaning, and a ground that suits both themes.

One meaning keeps one colour through the whole book. The palette is Okabe and Ito's (2008),
which readers with a colour vision deficiency can tell apart.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
from cycler import cycler

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, GREY = "#56B4E9", "#CC79A7", "#F0E442", "#8A8F98"

#: One meaning, one colour.
COLORS = {
    "query": BLUE,
    "key": ORANGE,
    "value": GREEN,
    "mask": GREY,
    "error": VERMILION,
    "baseline": GREY,
}

# Axes, ticks and text: readable on white and on the dark theme's ground alike.
INK = "#7A7F87"


def use() -> None:
    """Switch matplotlib to the book's look. Call it once, in a chapter's first cell.

    Lines are drawn as SVG on a transparent ground. In a notebook, figures that hold photographs
    are better as ``images()``, which switches to sharp PNG.
    """
    plt.rcParams.update(
        {
            "figure.figsize": (6.4, 3.2),
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
            "savefig.transparent": True,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "axes.titlecolor": INK,
            "axes.titlesize": "medium",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": INK,
            "grid.alpha": 0.25,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "legend.frameon": False,
            "legend.labelcolor": INK,
            "lines.linewidth": 1.8,
            "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, GREY]),
            "image.cmap": "viridis",
            "figure.constrained_layout.use": True,
            "svg.hashsalt": "labnotes",  # the same figure gives the same file
            "font.size": 10,
        }
    )
    _formats("svg")


def images() -> None:
    """From here on draw figures as sharp (retina) PNG: right for photographs and dense heat maps."""
    _formats("retina")


def _formats(name: str) -> None:
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:  # a plain Python: nothing to set
        return
    if get_ipython() is not None:
        # Without the date the same figure is the same file in every build.
        set_matplotlib_formats(name, **({"metadata": {"Date": None}} if name == "svg" else {}))
