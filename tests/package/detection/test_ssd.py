"""The single shot detector: its losses and finds beside torchvision's, d2l's anchors, bad input."""

import copy
import doctest
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
import torchvision.ops as tv
from torchvision.models import squeezenet1_1
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.ssd import SSD

from labnotes.detection import ssd
from labnotes.detection.anchors import anchor_targets, anchors, assign_anchors
from labnotes.detection.ssd import (
    TinySSD,
    focal_loss,
    hard_negatives,
    multibox_loss,
    small_stages,
    squeezenet_stages,
)

from .scenes import pictures


def network(negatives: str = "hard", bold: float = 20.0) -> TinySSD:
    """Its heads say something: as they begin, all anchors answer the same."""
    torch.manual_seed(0)
    net = TinySSD(3, stages=small_stages(width=8), negatives=negatives).eval()
    with torch.no_grad():
        for head in (*net.classify, *net.move):
            head.weight.mul_(bold)
    return net


PEER = SimpleNamespace(
    box_coder=BoxCoder((10.0, 10.0, 5.0, 5.0)),
    neg_to_pos_ratio=3,
)


def answers(out):
    return {"bbox_regression": out.offsets, "cls_logits": out.logits}


def test_the_loss_and_its_gradient_are_those_of_torchvisions_ssd():
    net, (images, targets) = network(), pictures()
    out = net(images)
    matches = [assign_anchors(out.anchors, t["boxes"]) for t in targets]
    counted = [{"boxes": t["boxes"], "labels": t["labels"] + 1} for t in targets]
    theirs = SSD.compute_loss(PEER, counted, answers(out), [out.anchors] * 4, matches)
    expected = theirs["classification"] + theirs["bbox_regression"]
    torch.testing.assert_close(net.loss(images, targets), expected)
    weights = [p for p in net.parameters() if p.requires_grad]
    ours = torch.autograd.grad(net.loss(images, targets), weights)
    for a, b in zip(ours, torch.autograd.grad(expected, weights)):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_all_anchors_or_focal_loss_weigh_the_background_as_torch_does():
    images, targets = pictures()
    for how in ("all", "focal"):
        net = network(how)
        out = net(images)
        truth = [anchor_targets(out.anchors, t["boxes"], t["labels"]) for t in targets]
        classes = torch.stack([t.classes for t in truth])
        wanted = torch.stack([t.offsets for t in truth])
        count = (classes > 0).sum()
        if how == "all":
            expected = F.cross_entropy(out.logits.flatten(0, 1), classes.flatten(), reduction="sum")
        else:
            yes = F.one_hot(classes, 4)[..., 1:].float()
            expected = tv.sigmoid_focal_loss(out.logits, yes, 0.25, 2.0, reduction="sum")
        apart = F.smooth_l1_loss(out.offsets, wanted, reduction="none").sum(-1)
        expected = (expected + apart[classes > 0].sum()) / count
        torch.testing.assert_close(net.loss(images, targets), expected)


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.9, 0.0), (0.5, 1.0), (0.1, 5.0)])
def test_focal_loss_is_torchvisions(alpha, gamma):
    draw = torch.Generator().manual_seed(0)
    logits = (torch.randn(3, 200, 5, generator=draw) * 4).requires_grad_()
    classes = torch.randint(6, (3, 200), generator=draw)
    yes = F.one_hot(classes, 6)[..., 1:].float()
    expected = tv.sigmoid_focal_loss(logits, yes, alpha, gamma).sum(-1)
    ours = focal_loss(logits, classes, alpha, gamma)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)
    (a,) = torch.autograd.grad(ours.sum(), logits, retain_graph=True)
    (b,) = torch.autograd.grad(expected.sum(), logits)
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_focal_loss_of_sure_answers_and_its_gradient_are_finite():
    logits = torch.tensor([[200.0], [-200.0]], requires_grad=True)
    for classes in (torch.tensor([1, 0]), torch.tensor([0, 1])):  # all right, all wrong
        loss = focal_loss(logits, classes).sum()
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite() and gradient.isfinite().all()


def test_hard_negatives_are_the_worst_of_each_picture_by_a_loop():
    draw = torch.Generator().manual_seed(0)
    loss = torch.rand(5, 60, generator=draw)
    positive = torch.rand(5, 60, generator=draw) < 0.08
    positive[0] = False  # no object
    positive[1] = True  # no background
    positive[2, :40] = True  # less background than three for each object
    found = hard_negatives(loss, positive)
    for i in range(5):
        background = [j for j in range(60) if not positive[i, j]]
        background.sort(key=lambda j: -loss[i, j].item())
        wanted = set(background[: 3 * int(positive[i].sum())])
        assert set(found[i].nonzero()[:, 0].tolist()) == wanted


