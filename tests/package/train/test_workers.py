"""The two processes of the chapter on many GPUs: what they find is what plain torch finds alone."""

import os

import pytest
import torch
import torch.nn.functional as F

from labnotes.train import workers


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")


@pytest.fixture(scope="module")
def call():
    return workers.launch(2)


def test_each_process_has_half_of_the_images_and_the_gradient_of_all(call):
    found, printed = call
    assert [each["images"] for each in found] == [[0, 32], [32, 64]]
    assert printed.count("8 steps, last loss") == 2
    x, y = workers.images(64)
    for name, options in workers.NETS.items():
        net = workers.net(**options)
        torch.manual_seed(1)
        F.cross_entropy(net(x.float() / 255), y).backward()
        expected = torch.cat([p.grad.flatten() for p in net.parameters()])
        gaps = [(torch.tensor(f["gradients"][name]) - expected).abs().max() for f in found]
        assert gaps[0] == gaps[1] and (gaps[0] < 1e-6) == (name == "plain")


def test_they_train_as_one_process_does(call):
    before = dict(os.environ)
    alone = workers.alone()
    assert os.environ == before
    for each in call[0]:
        assert each["sum"] == [11.0 * k for k in range(8)]
        assert max(abs(a - b) for a, b in zip(each["losses"], alone, strict=True)) < 1e-5


def test_the_net_with_little_to_exchange_has_12_thousand_weights_and_maps_of_the_images_size():
    net, maps = workers.convolutional(), torch.rand(1, 1, 28, 28)
    assert sum(p.numel() for p in net.parameters()) // 1000 == 12
    for layer in net[:6]:  # three convolutions with their ReLUs
        maps = layer(maps)
        assert maps.shape == (1, 16, 28, 28)


@pytest.mark.parametrize("options", workers.NETS.values(), ids=workers.NETS)
def test_each_convolution_of_the_small_net_halves_its_maps_rounded_up(options):
    net, maps = workers.net(**options), torch.rand(2, 1, 27, 28)
    assert net[0](maps).shape == (2, 8, 14, 14)
    assert net[:4](maps).shape == (2, 16, 7, 7)


def test_milliseconds_are_those_of_the_middle_step_after_two_that_do_not_count(monkeypatch):
    took = iter([9.0, 9.0, *(0.001 * k for k in range(1, workers.STEPS + 1))])
    ticks = iter([tick for seconds in took for tick in (100.0, 100.0 + seconds)])
    monkeypatch.setattr(workers.time, "perf_counter", lambda: next(ticks))
    batch = torch.zeros(2, 1, 28, 28), torch.tensor([0, 1])
    expected = (workers.STEPS + 1) / 2
    assert workers.milliseconds(workers.net(), batch) == pytest.approx(expected)


def test_every_time_is_measured(call):
    for name in ("convolutional", "linear"):
        assert all(call[0][0]["ms"][name][what] > 0 for what in ("alone", "together", "exchanging"))
        assert call[0][1]["ms"][name]["together"] > 0


def test_processes_that_fail_say_why(monkeypatch, tmp_path):
    python = tmp_path / "python"  # in the place of the real one, whose start takes seconds
    python.write_text('#!/bin/sh\necho "ValueError in: $*" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(workers.sys, "executable", str(python))
    with pytest.raises(
        RuntimeError, match=r"(?s)the processes failed:\nValueError in: -m torch.*nproc-per-node 2"
    ):
        workers.launch(2)
