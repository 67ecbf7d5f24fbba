"""What the solutions compute, against torch, scikit-learn and brute force: nothing of ours is a witness."""

import numpy as np
import pytest
import torch
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import recall_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneOut,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils.class_weight import compute_sample_weight
from test_assignments import solution
from torch import nn
from torch.nn import functional as F

DRAW = torch.Generator()


@pytest.fixture(autouse=True)
def double_precision():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    DRAW.manual_seed(0)
    yield
    torch.set_default_dtype(before)


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=DRAW)


def same(found, expected, tolerance: float = 1e-9) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=0, atol=tolerance)


def test_differences_are_autograds_gradients():
    w = randn(3, 4).requires_grad_()

    def loss(w):
        return (w @ w.T).sin().sum() + w.exp().mean()

    (expected,) = torch.autograd.grad(loss(w), w)
    same(solution("softmax")["difference_gradient"](loss, w.detach()), expected, 1e-8)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_soft_targets_and_their_loss_are_torchs_label_smoothing(smoothing):
    names = solution("softmax")
    logits, labels = 5 * randn(20, 6), torch.arange(20) % 6
    targets = names["soft_targets"](labels, 6, smoothing)
    found = names["soft_cross_entropy"](logits, targets, torch.ones(20))
    same(found, F.cross_entropy(logits, labels, label_smoothing=smoothing))
    same(found, F.cross_entropy(logits, targets))


def test_the_weighted_mean_is_torchs_with_weights_of_classes():
    logits, labels, weight = (
        9 * randn(20, 4),
        torch.arange(20) % 4,
        torch.tensor([1.0, 0.0, 3.0, 0.2]),
    )
    names = solution("softmax")
    found = names["soft_cross_entropy"](logits, names["soft_targets"](labels, 4, 0), weight[labels])
    same(found, F.cross_entropy(logits, labels, weight=weight))


def test_the_gradient_of_the_objective_is_autograds():
    W, x, targets = randn(4, 6).requires_grad_(), randn(9, 5), randn(9, 4).softmax(1)
    weights = torch.rand(9, generator=DRAW)
    losses = F.cross_entropy(F.linear(x, W[:, :-1], W[:, -1]), targets, reduction="none")
    loss = (losses * weights).sum() / weights.sum() + 0.15 * W[:, :-1].square().sum()
    (expected,) = torch.autograd.grad(loss, W)
    found = solution("softmax")["objective_gradient"](W.detach(), x, targets, weights, 0.3)
    same(found, expected)


@pytest.mark.parametrize("first", [1e-3, 1.0, 64.0])
def test_the_accepted_rate_is_the_first_of_all_halves_that_keeps_half_of_the_promise(first):
    for w in (torch.tensor([4.0]), torch.tensor([0.5]), torch.tensor([20.0])):
        loss = lambda w: (w - w.log()).sum().item()  # noqa: E731
        g = 1 - 1 / w
        rates = [first / 2**k for k in range(60)]
        kept = [r for r in rates if loss(w - r * g) <= loss(w) - r / 2 * (g**2).sum().item()]
        assert solution("softmax")["accepted_rate"](loss, w, g, first) == kept[0]


@pytest.mark.parametrize("balanced", [False, True])
def test_a_long_descent_ends_where_scikit_learns_does(balanced):
    names = solution("softmax")
    x, y = names["x"][::4].reshape(-1, 8, 8)[:, ::2, ::2].flatten(1), names["y"][::4]
    weights = names["class_weights"](y, 10) if balanced else torch.ones(len(y))
    data = x, names["soft_targets"](y, 10, 0), weights, 0.01
    W, losses = names["descend"](
        lambda W: names["objective"](W, *data),
        lambda W: names["objective_gradient"](W, *data),
        torch.zeros(10, 17),
        800,
    )
    assert all(b <= a for a, b in zip(losses, losses[1:]))
    theirs = LogisticRegression(
        C=1 / (0.01 * weights.sum().item()),
        class_weight="balanced" if balanced else None,
        tol=1e-8,
        max_iter=3000,
    ).fit(x, y)
    found = F.linear(x, W[:, :-1], W[:, -1]).softmax(1)
    same(found, theirs.predict_proba(x), 5e-3)


