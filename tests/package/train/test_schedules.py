"""Schedules against torch.optim.lr_scheduler, step by step."""

import inspect

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD, lr_scheduler

from labnotes.train import constant, cosine, fit, one_cycle, step_decay, warmup_stable_decay


def torch_factors(build, total, rate=0.4):
    """What torch's scheduler makes of the learning rate at each of `total` steps, over `rate`."""
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    scheduler, factors = build(optimizer), []
    factors.append(optimizer.param_groups[0]["lr"] / rate)
    for _ in range(total - 1):
        optimizer.step()
        scheduler.step()
        factors.append(optimizer.param_groups[0]["lr"] / rate)
    return factors


def ours(schedule, total):
    return [schedule(step, total) for step in range(total)]


@pytest.mark.parametrize("total", [1, 2, 7, 100])
@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_cosine_is_torch_cosine_annealing(total, floor):
    theirs = torch_factors(
        lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=total, eta_min=0.4 * floor), total
    )
    assert ours(cosine(floor=floor), total) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(("warmup", "steps"), [(1, 1), (5, 5), (10, 10), (0.25, 15)])
def test_warmup_is_torch_linear_rise_before_the_cosine(warmup, steps):
    total = 60

    def build(o):
        rise = lr_scheduler.LinearLR(o, start_factor=1 / (steps + 1), total_iters=steps)
        wave = lr_scheduler.CosineAnnealingLR(o, T_max=total - steps)
        return lr_scheduler.SequentialLR(o, [rise, wave], milestones=[steps])

    assert ours(cosine(warmup=warmup), total) == pytest.approx(
        torch_factors(build, total), abs=1e-9
    )


@pytest.mark.parametrize("warmup", [0, 1, 5, 40])
def test_a_warmup_is_the_lambda_that_most_training_scripts_write(warmup):
    def build(o):
        return lr_scheduler.LambdaLR(o, lambda step: min(1.0, (step + 1) / (warmup + 1)))

    assert ours(constant(warmup=warmup), 30) == pytest.approx(torch_factors(build, 30), abs=1e-12)


@pytest.mark.parametrize(("warmup", "rises"), [(0, 0), (6, 6), (0.25, 15)])
@pytest.mark.parametrize(("decay", "falls"), [(1, 1), (10, 10), (0.2, 12), (0.75, 45)])
@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_warmup_stable_decay_is_three_torch_schedules_in_a_row(warmup, rises, decay, falls, floor):
    total = 60

    def build(o):
        parts = [
            lr_scheduler.LinearLR(o, start_factor=1 / (rises + 1), total_iters=rises),
            lr_scheduler.ConstantLR(o, factor=1.0),
            lr_scheduler.LinearLR(o, start_factor=1.0, end_factor=floor, total_iters=falls),
        ][0 if rises else 1 :]
        ends = [rises, total - falls][0 if rises else 1 :]
        return lr_scheduler.SequentialLR(o, parts, milestones=ends)

    schedule = warmup_stable_decay(warmup, decay, floor)
    assert ours(schedule, total) == pytest.approx(torch_factors(build, total), abs=1e-9)


def test_warmup_stable_decay_in_a_run_too_short_for_both_is_the_lower_of_the_two():
    rise, fall = [0.2, 0.4, 0.6, 0.8, 1.0], [1.0, 0.8, 0.6, 0.4, 0.2]
    low = [min(pair) for pair in zip(rise, fall)]
    assert ours(warmup_stable_decay(warmup=4, decay=5), 5) == pytest.approx(low)
    assert ours(warmup_stable_decay(decay=0), 3) == [1.0] * 3


def test_before_its_fall_warmup_stable_decay_does_not_depend_on_the_length_of_the_run():
    short, long = (ours(warmup_stable_decay(warmup=5, decay=10), total) for total in (40, 400))
    assert short[:31] == long[:31] and short[31] < 1 == long[31]


@pytest.mark.parametrize("warmup", [0, 1, 8])
def test_constant_with_warmup_is_torch_linear_rise(warmup):
    def build(o):
        if warmup == 0:
            return lr_scheduler.ConstantLR(o, factor=1.0)
        return lr_scheduler.LinearLR(o, start_factor=1 / (warmup + 1), total_iters=warmup)

    assert ours(constant(warmup=warmup), 20) == pytest.approx(torch_factors(build, 20), abs=1e-12)


@pytest.mark.parametrize(("ours_at", "theirs_at"), [([30, 45], [30, 45]), ([0.5, 0.75], [30, 45])])
@pytest.mark.parametrize("gamma", [0.1, 0.5])
def test_step_decay_is_torch_multi_step(ours_at, theirs_at, gamma):
    theirs = torch_factors(lambda o: lr_scheduler.MultiStepLR(o, theirs_at, gamma), 60)
    assert ours(step_decay(ours_at, gamma), 60) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("total", [10, 33, 200])
