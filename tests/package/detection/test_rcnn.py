"""The two-stage detector: its losses beside torchvision's, its targets by loops, bad input."""

import doctest
import inspect

import numpy as np
import pytest
import torch
import torchvision.ops as tv
from scipy.ndimage import map_coordinates
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler, BoxCoder, Matcher
from torchvision.models.detection.roi_heads import fastrcnn_loss, maskrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork

from labnotes.detection import rcnn
from labnotes.detection.rcnn import (
    TinyFasterRCNN,
    choose_regions,
    cut_masks,
    head_loss,
    mask_loss,
    paste_masks,
    proposal_loss,
    proposal_targets,
    sample,
)

from .scenes import pictures


def network(bold: float = 30.0, **options) -> TinyFasterRCNN:
    """Its heads say something: as they begin, all regions answer the same."""
    torch.manual_seed(0)
    net = TinyFasterRCNN(3, **options).eval()
    with torch.no_grad():
        head = net.box_head
        for layer in (net.propose_head.score, net.propose_head.move, head.classify, head.move):
            layer.weight.mul_(bold)
    return net


def test_proposals_learn_what_torchvisions_matcher_says():
    net, (images, targets) = network(), pictures(6)
    anchors = net(images).anchors
    matcher = Matcher(0.6, 0.3, allow_low_quality_matches=True)
    coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
    for target in targets[1:]:
        classes, offsets = proposal_targets(anchors, target["boxes"])
        match = matcher(tv.box_iou(target["boxes"], anchors))
        # Where a truth has no anchor at 0.6, torchvision also takes anchors that are as good as its
        # best, and lets it have one that another truth overlaps more: compare the rest.
        best = tv.box_iou(target["boxes"], anchors).amax(0)
        assert torch.equal(classes[best >= 0.6], torch.ones_like(classes[best >= 0.6]))
        assert torch.equal(classes == 0, (match == -1) & (classes != 1))
        assert (classes == 1).sum() >= len(target["boxes"])
        sure = (best >= 0.6) & (classes == 1)
        theirs = coder.encode_single(target["boxes"][match[sure]], anchors[sure])
        assert torch.allclose(offsets[sure], theirs, atol=1e-5)
        assert not offsets[classes != 1].any()


def test_a_picture_without_objects_is_all_background():
    anchors = network()(torch.rand(1, 3, 64, 64)).anchors
    classes, offsets = proposal_targets(anchors, torch.zeros(0, 4))
    assert not classes.any() and not offsets.any()


def test_proposal_loss_is_torchvisions():
    torch.manual_seed(1)
    logits, offsets, wanted = torch.randn(3, 50), torch.randn(3, 50, 4), torch.randn(3, 50, 4)
    classes = torch.randint(-1, 2, (3, 50))
    keep = torch.where(classes >= 0)
    assert keep[0].numel()
    peer = RegionProposalNetwork.__new__(RegionProposalNetwork)
    torch.nn.Module.__init__(peer)
    peer.fg_bg_sampler = BalancedPositiveNegativeSampler(1000, 0.5)  # it draws all there are
    labels = [each.float() for each in classes]
    theirs = peer.compute_loss(logits[..., None], offsets.view(-1, 4), labels, list(wanted))
    ours = proposal_loss(logits, offsets, classes, wanted, classes >= 0)
    assert torch.allclose(torch.stack(ours), torch.stack(theirs), atol=1e-6)


def test_head_loss_is_torchvisions():
    torch.manual_seed(2)
    n, classes = 40, 3
    logits, offsets = torch.randn(n, classes + 1), torch.randn(n, classes, 4)
    truth, wanted = torch.randint(0, classes + 1, (n,)), torch.randn(n, 4)
    with_ground = torch.cat([torch.randn(n, 1, 4), offsets], 1).view(
        n, -1
    )  # they have background's
    theirs = fastrcnn_loss(logits, with_ground, [truth], [wanted])
    assert torch.allclose(torch.stack(head_loss(logits, offsets, truth, wanted)),
                          torch.stack(theirs), atol=1e-6)  # fmt: skip


