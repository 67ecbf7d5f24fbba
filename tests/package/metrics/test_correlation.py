"""Correlations against SciPy's and scikit-learn's."""

import pytest
import torch
from scipy import stats
from sklearn.metrics import matthews_corrcoef

from labnotes.metrics import correlation, matthews, pearson, spearman


@pytest.mark.parametrize("classes", [2, 3, 6])
@pytest.mark.parametrize("n", [1, 2, 7, 200])
def test_matthews_is_scikit_learns(classes, n):
    draw = torch.Generator().manual_seed(classes + n)
    for _ in range(20):
        a, b = torch.randint(classes, (2, n), generator=draw)
        assert matthews(a, b) == pytest.approx(matthews_corrcoef(b, a), abs=1e-12)


def test_who_always_says_the_same_has_a_matthews_of_zero():
    assert matthews(torch.ones(8).long(), torch.tensor([1, 1, 1, 1, 1, 1, 0, 0])) == 0.0
    assert matthews(torch.ones(3).bool(), torch.ones(3).bool()) == 0.0


@pytest.mark.parametrize("ties", [False, True])
def test_pearson_and_spearman_are_scipys(ties):
    draw = torch.Generator().manual_seed(0)
    for n in (2, 3, 10, 500):
        a, b = torch.randn(2, n, generator=draw)
        b = 0.5 * a + b
        if ties and n > 3:
            a, b = (2 * a).round(), b.round()
        assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b)[0], abs=1e-6)
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b)[0], abs=1e-9)


def test_ranks_are_scipys_from_one_on_with_the_mean_for_ties():
    values = torch.tensor([3.0, 1.0, 3.0, -2.0, 3.0, 1.0])
    assert correlation._ranks(values).tolist() == stats.rankdata(values).tolist()


def test_a_rising_curve_has_a_spearman_of_one():
    x = torch.linspace(0, 3, 20)
    assert spearman(x, x.exp()) == pytest.approx(1) and pearson(x, x.exp()) < 0.95
    assert spearman(x, -x) == pytest.approx(-1)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: matthews(torch.zeros(2).long(), torch.zeros(3).long()), "shapes"),
        (lambda: pearson(torch.zeros(0), torch.zeros(0)), "shapes"),
        (lambda: matthews(torch.zeros(2), torch.zeros(2).long()), "float32"),
        (lambda: matthews(torch.tensor([-1, 0]), torch.tensor([1, 0])), "from -1"),
        (lambda: pearson(torch.ones(4), torch.arange(4.0)), "does not vary"),
        (lambda: spearman(torch.arange(4.0), torch.ones(4)), "does not vary"),
        (lambda: spearman(torch.tensor([0.0, float("nan")]), torch.arange(2.0)), "NaN"),
    ],
)
def test_bad_input_is_refused_in_words(call, says):
    with pytest.raises(ValueError, match=says):
        call()
