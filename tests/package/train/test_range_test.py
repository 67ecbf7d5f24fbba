"""The learning-rate range test against torch's own scheduler, and what it must leave alone."""

import copy
import math
import random

import matplotlib
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD, AdamW, lr_scheduler
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from labnotes.data import Batches
from labnotes.train import RangeTest, distributed, fit, lr_range_test

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")


def some_batches(n=5):
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(8, 6, generator=generator), torch.randint(0, 3, (8,), generator=generator))
        for _ in range(n)
    ]


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)
    )


def quiet(model, train, **options):
    return lr_range_test(model, train, **{"progress": False, "steps": 20} | options)


class Parabola(nn.Module):
    """One weight w with the loss ``curvature w^2 / 2``, whatever the batch holds."""

    def __init__(self, curvature=8.0):
        super().__init__()
        self.w, self.curvature = nn.Parameter(torch.tensor(1.0)), curvature

    def forward(self, x):
        return self.curvature * self.w**2 / 2 + 0 * x.sum()


def parabola_loss(outputs, targets):
    return outputs


def test_the_losses_are_those_of_a_plain_loop_under_torch_exponential_schedule():
    batches, start, end, steps = some_batches(), 1e-3, 1.0, 12
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3))
    twin = copy.deepcopy(model)
    options = {"momentum": 0.9, "weight_decay": 0.01}
    found = quiet(
        model, batches, optimizer=lambda p: SGD(p, lr=0.3, **options),
        start=start, end=end, steps=steps,
    )  # fmt: skip

    optimizer = SGD(twin.parameters(), lr=start, **options)
    schedule = lr_scheduler.ExponentialLR(optimizer, (end / start) ** (1 / (steps - 1)))
    rates, losses = [], []
    for t in range(steps):
        x, y = batches[t % len(batches)]
        optimizer.zero_grad()
        loss = F.cross_entropy(twin(x), y)
        loss.backward()
        rates.append(optimizer.param_groups[0]["lr"])
        losses.append(loss.item())
        optimizer.step()
        schedule.step()
    assert found.rates == pytest.approx(rates, rel=1e-12)
    assert found.losses == pytest.approx(losses, rel=1e-5)


def test_on_a_parabola_the_loss_falls_exactly_below_the_rate_2_over_curvature():
    found = quiet(
        Parabola(8.0), [(torch.zeros(1), torch.zeros(1))], optimizer=lambda p: SGD(p, lr=1.0),
        loss=parabola_loss, start=1e-3, end=10.0, steps=60,
    )  # fmt: skip
    falls = [after < before for before, after in zip(found.losses, found.losses[1:])]
    assert falls == [rate < 2 / 8.0 for rate in found.rates[:-1]]
    one = (10.0 / 1e-3) ** (1 / 59)  # the ratio of two neighbouring rates
    assert 2 / 8.0 / one**2 < found.lowest < 2 / 8.0 * one**2
    assert found.steepest < found.lowest


def everything(model, optimizer):
    """All that must not change, as copies."""
    return copy.deepcopy(
        {
            "weights": model.state_dict(),
            "gradients": [p.grad for p in model.parameters()],
            "modes": [m.training for m in model.modules()],
            "optimizer": optimizer.state_dict(),
            "random": (random.getstate(), np.random.get_state()[1], torch.get_rng_state()),
        }
    )


def assert_same(found, expected):
    if isinstance(expected, (torch.Tensor, np.ndarray)):
        assert type(found) is type(expected)
        assert np.array_equal(np.asarray(found), np.asarray(expected))
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for name in expected:
            assert_same(found[name], expected[name])
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for pair in zip(found, expected):
            assert_same(*pair)
    else:
        assert found == expected


def trained_a_little():
    """A network in the middle of a run: with momentum, gradients, running statistics, modes."""
    model = network()
    optimizer = AdamW(
        [{"params": model[0].parameters(), "lr": 1e-2}, {"params": model[1:].parameters()}], lr=1e-3
    )
    fit(model, some_batches(), epochs=2, optimizer=optimizer, progress=False)
    model[1].eval()
    return model, optimizer


@pytest.mark.parametrize("end", [1.0, 1e30])  # the second ends in losses that are not finite
def test_model_optimizer_and_random_generators_are_as_they_were(end):
    model, optimizer = trained_a_little()
    objects, before = [*model.parameters()], everything(model, optimizer)
    found = quiet(model, some_batches(), optimizer=optimizer, end=end)
    assert math.isfinite(found.losses[-1]) == (end == 1.0)
    assert len(found.losses) == 20
    assert_same(everything(model, optimizer), before)
    assert all(a is b for a, b in zip(objects, model.parameters()))
    held = [p for group in optimizer.param_groups for p in group["params"]]
    assert all(any(p is q for q in objects) for p in held)


