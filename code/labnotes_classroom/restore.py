"""A submission put in order before it runs: everything but the student's answers is ours again."""

from __future__ import annotations

import nbformat
from nbformat import NotebookNode

from .source import KERNEL, is_kind, stub, task


def restore(submitted: NotebookNode, master: NotebookNode) -> NotebookNode:
    """The notebook to grade.

    Answers and written answers keep the student's text, if they are of the right kind. Given cells,
    checks and compare cells are the master's, hidden tests included. What is missing comes back after
    the task that stands before it in the master; a task that is there twice counts where it comes first.
    Other cells of the student stay, as cells without a task. Outputs and metadata are dropped.
    """
    tasks = {task(cell)["id"]: cell for cell in master.cells if task(cell)}
    cells, found = [], {}
    for cell in submitted.cells:
        name = _name(cell)
        if name not in tasks or name in found:
            if cell.cell_type in ("code", "markdown"):
                cells.append(_plain(cell, f"student-{len(cells)}"))
            continue
        found[name] = _task(tasks[name], cell)
        cells.append(found[name])
    place = 0  # after the task before it, or at the start
    for name, cell in tasks.items():
        if name in found:
            place = next(i for i, c in enumerate(cells) if c is found[name]) + 1
        else:
            cells.insert(place, _task(cell, None))
            place += 1
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


def blank(master: NotebookNode) -> NotebookNode:
    """The master with stubs for solutions: what a student who does nothing hands in."""
    return restore(nbformat.v4.new_notebook(), master)


def is_unanswered(cell: NotebookNode, master: NotebookNode) -> bool:
    """Whether a written answer is still the stub."""
    name = task(cell)["id"]
    original = next(c for c in master.cells if task(c).get("id") == name)
    return cell.source.strip() == stub(original).strip()


def _name(cell: NotebookNode) -> str | None:
    about = cell.metadata.get("nbgrader")
    name = about.get("grade_id") if isinstance(about, dict) else None
    return name if isinstance(name, str) else None


def _task(original: NotebookNode, submitted: NotebookNode | None) -> NotebookNode:
    text = stub(original)
    writes = is_kind(original, "answer", "written")
    if writes and submitted is not None and submitted.cell_type == original.cell_type:
        text = submitted.source
    new = _plain(original, task(original)["id"])
    new.source, new.metadata = text, nbformat.from_dict(dict(original.metadata))
    return new


def _plain(cell: NotebookNode, name: str) -> NotebookNode:
    make = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
    return make(cell.source, id=name)
