"""How a hidden cell opens: MyST-NB's toggle, without the name that hides its words.

MyST-NB labels every toggle "Toggle hidden content", which is what a screen reader then says in
place of the words on the screen; and it is an admonition, which it does not look like here.
"""

from __future__ import annotations

from html import escape

from myst_nb.sphinx_ import HideCodeCellNode


def visit(translator, node: HideCodeCellNode) -> None:
    classes = " ".join(["ln-hidden", "hide", *node["classes"]])
    translator.body.append(
        f'<details class="{escape(classes)}"><summary>'
        f'<span class="collapsed">{escape(node["prompt_show"])}</span>'
        f'<span class="expanded">{escape(node["prompt_hide"])}</span></summary>\n'
    )


def depart(translator, node: HideCodeCellNode) -> None:
    translator.body.append("</details>\n")