def test_mask_loss_is_torchvisions_with_targets_cut_alike():
    torch.manual_seed(3)
    _, targets = pictures(5)
    target = targets[4]
    boxes = target["boxes"] + torch.rand(4, 4) * 3
    assigned = torch.tensor([2, 0, 3, 1])
    labels = target["labels"][assigned]
    logits = torch.randn(4, 3, 14, 14)
    theirs = maskrcnn_loss(logits, [boxes], [target["masks"]], [target["labels"]], [assigned])
    # torchvision reads the true mask half a pixel too far: the same reading, and then the right one.
    rois = torch.cat([assigned[:, None].float(), boxes], 1)
    alike = tv.roi_align(target["masks"][:, None].float(), rois, 14)[:, 0]
    assert torch.allclose(mask_loss(logits, labels, alike), theirs, atol=1e-6)
    right = tv.roi_align(target["masks"][:, None].float(), rois, 14, aligned=True)[:, 0]
    assert torch.allclose(cut_masks(target["masks"], boxes, assigned, 14), right, atol=1e-5)
    assert mask_loss(logits[:0], labels[:0], right[:0]) == 0


def test_a_pasted_mask_is_scipys_reading_of_it_between_its_cells():
    torch.manual_seed(4)
    masks = torch.rand(3, 14, 14)
    boxes = torch.tensor([[5.3, 8.2, 30.7, 22.9], [0, 0, 64, 48], [40.0, 30, 44, 33]])
    pasted = paste_masks(masks, boxes, (48, 64))
    for mask, (x1, y1, x2, y2), ours in zip(masks, boxes.tolist(), pasted):
        y, x = np.mgrid[:48, :64] + 0.5
        place = [(y - y1) / (y2 - y1) * 14 - 0.5, (x - x1) / (x2 - x1) * 14 - 0.5]
        read = map_coordinates(mask.double().numpy(), place, order=1, mode="nearest")
        inside = (x >= x1) & (x <= x2) & (y >= y1) & (y <= y2)
        assert np.allclose(ours.numpy(), np.where(inside, read, 0), atol=1e-5)


def test_a_mask_that_is_cut_out_and_pasted_comes_back():
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[0, 20:34, 10:24] = torch.rand(14, 14) < 0.5
    box = torch.tensor([[10.0, 20, 24, 34]])
    cut = cut_masks(mask, box, torch.tensor([0]), 14)
    assert torch.equal(paste_masks(cut, box, (64, 64)) >= 0.5, mask)


def test_a_sample_has_at_most_its_share_of_positives_and_never_what_is_left_out():
    torch.manual_seed(5)
    classes = torch.tensor([2] * 30 + [0] * 100 + [-1] * 50)
    drawn = sample(classes, 40, 0.25)
    assert drawn.sum() == 40 and drawn[:30].sum() == 10 and not drawn[130:].any()
    few = sample(classes[28:130], 40, 0.25)
    assert few[:2].all() and few.sum() == 40  # background takes the places that are left
    counts = sum(sample(classes, 40, 0.25).float() for _ in range(400)) / 400
    assert (counts[:30] - 10 / 30).abs().max() < 0.12  # every one has the same chance


def test_regions_have_an_object_from_half_on():
    _, targets = pictures(6)
    boxes = torch.cat([t["boxes"] for t in pictures(8, seed=3)[1]])
    for target in targets[1:]:
        boxes_here = torch.cat([boxes, target["boxes"] + 1.0])
        chosen = choose_regions(boxes_here, target, count=1000, share=1.0)
        table = tv.box_iou(chosen.boxes, target["boxes"])
        assert torch.equal(chosen.assigned >= 0, table.amax(1) >= 0.5)
        found = chosen.assigned >= 0
        truth = table.argmax(1)[found]
        assert torch.equal(chosen.classes[found], target["labels"][truth] + 1)
        coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
        theirs = coder.encode_single(target["boxes"][truth], chosen.boxes[found])
        assert torch.allclose(chosen.offsets[found], theirs, atol=1e-4)
        assert not chosen.classes[~found].any() and not chosen.offsets[~found].any()


def test_regions_are_torchvisions_decoding_clipping_and_suppression():
    net, (images, _) = network(), pictures(3)
    found, coder = net(images), BoxCoder((1.0, 1.0, 1.0, 1.0))
    for ours, logits, offsets in zip(net.propose(images, 10), found.logits, found.offsets):
        best = logits.argsort(descending=True)[:40]
        boxes = coder.decode_single(offsets[best].detach(), found.anchors[best])
        boxes = tv.clip_boxes_to_image(boxes, (64, 64))
        large = tv.remove_small_boxes(boxes, 1.0)
        kept = tv.nms(boxes[large], logits[best][large], 0.7)[:10]
        assert torch.allclose(ours["boxes"], boxes[large][kept], atol=1e-4)
        assert torch.allclose(ours["scores"], logits[best][large][kept].sigmoid())


