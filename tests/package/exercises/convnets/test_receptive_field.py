"""The chapter's checkers accept right answers and refuse the usual wrong ones."""

import dataclasses
import math

import pytest
import torch

from labnotes.exercises import check


def field(layers):
    size, jump, start = 1, 1, 0
    for layer in layers:
        size = size + layer.dilation * (layer.kernel - 1) * jump
        start = start - layer.padding * jump
        jump = jump * layer.stride
    return size, jump, start


def interval(layers, first, last):
    for layer in layers[::-1]:
        first = first * layer.stride - layer.padding
        last = last * layer.stride - layer.padding + layer.dilation * (layer.kernel - 1)
    return first, last


def dilations(size):
    return [3**n for n in range(math.ceil(math.log(size, 3) - 1e-9))]


RIGHT = {"field": field, "interval": interval, "dilations": dilations}


@pytest.mark.parametrize("name", RIGHT)
def test_the_right_answer_passes(name, capsys):
    assert check(f"receptive_field.{name}", RIGHT[name])
    assert "✓" in capsys.readouterr().out


@pytest.mark.parametrize("name", RIGHT)
def test_a_stub_fails_kindly(name, capsys):
    def stub(*arguments):
        raise NotImplementedError("start from one pixel")

    assert not check(f"receptive_field.{name}", stub)
    assert "not written yet. start from one pixel" in capsys.readouterr().out


def test_the_checker_prints_the_call_that_the_reader_wrote(capsys):
    assert not check("receptive_field.dilations", lambda size: [1] * 7)
    assert "dilations_for(" in capsys.readouterr().out


def jump_before_use(layers):
    size, jump, start = 1, 1, 0
    for layer in layers:
        jump *= layer.stride
        size += layer.dilation * (layer.kernel - 1) * jump
        start -= layer.padding * jump
    return size, jump, start


def no_dilation(layers):
    size, jump, start = 1, 1, 0
    for layer in layers:
        size, jump, start = (
            size + (layer.kernel - 1) * jump,
            jump * layer.stride,
            start - layer.padding * jump,
        )
    return size, jump, start


def padding_not_scaled(layers):
    size, jump, _ = field(layers)
    return size, jump, -sum(layer.padding for layer in layers)


def padding_grows_the_field(layers):
    size, jump, start = field(layers)
    return size + 2 * sum(layer.padding for layer in layers), jump, start


def plain(layer, **changes):
    return dataclasses.replace(layer, **changes)


def field_by(step):
    """The fields of a stack, each from the one below by `step(layer, size, jump, start)`."""

    def wrong(layers):
        found = 1, 1, 0
        for layer in layers:
            found = step(layer, *found)
        return found

    return wrong


WRONG = {
    "field": [
        field_by(
            lambda x, s, j, t: (s + x.dilation * x.kernel * j, j * x.stride, t - x.padding * j)
        ),
        field_by(
            lambda x, s, j, t: (
                s + (x.dilation * x.kernel - 1) * j,
                j * x.stride,
                t - x.padding * j,
            )
        ),
        field_by(
            lambda x, s, j, t: (
                s + x.dilation * (x.kernel - 1) * j,
                j * x.stride,
                t + ((x.kernel - 1) // 2 - x.padding) * j,  # the middle, not the start
            )
        ),
        field_by(
            lambda x, s, j, t: (s + x.dilation * (x.kernel - 1) * j, x.stride, t - x.padding * j)
        ),
        lambda layers: tuple(map(float, field(layers))),
        jump_before_use,
        no_dilation,
        padding_not_scaled,
        padding_grows_the_field,
        lambda layers: (0, 0, 0),
        lambda layers: (math.nan,) * 3,
        lambda layers: field(layers)[0],
        lambda layers: field(layers)[:2],
        lambda layers: torch.tensor(field(layers)),
        lambda layers: tuple(torch.tensor(n) for n in field(layers)),
        lambda layers: (field(layers)[0] + 1, *field(layers)[1:]),
        lambda layers: (field(layers)[0], field(layers)[1], -field(layers)[2]),
        lambda layers: field(layers[::-1]),
        lambda layers: None,
    ],
    "interval": [
        lambda layers, first, last: interval(layers[::-1], first, last),
        lambda layers, first, last: (
            interval(layers, first, last)[0],
            interval(layers, first, last)[1] + 1,
        ),
        lambda layers, first, last: interval(layers, first, first),
        lambda layers, first, last: interval([plain(x, dilation=1) for x in layers], first, last),
        lambda layers, first, last: interval([plain(x, padding=0) for x in layers], first, last),
        lambda layers, first, last: interval([plain(x, stride=1) for x in layers], first, last),
        lambda layers, first, last: interval(
            [plain(x, padding=2 * x.padding) for x in layers], first, last
        ),
        lambda layers, first, last: (
            interval(layers, first, last)[0],
            interval(layers, first, last)[1] + 2 * sum(x.padding for x in layers),
        ),
        lambda layers, first, last: (
            field(layers)[2] + first * field(layers)[1],
            field(layers)[2] + first * field(layers)[1] + field(layers)[0] - 1,
        ),
        lambda layers, first, last: interval(layers, first, last)[:1],
        lambda layers, first, last: tuple(map(float, interval(layers, first, last))),
        lambda layers, first, last: (
            max(0, interval(layers, first, last)[0]),
            interval(layers, first, last)[1],
        ),
        lambda layers, first, last: (0, 0),
        lambda layers, first, last: (math.nan, math.nan),
        lambda layers, first, last: torch.tensor(interval(layers, first, last)),
        lambda layers, first, last: None,
    ],
    "dilations": [
        lambda size: [2**n for n in range(math.ceil(math.log2(size)))],
        lambda size: [1] * ((size - 1) // 2),
        lambda size: [size // 2] if size > 1 else [],
        lambda size: [4**n for n in range(math.ceil(math.log(size, 4)))],
        lambda size: dilations(size)[:-1],
        lambda size: [*dilations(size), 1],
        lambda size: [],
        lambda size: [0] * len(dilations(size)),
        lambda size: [-d for d in dilations(size)],
        lambda size: [2 * d for d in dilations(size)],
        lambda size: [10**300] * len(dilations(size)),
        lambda size: [3**n for n in range(60)],  # too many to try
        lambda size: "1" * len(dilations(size)),
        lambda size: [math.nan] * len(dilations(size)),
        lambda size: [float(d) for d in dilations(size)],
        lambda size: torch.tensor(dilations(size)),
        lambda size: len(dilations(size)),
        lambda size: None,
    ],
}


@pytest.mark.parametrize(
    ("name", "number"), [(name, n) for name, answers in WRONG.items() for n in range(len(answers))]
)
def test_planted_wrong_answers_fail(name, number, capsys):
    assert not check(f"receptive_field.{name}", WRONG[name][number])
    assert "✗" in capsys.readouterr().out


def test_a_failure_shows_the_smallest_case_and_a_hint(capsys):
    check("receptive_field.field", no_dilation)
    out = capsys.readouterr().out
    assert "field([Layer(3, dilation=4)])" in out and "(9, 1, 0)" in out and "span" in out
