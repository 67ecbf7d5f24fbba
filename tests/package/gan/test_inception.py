"""The judge of the papers: our scores with it are torch-fidelity's own, picture for picture."""

import sys

import pytest
import torch
import torch_fidelity
from PIL import Image
from torch import nn
from torch_fidelity import feature_extractor_inceptionv3 as theirs

from labnotes.data import DatasetUnavailable, catalog
from labnotes.gan.inception import inception_judge, seen_by_inception
from labnotes.metrics import frechet_distance, inception_score


def mean(features):
    return features.mean(0)


def cov(features):
    return features.T.cov()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file with weights of the right names and shapes, drawn at random."""
    kept = nn.Module.load_state_dict
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theirs, "load_state_dict_from_url", lambda *a, **k: {})
        patch.setattr(nn.Module, "load_state_dict", lambda *a, **k: None)
        torch.manual_seed(0)
        state = theirs.FeatureExtractorInceptionV3("inception", ["2048"]).state_dict()
    assert nn.Module.load_state_dict is kept
    # So large that the numbers do not fade from layer to layer, as in a trained network.
    for name, value in state.items():
        value *= 100 if name.startswith("fc") else 6**0.5 if value.dim() > 1 else 1
    path = tmp_path_factory.mktemp("inception") / "weights-inception-2015-12-05-6726825d.pth"
    torch.save(state, path)
    return path


@pytest.fixture
def judge(weights, monkeypatch):
    found = catalog.Found({weights.name: weights}, "here")
    monkeypatch.setattr(catalog, "fetch", {"inception": found}.__getitem__)
    return inception_judge()


def test_fid_and_inception_score_are_those_of_torch_fidelity(judge, weights, tmp_path):
    torch.manual_seed(1)
    bright = torch.linspace(0, 1, 12)[:, None, None, None]  # pictures that can be told apart
    sides = {
        "real": torch.rand(12, 3, 28, 28) * 2 - 1,
        "made": bright * (2 * torch.rand(12, 1, 28, 28).round() - 1),
    }
    for name, pictures in sides.items():
        (tmp_path / name).mkdir()
        for i, each in enumerate((127.5 * pictures + 127.5).round().to(torch.uint8)):
            rows = each.expand(3, -1, -1).permute(1, 2, 0).numpy()
            Image.fromarray(rows).save(tmp_path / name / f"{i:02}.png")
    expected = torch_fidelity.calculate_metrics(
        input1=str(tmp_path / "made"), input2=str(tmp_path / "real"), fid=True, isc=True,
        isc_splits=1, feature_extractor_weights_path=str(weights), cuda=False, cache=False,
        batch_size=5, save_cpu_ram=True, verbose=False,
    )  # fmt: skip
    seen = {name: seen_by_inception(judge, each, batch=7) for name, each in sides.items()}
    assert seen["real"][0].shape == (12, 2048) and seen["made"][1].shape == (12, 1008)
    fid = frechet_distance(*(f(seen[name][0].double()) for name in sides for f in (mean, cov)))
    assert fid == pytest.approx(expected["frechet_inception_distance"], rel=1e-3)
    score = inception_score(seen["made"][1])
    assert score == pytest.approx(expected["inception_score_mean"], rel=1e-4)
    assert fid > 0.01 and score > 1.1


def test_the_catalogue_has_the_file_that_torch_fidelity_names():
    (file,) = catalog.entry("inception").files
    assert file.urls == (theirs.URL_INCEPTION_V3,)
    assert file.checksum.removeprefix("sha256:").startswith(file.name[-12:-4])


def test_without_weights_or_package_it_says_what_to_do(weights, judge, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(ModuleNotFoundError, match="pip install torch-fidelity"):
        inception_judge()
    monkeypatch.undo()
    monkeypatch.setenv("LABNOTES_OFFLINE", "1")
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path))
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path))
    with pytest.raises(DatasetUnavailable, match="labnotes data get inception"):
        inception_judge()


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (torch.zeros(2, 2, 8, 8), r"\(2, 2, 8, 8\)"),
        (torch.zeros(0, 1, 8, 8), "n at least 1"),
        (torch.zeros(1, 8, 8), "height, width"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.uint8), "uint8"),
        (torch.full((1, 1, 8, 8), 255.0), "from 255.0"),
        (torch.full((1, 1, 8, 8), torch.nan), "nan"),
    ],
)
def test_what_are_no_pictures_from_minus_1_to_1_is_refused(pictures, message):
    with pytest.raises(ValueError, match=message):
        seen_by_inception(nn.Identity(), pictures)
    with pytest.raises(ValueError, match="batch"):
        seen_by_inception(nn.Identity(), torch.zeros(1, 1, 8, 8), batch=0)
