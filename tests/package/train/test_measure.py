"""The parts of a measurement one by one, against torch's own means: counts, precision, places."""

import functools

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

from labnotes import runtime
from labnotes.train import Mean, evaluate, fit, measure
from labnotes.train.counting import counted
from labnotes.train.place import autocast, device_batches, layout

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def vectors(*sizes):
    g = torch.Generator().manual_seed(2)
    return [(torch.randn(n, 4, generator=g), torch.randint(0, 3, (n,), generator=g)) for n in sizes]


# What a loss is a mean of


@pytest.mark.parametrize("shape", [(3,), (5, 3), (5, 3, 7), (2, 3, 4, 5)])
def test_probabilities_as_targets_count_once_for_each_place_that_has_them(shape):
    torch.manual_seed(0)
    outputs, targets = torch.randn(shape), torch.randn(shape).softmax(min(1, len(shape) - 1))
    (total, count), number, known = counted(F.cross_entropy)(outputs, targets)
    assert count == number == outputs.numel() // 3 and known == {}
    assert (total / count).item() == pytest.approx(F.cross_entropy(outputs, targets).item())


def test_a_plain_metric_of_probabilities_is_a_mean_over_their_examples():
    data = [(x, F.one_hot(y, 3) * 0.7 + 0.1) for x, y in vectors(8, 3)]
    metrics = {"first": lambda o, t: t[:, 0].mean()}
    found = evaluate(nn.Linear(4, 3), data, metrics=metrics)
    assert found["first"] == pytest.approx(torch.cat([t[:, 0] for _, t in data]).mean().item())


def test_a_sum_by_partial_is_minimized_as_a_sum_as_that_of_a_module_is():
    data = vectors(8)

    def trained(loss):
        torch.manual_seed(1)
        model = nn.Linear(4, 3)
        return fit(model, data, epochs=1, optimizer=sgd, loss=loss, progress=False), model.weight

    (one, first), (other, second) = (
        trained(nn.CrossEntropyLoss(reduction="sum")),
        trained(functools.partial(F.cross_entropy, reduction="sum")),
    )
    assert torch.equal(first, second) and one.steps == other.steps
    assert not torch.equal(first, trained(F.cross_entropy)[1])


def test_a_loss_of_one_s_own_that_is_a_kind_of_cross_entropy_is_taken_as_it_is():
    class Doubled(nn.CrossEntropyLoss):
        def forward(self, outputs, targets):
            return 2 * super().forward(outputs, targets)

    torch.manual_seed(1)
    model, (x, y) = nn.Linear(4, 3), vectors(8)[0]
    expected = 2 * F.cross_entropy(model(x), y).item()
    assert evaluate(model, [(x, y)], loss=Doubled()) == {"loss": pytest.approx(expected)}


@pytest.mark.parametrize("target", [0, 1, 2])
def test_one_target_alone_has_its_own_loss_whatever_its_class_weighs(target):
    loss, model = nn.CrossEntropyLoss(weight=torch.tensor([0.2, 3.0, 1.0])), nn.Linear(4, 3)
    batch = (torch.ones(1, 4), torch.tensor([target]))
    expected = F.cross_entropy(model(batch[0]), batch[1]).item()
    history = fit(model, [batch], epochs=1, optimizer=sgd, loss=loss, progress=False)
    assert history.steps == pytest.approx([expected])


def test_a_cross_entropy_without_reduction_is_refused():
    loss = nn.CrossEntropyLoss(reduction="none")
    with pytest.raises(ValueError, match=r"loss of a batch has the shape \(8,\)"):
        evaluate(nn.Linear(4, 3), vectors(8), loss=loss)


def test_a_step_that_counts_by_a_plain_number_minimizes_the_mean():
    def step(model, batch):
        x, y = batch
        return Mean(F.cross_entropy(model(x), y, reduction="sum"), 8)

    weights = []
    for way in ({"step": step}, {}):
        torch.manual_seed(1)
        model = nn.Linear(4, 3)
        history = fit(model, vectors(8), epochs=2, optimizer=sgd, progress=False, **way)
        weights.append((model.weight, history.steps))
    torch.testing.assert_close(weights[0][0], weights[1][0])
    assert weights[0][1] == pytest.approx(weights[1][1])


