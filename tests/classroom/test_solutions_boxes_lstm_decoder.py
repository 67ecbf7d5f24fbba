"""The solutions of three assignments against libraries and brute force, on many random cases.

The grader compares a student's values with those of the solution: so the solution must be right, and
not by our own word.
"""

import contextlib
import io
import itertools
import math
import random
import re

import numpy as np
import pytest
import torch
import torchvision
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.metrics import log_loss
from test_assignments import solution, the
from torch import nn

from labnotes_classroom.source import is_kind, task

NEEDED = ("setup", "norm")  # of the given cells: the others train


@pytest.fixture(scope="module")
def boxes():
    return solution("boxes", NEEDED)


@pytest.fixture(scope="module")
def lstm():
    return solution("lstm", NEEDED)


@pytest.fixture(scope="module")
def decoder():
    return solution("decoder", NEEDED)


def some_boxes(n: int, draw: torch.Generator) -> torch.Tensor:
    low = torch.randint(0, 40, (n, 2), generator=draw)
    return torch.cat([low, low + torch.randint(5, 30, (n, 2), generator=draw)], 1).float()


# --- boxes -------------------------------------------------------------------------------------


def test_corners_and_overlaps_are_those_of_torchvision(boxes):
    draw = torch.Generator().manual_seed(1)
    for n, m in ((4, 6), (1, 9), (0, 3), (5, 0)):
        one, other = some_boxes(n, draw), some_boxes(m, draw)
        wanted = torchvision.ops.box_iou(one, other)
        torch.testing.assert_close(boxes["overlap"](one, other), wanted)
    shares = torch.rand(50, 4, generator=draw)
    scaled = torchvision.ops.box_convert(
        shares * torch.tensor([64, 48, 64, 48]), in_fmt="cxcywh", out_fmt="xyxy"
    )
    wanted = torchvision.ops.clip_boxes_to_image(scaled, (48, 64))
    torch.testing.assert_close(boxes["corners"](shares, 64, 48), wanted)


def test_suppression_is_that_of_torchvision(boxes):
    for seed in range(30):
        draw = torch.Generator().manual_seed(seed)
        made, labels = some_boxes(25, draw), torch.randint(3, (25,), generator=draw)
        scores, threshold = torch.rand(25, generator=draw), seed % 7 / 10
        kept, by = boxes["suppress"](made, scores, labels, threshold)
        wanted = torchvision.ops.batched_nms(made, scores, labels, threshold)
        assert kept == wanted.tolist()
        table = torchvision.ops.box_iou(made, made)
        for place, better in enumerate(by):  # and each is dropped by the best kept box that may
            able = [k for k in kept if labels[k] == labels[place] and table[k, place] > threshold]
            assert better == (-1 if place in kept else able[0])


