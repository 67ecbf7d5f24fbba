"""The accuracy of guesses against scikit-learn's."""

import doctest

import pytest
import torch
from sklearn.metrics import accuracy_score
from torch import nn

import labnotes.metrics.classification as module
from labnotes.metrics.classification import accuracy, count_right


def drawn(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores of five classes and targets, about half of which have the largest score."""
    draw = torch.Generator().manual_seed(0)
    scores = torch.randn(shape[0], 5, *shape[1:], generator=draw)
    other = torch.randint(5, shape, generator=draw)
    return scores, torch.where(torch.rand(shape, generator=draw) < 0.5, scores.argmax(1), other)


@pytest.mark.parametrize("shape", [(40,), (6, 7), (5, 4, 3)])
def test_accuracy_is_the_part_of_the_largest_scores_that_scikit_learn_counts(shape):
    scores, targets = drawn(*shape)
    expected = accuracy_score(targets.flatten(), scores.argmax(1).flatten())
    assert 0.3 < expected < 0.9
    assert accuracy(scores, targets).item() == pytest.approx(expected)


def test_targets_may_be_probabilities_of_the_classes():
    scores, targets = drawn(40)
    soft = 0.6 * nn.functional.one_hot(targets, 5) + 0.4 / 5  # label smoothing
    assert accuracy(scores, soft) == accuracy(scores, targets)


@pytest.mark.parametrize("ignored", [-100, 0, 3])
def test_ignored_targets_count_neither_as_right_nor_at_all(ignored):
    scores, targets = drawn(6, 40)
    targets[torch.rand(targets.shape, generator=torch.Generator().manual_seed(1)) < 0.3] = ignored
    kept = targets != ignored
    guesses = scores.argmax(1)
    expected = accuracy_score(targets[kept], guesses[kept])
    options = {} if ignored == -100 else {"ignore_index": ignored}
    assert accuracy(scores, targets, **options).item() == pytest.approx(expected)
    right, counted = count_right(scores, targets, **options)
    assert (right, counted) == (
        accuracy_score(targets[kept], guesses[kept], normalize=False),
        kept.sum(),
    )
    assert accuracy(scores, torch.full_like(targets, ignored), **options).isnan()


def test_a_single_image_has_an_accuracy_of_0_or_1():
    assert accuracy(torch.tensor([[1.0, 2.0]]), torch.tensor([1])) == 1
    assert accuracy(torch.tensor([[1.0, 2.0]]), torch.tensor([0])) == 0


def test_what_does_not_fit_is_refused_with_the_reason():
    with pytest.raises(TypeError, match="for a model over batches"):
        accuracy(nn.Linear(2, 2), torch.zeros(3))
    with pytest.raises(ValueError, match="give one class per example"):
        accuracy(torch.zeros(3, 5), torch.zeros(4, dtype=torch.long))


def test_the_examples_in_the_docstring_run():
    assert doctest.testmod(module).failed == 0