def test_finds_are_torchvisions_steps_on_the_same_answers():
    net, (images, _) = network(bold=200.0), pictures(3)
    found, coder = net(images), BoxCoder((10.0, 10.0, 5.0, 5.0))
    for i, (ours, region) in enumerate(zip(net.detect(images, 0.3, 0.4), net.propose(images))):
        rois = torch.cat([torch.full((len(region["boxes"]), 1), float(i)), region["boxes"]], 1)
        pooled = tv.roi_align(found.features, rois, 7, 0.25, 2, aligned=True)
        logits, offsets = net.box_head(pooled)
        scores, labels = logits.softmax(1)[:, 1:].max(1)
        sure = scores >= 0.3
        move = offsets[torch.arange(len(labels)), labels]
        boxes = coder.decode_single(move, region["boxes"])[sure]
        kept = tv.batched_nms(boxes, scores[sure], labels[sure], 0.4)
        boxes = tv.clip_boxes_to_image(boxes[kept], (64, 64))
        assert len(kept) and torch.equal(ours["labels"], labels[sure][kept])
        assert torch.allclose(ours["boxes"], boxes, atol=1e-3)
        assert torch.allclose(ours["scores"], scores[sure][kept], atol=1e-5)


def test_detecting_keeps_torchvisions_thresholds():
    net, (images, _) = network(bold=200.0), pictures(3)
    theirs = inspect.signature(FasterRCNN).parameters
    options = [theirs[key].default for key in ("box_score_thresh", "box_nms_thresh")]
    counts = []
    for given in ((), options, (0.5, 0.5), (0.05, 0.9)):
        counts.append([len(found["boxes"]) for found in net.detect(images, *given)])
    assert counts[0] == counts[1] and counts[0] != counts[2] and counts[0] != counts[3]


def test_finds_of_which_clipping_leaves_a_line_or_a_point_are_left_out(monkeypatch):
    beside, above, beyond = [70.0, 10, 80, 20], [10.0, -9, 20, -2], [66.0, 70, 80, 90]
    found = {"boxes": torch.tensor([beside, above, beyond, [60.0, 60, 70, 70]])}
    found |= {"labels": torch.tensor([0, 1, 2, 1]), "scores": torch.ones(4)}
    monkeypatch.setattr(rcnn, "detections", lambda *given: dict(found))
    left = TinyFasterRCNN(3, masks=False).detect(torch.rand(1, 3, 64, 64))[0]
    assert left["boxes"].tolist() == [[60, 60, 64, 64]] and left["labels"].tolist() == [1]


def test_every_map_of_the_body_has_a_part_in_the_features():
    net = network()
    net.body(torch.rand(2, 3, 64, 64)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.body.parameters())


def test_a_find_has_the_mask_of_its_own_class():
    net, (images, _) = network(bold=200.0), pictures(2)
    with torch.no_grad():
        last = net.mask_head[-1]
        last.weight.zero_()
        last.bias.copy_(torch.tensor([-5.0, 5.0, -5.0]))  # only masks of class 1 are full
    for found in net.detect(images, 0.1):
        for mask, label, (x1, y1, x2, y2) in zip(found["masks"], found["labels"], found["boxes"]):
            y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
            inside = (x >= x1) & (x <= x2) & (y >= y1) & (y <= y2)
            assert torch.equal(mask, inside & bool(label == 1))


def test_anchors_stand_at_the_position_whose_answer_they_go_with():
    net = network()
    with torch.no_grad():
        net.propose_head.look[0].weight.zero_()
        net.propose_head.look[0].weight[0, 0, 1, 1] = 1.0
        net.propose_head.score.weight.zero_()
        net.propose_head.score.weight[:, 0] = 1.0
    features = torch.zeros(1, 48, 16, 16)
    features[0, 0, 3, 9] = 5.0
    net.body.forward = lambda images: features
    found = net(torch.rand(1, 3, 64, 64))
    lit = found.anchors[found.logits[0] > 1]
    assert len(lit) == 9
    middle = (lit[:, :2] + lit[:, 2:]) / 2
    assert torch.allclose(middle, torch.tensor([9.5 * 4, 3.5 * 4]).expand(9, 2))
    ratio = (lit[:, 2] - lit[:, 0]) / (lit[:, 3] - lit[:, 1])
    assert torch.allclose(ratio, torch.tensor([1.0, 2.0, 0.5]).repeat(3))
    side = ((lit[:, 2] - lit[:, 0]) * (lit[:, 3] - lit[:, 1])).sqrt()
    assert torch.allclose(side, 64 * torch.tensor([0.16, 0.27, 0.45]).repeat_interleave(3))


