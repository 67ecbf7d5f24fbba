"""Heads against transformers' on the same weights, spans against brute force."""

import pytest
import torch

from labnotes.bert import (
    Bert,
    BertConfig,
    SequenceClassifier,
    SpanFinder,
    TokenClassifier,
    best_span,
    from_hugging_face,
)

SIZES = {
    "vocab_size": 60, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 40, "max_position_embeddings": 16,
}  # fmt: skip


def test_a_tenth_of_what_goes_into_a_head_is_dropped_as_in_transformers():
    peer = pytest.importorskip("transformers")
    theirs = peer.BertForSequenceClassification(peer.BertConfig(**SIZES)).dropout
    for build in (SequenceClassifier, TokenClassifier):
        assert build(Bert(BertConfig(**SIZES)), 2).dropout.p == theirs.p == 0.1


@pytest.mark.parametrize(
    ("name", "build", "classes"),
    [
        ("SequenceClassification", lambda b: SequenceClassifier(b, 3), 3),
        ("TokenClassification", lambda b: TokenClassifier(b, 3), 3),
        ("QuestionAnswering", SpanFinder, 2),
    ],
)
def test_logits_and_losses_are_those_of_transformers(name, build, classes):
    peer = pytest.importorskip("transformers")
    torch.manual_seed(0)
    theirs = getattr(peer, f"BertFor{name}")(peer.BertConfig(**SIZES, num_labels=classes))
    theirs = theirs.double().eval()
    ours = build(Bert(BertConfig(**SIZES))).double().eval()
    inner = {k: v for k, v in theirs.state_dict().items() if k.startswith("bert.")}
    ours.encoder.load_state_dict(from_hugging_face(inner), strict=False)
    last = theirs.qa_outputs if classes == 2 else theirs.classifier
    ours.head.load_state_dict(last.state_dict())
    ids = torch.randint(1, 60, (3, 9))
    mask = (torch.arange(9) < torch.tensor([9, 4, 6])[:, None]).long()
    segments = (torch.arange(9) > 3).long().expand(3, -1)
    found = ours(ids, mask, segments)
    wanted = theirs(ids, attention_mask=mask, token_type_ids=segments)
    real = slice(None) if name.startswith("Sequence") else mask.bool()
    pairs = [(found, wanted.logits)] if classes == 3 else [
        (found[0], wanted.start_logits), (found[1], wanted.end_logits)
    ]  # fmt: skip
    for mine, others in pairs:
        torch.testing.assert_close(mine[real], others[real], rtol=0, atol=1e-12)
    if classes == 2:
        assert (found[0][~mask.bool()] == -torch.inf).all()


def test_a_label_beyond_the_classes_is_named():
    """The heads give logits; torch's loss refuses what none of them is for."""
    logits = SequenceClassifier(Bert(BertConfig(**SIZES)), 3)(torch.ones(1, 4, dtype=torch.long))
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        torch.nn.functional.cross_entropy(logits, torch.tensor([3]))


def test_a_best_span_is_that_of_brute_force():
    draw = torch.Generator().manual_seed(0)
    for n in (2, 5, 12):
        for _ in range(30):
            start, end = torch.randn(2, n, generator=draw)
            inside = torch.rand(n, generator=draw) < 0.7
            inside[0] = False
            for longest in (1, 3, 30):
                spans = [
                    (float(start[i] + end[j]), i, j)
                    for i in range(n)
                    for j in range(i, min(n, i + longest))
                    if inside[i] and inside[j]
                ]
                found = best_span(start, end, inside, longest)
                if not spans:
                    assert found == (0, 0, -torch.inf)
                    continue
                score, i, j = max(spans)
                assert (found.first, found.last) == (i, j)
                assert found.lead == pytest.approx(score - float(start[0] + end[0]), abs=1e-5)


def test_heads_begin_as_berts_layers_do():
    head = SequenceClassifier(Bert(BertConfig(**SIZES | {"hidden_size": 400})), 50).head
    assert head.weight.std().item() == pytest.approx(0.02, rel=0.05) and not head.bias.any()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: SequenceClassifier(Bert(BertConfig(**SIZES)), 0), "num_classes is 0"),
        (lambda: TokenClassifier(Bert(BertConfig(**SIZES)), 0), "num_classes is 0"),
        (lambda: best_span(torch.zeros(3), torch.zeros(4), torch.ones(3).bool()), "shapes"),
        (lambda: best_span(torch.zeros(0), torch.zeros(0), torch.ones(0).bool()), "shapes"),
        (lambda: best_span(torch.zeros(3), torch.zeros(3), torch.ones(3)), "give bool"),
        (lambda: best_span(torch.zeros(2) / 0, torch.zeros(2), torch.ones(2).bool()), "NaN"),
        (lambda: best_span(torch.zeros(3), torch.zeros(3), torch.ones(3).bool(), 0), "longest"),
    ],
)
def test_bad_input_is_refused_in_words(call, says):
    with pytest.raises(ValueError, match=says):
        call()
