"""A run is joined to a saved one only if it is the same: what differs is refused by name."""

import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler

import labnotes.train.checkpoint as checkpoint_module
from labnotes.data import Batches, random_crop, random_flip
from labnotes.train import CheckpointError, accuracy, fit
from labnotes.train.fingerprint import data, facts


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")
    monkeypatch.setenv("LABNOTES_RUNS", str(tmp_path))


def images(n=20, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (n, 1, 4, 4), generator=g, dtype=torch.uint8)
    return x, torch.randint(0, 3, (n,), generator=g)


def vectors(seed=0):
    x, y = images(seed=seed)
    return TensorDataset(x.float(), y)


class Scaled(nn.Module):
    """With a number that its text does not show."""

    def __init__(self, factor=1.0, activation=torch.relu):
        super().__init__()
        self.factor, self.activation = factor, activation
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))

    def forward(self, x):
        return self.net(self.activation(x) * self.factor)


def other_activation(x):
    return torch.relu(x) + 1


def run(model=None, train=None, valid=None, optimizer=None, **options):
    torch.manual_seed(0)
    model = Scaled() if model is None else model
    train = Batches(*images(), 8) if train is None else train
    optimizer = torch.optim.SGD if optimizer is None else optimizer
    return fit(
        model, train, valid, epochs=1, optimizer=optimizer, checkpoint="run", progress=False,
        **options,
    )  # fmt: skip


class Noisy(Dataset):
    """Draws random numbers for each example, as augmentation does."""

    def __init__(self, noise=1.0):
        self.noise = noise

    def __len__(self):
        return 12

    def __getitem__(self, i):
        return torch.full((16,), float(i)) + self.noise * torch.rand(()), i % 3


class Fixed(Noisy):
    def __getitem__(self, i):
        return torch.full((16,), float(i)), i % 3


def step_with(factor):
    def step(model, batch):
        return factor * F.cross_entropy(model(batch[0]), batch[1])

    return step


FACTOR = 2.0


def step_of_the_file(model, batch):
    return FACTOR * F.cross_entropy(model(batch[0]), batch[1])


def batches(**options):
    return {"train": Batches(*images(), 8, **options)}


def cross_entropy(**options):
    return {"loss": nn.CrossEntropyLoss(**options)}


def loader(dataset, **options):
    return {"train": DataLoader(dataset, 4, shuffle="sampler" not in options, **options)}


def sampler(*weights):
    return WeightedRandomSampler(torch.tensor(weights), 12)


OTHER_RUNS = {
    "loss.label_smoothing: saved 0.0, now 0.1": (
        lambda: cross_entropy(), lambda: cross_entropy(label_smoothing=0.1)),
    "loss.weight: saved 'float32 .*', now 'float32": (
        lambda: cross_entropy(weight=torch.ones(3)),
        lambda: cross_entropy(weight=torch.tensor([1.0, 1.0, 2.0]))),
    "loss.ignore_index: saved -100, now 1": (
        lambda: cross_entropy(), lambda: cross_entropy(ignore_index=1)),
    "loss.reduction: saved 'mean', now 'sum'": (
        lambda: cross_entropy(), lambda: cross_entropy(reduction="sum")),
    "loss.label_smoothing: saved 0.1, now 0.2": (
        lambda: {"loss": functools.partial(F.cross_entropy, label_smoothing=0.1)},
        lambda: {"loss": functools.partial(F.cross_entropy, label_smoothing=0.2)}),
    "loss code: saved": (
        lambda: {"loss": lambda o, t: F.cross_entropy(o, t)},
        lambda: {"loss": lambda o, t: F.cross_entropy(o, t) * 2}),
    "step.factor: saved 1.0, now 2.0": (
        lambda: {"step": step_with(1.0)}, lambda: {"step": step_with(2.0)}),
    "metric a code: saved": (
        lambda: {"metrics": {"a": lambda o, t: accuracy(o, t)}},
        lambda: {"metrics": {"a": lambda o, t: 1 - accuracy(o, t)}}),
    "model.factor: saved 1.0, now 0.5": (
        lambda: {"model": Scaled()}, lambda: {"model": Scaled(0.5)}),
    "model.activation: saved '.*relu', now 'other_activation'": (
        lambda: {"model": Scaled()}, lambda: {"model": Scaled(activation=other_activation)}),
    "parameters: saved '2, net.1.weight.*', now '1, net.1.bias": (
        lambda: {}, lambda: {"optimizer": lambda p: torch.optim.SGD(p[1:], lr=1e-3)}),
    "memory_format: saved .*preserve_format', now 'torch.channels_last": (
        lambda: {}, lambda: {"memory_format": torch.channels_last}),
    r"(?<!valid )augment: saved 0, now 1": (
        lambda: batches(), lambda: batches(augment=random_flip())),
    r"augment.0.padding: saved 1, now 2": (
        lambda: batches(augment=random_crop(1)), lambda: batches(augment=random_crop(2))),
    r"mean: saved \[0.0\], now \[0.5\]": (lambda: batches(), lambda: batches(mean=0.5)),
    r"std: saved \[1.0\], now \[0.5\]": (lambda: batches(), lambda: batches(std=0.5)),
    "shuffle: saved True, now False": (lambda: batches(), lambda: batches(shuffle=False)),
    "drop_last: saved False, now True": (lambda: batches(), lambda: batches(drop_last=True)),
    "data seed: saved 0, now 1": (lambda: batches(), lambda: batches(seed=1)),
    r"; data: saved '20 \(.*, now '20 \(|other settings. data: saved '20 \(.*, now '20 \(": (
        lambda: batches(), lambda: {"train": Batches(*images(seed=1), 8)}),
    "data: saved '20 .*', now '20 ": (lambda: loader(vectors()), lambda: loader(vectors(1))),
    "data: saved '3 .*', now '3 ": (
        lambda: {"train": list(DataLoader(vectors(), 8))},
        lambda: {"train": list(DataLoader(vectors(1), 8))}),
    "valid data: saved '20 .*', now '20 ": (
        lambda: {"valid": Batches(*images(), 8)}, lambda: {"valid": Batches(*images(seed=1), 8)}),
    "workers: saved 0, now 2": (lambda: loader(Noisy()), lambda: loader(Noisy(), num_workers=2)),
    "data: saved '12 .*', now '12 ": (lambda: loader(Noisy()), lambda: loader(Noisy(2.0))),
    "collate_fn: saved 'default_collate', now '": (
        lambda: loader(Fixed()),
        lambda: loader(Fixed(), collate_fn=lambda b: torch.utils.data.default_collate(b[::-1]))),
    "sampler.weights: saved 'float64": (
        lambda: loader(Fixed(), sampler=sampler(*[1.0] * 12)),
        lambda: loader(Fixed(), sampler=sampler(*[1.0] * 11, 2.0))),
}  # fmt: skip