def by_coco(finds, truths, threshold: float) -> float:
    """pycocotools' matches, and the area under its curve at as many recalls as there are objects."""
    coco, categories = COCO(), sorted({int(k) for _, labels in truths for k in labels})
    annotations = [
        {"image_id": i, "category_id": int(k), "iscrowd": 0, "area": 100.0,
         "bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]}
        for i, (real, labels) in enumerate(truths) for box, k in zip(real, labels)
    ]  # fmt: skip
    for number, annotation in enumerate(annotations, 1):
        annotation["id"] = number
    images = [{"id": i} for i in range(len(truths))]
    found = [
        {"image_id": i, "category_id": int(k), "score": float(s),
         "bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]}
        for i, (made, scores, labels) in enumerate(finds) for box, s, k in zip(made, scores, labels)
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        coco.dataset = {"images": images, "annotations": annotations, "info": {}}
        coco.dataset["categories"] = [{"id": k} for k in categories]
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(found), "bbox")
        run.params.iouThrs, run.params.areaRng = np.array([threshold]), [[0, 1e10]]
        run.params.areaRngLbl, values = ["all"], []
        for label in categories:
            objects = sum(int((labels == label).sum()) for _, labels in truths)
            run.params.catIds = [label]
            run.params.recThrs = np.arange(1, objects + 1) / objects - 1e-9
            run.evaluate()
            run.accumulate()
            values.append(run.eval["precision"][0, :, 0, 0, -1].mean())
    return float(np.mean(values))


def test_evaluation_is_that_of_pycocotools(boxes):
    for seed in range(12):
        draw, finds, truths = torch.Generator().manual_seed(seed), [], []
        for n in (3, 1, 5, 2):
            real, kinds = some_boxes(n, draw), torch.randint(2, (n,), generator=draw)
            place = torch.randint(n, (8,), generator=draw)
            moved = real[place] + torch.randint(-3, 4, (8, 4), generator=draw)
            # No two overlaps alike: of equals COCO takes the last object, the assignment the first.
            moved = moved + 0.01 * torch.rand(8, 4, generator=draw)
            scores = torch.randperm(1000, generator=draw)[:8] / 1000
            finds.append((moved, scores, kinds[place]))
            truths.append((real, kinds))
        for threshold in (0.5, 0.75):
            got = boxes["evaluate"](finds, truths, threshold)
            assert got == pytest.approx(by_coco(finds, truths, threshold), abs=1e-6)


def test_average_precision_is_the_sum_over_all_prefixes_of_the_ranking(boxes):
    for right in itertools.product([True, False], repeat=6):
        objects, scores = sum(right) + 1, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
        precisions = [(sum(right[:k]), sum(right[:k]) / k) for k in range(1, 7)]
        wanted = sum(
            max([p for hits, p in precisions if hits >= k] + [0.0]) for k in range(1, objects + 1)
        )
        order = random.Random(sum(right)).sample(range(6), 6)
        got = boxes["average_precision"](
            [scores[i] for i in order], [right[i] for i in order], objects
        )
        assert got == pytest.approx(wanted / objects)


# --- lstm --------------------------------------------------------------------------------------


def test_the_lstm_is_torchs_and_each_message_is_read_as_if_it_were_alone(lstm):
    torch.manual_seed(2)
    theirs = nn.LSTM(4, 6, batch_first=True).requires_grad_(False)
    W = torch.cat([theirs.weight_ih_l0, theirs.weight_hh_l0], 1)
    b = theirs.bias_ih_l0 + theirs.bias_hh_l0
    x, state = torch.randn(3, 20, 4), (torch.randn(3, 6), torch.randn(3, 6))
    starts = torch.rand(3, 20) < 0.2
    got, (h, c) = lstm["lstm"](x, starts, state, W, b)
    for row in range(3):
        cuts = [0, *[t for t in range(20) if starts[row, t]], 20]
        for begin, end in itertools.pairwise(cuts):
            if begin == end:
                continue
            fresh = starts[row, begin]
            first = tuple(part[row][None, None] * (not fresh) for part in state)
            wanted, last = theirs(x[row : row + 1, begin:end], first)
            torch.testing.assert_close(got[row, begin:end], wanted[0])
        torch.testing.assert_close(torch.stack([h[row], c[row]]), torch.cat(last)[:, 0])


def test_windows_are_places_counted_one_by_one(lstm):
    for n, rows, steps in ((41, 4, 5), (40, 4, 5), (17, 1, 3), (100, 7, 4)):
        k = max(k for k in range(n) if rows * k * steps + 1 <= n)
        found = lstm["windows"](torch.arange(n), rows, steps)
        assert len(found) == k
        for j, (inputs, targets) in enumerate(found):
            places = [[r * k * steps + j * steps + s for s in range(steps)] for r in range(rows)]
            assert inputs.tolist() == places
            assert targets.tolist() == [[p + 1 for p in row] for row in places]


def test_surprisal_and_perplexity_are_scikit_learns_log_loss(lstm):
    torch.manual_seed(3)
    scores, targets = torch.randn(40, 5, dtype=torch.float64), torch.randint(5, (40,))
    found = lstm["surprisal"](scores, targets)
    wanted = log_loss(targets, scores.softmax(1), labels=range(5))
    assert found.mean().item() == pytest.approx(wanted)
    assert lstm["perplexity"]([found[:3], found[3:]]) == pytest.approx(math.exp(wanted))


class Recurrent(nn.Module):
    """torch's own layer, as the assignment wants a network."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.vectors, self.layer = nn.Embedding(5, 3), nn.RNN(3, 4, batch_first=True)
        self.out = nn.Linear(4, 5)

    def forward(self, letters, state=None):
        outputs, last = self.layer(self.vectors(letters), state and state[0])
        return self.out(outputs), (last,)


@pytest.mark.parametrize("carry", [True, False])
def test_a_training_pass_is_torchs_cross_entropy_and_a_gradient_scaled_by_hand(lstm, carry):
    ours, theirs = Recurrent(), Recurrent()
    pairs = [(torch.randint(5, (2, 6)), torch.randint(5, (2, 6))) for _ in range(4)]
    said = lstm["train_pass"](ours, pairs, torch.optim.SGD(ours.parameters(), 0.5), 0.3, carry)
    state, losses = None, []
    for inputs, targets in pairs:
        scores, (state,) = theirs(inputs, None if state is None else (state,))
        loss = nn.functional.cross_entropy(scores.transpose(1, 2), targets)
        gradients = torch.autograd.grad(loss, list(theirs.parameters()))
        norm = math.sqrt(sum((g**2).sum().item() for g in gradients))
        with torch.no_grad():
            for parameter, gradient in zip(theirs.parameters(), gradients):
                parameter -= 0.5 * min(1, 0.3 / norm) * gradient
        losses.append(loss.item())
        state = state.detach() if carry else None
    assert said == pytest.approx(math.exp(sum(losses) / len(losses)))
    for one, other in zip(ours.parameters(), theirs.parameters()):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_letters_are_written_as_often_as_they_are_likely(lstm):
    class Fixed(nn.Module):
        def forward(self, letters, state=None):
            return torch.tensor([[[0.1, 0.6, 0.3]]]).log(), None

    uniforms = torch.linspace(0, 1, 1001)[:-1].tolist()
    for temperature in (1.0, 0.5, 2.0):
        written = np.array(lstm["write"](Fixed(), 0, uniforms, temperature))
        assert (np.diff(written) >= 0).all()
        powers = np.array([0.1, 0.6, 0.3]) ** (1 / temperature)
        shares = np.bincount(written, minlength=3) / 1000
        assert shares == pytest.approx(powers / powers.sum(), abs=2e-3)


# --- decoder -----------------------------------------------------------------------------------


def torchs_block(d: int, heads: int, f: int) -> tuple[nn.Module, dict]:
    """torch's decoder layer, and its matrices under the assignment's names."""
    layer = nn.TransformerDecoderLayer(
        d, heads, f, dropout=0.0, norm_first=True, bias=False, batch_first=True
    ).requires_grad_(False)
    w = {"up": layer.linear1.weight, "down": layer.linear2.weight}
    for name, part in (("own", layer.self_attn), ("cross", layer.multihead_attn)):
        w |= {f"{name}_{k}": m for k, m in zip("qkv", part.in_proj_weight.chunk(3))}
        w[f"{name}_o"] = part.out_proj.weight
    return layer, w


@pytest.mark.parametrize(("d", "heads", "f"), [(8, 2, 5), (12, 3, 20), (6, 1, 6)])
def test_the_block_is_torchs_and_so_is_every_walk_in_pieces(decoder, d, heads, f):
    torch.manual_seed(d)
    layer, w = torchs_block(d, heads, f)
    x, memory = torch.randn(3, 7, d), torch.randn(3, 5, d)
    hidden = torch.arange(5) >= torch.tensor([[5], [2], [3]])
    mask = nn.Transformer.generate_square_subsequent_mask(7).isinf()
    wanted = layer(x, memory, tgt_mask=mask, memory_key_padding_mask=hidden)
    assert torch.equal(decoder["causal"](7), ~mask)
    seen = decoder["real"](torch.where(hidden, 10, 1))
    got = decoder["block"](x, memory, w, heads, decoder["causal"](7), seen)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)
    for sizes in ([1] * 7, [7], [3, 4], [2, 1, 3, 1]):
        cache, parts = decoder["start"](memory, w, heads), []
        for piece in x.split(sizes, 1):
            part, cache = decoder["step"](piece, cache, w, heads, seen)
            parts.append(part)
        torch.testing.assert_close(torch.cat(parts, 1), wanted, atol=1e-5, rtol=1e-4)


def test_writing_with_a_cache_is_writing_with_torchs_layer_all_again(decoder):
    torch.manual_seed(9)
    layer, w = torchs_block(8, 2, 16)
    vectors, score = torch.randn(11, 8), torch.randn(11, 8)
    score[8] = score[10] = 0  # neither BOS nor PAD has a high score

    class Cached:
        def start(self, source):
            return decoder["start"](vectors[source], w, 2)

        def step(self, tokens, state):
            y, state = decoder["step"](vectors[tokens], state, w, 2)
            return y @ score.T, state

    source = torch.randint(8, (6, 4))
    for row, got in enumerate(decoder["write"](Cached(), source, 10)):
        tokens = [8]
        while len(tokens) < 11:
            length = len(tokens)
            mask = torch.ones(length, length, dtype=torch.bool).triu(1)
            y = layer(vectors[tokens][None], vectors[source[row : row + 1]], tgt_mask=mask)
            if (best := int((y[0, -1] @ score.T).argmax())) == 9:
                break
            tokens.append(best)
        assert got == tokens[1:]


def test_every_answer_comes_with_an_example():
    for name in ("boxes", "lstm", "decoder"):
        for cell in the(name).notebook.cells:
            if is_kind(cell, "answer") and re.search(r"^def ", cell.source, re.M):
                assert "Example: " in cell.source, (name, task(cell)["id"])