def test_the_time_of_an_epoch_goes_on_where_a_saved_one_stopped(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(measure.time, "perf_counter", lambda: now[0])
    means = measure.Means()
    means.add({"loss": (2.0, 3)})
    now[0] = 107.0
    saved = means.state_dict()
    assert saved == {"batches": 1, "values": {"loss": [2.0]}, "counts": {"loss": [3.0]},
                     "seconds": 7.0}  # fmt: skip
    now[0] = 500.0
    again = measure.Means()
    again.load_state_dict(saved)
    now[0] = 502.0
    assert again.seconds() == 9.0 and again.average() == {"loss": 2.0}


def test_numbers_of_64_bits_are_kept_as_they_are():
    torch.manual_seed(1)
    model = nn.Linear(4, 1).double()
    x, y = torch.randn(5, 4).double(), torch.randn(5, 1).double()
    assert evaluate(model, [(x, y)], loss=F.mse_loss)["loss"] == F.mse_loss(model(x), y).item()


def test_model_and_loss_are_moved_to_the_device_that_runtime_names(monkeypatch):
    monkeypatch.setattr(runtime, "device", lambda: torch.device("meta"))
    for run in (evaluate, functools.partial(fit, epochs=1, optimizer=sgd, progress=False)):
        model, loss = nn.Linear(4, 3), nn.CrossEntropyLoss(weight=torch.ones(3))
        with pytest.raises((RuntimeError, NotImplementedError)):  # no number to read there
            run(model, vectors(5), loss=loss)
        assert model.weight.is_meta and loss.weight.is_meta


# Where it is computed


def test_fp32_is_fp32_within_an_autocast_of_the_caller_s():
    x = torch.randn(3, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with autocast("fp32", CPU):
            assert (x @ x.T).dtype == torch.float32
        assert (x @ x.T).dtype == torch.bfloat16


def test_the_layout_for_a_run_keeps_type_gradient_and_all_that_adam_remembers():
    def run(memory_format):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(12, 3)).double()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(2):
            with layout(model, optimizer, memory_format):
                if memory_format is not None:  # so that no step has to turn them around
                    assert model[0].weight.is_contiguous(memory_format=memory_format)
                x = torch.ones(2, 2, 4, 4).double()
                for _ in range(2):
                    optimizer.zero_grad()
                    model(x).square().sum().backward()
                    optimizer.step()
        return model[0].weight, optimizer.state[model[0].weight]

    plain, _ = run(None)
    weight, state = run(torch.channels_last)
    assert weight.dtype == torch.float64 and weight.is_contiguous() and weight.grad.is_contiguous()
    assert state["exp_avg"].is_contiguous() and state["exp_avg_sq"].is_contiguous()
    torch.testing.assert_close(weight, plain)


def test_what_torch_collates_into_lists_are_parts_also_when_some_batches_are_done():
    class Pairs(Dataset):
        def __len__(self):
            return 5

        def __getitem__(self, i):
            return (torch.full((4,), float(i)), torch.ones(4)), torch.ones(3)

    class Sum(nn.Linear):
        def forward(self, a, b):
            return super().forward(a + b)

    loader, model = DataLoader(Pairs(), 5), Sum(4, 3)
    x = torch.arange(5.0)[:, None].expand(5, 4)
    expected = F.mse_loss(model(x, torch.ones(5, 4)), torch.ones(5, 3)).item()
    assert evaluate(model, loader, loss=F.mse_loss) == {"loss": pytest.approx(expected)}
    for batches, given in ((loader, None), (iter(loader), loader)):
        ((inputs, targets), share), *_ = device_batches(batches, CPU, None, given)
        assert type(inputs) is tuple and targets.shape == (5, 3) and share == 1.0
    ((inputs, _), _), *_ = device_batches(iter(loader), CPU)
    assert type(inputs) is list