def test_a_picture_trains_the_first_stage_with_64_anchors_half_of_them_objects_if_it_can(
    monkeypatch,
):
    net, (images, targets) = network(), pictures(6)
    found, seen, real = net(images), [], rcnn.proposal_loss
    targets[0] = {"boxes": found.anchors[100:2000:45]}  # more than 32 anchors with an object
    monkeypatch.setattr(rcnn, "proposal_loss", lambda *given: seen.append(given) or real(*given))
    net.proposal_terms(found, targets)
    (_, _, classes, _, drawn), *_ = seen
    there = (classes > 0).sum(1)
    assert there.max() > 32 and (there < 32).any()
    assert torch.equal(((classes > 0) & drawn).sum(1), there.clamp(max=32))
    assert (drawn.sum(1) == 64).all()


def test_of_24_regions_for_the_heads_a_third_has_an_object():
    boxes = torch.tensor([[0.0, 0, 20, 20], [40, 40, 60, 60]]).repeat_interleave(30, 0)
    target = {"boxes": boxes[:1], "labels": torch.tensor([2])}
    chosen = choose_regions(boxes, target)
    assert len(chosen.boxes) == 24 and (chosen.classes == 3).sum() == 7  # a third, rounded down


def test_the_heads_also_learn_from_the_true_boxes(monkeypatch):
    net, (images, targets) = network(), pictures(4)
    seen, real = [], rcnn.choose_regions
    monkeypatch.setattr(
        rcnn, "choose_regions", lambda *given: seen.append(given[0]) or real(*given)
    )
    net.loss(images, targets)
    for boxes, target, region in zip(seen, targets, net.propose(images), strict=True):
        assert torch.equal(boxes, torch.cat([region["boxes"], target["boxes"]]))


def test_a_batch_without_objects_has_a_finite_loss_and_gradient():
    net = TinyFasterRCNN(3)
    targets = pictures(1)[1] * 2
    terms = net.terms(torch.rand(2, 3, 64, 64), targets)
    sum(terms.values()).backward()
    assert set(terms) == {"object", "region", "class", "box", "mask"}
    assert terms["region"] == terms["box"] == terms["mask"] == 0
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


def test_a_batch_of_one_picture_trains_the_masks_too():
    net, (images, targets) = network(), pictures(3)
    terms = net.terms(images[2:], targets[2:])
    assert set(terms) == {"object", "region", "class", "box", "mask"} and terms["mask"] > 0


def test_no_gradient_goes_through_the_corners_of_a_region():
    net, (images, targets) = network(), pictures(3)
    terms = net.terms(images, targets)
    (terms["class"] + terms["box"] + terms["mask"]).backward()
    assert net.propose_head.move.weight.grad is None
    assert net.body.mix[0].weight.grad.abs().sum() > 0


def test_the_losses_are_of_as_many_anchors_and_regions_as_were_asked_for(monkeypatch):
    net, (images, targets) = network(anchors_drawn=10, regions_drawn=6), pictures(4)
    drawn, heads = [], []
    monkeypatch.setattr(rcnn, "proposal_loss", lambda *a: drawn.append(a[-1]) or (a[0].sum(),) * 2)
    net.box_head.register_forward_hook(lambda m, given, out: heads.append(len(given[0])))
    net.terms(images, targets)
    assert drawn[0].sum(1).tolist() == [10] * len(images)
    assert heads == [6 * len(images)]
    for wrong in ({"anchors_drawn": 0}, {"regions_drawn": -1}):
        with pytest.raises(ValueError, match="_drawn"):
            TinyFasterRCNN(3, **wrong)


def test_half_precision_does_not_round_the_corners_of_regions():
    features = torch.randn(1, 48, 60, 80).bfloat16()
    boxes = torch.tensor([[200.3, 150.6, 230.9, 190.2], [300.7, 10.1, 318.4, 31.3]])
    with torch.autocast("cpu", torch.bfloat16):
        pooled = TinyFasterRCNN(3).pool(features, [boxes])
    peer = tv.roi_align(features.float(), [boxes], 7, 1 / 4, 2, aligned=True)
    torch.testing.assert_close(pooled, peer, atol=1e-4, rtol=1e-4)


