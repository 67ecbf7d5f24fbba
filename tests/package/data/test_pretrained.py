"""Pretrained networks: they know what is on the photographs, and say whose weights they have."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import torch
import torchvision
from torchvision.models import MobileNet_V2_Weights, SqueezeNet1_1_Weights, VGG19_Weights

from labnotes.data import DatasetUnavailable, catalog, photos, pretrained
from labnotes.data.networks.torchvisions import WEIGHTS

OFFICIAL = {
    "squeezenet1_1": SqueezeNet1_1_Weights.IMAGENET1K_V1,
    "mobilenet_v2": MobileNet_V2_Weights.IMAGENET1K_V1,
    "vgg19": VGG19_Weights.IMAGENET1K_V1,
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_files_of_the_catalogue_are_torchvisions(name):
    dataset, file = WEIGHTS[name]
    (known,) = [f for f in catalog.entry(dataset).files if f.name == file]
    assert known.urls == (OFFICIAL[name].url,)
    assert file.endswith(f"-{known.checksum.removeprefix('sha256:')}.pth")


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v2"])
def test_a_pretrained_network_knows_the_animals_of_the_photographs(name, real_data):
    real_data("weights"), real_data("photos")
    network = pretrained(name)
    assert isinstance(network, type(getattr(torchvision.models, name)()))
    assert not network.training
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    prepare, words = OFFICIAL[name].transforms(), OFFICIAL[name].meta["categories"]
    known = {"parrot": {"macaw"}, "hot_dog": {"hotdog"}}
    album = photos()
    for photo, right in known.items():
        with torch.no_grad():
            scores = network(prepare(album[photo])[None])[0]
        assert words[scores.argmax()] in right, photo
    assert "half precision" in network.provenance.note
    assert network.provenance.source == "LABNOTES_DATA"


def test_torchvisions_own_file_is_taken_where_it_is(tmp_path, monkeypatch):
    net = torchvision.models.squeezenet1_1()
    (tmp_path / "weights").mkdir()
    files = []
    for file in catalog.entry("weights").files[:3]:
        torch.save(net.state_dict(), tmp_path / "weights" / file.name)
        digest = hashlib.sha256((tmp_path / "weights" / file.name).read_bytes()).hexdigest()
        files.append(replace(file, checksum=f"sha256:{digest}", size=None))
    entry = replace(catalog.entry("weights"), files=tuple(files))
    monkeypatch.setattr(catalog, "catalog", lambda: {"weights": entry})
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path))
    found = pretrained("squeezenet1_1")
    for key, value in net.state_dict().items():
        assert torch.equal(found.state_dict()[key], value)
    assert found.provenance.note == ""


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_are_nowhere_are_said_to_be_missing(name, tmp_path, monkeypatch):
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path))
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DatasetUnavailable, match="labnotes data get"):
        pretrained(name)


def test_an_unknown_network_is_answered_with_those_there_are():
    with pytest.raises(
        ValueError, match="no pretrained network 'resnet18': there are squeezenet1_1"
    ):
        pretrained("resnet18")
