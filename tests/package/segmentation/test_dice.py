"""The Dice loss against scikit-learn's F1, a sum written out, and finite differences."""

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from labnotes.segmentation import dice_loss


def case(seed=0, classes=3, void=0.2):
    draw = torch.Generator().manual_seed(seed)
    scores = torch.randn(2, classes, 5, 6, generator=draw, dtype=torch.float64)
    pixels = torch.randint(0, classes, (2, 5, 6), generator=draw)
    pixels[torch.rand(2, 5, 6, generator=draw) < void] = 255
    return scores, pixels


def test_with_certain_answers_it_is_one_minus_scikit_learns_mean_f1():
    scores, pixels = case()
    counted = pixels != 255
    answers = scores.argmax(1)[counted]
    expected = 1 - f1_score(pixels[counted], answers, average="macro")
    assert dice_loss(1e4 * scores, pixels, smooth=1e-9).item() == pytest.approx(expected)


@pytest.mark.parametrize("smooth", [1.0, 0.1, 5.0])
def test_it_is_its_formula_pixel_by_pixel(smooth):
    scores, pixels = case()
    both, either = np.zeros(3), np.zeros(3)
    for n, i, j in np.ndindex(2, 5, 6):
        if pixels[n, i, j] == 255:
            continue
        odds = np.exp(scores[n, :, i, j].numpy())
        for c in range(3):
            p, t = odds[c] / odds.sum(), float(pixels[n, i, j] == c)
            both[c] += p * t
            either[c] += p + t
    expected = 1 - np.mean((2 * both + smooth) / (either + smooth))
    assert dice_loss(scores, pixels, smooth=smooth).item() == pytest.approx(expected)
    if smooth == 1.0:
        assert dice_loss(scores, pixels).item() == pytest.approx(expected)


def test_its_gradient_is_that_of_finite_differences_and_zero_at_void_pixels():
    scores, pixels = case()
    scores.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: dice_loss(z, pixels), scores)
    dice_loss(scores, pixels).backward()
    void = (pixels == 255)[:, None].expand_as(scores)
    assert scores.grad[void].abs().max() == 0 and scores.grad[~void].abs().min() > 0


def test_another_void_label():
    scores, pixels = case()
    other = pixels.masked_fill(pixels == 255, -1)
    assert dice_loss(scores, other, ignore_index=-1) == dice_loss(scores, pixels)


@pytest.mark.parametrize("label", [0, 255])
def test_a_batch_without_an_object_has_a_finite_loss_and_gradient(label):
    scores, _ = case()
    scores.requires_grad_()
    loss = dice_loss(scores, torch.full((2, 5, 6), label))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(scores.grad).all()
    assert (loss.item() == 0) == (label == 255)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda z, y: dice_loss(z[0], y[0]), "scores are .3, 5, 6"),
        (lambda z, y: dice_loss(z, y[:, :4]), "pixels .2, 4, 6"),
        (lambda z, y: dice_loss(z, y.float()), "float32: give torch.int64"),
        (lambda z, y: dice_loss(z, y.to(torch.uint8)), "uint8: give torch.int64"),
        (lambda z, y: dice_loss(z, torch.where(y == 2, 3, y)), "pixels hold 0 to 3"),
        (lambda z, y: dice_loss(z, torch.where(y == 0, -1, y)), "pixels hold -1"),
        (lambda z, y: dice_loss(z, y, smooth=0), "smooth is 0"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call(*case())
