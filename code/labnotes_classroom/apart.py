"""What students wrote, taken apart in a process of its own with limits on time and memory.

``python apart.py cells`` reads a notebook's file from its standard input and writes of each cell what
grading needs; ``python apart.py pages`` reads a JSON list of texts in Markdown and writes them as HTML.
A notebook of a million brackets, or a table of a thousand columns, then ends that process and not the
grader.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading

SECONDS = {"cells": 10, "pages": 4}  # of CPU time, by task
MEMORY, LONGEST = 2 << 30, 32 << 20  # bytes that it may use, and give
MOST_CELLS, MOST_TEXT = 1000, 4 << 20  # of a notebook; letters of all its cells
_ONE_AT_A_TIME = threading.Lock()  # so that there is memory for it


class TooMuch(ValueError):
    """It cannot be taken apart within the limits, or is not what it should be; the text says why."""


def apart(task: str, told, **options):
    """Run a task of this file, "cells" or "pages".

    Parameters
    ----------
    told
        Its input: bytes, or an open file.

    Raises
    ------
    TooMuch
        If it goes beyond a limit, or the input is not what it should be.
    """
    given = {"input": told} if isinstance(told, bytes) else {"stdin": told}
    command = [sys.executable, "-I", __file__, task]
    with _ONE_AT_A_TIME:
        try:
            done = subprocess.run(command, capture_output=True, timeout=20 * SECONDS[task], **given)
        except subprocess.TimeoutExpired:
            done = None
    if done is None or done.returncode not in (0, 1):
        raise TooMuch(f"it takes more than {SECONDS[task]} s or {MEMORY >> 20} MiB to read")
    if done.returncode:
        raise TooMuch(done.stderr.decode("utf8", "replace").strip()[-200:])
    return json.loads(done.stdout)


def cells(content: bytes) -> list[dict]:
    """Kind, text and nbgrader's name of each cell; outputs are dropped. Any Unicode encoding will do."""
    notebook = json.loads(content)
    if not isinstance(notebook, dict):
        raise ValueError("its text is no JSON object")
    if notebook.get("nbformat") in (1, 2, 3):
        import nbformat

        notebook = nbformat.reads(json.dumps(notebook), 4)
    found = notebook.get("cells")
    if not isinstance(found, list) or not all(isinstance(cell, dict) for cell in found):
        raise ValueError("it has no list of cells")
    if len(found) > MOST_CELLS:
        raise ValueError(f"it has {len(found)} cells, more than {MOST_CELLS}")
    taken = [_cell(cell) for cell in found]
    if sum(len(cell["source"]) for cell in taken) > MOST_TEXT:
        raise ValueError(f"its cells hold more than {MOST_TEXT} letters")
    return taken


def _cell(cell: dict) -> dict:
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str) or not isinstance(cell.get("cell_type"), str):
        raise ValueError("a cell of it has no text or no kind")
    metadata = cell.get("metadata")
    about = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = about.get("grade_id") if isinstance(about, dict) else None
    return {
        "cell_type": cell["cell_type"],
        "source": _whole(source.replace("\r\n", "\n").replace("\r", "\n")),
        "name": _whole(name)[:200] if isinstance(name, str) else None,
    }


def _whole(text: str) -> str:
    """The text with a "?" for each half of a character, which no file could hold."""
    return text.encode("utf8", "replace").decode()


def pages(content: bytes) -> list[str]:
    """Texts in Markdown as HTML in which nothing can run."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    # A picture or a link of a student's could point anywhere: they stay text.
    markdown.disable(["image", "link", "autolink", "reference"])
    return [markdown.render(text) for text in json.loads(content)]


def main() -> int:
    import resource

    seconds = SECONDS[sys.argv[1]]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if sys.platform != "darwin":  # there it cannot be set
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        given = {"cells": cells, "pages": pages}[sys.argv[1]](sys.stdin.buffer.read())
        text = json.dumps(given).encode()
        if len(text) > LONGEST:
            raise ValueError(f"it would have {len(text) >> 20} MiB")
    except MemoryError:
        return 2
    except RecursionError:
        print("it has too many brackets within brackets", file=sys.stderr)
        return 1
    except Exception as error:
        print(f"{type(error).__name__}: {error}"[:200], file=sys.stderr)
        return 1
    sys.stdout.buffer.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