@pytest.mark.parametrize("difference", OTHER_RUNS)
def test_another_run_is_refused_and_the_difference_is_named(difference):
    first, second = OTHER_RUNS[difference]
    run(**first())
    assert run(**first()).epochs  # the very same, built anew, is the same run
    with pytest.raises(CheckpointError, match=difference):
        run(**second())


def test_a_value_of_the_file_that_a_function_uses_counts(monkeypatch):
    run(step=step_of_the_file)
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    with pytest.raises(CheckpointError, match=r"step.FACTOR: saved 2\.0, now 3\.0"):
        run(step=step_of_the_file)


def helped(outputs, targets):
    return accuracy(outputs, targets) + FACTOR * len(other_activation(outputs))


def test_helpers_of_the_same_file_count_and_those_of_others_are_only_named():
    assert [*facts("f", helped)] == [
        "f", "f code", "f.FACTOR", "f.other_activation", "f.other_activation code"
    ]  # fmt: skip


def test_comments_names_of_lines_and_places_of_a_function_do_not_count():
    def defined(text):
        space = {}
        exec(compile(text, "cell", "exec"), space)
        return facts("f", space["f"])

    plain = defined("def f(a, b=2):\n    return a * b\n")
    assert plain == defined("\n\n# why\ndef f(a, b=2):\n    # so\n    return (a *\n        b)\n")
    assert plain != defined("def f(a, b=2):\n    return a + b\n")
    assert plain != defined("def f(a, b=3):\n    return a * b\n")


def test_objects_that_hold_themselves_have_an_end():
    class Knot:
        def __init__(self, number):
            self.me, self.number = self, number

        def __call__(self, outputs, targets):
            return self.number

    assert facts("k", Knot(1)) == facts("k", Knot(1)) != facts("k", Knot(2))
    table = np.arange(3)
    assert facts("t", table) == facts("t", table.copy()) != facts("t", table + 1)


