"""The explorer's JavaScript computes what the package computes; its picture shows it."""

import doctest
import itertools
import random
import re
from functools import partial
from xml.etree import ElementTree

import pytest
import torch
from torch.nn import functional as F

from labnotes.convnets import conv_output_size, conv_transpose_output_size
from labnotes.explore import conv_arithmetic
from labnotes.explore.conv_arithmetic import IMAGE, KERNEL, ConvArithmeticExplorer, contributions

from .node import inside

SCRIPT = ConvArithmeticExplorer._esm
run_js = partial(inside, str(SCRIPT))
NAMES = {"n": "input_size", "f": "kernel_size", "s": "stride", "p": "padding", "d": "dilation"}


def settings_of_all_sliders() -> list[dict]:
    ranges = (range(1, 9), range(1, 6), (1, 2, 3), range(4), (1, 2, 3), (False, True))
    names = (*NAMES, "transposed")
    return [dict(zip(names, numbers, strict=True)) for numbers in itertools.product(*ranges)]


def python_size(case: dict) -> int:
    count = conv_transpose_output_size if case["transposed"] else conv_output_size
    try:
        return count(*(case[name] for name in NAMES))
    except ValueError:
        return 0


def some_cases(number: int) -> list[dict]:
    draw = random.Random(0)
    fit = [case for case in settings_of_all_sliders() if python_size(case)]
    cases = draw.sample(fit, number)
    for case in cases:
        side = python_size(case)
        case |= {"row": draw.randrange(side), "column": draw.randrange(side)}
        case |= {"image": IMAGE, "kernel": KERNEL}
    return cases


def explorer_of(case: dict) -> ConvArithmeticExplorer:
    numbers = {NAMES.get(name, name): value for name, value in case.items()}
    return ConvArithmeticExplorer(**numbers)


def test_every_setting_of_the_sliders_gives_the_package_s_output_size():
    cases = settings_of_all_sliders()
    found = run_js("given.map((state) => outputSize(state))", cases)
    assert found == [python_size(case) for case in cases]
    assert 0 in found and len(cases) == 8 * 5 * 3 * 4 * 3 * 2


def test_the_script_s_outputs_and_terms_are_those_of_the_package_and_of_torch():
    cases = some_cases(80)
    found = run_js("given.map((state) => [outputs(state), terms(state), value(state)])", cases)
    for case, (values, terms, chosen) in zip(cases, found, strict=True):
        explorer = explorer_of(case)
        x = torch.tensor(IMAGE)[: case["n"], : case["n"]].double()[None, None]
        w = torch.tensor(KERNEL)[: case["f"], : case["f"]].double()[None, None]
        numbers = {"stride": case["s"], "padding": case["p"], "dilation": case["d"]}
        layer = F.conv_transpose2d if case["transposed"] else F.conv2d
        theirs = layer(x, w, **numbers)[0, 0]
        assert values == explorer.output.int().tolist() == theirs.int().tolist()
        assert [(t["r"], t["c"], t["a"], t["b"]) for t in terms] == explorer.terms()
        assert chosen == theirs[case["row"], case["column"]]


def test_the_lit_inputs_are_those_with_a_gradient():
    for case in some_cases(40):
        explorer = explorer_of(case)
        x = torch.zeros(1, 1, case["n"], case["n"], requires_grad=True)
        w = torch.ones(1, 1, case["f"], case["f"])
        layer = F.conv_transpose2d if case["transposed"] else F.conv2d
        y = layer(x, w, stride=case["s"], padding=case["p"], dilation=case["d"])[0, 0]
        gradient = torch.autograd.grad(y[case["row"], case["column"]], x)[0][0, 0]
        lit = {(r, c) for r, c, _, _ in explorer.terms() if 0 <= min(r, c) <= max(r, c) < case["n"]}
        assert lit == {tuple(place) for place in gradient.nonzero().tolist()}


def test_the_contributions_of_one_axis_are_the_matrix_of_the_layer_row_by_row():
    for transposed, layer in ((False, F.conv1d), (True, F.conv_transpose1d)):
        x, w = torch.eye(6)[:, None], torch.tensor([[[1.0, 2.0, 3.0]]])
        matrix = layer(x, w, stride=2, padding=1, dilation=2)[:, 0].T  # (outputs, inputs)
        rows = contributions(len(matrix), 6, 3, 2, 1, 2, transposed)
        for row, reads in zip(matrix, rows, strict=True):
            made = torch.zeros(6)
            for at, tap in reads:
                if 0 <= at < 6:
                    made[at] += tap + 1
            assert torch.equal(made, row)