def test_weights_of_rows_and_recalls_are_scikit_learns():
    names, labels = solution("softmax"), torch.tensor([0, 2, 1, 1, 1, 2, 1, 0, 1])
    same(names["class_weights"](labels, 3), compute_sample_weight("balanced", labels))
    p = randn(9, 3).softmax(1)
    found = names["report"](p, labels, torch.tensor([0.2, 0.3, 0.5]))
    recalls = recall_score(labels, p.argmax(1), average=None, zero_division=0)
    same(found["recalls"], recalls)
    same(found["accuracy"], recalls @ [0.2, 0.3, 0.5])


@pytest.mark.parametrize("k", [2, 3, 6])
def test_grouped_folds_are_scikit_learns_where_no_two_groups_are_of_one_size(k):
    groups = torch.tensor([5, -1, 40, 7, 12, 3]).repeat_interleave(
        torch.tensor([4, 9, 1, 6, 2, 11])
    )
    groups = groups[torch.randperm(len(groups), generator=DRAW)]
    theirs = GroupKFold(k).split(groups, groups=groups)
    for found, expected in zip(
        solution("selection")["group_folds"](groups, k), theirs, strict=True
    ):
        for ours, rows in zip(found, expected, strict=True):
            assert ours.tolist() == rows.tolist()


@pytest.mark.parametrize("penalty", [1e-9, 0.5, 30.0])
def test_errors_left_out_are_those_of_as_many_trainings(penalty):
    features, targets = randn(12, 4), randn(12)
    model = Ridge(penalty, fit_intercept=False)
    told = cross_val_predict(model, features.numpy(), targets.numpy(), cv=LeaveOneOut())
    found = solution("selection")["left_out_errors"](features, targets, penalty)
    same(found, told - targets.numpy(), 1e-6)
    # The leverage of a row is what the model says of it if its target is 1 and all others are 0.
    alone = [model.fit(features, np.eye(12)[i]).predict(features[i : i + 1])[0] for i in range(12)]
    same(solution("selection")["leverages"](features, penalty), alone, 1e-6)


def ridge(x, y, penalty):
    fitted = Ridge(penalty).fit(x.numpy(), y.numpy())
    return lambda new: torch.tensor(fitted.predict(new.numpy()))


def pairs(splits) -> list:
    return [tuple(torch.tensor(rows) for rows in pair) for pair in splits]


def test_cross_validation_and_its_nested_form_are_scikit_learns():
    names, x = solution("selection"), randn(22, 5)
    y, penalties, cut = x[:, 0] - x[:, 1] + 2 * randn(22), [0.01, 1.0, 20.0, 500.0], KFold(4)
    told = cross_val_predict(Ridge(1.0), x.numpy(), y.numpy(), cv=cut)
    found = names["cross_validated"](ridge, 1.0, x, y, pairs(cut.split(x)))
    same(found, np.sqrt(np.mean((told - y.numpy()) ** 2)))
    # Inner folds of one size: then the mean of their mean squared errors is that of all rows.
    outer, inner = KFold(11), KFold(5)
    search = GridSearchCV(Ridge(), {"alpha": penalties}, cv=inner, scoring="neg_mean_squared_error")
    told, chosen = np.empty(22), []
    for rest, part in outer.split(x):
        fitted = search.fit(x[rest].numpy(), y[rest].numpy())
        chosen.append(fitted.best_params_["alpha"])
        told[part] = fitted.predict(x[part].numpy())
    found = names["nested"](
        ridge, penalties, x, y, pairs(outer.split(x)), lambda rows: pairs(inner.split(rows))
    )
    assert found["chosen"] == chosen and len(set(chosen)) > 1
    same(found["error"], np.sqrt(np.mean((told - y.numpy()) ** 2)))


