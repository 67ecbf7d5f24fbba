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


LONG = 20_000  # letters of a text from which on it is shown as code: it could be dear to render
PIXELS = 20_000_000  # of a picture: a browser unpacks them all
JOINER = "\u2060"  # a letter that is not seen: behind it neither HTML nor a link begins


def without_markup(notebook: NotebookNode) -> NotebookNode:
    """The notebook with the HTML and the links of Markdown cells shown as they were written.

    The formgrader would run the one, and follow the other (``javascript:``) in the teacher's name.
    """
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            lines = as_written(cell.source).split("\n")
            indent = "    " if len(cell.source) > LONG else ""
            text = "\n".join(indent + line for line in lines)
            text = re.sub(r"<(?=[A-Za-z/!?])", f"<{JOINER}", text)
            text = re.sub(r"\](?=[(:])", f"]{JOINER}", text)
            cell.source = re.sub(r"\\(?=href|require)", rf"\\{JOINER}", text)  # MathJax's links
    return copy


def as_written(text: str) -> str:
    """What the student wrote, of a text that :func:`without_markup` has changed."""
    return text.replace(JOINER, "")


def png(text: object) -> str:
    """A picture in base64 as it is safe in a page; "" if it is no PNG, or one of too many pixels."""
    try:
        content = base64.b64decode("".join(str(text).split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    width, height = int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    fits = content.startswith(b"\x89PNG\r\n") and 0 < width * height <= PIXELS
    return base64.b64encode(content).decode() if fits else ""