@pytest.mark.parametrize(
    ("n", "places"), [(1000, [0, 333, 666, 999]), (5, [0, 1, 2, 4]), (3, [0, 1, 2]), (1, [0])]
)
def test_of_a_data_set_a_few_examples_from_end_to_end_are_looked_at(n, places):
    seen = []

    class Watched(Fixed):
        def __len__(self):
            return n

        def __getitem__(self, i):
            seen.append(i)
            return super().__getitem__(i)

    found = data("", DataLoader(Watched(), 4))
    assert sorted({*seen}) == places and found["batches in an epoch"] == -(-n // 4)
    assert found["data"].startswith(f"{n} (")


def test_of_a_large_tensor_some_numbers_count_with_the_first_and_the_last():
    x = torch.arange(10_000.0).reshape(100, 100)
    assert facts("x", x) == facts("x", x.clone()) and "float32 (100, 100)" in facts("x", x)["x"]
    for place in ((0, 0), (99, 99)):
        other = x.clone()
        other[place] = -1
        assert facts("x", other) != facts("x", x)


def test_a_long_list_is_one_fact_and_a_short_one_is_told_entry_by_entry():
    assert [*facts("t", [1] * 33)] == ["t", "t content"]
    assert facts("t", [1] * 33) != facts("t", [1] * 32 + [2])
    assert facts("t", [1, "a"]) == {"t": 2, "t.0": 1, "t.1": "a"}
    assert len(facts("t", [1] * 32)) == 33


@pytest.mark.parametrize(("groups", "name"), [(1, "settings. lr"), (2, "group 1 lr")])
def test_another_rate_is_named_with_its_group_where_there_are_several(groups, name):
    def optimizer(rate):
        def build(parameters):
            one = [{"params": parameters[:1], "lr": 0.1}] * (groups - 1)
            return torch.optim.SGD([*one, {"params": parameters[groups - 1 :]}], lr=rate)

        return build

    run(optimizer=optimizer(0.1))
    with pytest.raises(CheckpointError, match=f"{name}: saved 0.1, now 0.2"):
        run(optimizer=optimizer(0.2))


def test_a_loss_that_has_been_trained_meanwhile_is_the_same_run():
    class Headed(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.norm = nn.Linear(3, 3), nn.BatchNorm1d(3, affine=False)

        def forward(self, outputs, targets):
            return F.cross_entropy(self.norm(self.head(outputs)), targets)

    model, loss = Scaled(), Headed()

    def both(parameters):
        return torch.optim.SGD([*parameters, *loss.parameters()], lr=0.1)

    first = run(model=model, loss=loss, optimizer=both)
    assert loss.norm.running_mean.abs().sum() > 0  # it has moved
    assert run(model=model, loss=loss, optimizer=both) == first


def test_a_data_set_without_random_numbers_may_be_read_by_more_workers():
    run(**loader(Fixed()))
    assert run(**loader(Fixed(), num_workers=1)).epochs


def test_a_model_that_has_been_trained_meanwhile_is_the_same_run():
    """A cell that is run again has the model that it has trained before."""
    torch.manual_seed(0)
    model, loss = Scaled(), nn.CrossEntropyLoss(weight=torch.ones(3))
    first = run(model=model, loss=loss)
    assert run(model=model, loss=loss) == first


def test_looking_at_the_data_does_not_change_the_run():
    with_checkpoint = run(**loader(Noisy()))
    torch.manual_seed(0)
    without = fit(Scaled(), **loader(Noisy()), epochs=1, optimizer=torch.optim.SGD, progress=False)
    assert with_checkpoint.steps == without.steps


def test_a_loss_with_weights_of_its_own_goes_on_where_it_was(monkeypatch):
    class Tempered(nn.Module):
        def __init__(self):
            super().__init__()
            self.heat = nn.Parameter(torch.zeros(()))

        def forward(self, outputs, targets):
            return F.cross_entropy(outputs * self.heat.exp(), targets)

    def train(checkpoint, stop=None):
        torch.manual_seed(0)
        model, loss, steps = Scaled(), Tempered(), [0]
        optimizer = torch.optim.SGD([*model.parameters(), *loss.parameters()], lr=0.1)

        def hook(*_):
            steps[0] += 1
            if steps[0] == stop:
                raise InterruptedError

        optimizer.register_step_pre_hook(hook)
        data = Batches(*images(), 4)
        return fit(model, data, epochs=2, optimizer=optimizer, loss=loss, checkpoint=checkpoint,
                   progress=False).steps  # fmt: skip

    expected = train(None)
    monkeypatch.setattr(checkpoint_module, "SECONDS", 0.0)
    with pytest.raises(InterruptedError):
        train("loss", stop=7)
    assert train("loss") == expected


def test_a_function_counts_by_what_it_does_and_not_by_what_it_says_of_itself():
    def documented(x):
        """Twice x."""

        def inner(y):
            "Once."
            return y * 2

        return inner(x)

    def silent(x):
        def inner(y):
            return y * 2

        return inner(x)

    def other(x):
        "Twice x."

        def inner(y):
            return y * 3

        return inner(x)

    codes = [facts("f", f)["f code"] for f in (documented, silent, other)]
    assert codes[0] == codes[1] != codes[2]
    first, second = (lambda: ["a" for _ in range(2)]), (lambda: ["b" for _ in range(2)])
    assert facts("f", first)["f code"] != facts("f", second)["f code"]


def test_lazy_layers_are_refused_with_a_checkpoint_until_they_have_a_shape():
    x, y = images()
    batches = DataLoader(TensorDataset(x.float(), y), 5)
    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))

    def run():
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        return fit(model, batches, epochs=1, optimizer=optimizer, checkpoint="a", progress=False)

    with pytest.raises(ValueError, match="1.weight of the model has no shape yet"):
        run()
    model(x.float())
    assert len(run().steps) == 4
