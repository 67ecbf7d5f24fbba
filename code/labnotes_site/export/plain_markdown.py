"""MyST Markdown as Colab, Jupyter and GitHub can show it: plain Markdown, nothing of the book lost.

Covers the directives and roles that the book's chapters use; any other is an error, so that no
raw directive ever reaches a reader's notebook.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pybtex.database import parse_file
from pybtex.plugin import find_plugin

from ..source.notes import Note

FENCE = re.compile(r"^(?P<fence>`{3,}|:{3,})\{(?P<name>[\w:-]+)\}[ \t]*(?P<argument>.*)$")
PLAIN_FENCE = re.compile(r"^\s*(`{3,}|~{3,})(?!\{)")
OPTION = re.compile(r"^:(?P<name>[\w-]+):[ \t]*(?P<value>.*)$")
ROLE = re.compile(r"\{(?P<name>[\w:]+)\}`(?P<body>[^`]+)`")
TITLED = re.compile(r"^(?P<title>.*?)\s*<(?P<target>[^<>]+)>$", re.S)
DISPLAY = re.compile(r"\$\$(?P<maths>.+?)\$\$[ \t]*\((?P<label>[\w:.-]+)\)", re.S)
TARGET = re.compile(r"^\([\w:.-]+\)=\s*$", re.M)
PAGE = re.compile(r"\[(?P<title>[^\]]+)\]\((?P<page>/[^)\s]+)\.md\)")
ADMONITIONS = {
    "note": "Note",
    "tip": "Tip",
    "warning": "Warning",
    "important": "Important",
    "caution": "Caution",
    "seealso": "See also",
    "hint": "Hint",
    "admonition": "",
    "dropdown": "",
}


class Unknown(ValueError):
    """A directive or role that has no plain form yet."""


@dataclass
class Book:
    """What the conversion must know of the rest of the book."""

    notes: dict[str, Note]  #: data/notes.yml by id
    bibliography: Path
    link: Callable[[str, str], str]  #: docname or label, and a title or "" -> Markdown link or text
    numbers: Mapping[str, str]  #: label -> "Fig. 17.2", "Exercise 17.1", "(17.3)", as on the site

    @property
    def entries(self) -> dict:
        return _entries(self.bibliography, self.bibliography.stat().st_mtime_ns)


@lru_cache(maxsize=1)  # the same for all chapters
def _entries(bibliography: Path, changed: int) -> dict:
    return parse_file(str(bibliography)).entries


class Converter:
    """Turns the Markdown cells of one notebook, in order."""

    def __init__(self, book: Book):
        self.book = book
        self.cited: list[str] = []

    def number(self, label: str) -> str:
        """What the site calls a figure, an exercise or an equation.

        Raises
        ------
        Unknown
            If it has no name by which the site could know it.
        """
        if label not in self.book.numbers:
            raise Unknown(f"no number for {label!r}: give each figure and exercise a name")
        return self.book.numbers[label]

    # --- blocks ------------------------------------------------------------------------------

    @staticmethod
    def blocks(text: str):
        """`text` as a list of strings (plain Markdown) and (name, argument, options, body)."""
        lines, out, plain, i = text.split("\n"), [], [], 0
        while i < len(lines):
            if code := PLAIN_FENCE.match(lines[i]):  # a code block: copied as it is
                end = i + 1
                while end < len(lines) and lines[end].strip() != code[1]:
                    end += 1
                out += ["\n".join(plain), ("verbatim", "", {}, "\n".join(lines[i : end + 1]))]
                plain, i = [], end + 1
                continue
            match = FENCE.match(lines[i])
            if not match:
                plain.append(lines[i])
                i += 1
                continue
            end = i + 1
            while end < len(lines) and lines[end].strip() != match["fence"]:
                end += 1
            if end == len(lines):
                raise Unknown(f"directive {match['name']} is never closed")
            body, options = lines[i + 1 : end], {}
            while body and (option := OPTION.match(body[0])):
                options[option["name"]] = option["value"]
                body.pop(0)
            out += [
                "\n".join(plain),
                (match["name"], match["argument"].strip(), options, "\n".join(body).strip()),
            ]
            plain, i = [], end + 1
        return out + ["\n".join(plain)]

    def convert(self, text: str) -> str:
        """One Markdown cell (or a directive's body) in plain Markdown."""
        parts = [
            self.inline(block) if isinstance(block, str) else self.directive(*block)
            for block in self.blocks(text)
        ]
        return re.sub(r"\n{3,}", "\n\n", "\n\n".join(p.strip("\n") for p in parts if p.strip()))

    def directive(self, name: str, argument: str, options: dict, body: str) -> str:
        if name == "verbatim":
            return body
        if name == "settles":
            return self.settles(argument.split(), body)
        if name == "question":
            return self.question(argument, body)
        if name == "exercise":
            number = self.number(options.get("label", ""))
            return f"**{number}: {self.inline(argument)}**\n\n{self.convert(body)}"
        if name == "solution":
            title = f"Solution to {self.number(argument)}"
            return folded(title, self.convert(body))
        if name == "math":
            return f"$$\n{body}\n$$"
        if name in ("figure", "image"):
            picture = f"![{options.get('alt', '')}]({argument})"
            if not body:
                return picture
            return f"{picture}\n\n*{self.number(options.get('name', ''))}: {self.convert(body)}*"
        if name in ("code", "code-block"):
            return f"```{argument}\n{body}\n```"
        if name == "bibliography":
            return self.references()
        if name in ADMONITIONS:
            title = self.inline(argument) or ADMONITIONS[name]
            return quoted((f"**{title}**\n\n" if title else "") + self.convert(body))
        raise Unknown(f"no plain form for the directive {{{name}}}")

    def settles(self, ids: list[str], body: str) -> str:
        says = [
            f"**The notes ({self.book.notes[i].verdict}):** {self.book.notes[i].says}" for i in ids
        ]
        return quoted("\n\n".join([*says, "**Answer.** " + self.convert(body)]))

    def question(self, stem: str, body: str) -> str:
        """The question with its options; what is right, and why, folded away."""
        lines, asked, answers, i = body.split("\n"), [stem], [], 0
        options = []
        for line in lines:
            if item := re.match(r"^[-*] \[([ xX])\] (.*)$", line):
                options.append([item[1] != " ", item[2], []])
            elif options:
                options[-1][2].append(line.strip())
            else:
                asked.append(line)
        for i, (right, option, reason) in enumerate(options):
            letter = chr(ord("a") + i)
            answers.append(
                f"- **{letter}: {'right' if right else 'wrong'}.** {self.inline(' '.join(reason).strip())}"
            )
            options[i] = f"- {letter}) {self.inline(option)}"
        question = self.inline("\n".join(asked).strip())
        return (
            f"**Question.** {question}\n\n"
            + "\n".join(options)
            + "\n\n"
            + folded("Answers", "\n".join(answers))
        )

    # --- inline ------------------------------------------------------------------------------

    def inline(self, text: str) -> str:
        text = TARGET.sub("", text)
        text = DISPLAY.sub(
            lambda m: (
                f"$$\n{m['maths'].strip()} \\tag{{{self.number(m['label']).strip('()')}}}\n$$"
            ),
            text,
        )
        text = re.sub(
            r"\]\((?!\w+:|#)([^)\s]+)\.md(#[\w-]+)?\)",
            lambda m: f"]({self.book.link(m[1], '')})",
            text,
        )
        text = re.sub(r"\[([^\]]+)\]\(#[\w-]+\)", r"\1", text)  # anchors that only the site has
        return ROLE.sub(self.role, text)

    def displayed(self, text: str) -> str:
        """Markdown that a cell displays, its links to pages of the book made for a notebook."""
        return PAGE.sub(lambda m: self.book.link(m["page"], m["title"]), text)

    def role(self, match: re.Match) -> str:
        name, body = match["name"], match["body"]
        titled = TITLED.match(body)
        title, target = (titled["title"], titled["target"]) if titled else ("", body)
        if name == "settles":  # a mark of the site, with the blank before it
            return ""
        if name in ("cite:t", "cite:p", "cite"):
            keys = [k.strip() for k in body.split(",")]
            self.cited += [k for k in keys if k not in self.cited]
            cites = [self.author_year(k, textual=name == "cite:t") for k in keys]
            return "; ".join(cites) if name == "cite:t" else f"({'; '.join(cites)})"
        if name == "eq":
            return self.number(target)
        if name in ("numref", "ref"):
            return title or self.book.numbers.get(target) or self.book.link(target, title)
        if name == "doc":
            return self.book.link(target, title)
        if name in ("term", "abbr"):
            return title or target
        if name == "math":
            return f"${body}$"
        raise Unknown(f"no plain form for the role {{{name}}}")

    # --- citations ---------------------------------------------------------------------------

    def author_year(self, key: str, textual: bool) -> str:
        entry = self.book.entries[key]
        names = [  # rich: with ü for {\"u}
            " ".join(map(str, p.rich_prelast_names + p.rich_last_names))
            for p in entry.persons["author"]
        ]
        who = (
            names[0]
            if len(names) == 1
            else f"{names[0]} and {names[1]}"
            if len(names) == 2
            else f"{names[0]} et al."
        )
        return f"{who} ({entry.fields['year']})" if textual else f"{who}, {entry.fields['year']}"

    def references(self) -> str:
        style = find_plugin("pybtex.style.formatting", "unsrt")()
        backend = find_plugin("pybtex.backends", "markdown")()
        entries = [self.book.entries[key] for key in sorted(self.cited)]
        texts = [" ".join(e.text.render(backend).split()) for e in style.format_entries(entries)]
        return "\n".join(f"- {text}" for text in texts)


def quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def folded(title: str, text: str) -> str:
    """Text behind a click; the empty lines let Markdown inside be read as Markdown."""
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"