@pytest.mark.parametrize("rise", [0.3, 0.5])
@pytest.mark.parametrize(("divide", "final"), [(25.0, 1e4), (10.0, 100.0)])
def test_one_cycle_is_torch_one_cycle(total, rise, divide, final):
    theirs = torch_factors(
        lambda o: lr_scheduler.OneCycleLR(
            o,
            max_lr=0.4,
            total_steps=total,
            pct_start=rise,
            div_factor=divide,
            final_div_factor=final,
            cycle_momentum=False,
        ),
        total,
    )
    schedule = one_cycle(rise=rise, start=1 / divide, end=1 / (divide * final))
    assert ours(schedule, total) == pytest.approx(theirs, abs=1e-9)


SCHEDULES = [
    constant(),
    constant(warmup=5),
    cosine(),
    cosine(warmup=0.2, floor=0.1),
    step_decay([0.25, 0.5], 0.1),
    one_cycle(),
    one_cycle(rise=0.01),
    one_cycle(rise=0.99),
    warmup_stable_decay(),
    warmup_stable_decay(warmup=0.5, decay=0.9, floor=0.1),
    warmup_stable_decay(warmup=30, decay=30),
]


@given(total=st.integers(1, 500), data=st.data())
def test_every_factor_lies_between_0_and_1_whatever_the_length(total, data):
    step = data.draw(st.integers(0, total - 1))
    for schedule in SCHEDULES:
        assert 0 <= schedule(step, total) <= 1


@given(total=st.integers(2, 60), rise=st.sampled_from([0.01, 0.3, 0.5, 0.9, 0.99]))
def test_one_cycle_ends_with_its_last_factor_whatever_the_length(total, rise):
    assert one_cycle(rise=rise, end=0.25)(total - 1, total) == pytest.approx(0.25)


@pytest.mark.parametrize("total", [2, 3])
def test_one_cycle_in_a_run_too_short_to_rise_begins_at_its_peak(total):
    """Torch begins a fraction of a step past the peak: 0.3 of 3 steps is less than one."""
    factors = ours(one_cycle(end=0.1), total)
    assert factors[0] == 1 and factors[-1] == pytest.approx(0.1)
    theirs = torch_factors(
        lambda o: lr_scheduler.OneCycleLR(
            o, 0.4, total, final_div_factor=0.4, cycle_momentum=False
        ),
        total,
    )
    assert theirs[0] < 1 and theirs[-1] == pytest.approx(0.1)


def test_the_ends_of_each_range_are_allowed():
    assert ours(cosine(floor=1), 3) == [1.0] * 3  # as constant
    assert ours(cosine(floor=0), 2) == ours(cosine(), 2)
    assert ours(one_cycle(start=1, end=1), 9) == pytest.approx([1.0] * 9)
    low = ours(one_cycle(start=0, end=0, rise=0.5), 9)
    assert low[0] == low[-1] == 0 and max(low) > 0.9
    assert ours(constant(warmup=0.0), 2) == ours(step_decay([0.0], gamma=1), 2) == [1.0] * 2


def test_a_factor_of_0_leaves_the_weights_as_they_are(monkeypatch):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")
    model = torch.nn.Linear(3, 2)
    before = model.weight.clone()
    batch = (torch.ones(2, 3), torch.zeros(2, dtype=torch.long))
    options = {"optimizer": lambda p: SGD(p, lr=0.1), "progress": False}
    fit(model, [batch], epochs=1, schedule=lambda step, total: 0.0, **options)
    assert torch.equal(model.weight, before)


