"""Metrics of segmentation: scikit-learn's numbers on the same pixels."""

import doctest
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from labnotes.metrics import (
    class_iou,
    confusion_matrix,
    dice,
    mean_iou,
    pixel_accuracy,
    segmentation,
)


def labelled(seed: int, classes: int, void: bool):
    draw = torch.Generator().manual_seed(seed)
    target = torch.randint(classes, (2, 5, 6), generator=draw)
    wrong = torch.rand(target.shape, generator=draw) < 0.4
    predicted = target.where(~wrong, torch.randint(classes, target.shape, generator=draw))
    if void:
        target[torch.rand(target.shape, generator=draw) < 0.2] = 255
    return predicted, target


@given(seed=st.integers(0, 999), classes=st.integers(1, 6), void=st.booleans())
def test_all_of_them_are_scikit_learns_on_the_pixels_that_count(seed, classes, void):
    predicted, target = labelled(seed, classes, void)
    counted = target != 255
    guesses, truth = predicted[counted].numpy(), target[counted].numpy()
    labels = np.arange(classes)
    table = confusion_matrix(predicted, target, classes)
    assert pixel_accuracy(table).item() == pytest.approx(sk.accuracy_score(truth, guesses))
    present = np.union1d(truth, guesses)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that only one of both has
        expected = sk.confusion_matrix(truth, guesses, labels=labels)
        each = sk.jaccard_score(truth, guesses, labels=present, average=None)
        f1 = sk.f1_score(truth, guesses, labels=present, average=None)
    assert (table.numpy() == expected).all()
    np.testing.assert_allclose(class_iou(table)[present], each)
    np.testing.assert_allclose(dice(table)[present], f1)
    assert mean_iou(table).item() == pytest.approx(each.mean())
    assert class_iou(table).isnan().sum() == classes - len(present)


def test_the_matrix_of_a_set_is_the_sum_of_its_batches_and_its_iou_not_their_mean():
    pairs = [labelled(seed, 3, True) for seed in range(4)]
    tables = [confusion_matrix(*pair, 3) for pair in pairs]
    whole = confusion_matrix(*(torch.cat(parts) for parts in zip(*pairs)), 3)
    assert torch.equal(sum(tables), whole)
    assert mean_iou(whole) != torch.stack([mean_iou(t) for t in tables]).mean()


def test_another_void_class_may_be_named():
    target = torch.tensor([0, 1, 21])
    table = confusion_matrix(torch.tensor([0, 1, 1]), target, 2, ignore_index=21)
    assert table.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    "predicted, target, text",
    [
        (torch.zeros(2, 3).long(), torch.zeros(3, 2).long(), r"shape \(2, 3\), target \(3, 2\)"),
        (torch.zeros(2), torch.zeros(2).long(), "predicted is torch.float32"),
        (torch.zeros(2).long(), torch.zeros(2).bool(), "target is torch.bool"),
        (torch.tensor([0, 3]), torch.tensor([0, 1]), "predicted holds classes 0 to 3: give 0 to 2"),
        (torch.tensor([0, 1]), torch.tensor([0, -1]), "target holds classes -1 to 0"),
    ],
)
def test_bad_input_is_refused(predicted, target, text):
    with pytest.raises(ValueError, match=text):
        confusion_matrix(predicted, target, 3)


@pytest.mark.parametrize("metric", [pixel_accuracy, class_iou, mean_iou, dice])
def test_what_is_no_confusion_matrix_is_refused(metric):
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        metric(torch.zeros(2, 3))


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(segmentation).failed == 0
