"""Pages for teachers: text and pictures, nothing that can run or ask another computer."""

from __future__ import annotations

import difflib
from html import escape
from pathlib import Path

from labnotes.files import replacing

from ..intake.roster import Roster
from .similarity import Pair, Texts

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"
STYLE = """
:root { color-scheme: light dark; --line: #8886; --mark: #e69f0055; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem .8rem .2rem 0; }
img { max-width: 100%; }
pre { overflow-x: auto; border: 1px solid var(--line); border-radius: .3rem; padding: .6rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem; }
mark { background: var(--mark); color: inherit; }
"""
MOST_PAIRS = 50
MOST_LINES = 1000  # of an answer that are compared: of ten thousand it would take minutes


def write_page(path: Path, title: str, body: str) -> Path:
    """Write a page around `body`, which is HTML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, "w", encoding="utf8", errors="backslashreplace") as file:
        file.write(
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
            f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
        )
    return path


def side_by_side(pairs: list[Pair], texts: Texts, roster: Roster) -> str:
    """The answers of each pair in two columns, lines that both have marked."""
    parts = [
        "<p>Answers that share more than the class does. This is a hint to read them, and no proof: "
        "two who worked together, read the same page or think alike look the same here.</p>"
    ]
    for pair in pairs[:MOST_PAIRS]:
        names = f"{escape(roster.called(pair.one))} and {escape(roster.called(pair.other))}"
        how = "letter for letter" if pair.same else f"{pair.share:.0%} of what only few have"
        parts.append(f"<h2>{names}: {how}</h2>")
        for task in texts[pair.one].keys() & texts[pair.other].keys():
            columns = _marked(texts[pair.one][task], texts[pair.other][task])
            parts.append(f"<h3>{escape(task)}</h3><div class=pair>{''.join(columns)}</div>")
    if len(pairs) > MOST_PAIRS:
        parts.append(f"<p>And {len(pairs) - MOST_PAIRS} pairs more.</p>")
    return "".join(parts)


def _marked(one: str, other: str) -> list[str]:
    lines = one.split("\n"), other.split("\n")
    compared = [side[:MOST_LINES] for side in lines]
    blocks = difflib.SequenceMatcher(None, *compared).get_matching_blocks()
    marked = [{i + n for i, _, size in blocks for n in range(size)},
              {j + n for _, j, size in blocks for n in range(size)}]  # fmt: skip
    return [
        '<pre tabindex="0">'
        + "\n".join(
            f"<mark>{escape(line)}</mark>" if number in mine and line.strip() else escape(line)
            for number, line in enumerate(side)
        )
        + "</pre>"
        for side, mine in zip(lines, marked)
    ]
