"""``question``: a self-test question that needs neither a kernel nor JavaScript.

Each option is a native radio button. Choosing one shows its reason, by CSS alone; the reasons
stand in live regions, so that a screen reader speaks what has just appeared.
"""

from __future__ import annotations

import re
from html import escape

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

OPTION = re.compile(r"- \[(?P<mark>[ xX])\] +(?P<text>\S.*)$")


class quiz_question(nodes.General, nodes.Element):
    """A question with its options."""


class quiz_stem(nodes.General, nodes.TextElement):
    """The words of the question: the group's legend."""


class quiz_option(nodes.General, nodes.Element):
    """One answer; `right` says whether it is the one."""


class quiz_choice(nodes.General, nodes.TextElement):
    """The words of an answer: the label of its radio button."""


class quiz_reason(nodes.General, nodes.Element):
    """Why the answer is right or wrong."""


class QuestionDirective(SphinxDirective):
    """``:::{question} Stem`` with a list of ``- [ ]`` and one ``- [x]``, each with its reason."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        starts = [i for i, line in enumerate(self.content) if OPTION.match(line)]
        right = [i for i in starts if OPTION.match(self.content[i])["mark"] != " "]
        if len(starts) < 2 or len(right) != 1:
            raise self.error(
                f"question: found {len(starts)} options, {len(right)} of them right: give at "
                "least two lines that start with '- [ ] ' and exactly one with '- [x] '"
            )
        name = f"question-{self.env.new_serialno('question') + 1}"
        group = quiz_question(name=name, ids=[name])
        self.set_source_info(group)
        words = quiz_stem()
        words += self._inline(self.arguments[0], self.lineno)
        group += words
        self.state.nested_parse(self.content[: starts[0]], self.content_offset, group)
        for n, (start, end) in enumerate(
            zip(starts, [*starts[1:], len(self.content)], strict=True)
        ):
            group += self._option(start, end, f"{name}-{'abcdefghij'[n]}", name)
        return [group]

    def _option(self, start: int, end: int, id_: str, name: str) -> quiz_option:
        found = OPTION.match(self.content[start])
        is_right = found["mark"] != " "
        words = quiz_choice(target=id_)
        words += self._inline(found["text"], self.content_offset + start + 1)
        why = quiz_reason(right=is_right)
        lines = self.content[start + 1 : end]
        if not any(line.strip() for line in lines):
            raise self.error(f"question: the option {found['text']!r} has no reason below it")
        body = StringList([re.sub(r"^ {1,2}", "", line) for line in lines], items=lines.items)
        self.state.nested_parse(body, self.content_offset + start + 1, why)
        return quiz_option("", words, why, target=id_, name=name, right=is_right)

    def _inline(self, text: str, line: int) -> list[nodes.Node]:
        found, messages = self.state.inline_text(text, line)
        return found + messages


def visit_question(translator, node: quiz_question) -> None:
    translator.body.append(f'<fieldset class="ln-question" id="{node["ids"][0]}">\n')


def depart_question(translator, node: quiz_question) -> None:
    translator.body.append("</fieldset>\n")


def visit_stem(translator, node: quiz_stem) -> None:
    translator.body.append("<legend>")


def depart_stem(translator, node: quiz_stem) -> None:
    translator.body.append("</legend>\n")


def visit_option(translator, node: quiz_option) -> None:
    kind = "ln-right" if node["right"] else "ln-wrong"
    id_, name = escape(node["target"]), escape(node["name"])
    translator.body.append(
        f'<div class="ln-option {kind}"><input type="radio" id="{id_}" name="{name}" '
        'autocomplete="off">'
    )


def depart_option(translator, node: quiz_option) -> None:
    translator.body.append("</div>\n")


def visit_choice(translator, node: quiz_choice) -> None:
    translator.body.append(f'<label for="{escape(node["target"])}">')
    if not any(t.strip() for t in node.findall(nodes.Text) if not isinstance(t.parent, nodes.math)):
        # A formula alone is no name: not all screen readers read one.
        letter = node["target"].rpartition("-")[2]
        translator.body.append(f'<span class="visually-hidden">Answer {letter}: </span>')


def depart_choice(translator, node: quiz_choice) -> None:
    translator.body.append("</label>")


def visit_reason(translator, node: quiz_reason) -> None:
    verdict = "Right." if node["right"] else "Not this one."
    translator.body.append(
        '<div class="ln-reason" aria-live="polite"><div class="ln-reason-text">'
        f'<p class="ln-reason-verdict">{verdict}</p>'
    )


def depart_reason(translator, node: quiz_reason) -> None:
    translator.body.append("</div></div>")
