"""Outputs and texts of a student's as they are harmless in a notebook that a teacher opens."""

from __future__ import annotations

import base64
import binascii
import re

import nbformat
from nbformat import NotebookNode


def harmless(outputs: list[dict]) -> list[dict]:
    """The outputs with text and pixels only: no HTML, script, SVG or widget of a student's."""
    kept = []
    for output in outputs:
        if output["output_type"] == "stream":
            output = {**output, "name": "stderr" if output["name"] == "stderr" else "stdout"}
        if "data" in output:
            data = {"text/plain": output["data"].get("text/plain", "")}
            if picture := png(output["data"].get("image/png", "")):
                data["image/png"] = picture
            output = {**output, "data": data, "metadata": {}}
        kept.append(output)
    return kept


JOINER = "\u2060"  # a letter that is not seen: behind it neither HTML nor a link begins


def without_markup(notebook: NotebookNode) -> NotebookNode:
    """The notebook with the HTML and the links of Markdown cells shown as they were written.

    The formgrader would run the one, and follow the other (``javascript:``) in the teacher's name.
    """
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"<(?=[A-Za-z/!?])", f"<{JOINER}", as_written(cell.source))
            text = re.sub(r"\](?=[(:])", f"]{JOINER}", text)
            cell.source = re.sub(r"\\(?=href|require)", rf"\\{JOINER}", text)  # MathJax's links
    return copy


def as_written(text: str) -> str:
    """What the student wrote, of a text that :func:`without_markup` has changed."""
    return text.replace(JOINER, "")


def png(text: object) -> str:
    """A picture in base64 as it is safe in a page; "" if it is no PNG."""
    try:
        content = base64.b64decode("".join(str(text).split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return base64.b64encode(content).decode() if content.startswith(b"\x89PNG\r\n") else ""
