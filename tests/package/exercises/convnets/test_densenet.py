"""The checkers of the chapter convnets/densenet take right answers and no wrong ones."""

import pytest
import torch

from labnotes.exercises import check


def layer_parameters(in_channels, growth_rate, bottleneck):
    if not bottleneck:
        return 2 * in_channels + 9 * in_channels * growth_rate
    inner = bottleneck * growth_rate
    return 2 * in_channels + in_channels * inner + 2 * inner + 9 * inner * growth_rate


def dense_forward(layers, x):
    for layer in layers:
        x = torch.cat([x, layer(x)], dim=1)
    return x


def new_maps_first(layers, x):
    for layer in layers:
        x = torch.cat([layer(x), x], dim=1)
    return x


def only_the_last_map(layers, x):
    maps = [x]
    for layer in layers:
        maps.append(layer(maps[-1]))
    return torch.cat(maps, 1)


def added(layers, x):
    for layer in layers:
        x = x + layer(x)
    return x


def without_the_input(layers, x):
    return dense_forward(layers, x)[:, x.shape[1] :]


def test_right_answers_pass(capsys):
    assert check("densenet.layer_parameters", layer_parameters)
    assert check("densenet.dense_forward", dense_forward)
    assert capsys.readouterr().out.count("✓") == 2


def test_stubs_fail_kindly(capsys):
    def stub(*_):
        raise NotImplementedError("count them")

    assert not check("densenet.layer_parameters", stub)
    assert not check("densenet.dense_forward", stub)
    assert capsys.readouterr().out.count("not written yet") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda c, k, b: 0,
        lambda c, k, b: float("nan"),
        lambda c, k, b: layer_parameters(c, k, b) + 1,
        lambda c, k, b: layer_parameters(c, k, b) + k,  # a bias
        lambda c, k, b: layer_parameters(c, k, 4),
        lambda c, k, b: 9 * c * k,  # no batch norm
        lambda c, k, b: torch.tensor([layer_parameters(c, k, b)]),
        lambda c, k, b: float(layer_parameters(c, k, b)),
        lambda c, k, b: str(layer_parameters(c, k, b)),
        lambda c, k, b: layer_parameters(c, k, b) - 2 * c + 2 * k,  # the BN of what it writes
        lambda c, k, b: layer_parameters(c, k, b) - 2 * b * k,  # one BN alone
        lambda c, k, b: layer_parameters(c, k, 0),
        lambda c, k, b: None,
    ],
)
def test_wrong_counts_are_found(wrong):
    assert not check("densenet.layer_parameters", wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        new_maps_first,
        only_the_last_map,
        added,
        without_the_input,
        lambda layers, x: torch.zeros_like(dense_forward(layers, x)),
        lambda layers, x: dense_forward(layers, x) * float("nan"),
        lambda layers, x: dense_forward(layers[:-1], x),
        lambda layers, x: x,
        lambda layers, x: dense_forward(layers, x).double(),
        lambda layers, x: dense_forward(layers, x)[0],
        lambda layers, x: dense_forward(layers, x).relu(),
        lambda layers, x: torch.cat([dense_forward(layers, x), x], 1),  # the input once more
        lambda layers, x: dense_forward(layers, x).flip(1),
        lambda layers, x: None,
    ],
)
def test_wrong_wirings_are_found(wrong):
    assert not check("densenet.dense_forward", wrong)
