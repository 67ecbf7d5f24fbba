"""YOLO, against loops written from the papers, torchvision's losses, and a world that is known."""

from __future__ import annotations

import math

import pytest
import torch
import torchvision
from torch import nn
from torchvision.ops import batched_nms, box_iou, generalized_box_iou_loss

from labnotes.data.worlds import shapes
from labnotes.detection import (
    FreeYOLO,
    TinyYOLO,
    box_convert,
    decode_free,
    decode_grid,
    encode_box,
    responsible,
    task_aligned,
)
from labnotes.detection.yolo import SmallBody, SqueezeBody, _paired_giou
from labnotes.metrics import mean_average_precision

OPTIONS = {
    "version 1": {},
    "giou": {"box_loss": "giou"},
    "two grids": {"grids": 2},
    "priors": {"priors": [(10, 12), (24, 16), (18, 30)]},
    "priors, giou, two grids": {"priors": [(10, 12), (24, 16)], "box_loss": "giou", "grids": 2},
    "aligned": {"boxes": 1, "box_loss": "giou", "assignment": "aligned"},
    "aligned, squared": {"boxes": 1, "assignment": "aligned"},
    "aligned, two grids": {"boxes": 1, "box_loss": "giou", "assignment": "aligned", "grids": 2},
    "without anchors": {"start": 16},
}
NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


def network(name: str) -> TinyYOLO:
    kind = FreeYOLO if name == "without anchors" else TinyYOLO
    return kind(4, SmallBody(8), **OPTIONS[name])


def random_net(name: str, seed: int = 0) -> TinyYOLO:
    """A network whose outputs are not all alike."""
    torch.manual_seed(seed)
    net = network(name)
    for head in net.heads:
        nn.init.normal_(head.weight, std=0.3)
    return net.eval()


def images_of(world) -> torch.Tensor:
    return world.images / 255 - 0.4


# ---- decoding ----


def test_a_7x7x30_output_is_decoded_as_the_paper_says():
    """Box by box, in loops: 98 boxes, the classes of a cell shared by its two."""
    torch.manual_seed(0)
    outputs = torch.randn(7, 7, 30)
    found = decode_grid(outputs, 20, (448, 336))
    n = 0
    for i in range(7):
        for j in range(7):
            for b in range(2):
                x, y, w, h, confidence = outputs[i, j, 5 * b : 5 * b + 5].tolist()
                middle = [(j + x) * 336 / 7, (i + y) * 448 / 7]
                half = [w * w * 336 / 2, h * h * 448 / 2]
                expected = [middle[0] - half[0], middle[1] - half[1],
                            middle[0] + half[0], middle[1] + half[1]]  # fmt: skip
                assert found.boxes[n].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-3)
                assert found.confidence[n] == pytest.approx(confidence)
                assert torch.equal(found.classes[n], outputs[i, j, 10:])
                assert torch.equal(found.codes[n], outputs[i, j, 5 * b : 5 * b + 4])
                assert found.cells[n].tolist() == [48 * j, 64 * i, 48 * j + 48, 64 * i + 64]
                n += 1
    assert n == 98 == len(found.boxes)


def test_with_priors_each_box_has_classes_and_a_shape_of_its_own():
    """Equations of section 2 of YOLO9000: b = sigmoid(t) + c, w = p exp(t)."""
    torch.manual_seed(0)
    priors, outputs = [(10.0, 20.0), (30.0, 12.0)], torch.randn(3, 2, 4, 2 * 7)
    found = decode_grid(outputs, 2, (20, 40), priors)
    assert found.boxes.shape == (3, 16, 4) and found.classes.shape == (3, 16, 2)
    for k in range(3):
        for n in range(16):
            cell, b = divmod(n, 2)
            i, j = divmod(cell, 4)
            x, y, w, h, confidence, *classes = outputs[k, i, j, 7 * b : 7 * b + 7].tolist()
            middle = [10 * (j + 1 / (1 + math.exp(-x))), 10 * (i + 1 / (1 + math.exp(-y)))]
            half = [priors[b][0] * math.exp(w) / 2, priors[b][1] * math.exp(h) / 2]
            expected = [middle[0] - half[0], middle[1] - half[1],
                        middle[0] + half[0], middle[1] + half[1]]  # fmt: skip
            assert found.boxes[k, n].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-3)
            assert found.confidence[k, n] == pytest.approx(confidence)
            assert found.classes[k, n].tolist() == pytest.approx(classes)


