"""Perplexity: nltk's, and what it means for a fair die."""

import doctest
import math

import pytest
import torch
from nltk.lm import MLE
from nltk.lm.preprocessing import padded_everygram_pipeline
from torch.nn import functional as F

from labnotes.metrics import language, perplexity


def test_it_is_nltks_on_a_model_of_counts():
    text = [list("abracadabra"), list("barbara")]
    model = MLE(2)
    model.fit(*padded_everygram_pipeline(2, text))
    pairs = [("a", "b"), ("b", "r"), ("r", "a")]
    total = -sum(math.log(model.score(after, [before])) for before, after in pairs)
    assert perplexity(total, len(pairs)) == pytest.approx(model.perplexity(pairs))


def test_it_is_the_exponential_of_torchs_mean_cross_entropy():
    logits, targets = torch.randn(7, 5), torch.randint(5, (7,))
    total = F.cross_entropy(logits, targets, reduction="sum").item()
    assert perplexity(total, 7) == pytest.approx(F.cross_entropy(logits, targets).exp().item())


def test_of_a_fair_choice_it_is_the_number_of_sides_and_of_the_impossible_infinite():
    assert perplexity(10 * math.log(6), 10) == pytest.approx(6)
    assert perplexity(0, 3) == 1
    assert perplexity(math.inf, 3) == math.inf and perplexity(5000.0, 1) == math.inf


@pytest.mark.parametrize("total, tokens, text", [(-1, 3, "is -1.0"), (math.nan, 3, "is nan"),
                                                 (1, 0, "tokens is 0")])  # fmt: skip
def test_bad_input_is_refused(total, tokens, text):
    with pytest.raises(ValueError, match=text):
        perplexity(total, tokens)


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(language).failed == 0
