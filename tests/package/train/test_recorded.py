"""Recorded weights: what is saved is what is loaded, and nothing else."""

from __future__ import annotations

import pytest
import torch
from safetensors import safe_open
from torch import nn

from labnotes.train import RecordError, record_weights, recorded

NAME = "part/chapter/net"


def network(width: int = 5) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.Linear(width, 2))


@pytest.fixture
def record_run(monkeypatch, tmp_path):
    """A record run's folder."""
    monkeypatch.setenv("LABNOTES_RECORD", str(tmp_path))
    return tmp_path


def test_outside_a_record_run_nothing_is_written(monkeypatch, tmp_path):
    monkeypatch.delenv("LABNOTES_RECORD", raising=False)
    monkeypatch.chdir(tmp_path)
    record_weights(NAME, network())
    assert not list(tmp_path.rglob("*"))


def test_the_weights_come_back_as_torch_rounds_them_to_half_precision(record_run):
    net = network()
    net(torch.randn(8, 4))  # the running statistics move, one of them a whole number
    record_weights(NAME, net)
    found = recorded(NAME, network().train())
    assert not found.training
    for key, value in net.state_dict().items():
        expected = value.half().float() if value.is_floating_point() else value
        assert torch.equal(found.state_dict()[key], expected), key
        assert found.state_dict()[key].dtype == value.dtype


def test_a_run_may_record_several_networks_and_one_of_them_anew(record_run):
    for name, width in ((NAME, 5), (f"{NAME}-wide", 7), (NAME, 6)):
        record_weights(name, network(width))
    assert recorded(NAME, network(6))[0].out_features == 6
    assert recorded(f"{NAME}-wide", network(7))[0].out_features == 7


def test_the_file_is_safetensors_in_half_precision(record_run):
    record_weights(NAME, network())
    with safe_open(record_run / f"{NAME}.safetensors", "pt") as file:
        kinds = {key: file.get_tensor(key).dtype for key in file.keys()}
    assert set(kinds) == set(network().state_dict())
    assert kinds.pop("1.num_batches_tracked") == torch.int64
    assert set(kinds.values()) == {torch.float16}


def test_shared_weights_are_saved_too(record_run):
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    record_weights(NAME, net)
    found = recorded(NAME, nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)))
    assert torch.equal(found[0].weight, found[1].weight)


def test_weights_over_two_megabytes_are_refused_by_name_and_size(record_run):
    with pytest.raises(
        RecordError, match=r"part/chapter/net\.safetensors have 2,0\d\d,\d\d\d bytes"
    ):
        record_weights(NAME, nn.Linear(1000, 1000))
    assert not list(record_run.rglob("*.safetensors*"))


def test_a_file_may_be_as_large_as_the_limit_and_no_byte_larger(record_run, monkeypatch):
    record_weights(NAME, network())
    size = (record_run / f"{NAME}.safetensors").stat().st_size
    monkeypatch.setitem(record_weights.__globals__, "MOST_BYTES", size)
    record_weights(f"{NAME}-again", network())
    monkeypatch.setitem(record_weights.__globals__, "MOST_BYTES", size - 1)
    with pytest.raises(RecordError, match=f"have {size:,} bytes"):
        record_weights(f"{NAME}-more", network())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e5])
def test_what_half_precision_cannot_hold_is_refused_by_name(record_run, bad):
    net = network()
    with torch.no_grad():
        net[2].bias[1] = bad
    with pytest.raises(RecordError, match=r"2\.bias .*half precision"):
        record_weights(NAME, net)
    assert not list(record_run.rglob("*.safetensors*"))


def test_weights_that_are_not_there_are_asked_for_by_name(monkeypatch):
    monkeypatch.delenv("LABNOTES_RECORD", raising=False)
    with pytest.raises(RecordError, match="no recorded weights part/chapter/net.*install"):
        recorded(NAME, network())


@pytest.mark.parametrize(
    "other, words",
    [
        (lambda: network(6), r"0\.weight of shape \(5, 4\) for \(6, 4\)"),
        (lambda: network()[:2], r"2\.bias, which the network has not"),
        (lambda: nn.Sequential(*network(), nn.Linear(2, 2)), r"no 3\.weight"),
    ],
)
def test_weights_of_another_network_are_refused_and_nothing_is_loaded(record_run, other, words):
    record_weights(NAME, network())
    net = other()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(RecordError, match=words):
        recorded(NAME, net)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize(
    "name", ["net", "part/net", "a/b/c/d", "../part/net", "part/chapter/net.pt"]
)
def test_a_name_has_three_parts(name):
    for call in (record_weights, recorded):
        with pytest.raises(ValueError, match="part/chapter/name"):
            call(name, network())