def test_the_formula_is_written_out_with_its_floor():
    case = {"n": 6, "f": 3, "s": 2, "p": 0, "d": 1, "transposed": False}
    shown, said = run_js("[formula(given), remark(given)]", case)
    assert shown.endswith("⌊(6 + 2·0 − 1·(3 − 1) − 1) / 2⌋ + 1 = ⌊3 / 2⌋ + 1 = ⌊1.50⌋ + 1 = 2")
    assert "1 row and 1 column short of the edge" in said
    case["transposed"] = True
    shown, said = run_js("[formula(given), remark(given)]", case)
    assert shown.endswith("= 13") and "2 input sizes of the convolution lead to 6 outputs" in said


def test_the_numbers_in_each_formula_give_its_result():
    cases = some_cases(60)
    for case, shown in zip(
        cases, run_js("given.map((state) => formula(state))", cases), strict=True
    ):
        steps = shown.replace("−", "-").replace("·", "*").replace("/", "//").split(" = ")[1:]
        steps = [re.sub("⌊|⌋", lambda bracket: "()"["⌊⌋".index(bracket[0])], s) for s in steps]
        results = {int(eval(step)) for step in steps}
        assert results == {python_size(case)}, shown


def test_the_sum_and_the_sentence_agree_with_the_value():
    cases = some_cases(60)
    found = run_js("given.map((state) => [arithmetic(state), describe(state)])", cases)
    for case, (line, sentence) in zip(cases, found, strict=True):
        explorer = explorer_of(case)
        value = int(explorer.output[case["row"], case["column"]])
        _, sum_, result = line.replace("−", "-").replace("·", "*").split(" = ")
        assert (0 if sum_ == "nothing" else eval(sum_)) == value == int(result)
        assert sentence.replace("−", "-").endswith(f"Its value is {value}.")
        assert sum_.count("*") == len(explorer.terms())


def test_the_script_says_why_nothing_comes_out():
    case = {"n": 2, "f": 3, "s": 1, "p": 0, "d": 2, "transposed": False}
    assert "spans 5 places and the padded input has 2" in run_js("describe(given)", case)
    case |= {"n": 1, "f": 1, "p": 2, "d": 1, "transposed": True}
    assert run_js("describe(given)", case).startswith("The padding cuts everything off")


def test_the_still_picture_is_svg_with_as_many_lit_cells_as_terms():
    explorer = ConvArithmeticExplorer(5, 3, stride=2, padding=1, row=0, column=0)
    tree = ElementTree.fromstring(explorer.still_svg())
    cells = list(tree.iter("{http://www.w3.org/2000/svg}rect"))
    assert len(cells) == 7 * 7 + 3 * 3 + 3 * 3
    assert sum("fill-opacity" in cell.attrib for cell in cells) == 9 + 9 + 1
    assert sum("stroke-dasharray" in cell.attrib for cell in cells) == 49 - 25
    assert "made of 4 inputs" in explorer.describe() in explorer.still_svg()
    transposed = ConvArithmeticExplorer(3, 3, stride=2, transposed=True, row=2, column=2)
    assert "made of 4 inputs" in transposed.describe()
    assert len(list(ElementTree.fromstring(transposed.still_svg()).iter())) > 50


def test_the_bundle_holds_the_widget_its_picture_and_a_sentence():
    data, _ = ConvArithmeticExplorer()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["image/svg+xml"].startswith("<svg") and "drawing" in data["text/plain"]


def test_what_the_reader_changes_is_read_back():
    explorer = ConvArithmeticExplorer()
    explorer.stride, explorer.padding = 2, 1
    assert explorer.output_size == 3 and explorer.output.shape == (3, 3)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ({"input_size": 9}, "the side of the image is 9: give 1 to 8"),
        ({"kernel_size": 0}, "the side of the kernel is 0: give 1 to 5"),
        ({"row": 3}, "row is 3, the output has 3: give 0 to 2"),
        ({"column": -1}, "column is -1"),
        ({"input_size": 2}, "spans 3 positions"),
        ({"image": [[1, 2]]}, "image has fewer than 5 rows"),
    ],
)
def test_bad_input_is_refused(numbers, text):
    with pytest.raises(ValueError, match=text):
        ConvArithmeticExplorer(**numbers)


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(conv_arithmetic)
    assert result.attempted >= 4 and result.failed == 0