def test_the_finds_are_those_of_torchvisions_decoding_and_suppression():
    net, (images, _) = network(), pictures(6, seed=3)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        out = net(images)
    logits = 2 * torch.randn(out.logits.shape, generator=draw)
    logits[..., 0] += 4
    offsets = torch.randn(out.offsets.shape, generator=draw)
    net.forward = lambda images: replace(out, logits=logits, offsets=offsets)  # many claims
    for i, found in enumerate(net.detect(images, score_threshold=0.5, iou_threshold=0.45)):
        scores, labels = logits[i].softmax(-1)[:, 1:].max(-1)
        sure = scores >= 0.5
        boxes = PEER.box_coder.decode_single(offsets[i], out.anchors)[sure]
        kept = tv.batched_nms(boxes, scores[sure], labels[sure], 0.45)
        boxes = tv.clip_boxes_to_image(boxes[kept], (64, 64))
        assert 50 < len(kept) < sure.sum() < 400
        torch.testing.assert_close(found["boxes"], boxes, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(found["scores"], scores[sure][kept])
        assert torch.equal(found["labels"], labels[sure][kept])


def test_finds_of_an_oblong_picture_lie_inside_of_it():
    net = network(bold=60)
    (found,) = net.detect(torch.rand(1, 3, 48, 96), score_threshold=0.0)
    assert found["boxes"][:, 0::2].min() >= 0 and found["boxes"][:, 0::2].max() <= 96
    assert found["boxes"][:, 1::2].min() >= 0 and found["boxes"][:, 1::2].max() <= 48
    assert found["boxes"][:, 2].max() > 48


def test_detecting_leaves_the_network_in_the_mode_it_was_in():
    net = network().train()
    before = net.state_dict()["stages.0.0.1.running_mean"].clone()
    net.detect(torch.rand(2, 3, 64, 64))
    assert net.training and torch.equal(net.state_dict()["stages.0.0.1.running_mean"], before)


def test_an_answer_stands_beside_the_anchor_at_whose_position_it_was_read():
    """A head that answers at one position of one map only: which anchors say something?"""
    net = network()
    with torch.no_grad():
        out = net(torch.rand(1, 3, 64, 96))
    h, w = out.maps[1]
    first = out.maps[0][0] * out.maps[0][1] * 4
    marked = torch.zeros(1, 4 * 4, h, w)
    marked[0, 2 * 4 + 3, 5, 7] = 1.0  # third anchor, fourth column, row 5, column 7
    table = ssd._by_anchor(marked, 4)
    (place,) = table[0, :, 3].nonzero()[:, 0].tolist()
    x1, y1, x2, y2 = out.anchors[first + place].tolist()
    assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((7.5 * 96 / w, 5.5 * 64 / h), abs=1e-3)
    assert (x2 - x1) / (y2 - y1) == pytest.approx(2.0, abs=1e-3)  # sizes first, then ratio 2


def test_a_picture_of_256_pixels_has_the_5444_anchors_of_the_book_that_everybody_reads():
    net = TinySSD(1, stages=small_stages(width=4, halvings=3)).eval()
    with torch.no_grad():
        out = net(torch.zeros(1, 3, 256, 256))
    assert out.maps == [(32, 32), (16, 16), (8, 8), (4, 4), (1, 1)]
    assert out.anchors.shape == (5444, 4) and out.logits.shape == (1, 5444, 2)


@pytest.mark.parametrize("negatives", ssd.NEGATIVES)
def test_a_batch_without_objects_has_a_finite_loss_and_gradient(negatives):
    net = network(negatives).train()
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    loss = net.loss(torch.rand(2, 3, 64, 64), [nothing, nothing])
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())
    assert (loss == 0) == (negatives == "hard")


