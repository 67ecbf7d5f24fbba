"""How a hidden cell opens: MyST-NB's toggle, with words that say what it opens.

MyST-NB labels every toggle "Toggle hidden content", which is what a screen reader then says in
place of the words on the screen; and it is an admonition, which it does not look like here. It
has one pair of words for code, for outputs and for solutions alike.
"""

from __future__ import annotations

import ast
from html import escape

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.transforms.post_transforms import SphinxPostTransform

#: What may stand beside imports in a cell that only fetches tools: what these calls give.
SETUP = ("plot.", "runtime.", "torch.set_", "' '.join")


class FoldTools(SphinxPostTransform):
    """Fold the cells that only import: a reader of the page has nothing from them.

    In the notebook they stay as they are, for there they are run.
    """

    default_priority = 198  # before MyST-NB (199) folds what is to be folded
    formats = ("html",)

    def run(self, **kwargs) -> None:
        for cell in self.document.findall(nodes.container):
            if cell.get("nb_element") != "cell_code" or cell.get("hide_mode"):
                continue
            if len(cell.children) == 1 and fetches_tools(cell.astext()):
                cell["hide_mode"] = "input"
                cell["prompt_show"] = cell["prompt_hide"] = ""


def fetches_tools(code: str) -> bool:
    """Whether `code` only imports, and sets up what it imports.

    Examples
    --------
    >>> fetches_tools("import torch\\nfrom labnotes import plot\\nplot.use()")
    True
    >>> fetches_tools("import torch\\nx = torch.ones(3)")
    False
    """
    try:
        first, *rest = ast.parse(code).body
    except (SyntaxError, ValueError):
        return False
    if not isinstance(first, (ast.Import, ast.ImportFrom)):
        return False
    return all(
        isinstance(step, (ast.Import, ast.ImportFrom))
        or isinstance(step, (ast.Expr, ast.Assign))
        and all(
            ast.unparse(part).startswith(SETUP)
            for part in getattr(step.value, "elts", [step.value])
        )
        for step in rest
    )


class SayWhatOpens(SphinxPostTransform):
    """Each toggle says what it hides: code, helpers of the page, outputs, or a solution."""

    default_priority = 200
    formats = ("html",)

    def run(self, **kwargs) -> None:
        for cell in self.document.findall(nodes.container):
            if cell.get("nb_element") != "cell_code":
                continue
            for toggle in cell.children:
                if isinstance(toggle, HideCodeCellNode):
                    what = hidden(toggle, cell)
                    toggle["prompt_show"], toggle["prompt_hide"] = f"Show {what}", f"Hide {what}"


def hidden(toggle: HideCodeCellNode, cell: nodes.container) -> str:
    """What `toggle` hides of `cell`."""
    if "tag_exercise-solution" in cell["classes"]:
        return "the solution"
    inside = {part.get("nb_element") for part in toggle.children}
    if "cell_code_output" in inside:
        return "the code and its output" if "cell_code_source" in inside else "the output"
    if any(part.get("nb_element") == "cell_code_output" for part in cell.children):
        return "the code"
    return "the imports" if fetches_tools(toggle.astext()) else "helper code"


def visit(translator, node: HideCodeCellNode) -> None:
    classes = " ".join(["ln-hidden", "hide", *node["classes"]])
    translator.body.append(
        f'<details class="{escape(classes)}"><summary>'
        f'<span class="collapsed">{escape(node["prompt_show"])}</span>'
        f'<span class="expanded">{escape(node["prompt_hide"])}</span></summary>\n'
    )


def depart(translator, node: HideCodeCellNode) -> None:
    translator.body.append("</details>\n")