def test_a_run_after_the_test_is_the_run_without_it():
    runs = []
    for tests in (False, True):
        model, optimizer = trained_a_little()
        if tests:
            quiet(model, some_batches(), optimizer=optimizer)
        runs.append(fit(model, some_batches(), epochs=2, optimizer=optimizer, progress=False).steps)
    assert runs[0] == runs[1]


def test_all_is_as_it_was_when_a_step_fails():
    model, optimizer = trained_a_little()
    before, calls = everything(model, optimizer), []

    def step(model, batch):
        calls.append(batch)
        if len(calls) == 4:
            raise RuntimeError("no more")
        return F.cross_entropy(model(batch[0]), batch[1])

    with pytest.raises(RuntimeError, match="no more"):
        quiet(model, some_batches(), optimizer=optimizer, step=step)
    assert_same(everything(model, optimizer), before)


def test_weights_that_stand_in_the_loss_are_as_they_were():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(2.0))

        def forward(self, outputs, targets):
            return F.cross_entropy(self.scale * outputs, targets)

    model, loss = network(), Scaled()
    optimizer = SGD([*model.parameters(), *loss.parameters()], lr=0.1)
    quiet(model, some_batches(), optimizer=optimizer, loss=loss)
    assert loss.scale.item() == 2.0 and loss.scale.grad is None


def test_what_a_loss_counts_is_as_it_was_though_no_optimizer_holds_it():
    class Counted(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.tensor(7))

        def forward(self, outputs, targets):
            self.calls += 1
            return F.cross_entropy(outputs, targets)

    loss = Counted()
    quiet(network(), some_batches(), optimizer=lambda p: SGD(p, lr=0.1), loss=loss)
    assert loss.calls == 7


def test_it_is_the_same_from_call_to_call_and_other_with_another_seed():
    data = TensorDataset(*map(torch.cat, zip(*some_batches())))
    loader = DataLoader(data, batch_size=8, shuffle=True)
    model = network()
    found = [
        quiet(model, loader, optimizer=lambda p: SGD(p, lr=0.1), seed=seed).losses
        for seed in (0, 0, 1)
    ]
    assert found[0] == found[1] != found[2]


def test_the_groups_of_an_optimizer_keep_the_ratio_of_their_rates():
    a, b = (nn.Parameter(torch.tensor(0.0)) for _ in range(2))
    model = nn.Module()
    model.a, model.b, seen = a, b, []

    def step(model, batch):
        seen.append((a.item(), b.item()))
        return model.a + model.b

    optimizer = SGD([{"params": [a], "lr": 0.2}, {"params": [b], "lr": 0.6}])
    found = quiet(model, [torch.zeros(1)], optimizer=optimizer, step=step)
    moved = -np.diff(seen, axis=0)  # the gradient is 1: each step is as long as its rate
    assert moved[:, 0] == pytest.approx(found.rates[:-1], rel=1e-3)
    assert moved[:, 1] == pytest.approx(3 * moved[:, 0], rel=1e-3)


def test_batches_are_begun_again_in_a_new_order():
    seen = []

    def step(model, batch):
        seen.append(batch[1].tolist())
        return F.cross_entropy(model(batch[0].flatten(1)), batch[1])

    images = torch.arange(6 * 6, dtype=torch.uint8).reshape(6, 1, 2, 3)
    batches = Batches(images, torch.arange(6) % 3, 3, device="cpu")
    batches.labels = torch.arange(6)
    model = nn.Linear(6, 6)
    quiet(model, batches, optimizer=lambda p: SGD(p, lr=0.1), step=step, steps=5)
    assert len(seen) == 5
    assert sorted(seen[0] + seen[1]) == sorted(seen[2] + seen[3]) == [*range(6)]
    assert seen[:2] != seen[2:4]


def numbered(kind):
    """Twelve numbered examples in batches of four, shuffled."""
    if kind == "DataLoader":
        data = TensorDataset(torch.zeros(12, 3), torch.arange(12))
        return DataLoader(data, 4, shuffle=True)
    return Batches(torch.zeros(12, 1, 1, 3, dtype=torch.uint8), torch.arange(12), 4, device="cpu")


