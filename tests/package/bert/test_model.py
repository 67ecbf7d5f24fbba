"""BERT against Hugging Face's, on random weights and on published ones, and the papers' sizes."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from labnotes.bert import Bert, BertConfig, from_hugging_face

SMALL = {
    "vocab_size": 60, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4,
    "intermediate_size": 40, "max_position_embeddings": 12,
}  # fmt: skip


@pytest.fixture(scope="module")
def hugging_face():
    return pytest.importorskip("transformers")


def theirs(hugging_face, **sizes):
    torch.manual_seed(0)
    model = hugging_face.BertModel(hugging_face.BertConfig(**sizes)).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def texts(batch=3, length=9):
    g = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 60, (batch, length), generator=g)  # 0 is padding, which has no gradient
    mask = (torch.arange(length) < torch.tensor([9, 4, 6])[:, None]).long()
    return ids, mask, (torch.arange(length) > 4).long().expand(batch, -1)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("segmented", [False, True])
def test_outputs_and_gradients_are_hugging_faces_on_random_weights(hugging_face, masked, segmented):
    peer = theirs(hugging_face, **SMALL, layer_norm_eps=1e-3).double()
    ours = Bert(BertConfig(**SMALL, layer_norm_eps=1e-3)).double().eval()
    ours.load_state_dict(from_hugging_face(peer.state_dict()))
    ids, mask, segments = texts()
    given = {
        "attention_mask": mask if masked else None,
        "token_type_ids": segments if segmented else None,
    }
    expected, found = peer(ids, **given), ours(ids, **given)
    torch.testing.assert_close(found.pooler_output, expected.pooler_output, rtol=0, atol=1e-10)
    torch.testing.assert_close(
        found.last_hidden_state, expected.last_hidden_state, rtol=0, atol=1e-10
    )
    (found.last_hidden_state**2).sum().backward()
    (expected.last_hidden_state**2).sum().backward()
    grads = {name: p.grad for name, p in peer.named_parameters() if p.grad is not None}
    for name, grad in from_hugging_face(grads).items():
        torch.testing.assert_close(ours.get_parameter(name).grad, grad, rtol=1e-7, atol=1e-7)


def test_outputs_are_hugging_faces_on_published_weights(hugging_face):
    folder = Path(os.environ.get("LABNOTES_DATA", "")) / "minilm"
    if not (folder / "config.json").is_file():
        pytest.skip("needs MiniLM's weights in LABNOTES_DATA")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    weights = {
        k: v.float() for k, v in load_file(folder / "minilm_l6_h384_fp16.safetensors").items()
    }
    peer = hugging_face.BertModel(hugging_face.BertConfig(**config)).eval()
    peer.load_state_dict(weights)
    ours = Bert(BertConfig.read(config)).eval()
    ours.load_state_dict(from_hugging_face(weights))
    ids = torch.randint(1000, 30000, (2, 40), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 25:] = 0
    with torch.no_grad():
        expected, found = peer(ids, attention_mask=mask), ours(ids, attention_mask=mask)
    torch.testing.assert_close(found.pooler_output, expected.pooler_output, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        found.last_hidden_state, expected.last_hidden_state, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({}, 109_482_240),
        (
            {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
             "intermediate_size": 4096},
            335_141_888,
        ),
    ],
)  # fmt: skip
def test_base_and_large_have_the_published_numbers_of_parameters(sizes, expected):
    with torch.device("meta"):
        model = Bert(BertConfig(**sizes))
    assert sum(p.numel() for p in model.parameters()) == expected


def test_all_sizes_are_hugging_faces_where_none_is_given(hugging_face):
    ours, published = BertConfig(), hugging_face.BertConfig()
    assert vars(ours) == {name: getattr(published, name) for name in vars(ours)}


def test_weights_start_from_a_normal_distribution_of_deviation_one_fiftieth():
    model = Bert(BertConfig(**SMALL | {"vocab_size": 4000}))
    assert model.words.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert model.layers[0].self_attn.in_proj_weight.std().item() == pytest.approx(0.02, rel=0.06)
    assert (model.norm.weight == 1).all() and not model.layers[1].linear1.bias.any()


def test_names_with_a_prefix_and_heads_of_other_tasks_are_understood(hugging_face):
    peer = theirs(hugging_face, **SMALL).state_dict()
    whole = {f"bert.{name}": value for name, value in peer.items()}
    whole["cls.predictions.bias"] = torch.zeros(60)
    plain, prefixed = from_hugging_face(peer), from_hugging_face(whole)
    assert plain.keys() == prefixed.keys() == Bert(BertConfig(**SMALL)).state_dict().keys()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m: from_hugging_face({"encoder.weight": torch.zeros(1)}), "no weight of Hugging"),
        (
            lambda m: from_hugging_face(
                {"encoder.layer.0.attention.self.query.weight": torch.zeros(2, 2)}
            ),
            "lacks key, value",
        ),
        (lambda m: BertConfig.read({"hidden_act": "relu"}), "hidden_act is 'relu'"),
        (lambda m: Bert(BertConfig(num_hidden_layers=0)), "num_hidden_layers is 0"),
        (lambda m: Bert(BertConfig(hidden_size=10, num_attention_heads=3)), "divides"),
        (lambda m: m(torch.zeros(2, dtype=torch.int64)), r"integers \(batch, length\)"),
        (lambda m: m(torch.zeros(1, 13, dtype=torch.int64)), "13 tokens: give 1 to 12"),
        (lambda m: m(torch.zeros(1, 0, dtype=torch.int64)), "0 tokens"),
        (lambda m: m(torch.full((1, 2), 60)), "numbers from 0 to 59"),
        (lambda m: m(torch.zeros(1, 2).long(), torch.ones(1, 3)), "attention_mask has shape"),
        (
            lambda m: m(torch.zeros(1, 2).long(), None, torch.tensor([[0, 2]])),
            "token_type_ids go from 0 to 2",
        ),
    ],
)
def test_bad_input_is_refused_in_words(call, says):
    with pytest.raises(ValueError, match=says):
        call(Bert(BertConfig(**SMALL)))
