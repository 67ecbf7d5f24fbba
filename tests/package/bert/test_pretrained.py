"""MiniLM as `minilm` gives it: its vectors and its pieces are Hugging Face's."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from labnotes.bert import minilm
from labnotes.data import DatasetUnavailable, catalog, sst2

TEXTS = [
    "A cat sat on the mat.",
    "Émile's naïve café, 3.14 km from 北京!",
    "Antidisestablishmentarianism and #hashtags @everyone",
    "x" * 101,
]


@pytest.fixture(scope="module")
def both():
    hugging_face = pytest.importorskip("transformers")
    try:
        ours = minilm()
    except DatasetUnavailable:
        pytest.skip("needs MiniLM's weights")
    paths = catalog.fetch("minilm").paths
    config = hugging_face.BertConfig(**json.loads(paths["config.json"].read_text("utf-8")))
    theirs = hugging_face.BertModel(config).eval()
    weights = load_file(paths["model.safetensors"])
    theirs.load_state_dict({k: v.float() for k, v in weights.items()}, strict=False)
    return ours, theirs, paths["vocab.txt"]


def test_outputs_and_pooler_are_those_of_transformers(both):
    (encoder, pieces), theirs, _ = both
    assert not encoder.training
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    for text in TEXTS:
        ids = torch.tensor([pieces.vocabulary.to_ids(["[CLS]", *pieces.tokenize(text), "[SEP]"])])
        with torch.no_grad():
            ours, expected = encoder(ids), theirs(ids)
        for part in ("last_hidden_state", "pooler_output"):
            torch.testing.assert_close(
                getattr(ours, part), getattr(expected, part), rtol=0, atol=1e-5
            )


def test_numbers_of_pieces_are_those_of_the_published_tokenizer(both):
    tokenizers = pytest.importorskip("tokenizers")
    (_, pieces), _, path = both
    peer = tokenizers.BertWordPieceTokenizer(str(path), lowercase=True)
    sentences = TEXTS + [s for s, _ in sst2().train[:500]]
    for sentence in sentences:
        ours = pieces.vocabulary.to_ids(["[CLS]", *pieces.tokenize(sentence), "[SEP]"])
        assert ours == peer.encode(sentence).ids, sentence


def test_it_says_whose_weights_it_has(both):
    (encoder, _), _, path = both
    assert "MiniLM" in encoder.provenance.title and "Apache" in encoder.provenance.licence
    half = (Path(path).parent / "minilm_l6_h384_fp16.safetensors").is_file()
    assert ("half precision" in encoder.provenance.note) == half


def test_weights_that_are_nowhere_are_said_to_be_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path))
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DatasetUnavailable, match="labnotes data get minilm"):
        minilm()