def test_columns_are_chosen_as_scikit_learn_does_inside_the_folds_and_before():
    x, cut = randn(30, 80) * torch.linspace(0.1, 9, 80) + 5, KFold(5)
    y, chooser = torch.where(randn(30) > 0.2, 1.0, -1.0), SelectKBest(f_regression, k=7)
    names = solution("selection")
    kept = chooser.fit(x.numpy(), y.numpy()).get_support(indices=True)
    assert names["strongest"](x, y, 7).tolist() == kept.tolist()
    found = names["screened"](lambda x, y: ridge(x, y, 2.0), x, y, 7, pairs(cut.split(x)))
    for arm, model, columns in (
        ("before", Ridge(2.0), kept),
        ("inside", make_pipeline(chooser, Ridge(2.0)), slice(None)),
    ):
        told = cross_val_predict(model, x[:, columns].numpy(), y.numpy(), cv=cut)
        same(found[arm], np.mean(np.sign(told) != y.numpy()))
    assert found["before"] < found["inside"]


@pytest.mark.parametrize("largest", [0.5, 100.0])
def test_clipped_gradients_are_torchs(largest):
    given = [randn(3, 2), randn(5), randn(1)]
    parameters = [nn.Parameter(torch.zeros_like(g)) for g in given]
    for p, g in zip(parameters, given):
        p.grad = g.clone()
    length = nn.utils.clip_grad_norm_(parameters, largest)
    found, said = solution("optimizers")["clip"](given, largest)
    same(said, length)
    for ours, p in zip(found, parameters, strict=True):
        same(ours, p.grad, 1e-5)  # torch adds 1e-6 to the length


@pytest.mark.parametrize(
    ("rule", "options", "theirs", "their_options"),
    [
        ("momentum", {"keep": 0.8}, "SGD", {"momentum": 0.8}),
        ("momentum", {"nesterov": True}, "SGD", {"momentum": 0.9, "nesterov": True}),
        ("centred", {"keep": 0.7}, "RMSprop", {"alpha": 0.7, "centered": True}),
        ("adamax", {"keeps": (0.6, 0.9)}, "Adamax", {"betas": (0.6, 0.9)}),
        ("adamax", {}, "Adamax", {}),
    ],
)
def test_the_rules_move_as_torchs_optimizers(rule, options, theirs, their_options):
    names, p = solution("optimizers"), nn.Parameter(torch.zeros(2, 3))
    optimizer, gradients = (
        getattr(torch.optim, theirs)([p], lr=0.1, **their_options),
        randn(40, 2, 3),
    )
    gradients[:, 0, 0] = 2.0  # steady
    places = []
    for g in gradients:
        p.grad = g.clone()
        optimizer.step()
        places.append(p.detach().clone())
    found = names["moves"](names[rule], gradients, 0.1, **options).cumsum(0)
    # A steady gradient has no deviation but for rounding, which no two programs do alike.
    kept = slice(None) if rule != "centred" else (slice(None), 1)
    same(found[kept], torch.stack(places)[kept], 1e-5)


@pytest.mark.parametrize(("first", "grow"), [(5, 1), (1, 2), (4, 3)])
def test_restarts_are_torchs(first, grow):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, first, grow)
    for step in range(60):
        same(solution("optimizers")["restarts"](step, first, grow), schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("bottom", [-7.3, -0.2, 0.4, 5.9])
def test_a_search_in_a_valley_finds_what_trying_all_rates_finds(bottom):
    score = lambda rate: abs(np.log2(rate) - bottom) ** 1.5  # noqa: E731
    found = solution("optimizers")["tune"](score, 1.0, 2.0)
    every = [2.0**k for k in range(-20, 20)]
    assert found["rate"] == min(every, key=score) and found["score"] == min(map(score, every))
    assert len(found["tried"]) == abs(np.log2(found["rate"])) + 2 + (bottom < 0.5)
