"""A page for each student: points, what was right, what a person wrote; nothing that can run.

The pages are made of escaped text and of pictures in PNG. No HTML of a student's is copied, and the
page's own policy forbids scripts and requests, so that it can be opened or served anywhere.
"""

from __future__ import annotations

import builtins
import json
import re
from html import escape
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from labnotes.files import replacing

from .apart import TooMuch, apart
from .course import Course, record_name, shown
from .gradebook import comments, scores
from .outputs import as_written
from .results import FAILED, Result, read_result
from .source import is_kind, task, without_hidden

#: Errors of the packages that a notebook may use: their names tell nothing.
PACKAGES = {
    "AxisError", "JSONDecodeError", "LinAlgError", "OutOfMemoryError", "UndefinedError",
}  # fmt: skip
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LONGEST = 10_000  # characters of one output
TEXT = 50_000  # characters of a cell in Markdown
STYLE = """
:root { color-scheme: light dark; --line: #8886; --good: #00734d; --bad: #b34700; }
@media (prefers-color-scheme: dark) { :root { --good: #4fd1a5; --bad: #ffa057; } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 0 auto; padding: 1rem; }
pre { overflow-x: auto; border: 1px solid var(--line); border-radius: .3rem; padding: .6rem; }
pre.out { border-style: dashed; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem .8rem .2rem 0; }
img { max-width: 100%; background: white; }
.task { border-left: .3rem solid var(--line); padding-left: .8rem; }
.right { color: var(--good); } .wrong { color: var(--bad); }
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"


def write_feedback(course: Course, assignment: str) -> tuple[list[Path], dict[str, str]]:
    """Write ``feedback/<student>/<assignment>/<assignment>.html`` for all that were graded.

    Returns
    -------
    pages, failed
        The files; and by student why there is none, if one could not be written.
    """
    master = course.master(assignment)
    pages, failed = [], {}
    for student in course.students(assignment):
        try:
            result = read_result(course, assignment, student)
            if result is not None:
                pages.append(_write(course, assignment, result, master))
        except Exception as error:  # one student must not stop the others: it is told
            failed[student] = shown(f"{type(error).__name__}: {error}"[:300])
    return pages, failed


def _write(course: Course, assignment: str, result: Result, master: NotebookNode) -> Path:
    path = course.notebook("feedback", assignment, result.student).with_suffix(".html")
    path.parent.mkdir(parents=True, exist_ok=True)
    graded = course.notebook("autograded", assignment, result.student)
    notebook = nbformat.read(graded, 4) if graded.exists() else None
    with replacing(path, "w", encoding="utf8") as file:
        file.write(page(course, assignment, result, notebook, master))
    return path


def page(
    course: Course,
    assignment: str,
    result: Result,
    notebook: NotebookNode | None,
    master: NotebookNode,
) -> str:
    """The page as HTML."""
    points = scores(course, assignment, result.student)
    words = comments(course, assignment, result.student)
    title = f"{assignment}: {record_name(result.student)}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>",
        f"<h1>{escape(title)}</h1>",
    ]
    if result.status == FAILED:
        parts.append(
            f'<p class="wrong"><strong>Your notebook did not run: {escape(result.reason)}.</strong> '
            "It has no grade yet; your teacher will look at it.</p>"
        )
    parts.append(_table(points, master))
    if result.notes:
        lines = "".join(f"<li>{escape(note)}</li>" for note in result.notes)
        parts.append(f"<p>Seen while it was graded:</p><ul>{lines}</ul>")
    parts += _notebook(notebook, points, words)
    return "\n".join([*parts, "</main></body></html>"])


def _table(points: dict, master: NotebookNode) -> str:
    names = [task(cell)["id"] for cell in master.cells if is_kind(cell, "compare", "written")]
    rows = [
        f"<tr><td>{escape(name)}</td><td>{_number(points[name][0])}</td>"
        f"<td>{points[name][1]:g}</td></tr>"
        for name in names
    ]
    known = [points[name][0] for name in names]
    total = None if None in known else sum(known)
    rows.append(
        f"<tr><th>all</th><th>{_number(total)}</th>"
        f"<th>{sum(points[name][1] for name in names):g}</th></tr>"
    )
    head = "<tr><th>task</th><th>points</th><th>of</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _number(score: float | None) -> str:
    return "not graded yet" if score is None else f"{score:g}"


def _notebook(notebook: NotebookNode | None, points: dict, words: dict) -> list[str]:
    if notebook is None:
        return []
    parts, hidden_ran = [], False
    rendered = iter(_rendered([c.source for c in notebook.cells if c.cell_type == "markdown"]))
    for cell in notebook.cells:
        name = task(cell).get("id", "")
        if name == "install":
            continue
        if cell.cell_type == "markdown":
            body = next(rendered)
        else:
            source = without_hidden(cell.source).strip("\n")
            verdict = is_kind(cell, "compare")
            hidden_ran = hidden_ran or verdict
            shown = [_output(o, brief=hidden_ran and not verdict) for o in cell.outputs]
            code = f'<pre tabindex="0"><code>{escape(source)}</code></pre>' if source else ""
            body = code + "".join(shown)
        if name in words:
            body += f"<p><strong>Your teacher:</strong> {escape(words[name])}</p>"
        if name in points:
            score, most = points[name]
            got = (
                f"not graded yet ({most:g} points)"
                if score is None
                else f"{score:g} of {most:g} points"
            )
            body += f"<p><strong>{escape(name)}: {got}</strong></p>"
            body = f'<section class="task">{body}</section>'
        parts.append(body)
    return parts


def _rendered(texts: list[str]) -> list[str]:
    """Texts in Markdown as HTML; as they were written where that would take too long."""
    texts = [as_written(text) for text in texts]
    short = [text if len(text) <= TEXT else "" for text in texts]
    try:
        pages = apart("pages", json.dumps(short).encode())
    except TooMuch:
        pages = [""] * len(texts)
    plain = [f'<pre tabindex="0">{escape(text[:TEXT])}</pre>' for text in texts]
    return [page or text for page, text in zip(pages, plain)]


def _output(output: NotebookNode, brief: bool) -> str:
    """An output as HTML. After a hidden test has run it could be told in any output: `brief` shows
    no more than the kind of an error, if others know it too."""
    if brief:
        error = output.output_type == "error"
        return _text(f"{_kind(output.ename)} (see your own notebook)" if error else "")
    if output.output_type == "stream":
        return _text(output.text)
    if output.output_type == "error":
        return _text(f"{output.ename}: {output.evalue}")  # a traceback could quote a hidden test
    picture = output.get("data", {}).get("image/png")
    if picture:
        return f'<img alt="a figure that this cell drew" src="data:image/png;base64,{picture}">'
    return _text(output.get("data", {}).get("text/plain", ""))


def _kind(name: str) -> str:
    """The name of an error, if Python itself has it: a name of the student's could be any text."""
    known = getattr(builtins, name, None)
    is_error = isinstance(known, type) and issubclass(known, BaseException)
    return name if is_error or name in PACKAGES else "an error of a kind of its own"


def _text(text: str) -> str:
    text = ANSI.sub("", text)
    cut = text[:LONGEST] + ("\n[cut here]" if len(text) > LONGEST else "")
    lines = []
    for line in cut.split("\n"):
        kind = {"right": "right", "not right": "wrong"}.get(line.rpartition(": ")[2], "")
        lines.append(f'<span class="{kind}">{escape(line)}</span>' if kind else escape(line))
    return f'<pre class="out" tabindex="0">{chr(10).join(lines)}</pre>' if cut.strip() else ""
