"""LoRA: a start that changes nothing, few parameters that move, a merge that keeps the outputs."""

import copy

import pytest
import torch
import torch.nn.functional as F

from labnotes.bert import Bert, BertConfig, LowRank, SequenceClassifier, add_lora, merge_lora

SIZES = BertConfig(
    vocab_size=60, hidden_size=24, num_hidden_layers=2, num_attention_heads=4,
    intermediate_size=40, max_position_embeddings=16, hidden_dropout_prob=0.0,
)  # fmt: skip
IDS = torch.randint(60, (4, 9), generator=torch.Generator().manual_seed(1))


def trained(rank=3, names=("in_proj_weight", "linear1.weight"), steps=5):
    torch.manual_seed(0)
    model = SequenceClassifier(Bert(SIZES), 2, dropout=0.0).double()
    before = copy.deepcopy(model)
    added = add_lora(model.encoder, names, rank).double()
    start = model(IDS).detach()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(IDS), torch.tensor([0, 1, 0, 1])).backward()
        optimizer.step()
    return before, model, added, start


def test_the_first_factor_keeps_the_size_of_what_it_is_given():
    torch.manual_seed(0)
    low = LowRank(200, 400, rank=200)
    x = torch.randn(50, 400)
    assert (x @ low.A.T).std().item() == pytest.approx(x.std().item(), rel=0.05)
    assert not low.B.any()


def test_before_training_nothing_has_changed():
    before, _, _, start = trained()
    torch.testing.assert_close(start, before(IDS), rtol=0, atol=0)


def test_only_thin_matrices_and_the_head_have_moved_and_by_the_formulas_number():
    before, model, added, _ = trained(rank=3)
    inside = 2 * 3 * ((72 + 24) + (40 + 24))  # layers, rank, outputs + inputs
    assert sum(p.numel() for p in added.parameters()) == inside
    free = {n for n, p in model.named_parameters() if p.requires_grad}
    assert sum(model.get_parameter(n).numel() for n in free) == inside + 2 * 24 + 2
    merged = merge_lora(model).state_dict()
    for name, old in before.state_dict().items():
        moved = not torch.equal(old, merged[name])
        lora = name.endswith(("in_proj_weight", "linear1.weight"))
        assert moved == (lora or name.startswith("head.")), name


def test_a_change_has_the_rank_that_was_asked_for_and_is_the_papers_formula():
    before, model, added, _ = trained(rank=3, names="in_proj_weight")
    expected = [16 / 3 * low.B @ low.A for low in added]
    merge_lora(model)
    for i, low in enumerate(expected):
        name = f"encoder.layers.{i}.self_attn.in_proj_weight"
        change = model.get_parameter(name) - before.get_parameter(name)
        torch.testing.assert_close(change, low, rtol=0, atol=1e-12)
        assert torch.linalg.matrix_rank(change.detach(), rtol=1e-6) == 3


def test_merged_it_says_the_same_and_has_the_names_that_it_had():
    before, model, _, start = trained()
    with torch.no_grad():
        outputs = model(IDS)
        torch.testing.assert_close(model.eval()(IDS), outputs, rtol=0, atol=1e-12)  # no dropout
        merged = merge_lora(model)
        torch.testing.assert_close(merged(IDS), outputs, rtol=0, atol=1e-12)
    assert merged.state_dict().keys() == before.state_dict().keys()
    assert (outputs - start).abs().max() > 1e-3


def test_the_parts_alone_make_the_network_again():
    before, model, added, _ = trained()
    kept = {"parts": copy.deepcopy(added.state_dict()), "head": model.head.state_dict()}
    again = copy.deepcopy(before)
    parts = add_lora(again.encoder, ("in_proj_weight", "linear1.weight"), 3).double()
    parts.load_state_dict(kept["parts"])
    again.head.load_state_dict(kept["head"])
    with torch.no_grad():
        torch.testing.assert_close(again(IDS), model(IDS), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m: add_lora(m, "query.weight"), "no matrix called query.weight"),
        (lambda m: add_lora(m, "in_proj_weight", 25), r"rank is 25, and the matrix is \(72, 24\)"),
        (lambda m: LowRank(4, 4, 0), "rank is 0"),
    ],
)
def test_bad_input_is_refused_in_words(call, says):
    with pytest.raises(ValueError, match=says):
        call(Bert(SIZES))