def test_a_run_shorter_than_its_warmup_still_only_rises():
    factors = ours(cosine(warmup=10), 4)
    assert factors == pytest.approx([1 / 11, 2 / 11, 3 / 11, 4 / 11])


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: constant(warmup=-1), "warmup is -1"),
        (lambda: cosine(warmup=1.5), "warmup is 1.5"),
        (lambda: cosine(warmup=1.0), "warmup is 1.0"),
        (lambda: step_decay([0.5, 1.0]), "a milestone is 1.0"),
        (lambda: step_decay([0.5, 3]), "all in steps .* or all as parts"),
        (lambda: cosine(warmup=True), "warmup is True"),
        (lambda: cosine(floor=2), "floor is 2"),
        (lambda: cosine(floor="low"), "floor is .low."),
        (lambda: step_decay([]), "milestones"),
        (lambda: step_decay([5, 3]), "milestones"),
        (lambda: step_decay([3, 3]), "milestones"),
        (lambda: step_decay([-1, 3]), "a milestone is -1"),
        (lambda: step_decay([3], gamma=0), "gamma is 0"),
        (lambda: step_decay([3], gamma="x"), "gamma is 'x'"),
        (lambda: step_decay(5), "milestones are 5: give a list"),
        (lambda: step_decay(torch.tensor([1, 2])), "give a list"),
        (lambda: step_decay(["a", "b"]), "give rising steps"),
        (lambda: one_cycle("a"), "rise is 'a'"),
        (lambda: one_cycle(start="a"), "start is 'a'"),
        (lambda: one_cycle(end=None), "end None"),
        (lambda: warmup_stable_decay(warmup=-1), "warmup is -1"),
        (lambda: warmup_stable_decay(decay=1.0), "decay is 1.0"),
        (lambda: warmup_stable_decay(decay=-1), "decay is -1"),
        (lambda: warmup_stable_decay(floor=1.5), "floor is 1.5"),
        (lambda: one_cycle(rise=1), "rise is 1"),
        (lambda: one_cycle(rise=0), "rise is 0"),
        (lambda: one_cycle(start=-1), "start is -1"),
        (lambda: one_cycle(start=2), "start is 2"),
        (lambda: one_cycle(end=-1), "end -1"),
        (lambda: one_cycle(end=2), "end 2"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_when_it_is_built(build, says):
    with pytest.raises(ValueError, match=says):
        build()


@pytest.mark.parametrize(
    "schedule", [constant(), cosine(), step_decay([1]), one_cycle(), warmup_stable_decay()]
)
@pytest.mark.parametrize(("step", "total"), [(-1, 10), (0, 0), (10, 10), (11, 10), ("a", 10)])
def test_a_step_outside_the_run_is_refused(schedule, step, total):
    with pytest.raises(ValueError, match="steps count from 0"):
        schedule(step, total)


@pytest.mark.parametrize(("part", "steps"), [(0.253, 15), (0.255, 15), (0.259, 16), (0.999, 60)])
def test_a_part_of_the_run_is_the_nearest_number_of_steps(part, steps):
    assert ours(constant(warmup=part), 60) == ours(constant(warmup=steps), 60)
    assert ours(step_decay([part]), 60) == ours(step_decay([steps]), 60)


def test_defaults_are_those_of_torch_and_of_the_papers():
    """OneCycleLR's 0.3, 1/25 and 1e-4 of that; MultiStepLR's and the ResNets' drop to a tenth."""
    theirs = inspect.signature(lr_scheduler.OneCycleLR).parameters
    divide, final = (theirs[name].default for name in ("div_factor", "final_div_factor"))
    defaults = {name: p.default for name, p in inspect.signature(one_cycle).parameters.items()}
    assert defaults == {
        "rise": theirs["pct_start"].default,
        "start": 1 / divide,
        "end": pytest.approx(1 / (divide * final), rel=1e-12),
    }
    assert (defaults["rise"], defaults["end"]) == (0.3, 4e-6)
    theirs = inspect.signature(lr_scheduler.MultiStepLR).parameters["gamma"].default
    assert inspect.signature(step_decay).parameters["gamma"].default == theirs == 0.1
    assert step_decay([1])(1, 2) == pytest.approx(0.1)
    # Without further words there is no warmup, a wave ends at 0, and a fifth of the run falls
    # (Hägele et al., 2024: the last 20 %).
    for schedule, expected in (
        (constant, {"warmup": 0}),
        (cosine, {"warmup": 0, "floor": 0.0}),
        (warmup_stable_decay, {"warmup": 0, "decay": 0.2, "floor": 0.0}),
    ):
        found = inspect.signature(schedule).parameters.items()
        assert {name: p.default for name, p in found} == expected


def test_a_stream_that_is_longer_than_its_len_is_refused_where_it_is(monkeypatch):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")

    class Stream:
        def __len__(self):
            return 2

        def __iter__(self):
            return iter([(torch.ones(2, 3), torch.zeros(2, dtype=torch.long))] * 3)

    def train(schedule):
        options = {"optimizer": lambda p: SGD(p, lr=0.1), "progress": False}
        return fit(torch.nn.Linear(3, 2), Stream(), epochs=1, schedule=schedule, **options)

    for schedule in (cosine(), lambda step, total: 1.0):
        with pytest.raises(ValueError, match=r"more batches than its len\(\) told"):
            train(schedule)
    assert len(train(None).steps) == 3


@pytest.mark.parametrize("factor", [float("inf"), float("nan"), -0.5])
def test_a_factor_that_no_rate_can_have_is_refused_and_the_rate_stays(factor, monkeypatch):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")
    model = torch.nn.Linear(3, 2)
    optimizer = SGD(model.parameters(), lr=0.1)
    batch = (torch.ones(2, 3), torch.zeros(2, dtype=torch.long))
    with pytest.raises(ValueError, match="give a factor of at least 0"):
        fit(
            model, [batch] * 2, epochs=1, optimizer=optimizer, progress=False,
            schedule=lambda step, total: factor if step else 0.5,
        )  # fmt: skip
    assert optimizer.param_groups[0]["lr"] == 0.1