@pytest.mark.parametrize("kind", ["DataLoader", "Batches"])
def test_each_pass_has_the_order_of_an_epoch_of_fit(kind):
    def order(run, **options):
        seen, model = [], nn.Linear(3, 12)

        def step(model, batch):
            seen.append(batch[1].tolist())
            return F.cross_entropy(model(batch[0].flatten(1).float()), batch[1])

        make = lambda p: SGD(p, lr=0.1)  # noqa: E731
        run(model, numbered(kind), optimizer=make, step=step, seed=5, progress=False, **options)
        return seen

    passes = order(lr_range_test, steps=9)
    assert passes == order(fit, epochs=3)
    assert passes[:3] != passes[3:6] != passes[6:]


def test_a_sampler_that_shards_is_refused_where_processes_share_the_run(monkeypatch):
    """fit looks at the loader itself for it; here the loader stands inside of another."""
    data = TensorDataset(torch.zeros(8, 6), torch.arange(8) % 3)
    loader = DataLoader(data, 4, sampler=DistributedSampler(data, num_replicas=2, rank=0))
    monkeypatch.setattr(distributed, "join", lambda: None)
    monkeypatch.setattr(distributed, "processes", lambda: 2)
    with pytest.raises(ValueError, match="leave the sampler out"):
        quiet(network(), loader, optimizer=lambda p: SGD(p, lr=0.1))


def test_the_parts_of_a_loaders_examples_come_as_in_fit():
    """torch's collation makes lists of them, and fit tuples."""
    examples = [((torch.zeros(3), torch.ones(3)), n % 2) for n in range(8)]
    kinds = []

    def step(model, batch):
        kinds.append(type(batch[0]))
        return F.cross_entropy(model(batch[0][0] + batch[0][1]), batch[1])

    loader = DataLoader(examples, 4)
    quiet(nn.Linear(3, 2), loader, optimizer=lambda p: SGD(p, lr=0.1), step=step, steps=3)
    fit(
        nn.Linear(3, 2), loader, epochs=1, optimizer=lambda p: SGD(p, lr=0.1), step=step,
        progress=False,
    )  # fmt: skip
    assert kinds == [tuple] * 5


def test_a_clipped_gradient_moves_no_further_than_rate_times_norm():
    def run(clip_norm):
        return quiet(
            Parabola(100.0), [(torch.zeros(1), torch.zeros(1))],
            optimizer=lambda p: SGD(p, lr=1.0), loss=parabola_loss,
            start=0.01, end=10.0, clip_norm=clip_norm,
        ).losses  # fmt: skip

    w, rates = 1.0, [0.01 * 1000 ** (t / 19) for t in range(20)]
    expected = []
    for rate in rates:
        expected.append(50 * w**2)
        w -= rate * max(-1.0, min(1.0, 100 * w))
    assert run(1.0) == pytest.approx(expected, rel=1e-3)
    assert run(None)[-1] > 1e6 * max(expected)


def test_smoothing_is_a_centred_mean_and_ends_before_what_is_not_finite():
    losses = list(np.random.default_rng(0).normal(size=90)) + [math.nan] * 3 + [1.0] * 7
    found = RangeTest([10 ** (i / 50) for i in range(100)], losses)
    half = 3  # a fifteenth of 100 steps, to both sides
    inner = np.convolve(losses[:90], np.ones(7) / 7, mode="valid")
    assert len(found.smoothed) == 90
    assert found.smoothed[half:-half] == pytest.approx(inner)
    assert found.smoothed[0] == pytest.approx(np.mean(losses[:4]))
    assert found.smoothed[-1] == pytest.approx(np.mean(losses[86:90]))


def test_steepest_and_lowest_are_where_a_drawn_curve_has_them():
    """A fall like a logistic function, steepest at 0.01; then a rise from 1 on."""
    rates = [10 ** (-4 + i / 20) for i in range(101)]
    log = np.log10(rates)
    losses = 2 / (1 + np.exp(4 * (log + 2))) + np.maximum(log, 0) ** 2
    found = RangeTest(rates, losses.tolist())
    assert found.steepest == pytest.approx(0.01, rel=0.13)  # the neighbouring rate at most
    assert found.lowest == pytest.approx(1.0, rel=0.5)


@pytest.mark.parametrize(("rates", "losses"), [(None, [1.0]), ([0.1], None), (0.1, 1.0)])
def test_a_result_is_two_lists(rates, losses):
    with pytest.raises(ValueError, match="give a list of numbers"):
        RangeTest(rates, losses)


def test_what_is_no_network_is_refused():
    with pytest.raises(ValueError, match="model is of type NoneType"):
        quiet(None, some_batches(), optimizer=lambda p: SGD(p, lr=0.1))