@pytest.mark.parametrize("negatives", ssd.NEGATIVES)
def test_a_small_network_learns_one_picture_by_heart(negatives):
    torch.manual_seed(0)
    net = TinySSD(2, stages=small_stages(width=8), negatives=negatives)
    image = torch.zeros(1, 3, 64, 64)
    image[0, 0, 8:24, 10:26], image[0, 1, 30:60, 28:58] = 1.0, 1.0
    truth = {
        "boxes": torch.tensor([[10.0, 8, 26, 24], [28, 30, 58, 60]]),
        "labels": torch.tensor([1, 0]),
    }
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(80):
        optimizer.zero_grad()
        net.loss(image.repeat(2, 1, 1, 1), [truth, truth]).backward()
        optimizer.step()
    for layer in net.modules():  # one picture's own statistics
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    net.train()(image.repeat(2, 1, 1, 1))
    (found,) = net.detect(image, score_threshold=0.3)
    best = {int(c): b for b, c in zip(found["boxes"].flip(0), found["labels"].flip(0))}
    torch.testing.assert_close(best[1], truth["boxes"][0], atol=3.0, rtol=0)
    torch.testing.assert_close(best[0], truth["boxes"][1], atol=3.0, rtol=0)


def test_focal_loss_begins_at_a_hundredth_for_every_class():
    net = TinySSD(3, stages=small_stages(width=8), negatives="focal").eval()
    with torch.no_grad():
        shares = net.probabilities(net(torch.rand(1, 3, 64, 64)).logits)
    assert shares.shape == (1, 1364, 4)
    assert 0.005 < shares[..., 1:].mean() < 0.02


def test_the_last_of_the_small_stages_takes_the_maximum_of_the_whole_map():
    x = torch.rand(2, 8, 5, 7)
    torch.testing.assert_close(small_stages()[-1][0](x), x.amax((2, 3), keepdim=True))


def test_heads_begin_with_small_weights_and_no_preference_for_a_class():
    torch.manual_seed(0)
    net = TinySSD(3, stages=small_stages(width=32)).eval()
    for head in (*net.classify, *net.move):
        assert 0.009 < head.weight.std() < 0.011 and not head.bias.any()
    with torch.no_grad():
        shares = net.probabilities(net(torch.rand(1, 3, 64, 64)).logits)
    torch.testing.assert_close(shares.mean((0, 1)), torch.full((4,), 0.25), atol=0.03, rtol=0)


def test_squeezenets_weights_are_used_themselves_and_see_imagenets_scale():
    body = squeezenet1_1().eval()
    stages = squeezenet_stages(body.features)
    assert body.features[0].padding == (0, 0)  # the caller's network is as it was
    first = copy.deepcopy(body.features[:8])
    first[0].padding = (1, 1)
    images = torch.rand(1, 3, 96, 128)
    mean, std = (torch.tensor(v)[:, None, None] for v in
                 ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))  # fmt: skip
    with torch.no_grad():
        x = stages[0][0].eval()(images)
        torch.testing.assert_close(x, first((images - mean) / std))
        torch.testing.assert_close(stages[1][0](x), body.features[8:11](x))
    net = TinySSD(3, stages=stages, sizes=ssd.SIZES[:4]).eval()
    assert net(images).logits.shape[0] == 1
    shared = {id(p) for p in net.parameters()} & {id(p) for p in body.features[:11].parameters()}
    assert len(shared) == len(list(body.features[:11].parameters()))