def test_a_small_network_learns_two_pictures_by_heart():
    from labnotes.data.worlds import shapes

    world = shapes(2, seed=3, objects=(2, 3))
    torch.manual_seed(0)
    net = TinyFasterRCNN(4)
    images = world.images.float() / 255
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    for _ in range(120):
        optimizer.zero_grad()
        net.loss(images, world.targets).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimizer.step()
    for found, target in zip(net.detect(images, 0.5, 0.3), world.targets):
        table = tv.box_iou(target["boxes"], found["boxes"])
        assert (table.amax(1) >= 0.6).all() and len(found["boxes"]) == len(target["boxes"])
        best = table.argmax(1)
        assert torch.equal(found["labels"][best], target["labels"])
        both, masks = target["masks"], found["masks"][best]
        overlap = (both & masks).sum((1, 2)) / (both | masks).sum((1, 2))
        assert (overlap > 0.6).all()


def test_detecting_leaves_the_network_in_the_mode_it_was_in():
    net = TinyFasterRCNN(2)
    net.detect(torch.rand(1, 3, 64, 64))
    net.propose(torch.rand(1, 3, 64, 64))
    assert net.training
    assert not net.eval().training
    net.detect(torch.rand(1, 3, 64, 64))
    assert not net.training


def test_oblong_pictures_and_a_network_without_masks_work():
    net = network(bold=200.0, masks=False)
    net.train()
    images = torch.rand(2, 3, 48, 96)
    target = {"boxes": torch.tensor([[50.0, 10, 80, 40]]), "labels": torch.tensor([1])}
    assert set(net.terms(images, [target] * 2)) == {"object", "region", "class", "box"}
    for found in net.detect(images):
        assert sorted(found) == ["boxes", "labels", "scores"]
        assert (found["boxes"] >= 0).all()
        assert (found["boxes"] <= torch.tensor([96.0, 48, 96, 48])).all()


IMAGES, TARGETS = pictures(2)


@pytest.mark.parametrize(
    ("images", "targets", "message"),
    [
        (IMAGES[0], TARGETS, "give floating point"),
        ((IMAGES * 255).byte(), TARGETS, "divided by 255"),
        (IMAGES[:0], [], "at least one picture"),
        (IMAGES, TARGETS[:1], "1 targets"),
        (IMAGES, [TARGETS[0], {"boxes": torch.zeros(0, 4)}], "no labels"),
        (IMAGES, [TARGETS[0], TARGETS[1] | {"labels": torch.tensor([3])}], "from 0 to 2"),
        (IMAGES, [TARGETS[0], {k: TARGETS[1][k] for k in ("boxes", "labels")}], "all of them masks"),
        (
            IMAGES,
            [TARGETS[0], TARGETS[1] | {"masks": torch.zeros(1, 32, 32)}],
            r"give a mask of the picture's size for each box, \(1, 64, 64\)",
        ),
        (
            IMAGES,
            [TARGETS[0], TARGETS[1] | {"masks": torch.full((1, 64, 64), 255.0)}],
            "give bool",
        ),
        (
            IMAGES,
            [TARGETS[0], TARGETS[1] | {"boxes": torch.tensor([[9.0, 9, 5, 12]])}],
            "x2",
        ),
        (
            IMAGES,
            [TARGETS[0], TARGETS[1] | {"boxes": torch.tensor([[9.0, 9, float("nan"), 12]])}],
            "finite",
        ),
    ],
)  # fmt: skip
def test_bad_pictures_and_targets_are_refused_in_words(images, targets, message):
    with pytest.raises(ValueError, match=message):
        TinyFasterRCNN(3).loss(images, targets)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TinyFasterRCNN(0), "num_classes"),
        (lambda: TinyFasterRCNN(2, proposals=0), "proposals"),
        (lambda: TinyFasterRCNN(2, sizes=()), "at least one of each"),
        (lambda: TinyFasterRCNN(2).propose(IMAGES, 0), "count"),
        (lambda: TinyFasterRCNN(2).detect(IMAGES * float("nan")), "finite"),
        (lambda: TinyFasterRCNN(2).detect(IMAGES[0]), "give floating point"),
        (lambda: sample(torch.zeros(3), 2, 1.5), "share is 1.5"),
    ],
)
def test_bad_arguments_are_refused_in_words(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_examples_of_the_docstrings_are_right():
    assert doctest.testmod(rcnn).failed == 0