@pytest.mark.parametrize(("rates", "losses"), [([], []), ([0.1, 0.2], [1.0])])
def test_a_result_has_one_loss_for_each_rate(rates, losses):
    with pytest.raises(ValueError, match=f"{len(rates)} rates and {len(losses)} losses"):
        RangeTest(rates, losses)


def test_by_default_the_rates_reach_over_six_decades_in_a_hundred_steps():
    batches = some_batches()
    found = lr_range_test(
        network(), batches, optimizer=lambda p: SGD(p, lr=0.1), progress=False, clip_norm=1.0
    )
    assert found.rates == pytest.approx(np.logspace(-5, 1, 100).tolist(), rel=1e-9)


@pytest.mark.parametrize(
    "losses", [[5, 4, 3, 2, 1], [1, 2, 3, 4, 5], [math.nan] * 5, [1, math.inf, 1, 1, 1]]
)
def test_a_lowest_loss_at_an_end_is_no_answer(losses):
    found = RangeTest([0.1, 0.2, 0.4, 0.8, 1.6], [float(x) for x in losses])
    for ask in (lambda: found.lowest, lambda: found.steepest):
        with pytest.raises(ValueError, match="at an end"):
            ask()


def test_the_plot_is_the_losses_with_a_line_at_each_answer():
    found = RangeTest([0.001, 0.01, 0.1, 1.0, 10.0], [4.0, 3.9, 2.0, 1.5, 90.0])
    figure, ax = plt.subplots()
    assert found.plot(ax) is ax and plt.get_fignums() == [figure.number]
    drawn = {line.get_label(): line for line in ax.get_lines()}
    assert list(drawn) == ["each step", "smoothed", "steepest: 0.1", "lowest: 1"]
    assert list(drawn["each step"].get_ydata()) == found.losses
    assert list(drawn["each step"].get_xdata()) == found.rates
    assert list(drawn["smoothed"].get_ydata()) == found.smoothed
    assert drawn["steepest: 0.1"].get_xdata()[0] == 0.1
    assert drawn["lowest: 1"].get_xdata()[0] == 1.0
    assert drawn["lowest: 1"].get_linestyle() != drawn["steepest: 0.1"].get_linestyle()
    assert drawn["each step"].get_color() == drawn["smoothed"].get_color()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(drawn)
    assert ax.get_xscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("learning rate", "loss of the batch")
    low, high = ax.get_ylim()
    assert low < 1.5 and 4.0 < high < 90.0  # the explosion does not flatten the rest
    plt.close("all")


@pytest.mark.parametrize("losses", [[5.0, 4.0, 3.0], [1.0, math.nan, math.nan], [math.nan] * 3])
def test_a_test_without_an_answer_is_still_drawn(losses):
    ax = RangeTest([0.1, 0.2, 0.4], losses).plot()
    assert [line.get_label() for line in ax.get_lines()] == ["each step", "smoothed"]
    plt.close("all")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"start": 0.0}, "start is 0.0"),
        ({"start": -1.0}, "start is -1.0"),
        ({"start": 1.0, "end": 1.0}, "start is 1.0 and end 1.0"),
        ({"start": "small"}, "start is 'small'"),
        ({"end": None}, "end None"),
        ({"end": math.inf}, "end inf"),
        ({"end": math.nan}, "end nan"),
        ({"steps": 2}, "steps is 2"),
        ({"steps": 10.0}, "steps is 10.0"),
        ({"steps": True}, "steps is True"),
        ({"train": []}, "holds no batch"),
        ({"train": 3}, "train is of type int"),
        ({"train": iter(some_batches(3))}, "train gave 3 batches and then none"),
        ({"optimizer": lambda p: SGD(p, lr=0.0)}, "own learning rate is 0.0"),
        ({"optimizer": lambda p: SGD(p, lr=math.inf)}, "own learning rate is inf"),
        ({"optimizer": "sgd"}, "optimizer is of type str"),
        ({"clip_norm": 0}, "clip_norm is 0"),
        ({"precision": "half"}, "precision is 'half'"),
        ({"seed": -1}, "seed is -1"),
        ({"step": 1}, "step is of type int"),
    ],
)
def test_what_cannot_work_is_refused_and_changes_nothing(options, says):
    model = network()
    before = copy.deepcopy(model.state_dict())
    given = {"train": some_batches(), "optimizer": lambda p: SGD(p, lr=0.1)} | options
    with pytest.raises(ValueError, match=says):
        quiet(model, given.pop("train"), **given)
    assert_same(model.state_dict(), before)
