"""The explorer's JavaScript computes what the package computes; its picture shows it."""

import random
import re
from dataclasses import asdict
from xml.etree import ElementTree

import pytest

from labnotes.convnets import Layer, ReceptiveField, output_size, path_counts, receptive_field
from labnotes.explore.receptive_field import ReceptiveFieldExplorer

from .node import inside

SCRIPT = ReceptiveFieldExplorer._esm


def source() -> str:
    return str(SCRIPT)


def run_js(expression: str, given) -> object:
    return inside(source(), expression, given)


def random_cases(number: int) -> list[dict]:
    draw, cases = random.Random(0), []
    while len(cases) < number:
        layers = [
            Layer(draw.randint(1, 7), draw.randint(1, 3), draw.randint(0, 4), draw.randint(1, 4))
            for _ in range(draw.randint(0, 5))
        ]
        size = draw.randint(8, 60)
        try:
            units = output_size(layers, size)
        except ValueError:
            continue
        cases.append(
            {"layers": [asdict(x) for x in layers], "size": size, "unit": draw.randrange(units)}
        )
    return cases


def test_the_script_computes_the_same_fields_sizes_and_paths_as_the_package():
    cases = random_cases(60)
    found = run_js(
        "given.map(({layers, size, unit}) => [fields(layers), mapSizes(layers, size), "
        "paths(layers, unit, size).map((places) => [...places])])",
        cases,
    )
    for case, (fields, sizes, paths) in zip(cases, found, strict=True):
        stack = [Layer(**one) for one in case["layers"]]
        levels = range(len(stack) + 1)
        assert [ReceptiveField(**f) for f in fields] == [receptive_field(stack[:n]) for n in levels]
        assert sizes == [output_size(stack[:n], case["size"]) for n in levels]
        for level in levels:
            inside = {p: count for p, count in paths[level] if 0 <= p < sizes[level]}
            assert inside == path_counts(stack[level:], case["unit"], sizes[level])


def test_the_sentence_under_the_drawing_counts_the_pixels_that_are_read():
    cases = random_cases(40)
    sentences = run_js("given.map(({layers, size, unit}) => describe(layers, size, unit))", cases)
    for case, sentence in zip(cases, sentences, strict=True):
        stack = [Layer(**one) for one in case["layers"]]
        first, last = receptive_field(stack).interval(case["unit"])
        read = len(path_counts(stack, case["unit"], case["size"]))
        assert f"pixels {first} to {last}." in sentence
        numbers = [int(n) for n in re.findall(r"-?\d+", sentence.split(". ")[1])]
        assert numbers[0] == read
        if len(numbers) > 1:
            assert numbers[1] == last - first + 1 == read + sum(numbers[2:])


def test_the_script_says_which_layer_does_not_fit():
    stack = [asdict(Layer(3)), asdict(Layer(7, dilation=4))]
    assert run_js("describe(given, 20, 0)", stack).startswith("Layer 2 does not fit")


def test_every_preset_is_a_stack_that_fits_and_has_the_field_its_name_promises():
    presets = run_js("PRESETS", None)
    sizes = {}
    for name, rows in presets.items():
        stack = [Layer(*row) for row in rows]
        assert output_size(stack, 24) >= 1
        sizes[name] = receptive_field(stack).size
    assert sizes["three 3×3"] == sizes["one 7×7"] == 7
    assert sizes["dilation 1, 2, 4"] == 15 and sizes["dilation 2, 2, 2 (holes)"] == 13
    assert sizes["ResNet stem: 7×7/2, pool 3/2"] == 11


def test_the_still_picture_is_svg_with_one_lit_cell_for_each_unit_that_is_seen():
    explorer = ReceptiveFieldExplorer(
        [Layer(3, padding=1), Layer(2, stride=2)], input_size=12, unit=2
    )
    tree = ElementTree.fromstring(explorer.still_svg())
    cells = list(tree.iter("{http://www.w3.org/2000/svg}rect"))
    assert len(cells) == 12 + 12 + 6
    assert sum("fill-opacity" in cell.attrib for cell in cells) == 4 + 2 + 1
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}line"))) == 2 + 2 * 3
    assert "pixels 3 to 6" in explorer.describe() and "size 4" in explorer.describe()
    assert explorer.describe() in explorer.still_svg()


def test_the_bundle_holds_the_widget_its_picture_and_a_sentence():
    data, _ = ReceptiveFieldExplorer()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["image/svg+xml"].startswith("<svg") and data["text/plain"].startswith(
        "A drawing of 3 layers"
    )


def test_what_the_reader_changes_is_read_back_as_layers():
    explorer = ReceptiveFieldExplorer()
    explorer.layers = [asdict(Layer(7, 2, 3)), asdict(Layer(3, 2, 1))]
    assert explorer.field == receptive_field([Layer(7, 2, 3), Layer(3, 2, 1)])


def test_bad_input_is_refused():
    with pytest.raises(
        ValueError, match="unit is 24, these layers leave 24 of 24 pixels: give 0 to 23"
    ):
        ReceptiveFieldExplorer(unit=24)
    with pytest.raises(ValueError, match="layer 0 spans 9"):
        ReceptiveFieldExplorer([Layer(9)], input_size=8)