def test_without_anchors_a_box_is_a_shift_and_a_factor():
    """Cell by cell: the middle plus t cells, and the start size times exp(t); not square cells."""
    torch.manual_seed(0)
    outputs = torch.randn(3, 2, 4, 5 + 3)  # 10x12 pixels a cell
    found = decode_free(outputs, 3, (20, 48), start=9)
    for k in range(3):
        for n in range(8):
            i, j = divmod(n, 4)
            x, y, w, h, confidence, *classes = outputs[k, i, j].tolist()
            middle = [12 * j + 6 + 12 * x, 10 * i + 5 + 10 * y]
            half = [9 * math.exp(w) / 2, 9 * math.exp(h) / 2]
            expected = [middle[0] - half[0], middle[1] - half[1],
                        middle[0] + half[0], middle[1] + half[1]]  # fmt: skip
            assert found.boxes[k, n].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-3)
            assert found.codes[k, n].tolist() == pytest.approx([x, y, w, h])
            assert found.confidence[k, n] == pytest.approx(confidence)
            assert found.classes[k, n].tolist() == pytest.approx(classes)
            assert found.cells[n].tolist() == [12 * j, 10 * i, 12 * j + 12, 10 * i + 10]


def test_without_anchors_codes_worked_out_from_boxes_give_the_boxes_again():
    """Any cell can have any box, here one of another part of the picture too."""
    torch.manual_seed(0)
    corner = torch.rand(6, 8, 2) * 60
    truth = torch.cat([corner, corner + 1 + 60 * torch.rand(6, 8, 2)], -1)
    i, j = torch.meshgrid(torch.arange(6), torch.arange(8), indexing="ij")
    outputs = torch.zeros(6, 8, 6)
    outputs[..., 0] = (truth[..., 0] + truth[..., 2]) / 16 - j - 0.5
    outputs[..., 1] = (truth[..., 1] + truth[..., 3]) / 16 - i - 0.5
    outputs[..., 2:4] = ((truth[..., 2:] - truth[..., :2]) / 32).log()
    found = decode_free(outputs, 1, (48, 64)).boxes
    assert torch.allclose(found, truth.reshape(48, 4), atol=1e-3)


def test_with_yoloxs_start_and_corner_the_boxes_are_those_of_its_code():
    """(t + place) * stride and exp(t) * stride: ours with the cell's side, half a cell apart."""
    torch.manual_seed(0)
    outputs = torch.randn(4, 4, 6)
    found = box_convert(decode_free(outputs, 1, (32, 32), start=8).boxes, "xyxy", "cxcywh")
    y, x = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij")
    theirs = torch.cat(
        [(outputs[..., :2] + torch.stack([x, y], -1)) * 8, outputs[..., 2:4].exp() * 8], -1
    ).reshape(16, 4)
    assert torch.allclose(found - theirs, torch.tensor([4.0, 4, 0, 0]), atol=1e-4)


@pytest.mark.parametrize("priors", [None, [(10.0, 20.0), (30.0, 12.0)]])
def test_encoding_and_decoding_undo_each_other(priors):
    torch.manual_seed(0)
    channels = 2 * 5 + 3 if priors is None else 2 * 8
    outputs = torch.randn(4, 6, channels).abs()
    found = decode_grid(outputs, 3, (40, 60), priors)
    table = None if priors is None else torch.tensor(priors).repeat(24, 1)
    codes = found.codes.clone()
    if priors is not None:
        codes[:, :2] = codes[:, :2].sigmoid()
    again = encode_box(found.boxes, found.cells, (40, 60), table)
    assert torch.allclose(again, codes, atol=1e-4)


def test_outputs_that_cannot_be_a_grid_are_refused():
    with pytest.raises(ValueError, match=r"outputs are \(7, 7, 31\): with 20 classes"):
        decode_grid(torch.zeros(7, 7, 31), 20, (448, 448))
    with pytest.raises(ValueError, match="with 20 classes"):
        decode_grid(torch.zeros(7, 7, 20), 20, (448, 448))
    with pytest.raises(ValueError, match=r"2 \* \(5 \+ num_classes\)"):
        decode_grid(torch.zeros(7, 7, 30), 20, (448, 448), [(1, 1), (2, 2)])
    with pytest.raises(ValueError, match="with 20 classes"):
        decode_grid(torch.zeros(30), 20, (448, 448))
    with pytest.raises(ValueError, match="height is 0"):
        decode_grid(torch.zeros(7, 7, 30), 20, (0, 448))


def test_outputs_that_cannot_be_a_grid_without_anchors_are_refused():
    for shape in ((4, 4, 13), (4, 4, 7), (8,)):
        with pytest.raises(ValueError, match="one box, so with 3 classes give .*, 8"):
            decode_free(torch.zeros(shape), 3, (32, 32))
    with pytest.raises(ValueError, match="start is 0"):
        decode_free(torch.zeros(4, 4, 8), 3, (32, 32), start=0)
    with pytest.raises(ValueError, match="start is -8"):
        FreeYOLO(3, start=-8)


