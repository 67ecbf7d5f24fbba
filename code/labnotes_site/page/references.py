"""A chapter's list of references, as a list that screen readers understand.

docutils writes each entry with a label in brackets and its back links inside a list that may not
hold links. The book cites by author and year and sorts the list the same way: no label is needed,
and the links back to the text stand at the end of an entry.
"""

from __future__ import annotations

from docutils import nodes


def visit(translator, node: nodes.citation) -> None:
    if not isinstance(node.previous_sibling(), nodes.citation):
        translator.body.append('<div role="list" class="ln-references">\n')
    translator.body.append(
        translator.starttag(node, "div", "", CLASS="ln-reference", role="listitem")
    )
    node[:] = [child for child in node if not isinstance(child, nodes.label)]


def depart(translator, node: nodes.citation) -> None:
    links = " ".join(
        f'<a href="#{place}"><span class="visually-hidden">back to citation </span>{n}</a>'
        for n, place in enumerate(node.get("backrefs", []), 1)
    )
    if links:
        translator.body.append(f'<span class="ln-back">cited at {links}</span>')
    translator.body.append("</div>\n")
    if not isinstance(node.next_node(descend=False, siblings=True), nodes.citation):
        translator.body.append("</div>\n")
