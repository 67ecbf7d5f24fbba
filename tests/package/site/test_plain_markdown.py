"""MyST forms become Markdown that Colab and GitHub show; nothing is lost on the way."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from labnotes_site.export.plain_markdown import Book, Converter, Unknown
from labnotes_site.source.notes import Note

NUMBERS = {"eq-one": "(17.1)", "ex-a": "Exercise 17.4", "fig-a": "Fig. 17.2", "fig-b": "Fig. 3.1"}
NOTES = {"conv-x": Note("conv-x", "cnn-basics", "fact", "Pooling has parameters.", "wrong")}


@pytest.fixture
def converter(tmp_path):
    bib = tmp_path / "references.bib"
    bib.write_text(
        "@article{one, title={A title}, author={Ada Lovelace}, journal={J}, year={1843}}\n"
        "@article{three, title={T}, author={A Alpha and B Beta and C Gamma}, journal={J}, year={2016}}\n"
        r"@article{four, title={T}, author={van M{\"u}ller, B and {\v{Z}}iob, C}, journal={J}, year={2020}}"
    )
    return Converter(
        Book(
            NOTES, bib, lambda target, title: f"[{title or target}](https://book/{target})", NUMBERS
        )
    )


def convert(converter, text):
    return converter.convert(text)


def test_a_settles_box_quotes_the_notes_and_gives_the_answer(converter):
    text = convert(
        converter, "Before.\n\n:::{settles} conv-x\nIt has none.\n\nNot one.\n:::\n\nAfter."
    )
    assert "> **The notes (wrong):** Pooling has parameters." in text
    assert "> **Answer.** It has none.\n>\n> Not one." in text
    assert text.startswith("Before.") and text.endswith("After.")


def test_a_question_hides_its_answers_and_keeps_every_reason(converter):
    text = convert(
        converter,
        ":::{question} Which?\n- [ ] One\n  Because no.\n- [x] Two $x^2$\n  Because\n  yes.\n:::",
    )
    shown, hidden = text.split("<details>")
    assert "a) One" in shown and "b) Two $x^2$" in shown and "Because" not in shown
    assert "**a: wrong.** Because no." in hidden and "**b: right.** Because yes." in hidden
    html = MarkdownIt("commonmark").render(text)
    assert html.count("<li>") == 4  # both lists are read as Markdown, the hidden one too


def test_equations_have_the_numbers_of_the_site(converter):
    text = convert(converter, "$$\na = b\n$$ (eq-one)\n\nBy {eq}`eq-one` it follows.")
    assert (
        "a = b \\tag{17.1}" in text and "By (17.1) it follows." in text and "(eq-one)" not in text
    )


def test_figures_have_the_numbers_of_the_site_those_of_other_chapters_too(converter):
    text = convert(
        converter, "```{figure} a.png\n:name: fig-a\nSee {numref}`fig-a` and {ref}`fig-b`.\n```"
    )
    assert "*Fig. 17.2: See Fig. 17.2 and Fig. 3.1.*" in text
    with pytest.raises(Unknown, match="no number for ''"):
        convert(converter, "```{figure} a.png\nA caption without a name.\n```")


def test_exercises_and_solutions_are_named_alike(converter):
    text = convert(
        converter,
        "::::{exercise} Count (predict, 5 min)\n:label: ex-a\nHow many?\n::::\n\n:::{solution} ex-a\n:class: dropdown\nSix.\n:::",
    )
    assert "**Exercise 17.4: Count (predict, 5 min)**\n\nHow many?" in text
    assert "<summary>Solution to Exercise 17.4</summary>\n\nSix." in text


def test_citations_are_written_out_and_listed(converter):
    text = convert(
        converter,
        "{cite:t}`three` builds on this {cite:p}`one`.\n\n```{bibliography}\n:filter: docname in docnames\n```",
    )
    assert text.startswith("Alpha et al. (2016) builds on this (Lovelace, 1843).")
    assert "Ada Lovelace" in text and "1843" in text.split("\n\n")[-1]


def test_names_in_citations_have_their_letters_and_no_latex(converter):
    assert convert(converter, "{cite:t}`four`") == "van Müller and Žiob (2020)"


def test_a_page_that_a_table_of_a_cell_links_is_linked_as_in_the_text(converter):
    table = "| resnet18 | [convnets/resnet](/chapters/convnets/resnet.md) | [a](https://b/c.md) |"
    address = "https://book//chapters/convnets/resnet"
    assert converter.displayed(table) == (
        f"| resnet18 | [convnets/resnet]({address}) | [a](https://b/c.md) |"
    )


def test_nested_directives_are_converted_too(converter):
    text = convert(
        converter, "::::{note}\nOuter {doc}`page`.\n\n:::{settles} conv-x\nInner.\n:::\n::::"
    )
    assert (
        "> **Note**" in text
        and "> > **Answer.** Inner." in text
        and "[page](https://book/page)" in text
    )


def test_code_blocks_are_left_alone(converter):
    block = "```python\nx = '{ref}`a`'\n```"
    assert convert(converter, block + "\n\n$x$") == block + "\n\n$x$"


def test_an_unknown_directive_or_role_is_an_error(converter):
    for text in (":::{mystery}\nx\n:::", "a {mystery}`x` b", ":::{note}\nnever closed"):
        with pytest.raises(Unknown):
            convert(converter, text)