# ---- who is responsible ----


def test_of_the_boxes_of_its_cell_the_best_one_is_responsible():
    torch.manual_seed(0)
    for _ in range(20):
        found = decode_grid(torch.rand(6, 5, 2 * 5 + 1), 1, (48, 40))
        corner = torch.rand(4, 2) * torch.tensor([30.0, 38])
        truth = torch.cat([corner, corner + 2 + 8 * torch.rand(4, 2)], 1)
        chosen, taken = [], set()
        for box in truth:
            x, y = (box[:2] + box[2:]) / 2
            cell = int(y // 8) * 5 + int(x // 8)
            ious = box_iou(box[None], found.boxes[2 * cell : 2 * cell + 2])[0]
            chosen.append(-1 if cell in taken else 2 * cell + int(ious.argmax()))
            taken.add(cell)
        assert responsible(found.boxes, found.cells, truth).tolist() == chosen


def test_boxes_with_classes_of_their_own_answer_for_two_objects_of_a_cell():
    cells = torch.tensor([[0.0, 0, 8, 8]] * 2)
    boxes = torch.tensor([[0.0, 3, 8, 5], [3, 0, 5, 8]])
    truth = torch.tensor([[1.0, 3, 7, 5], [3, 0, 5, 8], [3, 1, 5, 7]])
    assert responsible(boxes, cells, truth, shared=False).tolist() == [0, 1, -1]
    assert responsible(boxes, cells, truth, shared=True).tolist() == [0, -1, -1]


def test_an_object_on_the_line_between_cells_has_one_cell():
    found = decode_grid(torch.full((2, 2, 6), 0.5), 1, (16, 16))
    on_the_corner = torch.tensor([[6.0, 6, 10, 10]])
    assert responsible(found.boxes, found.cells, on_the_corner).tolist() == [3]


def test_no_object_needs_no_box():
    found = decode_grid(torch.rand(2, 2, 6), 1, (16, 16))
    assert responsible(found.boxes, found.cells, torch.zeros(0, 4)).shape == (0,)
    assigned, quality = task_aligned(
        found.boxes, found.classes, found.cells, torch.zeros(0, 4), torch.zeros(0).long()
    )
    assert (assigned == -1).all() and (quality == 0).all()


def test_task_aligned_assignment_is_that_of_the_paper_in_loops():
    torch.manual_seed(1)
    for _ in range(10):
        found = decode_grid(torch.rand(8, 8, 5 + 3) * 0.5 + 0.25, 3, (64, 64))
        scores, n = found.classes, 64
        corner = torch.rand(5, 2) * 30
        truth = torch.cat([corner, corner + 4 + 28 * torch.rand(5, 2)], 1)
        labels = torch.tensor([0, 1, 2, 1, 0])
        ious = box_iou(truth, found.boxes)
        chosen = []
        for i, box in enumerate(truth):
            middles = [(4 + 8 * (k % 8), 4 + 8 * (k // 8)) for k in range(n)]
            inside = [k for k, (x, y) in enumerate(middles)
                      if box[0] < x < box[2] and box[1] < y < box[3]]  # fmt: skip
            if not inside:
                x, y = (box[:2] + box[2:]) / 2
                inside = [int(y // 8) * 8 + int(x // 8)]
            order = sorted(inside, key=lambda k: -(scores[k, labels[i]] * ious[i, k] ** 6).item())
            chosen.append(order[:13])
        expected, quality = [-1] * n, [0.0] * n
        for k in range(n):
            mine = [i for i in range(5) if k in chosen[i]]
            if mine:
                expected[k] = max(mine, key=lambda i: ious[i, k])
        for i in range(5):
            its = [k for k in range(n) if expected[k] == i]
            measure = {k: (scores[k, labels[i]] * ious[i, k] ** 6).item() for k in its}
            best = max((ious[i, k].item() for k in its), default=0)
            for k in its:
                quality[k] = measure[k] / max(max(measure.values()), 1e-38) * best
        assigned, found_quality = task_aligned(found.boxes, scores, found.cells, truth, labels)
        assert assigned.tolist() == expected
        assert found_quality.tolist() == pytest.approx(quality, abs=1e-5)


# ---- the loss ----


def test_version_1s_loss_is_equation_3_of_the_paper_in_loops():
    net, world = random_net("version 1"), shapes(6, seed=2, objects=(0, 6))
    images = images_of(world)
    with torch.no_grad():
        terms = net.terms(images, world.targets)
        (maps,) = net(images)  # (6, 8, 8, 14)
    wanted = dict.fromkeys(terms, 0.0)
    for outputs, target in zip(maps, world.targets):
        owner = {}
        for box, label in zip(target["boxes"], target["labels"]):
            x, y = (box[:2] + box[2:]) / 2
            owner.setdefault((int(y // 8), int(x // 8)), (box, label))
        for i in range(8):
            for j in range(8):
                guess = outputs[i, j, :10].view(2, 5)
                fit = None
                if (i, j) in owner:
                    box, label = owner[i, j]
                    middle = torch.stack([(j + guess[:, 0]) * 8, (i + guess[:, 1]) * 8], 1)
                    half = guess[:, 2:4] ** 2 * 64 / 2
                    fit = box_iou(torch.cat([middle - half, middle + half], 1), box[None])[:, 0]
                for b in range(2):
                    if fit is None or b != fit.argmax():
                        wanted["no object"] += 0.5 * guess[b, 4].item() ** 2
                        continue
                    x, y = ((box[:2] + box[2:]) / 16).tolist()  # in cells
                    w, h = ((box[2:] - box[:2]) / 64).tolist()  # of the picture
                    t = guess[b].tolist()
                    wanted["object"] += (t[4] - fit[b].item()) ** 2
                    wanted["centre"] += 5 * ((t[0] - (x - j)) ** 2 + (t[1] - (y - i)) ** 2)
                    wanted["size"] += 5 * ((t[2] - w**0.5) ** 2 + (t[3] - h**0.5) ** 2)
                    for c in range(4):
                        right = float(c == label)
                        wanted["class"] += (outputs[i, j, 10 + c].item() - right) ** 2
    assert set(terms) == {"centre", "size", "object", "no object", "class"}
    for name, value in terms.items():
        assert value.item() == pytest.approx(wanted[name] / 6, rel=1e-4)
    assert net.loss(images, world.targets).item() == pytest.approx(
        sum(wanted.values()) / 6, rel=1e-4
    )


def test_giou_of_pairs_is_torchvisions_loss():
    torch.manual_seed(0)
    corner = torch.rand(2, 50, 2) * 20
    a, b = torch.cat([corner, corner + 1 + 9 * torch.rand(2, 50, 2)], 2)
    assert torch.allclose(1 - _paired_giou(a, b), generalized_box_iou_loss(a, b), atol=1e-5)


def test_with_giou_the_box_term_is_torchvisions_loss_of_the_responsible_boxes():
    net, world = random_net("giou"), shapes(5, seed=3)
    images = images_of(world)
    with torch.no_grad():
        terms, guesses = net.terms(images, world.targets), net.guesses(images)
    total = 0.0
    for boxes, target in zip(guesses.boxes, world.targets):
        chosen = responsible(boxes, guesses.cells, target["boxes"])
        kept = chosen >= 0
        total += generalized_box_iou_loss(
            boxes[chosen[kept]], target["boxes"][kept], reduction="sum"
        )
    assert terms["box"].item() == pytest.approx(5 * total.item() / 5, rel=1e-4)
    assert "centre" not in terms


def test_priors_are_chosen_by_shape_and_their_codes_are_compared_in_logarithms():
    net, world = random_net("priors"), shapes(5, seed=4)
    images = images_of(world)
    with torch.no_grad():
        terms = net.terms(images, world.targets)
        (maps,) = net(images)
    size = centre = 0.0
    for outputs, target in zip(maps, world.targets):
        taken = set()
        for box in target["boxes"]:
            x, y, w, h = *((box[:2] + box[2:]) / 2).tolist(), *(box[2:] - box[:2]).tolist()
            i, j = int(y // 8), int(x // 8)
            cx, cy = 8 * j + 4, 8 * i + 4
            standing = torch.tensor([[cx - p / 2, cy - q / 2, cx + p / 2, cy + q / 2]
                                     for p, q in net.priors])  # fmt: skip
            b = int(box_iou(standing, box[None])[:, 0].argmax())
            if (i, j, b) in taken:
                continue
            taken.add((i, j, b))
            t = outputs[i, j, 9 * b : 9 * b + 4]
            p, q = net.priors[b]
            centre += (t[0].sigmoid() - (x / 8 - j)) ** 2 + (t[1].sigmoid() - (y / 8 - i)) ** 2
            size += (t[2] - math.log(w / p)) ** 2 + (t[3] - math.log(h / q)) ** 2
    assert terms["centre"].item() == pytest.approx(centre.item(), rel=1e-4)  # 5 * / 5 pictures
    assert terms["size"].item() == pytest.approx(size.item(), rel=1e-4)


def test_the_aligned_loss_is_quality_focal_loss_and_weighted_giou():
    """Li et al. (2020), equation 3 with beta 2, summed and divided by the sum of the qualities."""
    net, world = random_net("aligned"), shapes(4, seed=5)
    images = images_of(world)
    with torch.no_grad():
        terms, guesses = net.terms(images, world.targets), net.guesses(images)
    entropy = box = total = 0.0
    for boxes, classes, target in zip(guesses.boxes, guesses.classes, world.targets):
        scores = classes.sigmoid()
        assigned, quality = task_aligned(
            boxes, scores, guesses.cells, target["boxes"], target["labels"]
        )
        for k in range(64):
            for c in range(4):
                s = scores[k, c].item()
                a = int(assigned[k])
                q = quality[k].item() if a >= 0 and target["labels"][a] == c else 0.0
                entropy -= abs(q - s) ** 2 * (
                    (1 - q) * math.log(max(1 - s, 1e-30)) + q * math.log(max(s, 1e-30))
                )
            if assigned[k] >= 0:
                truth = target["boxes"][assigned[k]]
                box += quality[k] * generalized_box_iou_loss(boxes[k], truth)
        total += quality.sum().item()
    total = max(total, 1.0)
    assert terms["class"].item() == pytest.approx(entropy / total, rel=1e-3)
    assert terms["box"].item() == pytest.approx(5 * box.item() / total, rel=1e-3)


def test_without_anchors_the_box_term_is_torchvisions_loss_of_the_boxes_that_are_shown():
    """The same boxes are trained and found: of `guesses`, weighted by their quality."""
    net, world = random_net("without anchors"), shapes(4, seed=5)
    images = images_of(world)
    with torch.no_grad():
        terms = net.terms(images, world.targets)
        boxes = decode_free(net(images)[0], 4, (64, 64), start=16)
    box = total = 0.0
    for k, target in enumerate(world.targets):
        assigned, quality = task_aligned(
            boxes.boxes[k],
            boxes.classes[k].sigmoid(),
            boxes.cells,
            target["boxes"],
            target["labels"],
        )
        mine = assigned >= 0
        lost = generalized_box_iou_loss(boxes.boxes[k][mine], target["boxes"][assigned[mine]])
        box, total = box + (quality[mine] * lost).sum(), total + quality.sum()
    assert terms["box"].item() == pytest.approx((2 * box / max(total, 1.0)).item(), rel=1e-3)


def test_the_aligned_loss_with_squared_errors_compares_codes():
    net, world = random_net("aligned, squared"), shapes(4, seed=5)
    images = images_of(world)
    with torch.no_grad():
        terms, guesses = net.terms(images, world.targets), net.guesses(images)
    box = total = 0.0
    for i, target in enumerate(world.targets):
        assigned, quality = task_aligned(
            guesses.boxes[i], guesses.classes[i].sigmoid(), guesses.cells, target["boxes"],
            target["labels"],
        )  # fmt: skip
        for k in (assigned >= 0).nonzero()[:, 0].tolist():
            x1, y1, x2, y2 = target["boxes"][assigned[k]].tolist()
            code = [(x1 + x2) / 16 - k % 8, (y1 + y2) / 16 - k // 8,
                    math.sqrt((x2 - x1) / 64), math.sqrt((y2 - y1) / 64)]  # fmt: skip
            error = (guesses.codes[i, k] - torch.tensor(code)).square().sum()
            box += (quality[k] * error).item()
        total += quality.sum().item()
    assert terms["box"].item() == pytest.approx(5 * box / max(total, 1.0), rel=1e-3)


@pytest.mark.parametrize("name", OPTIONS)
def test_pictures_without_objects_give_a_finite_loss_and_finite_gradients(name):
    net = random_net(name).train()
    images = images_of(shapes(3))
    world = shapes(1, seed=9, objects=(2, 2))
    for targets in ([NOTHING] * 3, [NOTHING, *world.targets, NOTHING]):
        net.zero_grad()
        loss = net.loss(images, targets)
        assert loss.isfinite() and loss > 0
        loss.backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("name", ["version 1", "priors", "aligned"])
def test_the_order_of_the_pictures_does_not_matter(name):
    net, world = random_net(name), shapes(4, seed=6)
    images = images_of(world)
    with torch.no_grad():
        loss = net.loss(images, world.targets)
        assert torch.allclose(loss, net.loss(images.flip(0), world.targets[::-1]), rtol=1e-5)


def test_what_is_compared_with_is_a_constant():
    """The IoU that a confidence should be, the quality and the weight of a score: no gradient."""
    torch.manual_seed(0)
    world, net = shapes(3, seed=2, objects=(2, 4)), TinyYOLO(4)
    outputs = torch.rand(3, 8, 8, 14, requires_grad=True)
    net.forward = lambda images: [outputs]
    (grad,) = torch.autograd.grad(net.terms(images_of(world), world.targets)["object"], outputs)
    assert grad[..., [4, 9]].abs().sum() > 0
    assert grad[..., [0, 1, 2, 3, 5, 6, 7, 8]].abs().sum() == 0

    net = TinyYOLO(4, boxes=1, assignment="aligned")
    outputs = torch.rand(3, 8, 8, 9, requires_grad=True)
    net.forward = lambda images: [outputs]
    (grad,) = torch.autograd.grad(net.terms(images_of(world), world.targets)["class"], outputs)
    assert grad[..., :5].abs().sum() == 0
    guesses, wanted, total = net.guesses(images_of(world)), torch.zeros(3, 64, 4), 0.0
    scores = guesses.classes.detach().sigmoid()
    for i, target in enumerate(world.targets):
        assigned, quality = task_aligned(
            guesses.boxes[i], scores[i], guesses.cells, target["boxes"], target["labels"]
        )
        assert not quality.requires_grad
        for k in (assigned >= 0).nonzero()[:, 0].tolist():
            wanted[i, k, target["labels"][assigned[k]]] = quality[k]
        total += quality.sum().item()
    # of the cross-entropy alone: score less wanted
    expected = (scores - wanted).square() * (scores - wanted) / max(total, 1.0)
    assert torch.allclose(grad[..., 5:].reshape(3, 64, 4), expected, atol=1e-6)


# ---- the network as it begins ----


def test_boxes_begin_in_the_middle_of_their_cells_one_tall_and_one_wide():
    net = TinyYOLO(4)
    nn.init.zeros_(net.heads[0].weight)
    with torch.no_grad():
        guesses = net.guesses(torch.randn(1, 3, 64, 64))
    assert torch.allclose(box_convert(guesses.boxes[0], "xyxy", "cxcywh")[:, :2],
                          box_convert(guesses.cells, "xyxy", "cxcywh")[:, :2], atol=1e-4)  # fmt: skip
    width, height = (guesses.boxes[0, :2, 2:] - guesses.boxes[0, :2, :2]).T
    assert height[0] > width[0] >= 16 - 1e-3 and width[1] > height[1] >= 16 - 1e-3
    assert (guesses.confidence == 0).all()


def test_without_anchors_boxes_begin_as_squares_in_the_middle_of_their_cells():
    net = FreeYOLO(4, start=20)
    nn.init.zeros_(net.heads[0].weight)
    with torch.no_grad():
        guesses = net.guesses(torch.randn(1, 3, 32, 64))
    middle = box_convert(guesses.cells, "xyxy", "cxcywh")[:, :2]
    expected = torch.cat([middle - 10, middle + 10], 1)
    assert torch.allclose(guesses.boxes[0], expected, atol=1e-4)
    assert torch.allclose(guesses.classes.sigmoid(), torch.tensor(0.01))


def test_with_scores_alone_each_begins_at_a_hundredth():
    net = TinyYOLO(4, boxes=1, assignment="aligned")
    nn.init.zeros_(net.heads[0].weight)
    with torch.no_grad():
        scores = net.guesses(torch.randn(1, 3, 64, 64)).classes.sigmoid()
    assert torch.allclose(scores, torch.tensor(0.01))


def test_the_fine_features_see_what_the_coarse_ones_saw():
    squeeze = SqueezeBody(torchvision.models.squeezenet1_1())
    for body, part in ((SmallBody(4), "coarse.0.0.weight"), (squeeze, "down.weight")):
        fine, _ = body(torch.randn(2, 3, 64, 64))
        (grad,) = torch.autograd.grad(fine.square().sum(), body.get_parameter(part))
        assert grad.abs().sum() > 0


def test_an_exponent_that_is_out_of_hand_is_cut_at_4():
    found = decode_grid(torch.full((2, 2, 6), 500.0), 1, (8, 8), [(3.0, 5.0)])
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    assert torch.allclose(sides, torch.tensor([3.0, 5.0]) * math.exp(4))
    found = decode_free(torch.full((2, 2, 6), 500.0), 1, (8, 8), 3)
    assert torch.allclose(found.boxes[:, 2:] - found.boxes[:, :2], torch.tensor(3 * math.exp(4)))


# ---- finding ----


def test_boxes_are_cut_at_the_edges_of_a_picture_that_is_not_square():
    outputs = torch.zeros(1, 4, 8, 14)  # 32x64 pixels
    outputs[0, 1, 6] = torch.tensor([0.5, 0.5, 2, 2, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0])
    net = TinyYOLO(4)
    net.forward = lambda images: [outputs]
    (found,) = net.detect(torch.zeros(1, 3, 32, 64))
    assert found["boxes"].tolist() == [[0, 0, 64, 32]]


def test_what_has_no_area_inside_the_picture_is_not_found():
    outputs = torch.zeros(1, 8, 8, 14)
    outputs[0, 0, 0, :5] = torch.tensor([-3.0, 0.5, 0.1, 0.1, 1.0])  # left of the picture
    outputs[0, 0, 0, 10] = 1.0
    net = TinyYOLO(4)
    net.forward = lambda images: [outputs]
    assert len(net.detect(torch.zeros(1, 3, 64, 64))[0]["scores"]) == 0


def test_at_most_100_are_found_and_they_are_the_best():
    outputs = torch.zeros(1, 16, 16, 14)
    outputs[..., :5] = torch.tensor([0.5, 0.5, 0.1, 0.1, 1.0])
    outputs[..., 10] = torch.linspace(0.2, 0.9, 256).view(16, 16)
    net = TinyYOLO(4)
    net.forward = lambda images: [outputs]
    (found,) = net.detect(torch.zeros(1, 3, 128, 128))
    wanted = torch.linspace(0.2, 0.9, 256).flip(0)[:100].tolist()
    assert found["scores"].tolist() == pytest.approx(wanted)


def test_outputs_that_encode_the_truth_find_all_objects_but_those_that_share_a_cell():
    world = shapes(40, seed=7)
    outputs = torch.zeros(40, 8, 8, 2 * 5 + 4)
    kept = []
    for grid, target in zip(outputs, world.targets):
        found = decode_grid(grid, 4, (64, 64))
        place = responsible(found.boxes, found.cells, target["boxes"])
        mine = place >= 0
        codes = encode_box(target["boxes"][mine], found.cells[place[mine]], (64, 64))
        for n, code, label in zip(place[mine].tolist(), codes, target["labels"][mine]):
            cell, b = divmod(n, 2)
            i, j = divmod(cell, 8)
            grid[i, j, 5 * b : 5 * b + 5] = torch.cat([code, torch.ones(1)])
            grid[i, j, 10 + label] = 1.0
        kept.append({key: target[key][mine] for key in ("boxes", "labels")})
    net = TinyYOLO(4)
    net.forward = lambda images: [outputs]
    lost = sum(len(t["labels"]) for t in world.targets) - sum(len(t["labels"]) for t in kept)
    assert 0 < lost < 20
    found = net.detect(torch.zeros(40, 3, 64, 64), iou_threshold=0.95)
    assert mean_average_precision(found, kept, iou=0.95).value == pytest.approx(1.0)
    with torch.no_grad():
        terms = net.terms(torch.zeros(40, 3, 64, 64), world.targets)
    assert sum(terms.values()).item() == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("name", OPTIONS)
def test_what_is_found_has_the_form_of_torchvision_and_survives_its_suppression(name):
    net, world = random_net(name), shapes(3, seed=8)
    net.train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    found = net.detect(images_of(world), score_threshold=0.001, iou_threshold=0.4)
    assert net.training and all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert len(found) == 3
    for each in found:
        assert set(each) == {"boxes", "scores", "labels"}
        assert len(each["scores"]) <= 100
        assert (each["scores"].diff() <= 0).all() and (each["scores"] > 0.001).all()
        assert ((each["boxes"] >= 0) & (each["boxes"] <= 64)).all()
        assert each["labels"].dtype == torch.int64 and set(each["labels"].tolist()) <= {0, 1, 2, 3}
        again = batched_nms(each["boxes"], each["scores"], each["labels"], 0.4)
        assert again.tolist() == list(range(len(each["scores"])))


def test_the_score_of_version_1_is_confidence_times_class():
    outputs = torch.zeros(1, 8, 8, 14)
    outputs[0, 3, 4, :5] = torch.tensor([0.5, 0.5, 0.5, 0.5, 0.8])
    outputs[0, 3, 4, 10:] = torch.tensor([0.1, 0.75, 0.0, -3.0])
    net = TinyYOLO(4)
    net.forward = lambda images: [outputs]
    (found,) = net.detect(torch.zeros(1, 3, 64, 64))
    assert found["labels"].tolist() == [1, 0]
    assert found["scores"].tolist() == pytest.approx([0.6, 0.08])
    assert found["boxes"][0].tolist() == pytest.approx([28, 20, 44, 36])


@pytest.mark.parametrize("name", ["version 1", "priors", "aligned", "without anchors"])
def test_it_learns_two_pictures_by_heart(name):
    world = shapes(2, seed=11, objects=(2, 3))
    torch.manual_seed(0)
    net = network(name)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    images = images_of(world)
    for _ in range(120):
        optimizer.zero_grad()
        net.loss(images, world.targets).backward()
        optimizer.step()
    net.train()  # with the batch's own statistics: two pictures make poor running means
    net.eval = lambda: net
    assert mean_average_precision(net.detect(images), world.targets).value > 0.9


def test_a_squeezenet_gives_features_at_strides_8_and_16_of_any_even_sides():
    body = SqueezeBody(torchvision.models.squeezenet1_1())
    with torch.no_grad():
        fine, coarse = body(torch.randn(1, 3, 240, 320))
    assert fine.shape == (1, 96, 30, 40) and coarse.shape == (1, 96, 15, 20)
    found = TinyYOLO(3, body, grids=2).eval().detect(torch.randn(1, 3, 64, 96))
    assert len(found) == 1


# ---- what does not go together ----


def test_what_cannot_be_assigned_is_refused():
    found = decode_grid(torch.rand(2, 2, 5 + 3), 3, (16, 16))
    boxes, cells = found.boxes, found.cells
    truth, labels = torch.tensor([[1.0, 1, 9, 9]]), torch.tensor([1])
    with pytest.raises(ValueError, match=r"truth\[1\] is .* lies in no cell"):
        responsible(boxes, cells, torch.tensor([[1.0, 1, 9, 9], [30, 30, 40, 40]]))
    with pytest.raises(ValueError, match="lies in no cell"):
        responsible(boxes, cells, torch.full((1, 4), math.nan))
    with pytest.raises(ValueError, match=r"boxes are \(3, 4\) and cells \(4, 4\)"):
        responsible(boxes[:3], cells, truth)
    with pytest.raises(ValueError, match=r"boxes are \(4, 4\) and cells \(1, 4\)"):
        task_aligned(boxes, found.classes, cells[:1], truth, labels)
    with pytest.raises(ValueError, match=r"scores are \(3, 3\)"):
        task_aligned(boxes, found.classes[:3], cells, truth, labels)
    with pytest.raises(ValueError, match=r"labels are \(2,\)"):
        task_aligned(boxes, found.classes, cells, truth, torch.tensor([1, 2]))
    with pytest.raises(ValueError, match="from 3 to 3: with 3 scores a box give 0 to 2"):
        task_aligned(boxes, found.classes, cells, truth, torch.tensor([3]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_classes": 0}, "num_classes is 0"),
        ({"boxes": 0}, "boxes is 0"),
        ({"grids": 3}, "grids is 3: give 1"),
        ({"box_loss": "l1"}, "box_loss is 'l1': give one of squared, giou"),
        ({"assignment": "best"}, "assignment is 'best': give one of centre, aligned"),
        ({"priors": []}, r"priors are \[\]"),
        ({"priors": [(3, -1)]}, "priors are"),
        ({"assignment": "aligned"}, "goes with boxes=1"),
        ({"assignment": "aligned", "boxes": 1, "priors": [(3, 4)]}, "goes with boxes=1"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        TinyYOLO(**({"num_classes": 4} | options))


@pytest.mark.parametrize(
    ("images", "target", "said"),
    [
        (torch.zeros(1, 3, 64, 64).byte(), NOTHING, "in floating point"),
        (torch.zeros(3, 64, 64), NOTHING, "1 targets"),
        (torch.zeros(1, 3, 64, 72), NOTHING, "64x72: give sides that can be divided by 16"),
        (torch.zeros(2, 3, 64, 64), NOTHING, "2 images and 1 targets"),
        (torch.zeros(1, 3, 64, 64), {"boxes": torch.zeros(0, 4)}, "is no dictionary"),
        (torch.zeros(1, 3, 64, 64),
         {"boxes": torch.tensor([[1.0, 1, 9, 9]]), "labels": torch.tensor([4])},
         "labels'] has 4: with 4 classes labels are 0 to 3"),
        (torch.zeros(1, 3, 64, 64),
         {"boxes": torch.tensor([[9.0, 1, 1, 9]]), "labels": torch.tensor([0])}, "x2 < x1"),
        (torch.zeros(1, 3, 64, 64),
         {"boxes": torch.tensor([[1.0, 1, 65, 9]]), "labels": torch.tensor([0])}, "outside"),
        (torch.zeros(1, 3, 64, 64),
         {"boxes": torch.tensor([[1.0, 1, 1, 9]]), "labels": torch.tensor([0])}, "without area"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_on_is_refused(images, target, said):
    with pytest.raises(ValueError, match=said):
        TinyYOLO(4, SmallBody(4)).loss(images, [target])