@pytest.mark.parametrize(("height", "width"), [(240, 320), (64, 128), (96, 160)])
def test_the_sides_of_squeezenets_maps_are_those_of_the_picture_over_8_and_16(height, width):
    net = TinySSD(3, stages=squeezenet_stages(squeezenet1_1().features), sizes=ssd.SIZES[:4])
    with torch.no_grad():
        maps = net.eval()(torch.rand(1, 3, height, width)).maps
    assert maps[:2] == [(height // 8, width // 8), (height // 16, width // 16)]


def test_anchors_of_the_fine_map_keep_one_distance_from_what_their_position_sees():
    """A column of NaN reaches exactly the positions of the map that see it."""
    stage = squeezenet_stages(squeezenet1_1().features)[0][0].eval()
    seen = []
    with torch.no_grad():
        for column in range(320):
            image = torch.full((1, 3, 8, 320), 0.5)
            image[..., column] = torch.nan
            seen.append(stage(image)[0, 0, 0].isnan())
    seen = torch.stack(seen)  # (columns, positions)
    assert seen.shape == (320, 40)
    inside = range(5, 35)  # whose window does not end at the border of the picture
    windows = [seen[:, k].nonzero()[:, 0] for k in inside]
    middles = torch.stack([(w.min() + w.max() + 1) / 2 for w in windows])
    boxes = anchors(1, 40, (0.5,), (1.0,), (8, 320))
    centres = ((boxes[:, 0] + boxes[:, 2]) / 2)[list(inside)]
    apart = middles - centres
    torch.testing.assert_close(apart, apart[:1].expand_as(apart))  # no drift over the picture
    assert apart[0].abs() < 4  # half a position


NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


@pytest.mark.parametrize(
    ("images", "targets", "message"),
    [
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), [NOTHING], "divided by 255"),
        (torch.zeros(3, 64, 64), [NOTHING], "batch, channels, height, width"),
        ([torch.zeros(3, 64, 64)], [NOTHING], "images are of type list"),
        (torch.zeros(2, 3, 64, 64), [NOTHING], "2 images and 1 targets"),
        (torch.zeros(0, 3, 64, 64), [], "at least one picture"),
        (torch.zeros(1, 3, 64, 64), [{"boxes": torch.zeros(0, 4)}], "no labels"),
        (torch.zeros(1, 3, 64, 64), [{"boxes": torch.tensor([[1.0, 1, 9, 9]]),
                                      "labels": torch.tensor([3])}], "from 0 to 2"),
        (torch.zeros(1, 3, 64, 64), [{"boxes": torch.tensor([[1.0, 1, 9, 9]]),
                                      "labels": torch.tensor([-1])}], "from 0 to 2"),
        (torch.zeros(1, 3, 64, 64), [{"boxes": torch.tensor([[9.0, 1, 1, 9]]),
                                      "labels": torch.tensor([0])}], "x2 < x1"),
        (torch.zeros(1, 3, 64, 64), [{"boxes": torch.tensor([[1.0, 1, 1, 9]]),
                                      "labels": torch.tensor([0])}], "no area"),
        (torch.zeros(1, 3, 64, 64), [{"boxes": torch.tensor([[1.0, 1, float("nan"), 9]]),
                                      "labels": torch.tensor([0])}], "not finite"),
    ],
)  # fmt: skip
def test_bad_pictures_and_targets_are_refused_in_words(images, targets, message):
    with pytest.raises(ValueError, match=message):
        network().loss(images, targets)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TinySSD(0), "positive integer"),
        (lambda: TinySSD(3, sizes=((0.1,),)), "5 stages and sizes for 1"),
        (lambda: TinySSD(3, sizes=((),) * 5), "part of the side"),
        (lambda: TinySSD(3, sizes=((-0.1,),) * 5), "part of the side"),
        (lambda: TinySSD(3, ratios=()), "ratios are"),
        (lambda: TinySSD(3, negatives="none"), "hard, all, focal"),
        (lambda: TinySSD(3, stages=[]), "pairs"),
        (lambda: small_stages(width=0), "positive integer"),
        (lambda: squeezenet_stages(torch.nn.Sequential()), "13 layers"),
        (lambda: squeezenet_stages(torch.nn.Sequential(), width=0), "width is 0"),
        (lambda: hard_negatives(torch.zeros(2, 3), torch.zeros(2, 3)), "bool"),
        (lambda: hard_negatives(torch.zeros(2, 3), torch.zeros(2, 3).bool(), 0), "positive"),
        (lambda: focal_loss(torch.zeros(2, 3), torch.tensor([0, 4])), "0 for background to 3"),
        (lambda: focal_loss(torch.zeros(2, 3), torch.zeros(3).long()), "integers"),
        (lambda: focal_loss(torch.zeros(2, 3), torch.zeros(2).long(), 2.0), "alpha"),
        (lambda: multibox_loss(torch.zeros(1, 5, 3), torch.zeros(1, 4, 4),
                               torch.zeros(1, 5).long(), torch.zeros(1, 5, 4)), "offsets have"),
        (lambda: multibox_loss(torch.zeros(1, 5, 3), torch.zeros(1, 5, 4),
                               torch.full((1, 5), 3), torch.zeros(1, 5, 4)), "to 2"),
        (lambda: multibox_loss(torch.zeros(1, 5, 3), torch.zeros(1, 5, 4),
                               torch.zeros(1, 5), torch.zeros(1, 5, 4)), "give integers"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused_in_words(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_pictures_with_nan_are_refused_in_words():
    with pytest.raises(ValueError, match="NaN in the images"):
        network().detect(torch.full((1, 3, 64, 64), float("nan")))


def test_the_examples_of_the_docstrings_are_right():
    assert doctest.testmod(ssd).failed == 0
