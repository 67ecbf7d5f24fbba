"""A run is joined to a saved one only if it is the same: what differs is refused by name."""

import functools
import types

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    WeightedRandomSampler,
)

import labnotes.train.checkpoint as checkpoint_module
from labnotes.data import Batches, random_crop, random_flip
from labnotes.sequence.translation import END, PairBatches
from labnotes.text.windows import random_windows, sequential_windows
from labnotes.train import CheckpointError, accuracy, fit
from labnotes.train.fingerprint import _numbered, data, facts


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


class Shifted(Noisy):
    def __getitem__(self, i):
        return torch.full((16,), i + 1.0), i % 3


Shifted.__qualname__ = "Fixed"  # so that the data alone tell


def step_with(factor):
    def step(model, batch):
        return factor * F.cross_entropy(model(batch[0]), batch[1])

    return step


FACTOR = 2.0


def step_of_the_file(model, batch):
    return FACTOR * F.cross_entropy(model(batch[0]), batch[1])


THING = None


def step_of_a_thing(model, batch):
    """Names a global, of which a test makes what it likes."""
    loss = F.cross_entropy(model(batch[0]), batch[1])
    return loss if THING is None else loss + 0


def texts(cut, seed=0, length=100, **options):
    """Windows of a text, and a model of them."""
    ids = torch.randint(0, 5, (length,), generator=torch.Generator().manual_seed(seed))
    return sentences(cut(ids, 4, 3, **options))


def pairs(word=5, batch_size=2):
    ids = [[4, word, END], [6, 5, END], [5, END]] * 3
    return sentences(PairBatches(ids, [[4, 4, END]] * 9, batch_size, torch.Generator()))


def sentences(batches):
    def step(model, batch):
        return F.cross_entropy(model(batch[0]).mean((0, 1))[None], batch[-1].flatten()[:1] % 5)

    return {"model": nn.Embedding(9, 5), "train": batches, "step": step}


class Passes:
    """Batches without numbers, as one writes them for a loop; an epoch's number moves."""

    def __init__(self, x, y, change=None):
        self.x, self.y, self.change, self.epoch = x.float(), y, change, 0
        self.generator, self.rng = torch.Generator(), np.random.default_rng(0)

    def __len__(self):
        return 2

    def set_epoch(self, epoch):
        self.epoch = epoch + 1

    def __iter__(self):
        order = torch.randperm(20, generator=self.generator) + 0 * self.rng.integers(2)
        return ((self.x[rows], self.y[rows]) for rows in order.split(10))


class Stream(IterableDataset):
    def __init__(self, value):
        self.value = value

    def __len__(self):
        return 8

    def __iter__(self):
        return ((torch.full((16,), self.value), 1) for _ in range(8))


class Named(Dataset):
    """Its examples have names and no numbers."""

    def __init__(self, value=1.0):
        self.values = {name: torch.full((16,), value) for name in "abcd"}

    def __len__(self):
        return 4

    def __getitem__(self, name):
        return self.values[name], 1


class Listed:
    """A batch sampler of one's own: the rows of each batch."""

    def __init__(self, *batches):
        self.batches = [list(rows) for rows in batches]

    def __iter__(self):
        return iter(self.batches)

    def __len__(self):
        return len(self.batches)


def batch_loader(batch_sampler, dataset=None):
    dataset = Fixed() if dataset is None else dataset
    return {"train": DataLoader(dataset, batch_sampler=batch_sampler)}


def drawn(batch_size=4, drop_last=False, kind=RandomSampler, **options):
    return batch_loader(BatchSampler(kind(Fixed(), **options), batch_size, drop_last))


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
    "data.batches.windows: saved 'int64 .*', now 'int64": (
        lambda: texts(random_windows), lambda: texts(random_windows, seed=1)),
    "data.batches.inputs: saved 'int64 .*', now 'int64": (
        lambda: texts(sequential_windows), lambda: texts(sequential_windows, seed=1)),
    "data.source: saved 'int64 .*', now 'int64": (lambda: pairs(), lambda: pairs(word=7)),
    "data.x: saved 'float32 .*', now 'float32": (
        lambda: {"train": Passes(*images())}, lambda: {"train": Passes(*images(seed=1))}),
    "valid data.y: saved 'int64 .*', now 'int64": (
        lambda: {"valid": Passes(*images())},
        lambda: {"valid": Passes(images()[0], 2 - images()[1])}),
    "data.change code: saved": (
        lambda: {"train": Passes(*images(), lambda x: x)},
        lambda: {"train": Passes(*images(), lambda x: x + 1)}),
    "dataset.value: saved 1.0, now 2.0": (
        lambda: {"train": DataLoader(Stream(1.0), 4)},
        lambda: {"train": DataLoader(Stream(2.0), 4)}),
    "data: saved '12 .*', now '12 .": (  # the names differ in how they are written alone
        lambda: loader(Fixed(), sampler=sampler(*[1.0] * 12)),
        lambda: loader(Shifted(), sampler=sampler(*[1.0] * 12))),
    "dataset.values.a: saved 'float32": (
        lambda: loader(Named(), sampler=list("abcd")),
        lambda: loader(Named(2.0), sampler=list("abcd"))),
    "sampler.0: saved 'a', now 'b'": (
        lambda: loader(Named(), sampler=list("abcd")),
        lambda: loader(Named(), sampler=list("bacd"))),
    "batch_sampler.batch_size: saved 4, now 5": (lambda: drawn(), lambda: drawn(5)),
    "batch_sampler.drop_last: saved False, now True": (
        lambda: drawn(), lambda: drawn(drop_last=True)),
    "batch_sampler.sampler: saved 'RandomSampler', now 'SequentialSampler'": (
        lambda: drawn(), lambda: drawn(kind=SequentialSampler)),
    "batch_sampler.sampler.num_samples: saved 12, now 11": (
        lambda: drawn(replacement=True), lambda: drawn(replacement=True, num_samples=11)),
    "batch_sampler.batches.1.0: saved 2, now 3": (
        lambda: batch_loader(Listed([0, 1], [2])), lambda: batch_loader(Listed([0, 1], [3]))),
    "data: saved '12 .*', now '12 [(]": (
        lambda: batch_loader(Listed([0, 1], [2])),
        lambda: batch_loader(Listed([0, 1], [2]), Shifted())),
}  # fmt: skip


@pytest.mark.parametrize("difference", OTHER_RUNS)
def test_another_run_is_refused_and_the_difference_is_named(difference):
    first, second = OTHER_RUNS[difference]
    run(**first())
    assert run(**first()).epochs  # the very same, built anew, is the same run
    with pytest.raises(CheckpointError, match=difference):
        run(**second())


@pytest.mark.parametrize("difference", OTHER_RUNS)
def test_the_same_run_goes_on_with_the_very_objects_that_it_has_used(difference):
    """A cell that is run again: generators, weights and counters have moved meanwhile."""
    options = OTHER_RUNS[difference][1]()
    assert run(**options) == run(**options)


class Plain:
    def __init__(self, number, values=()):
        self.number, self.values = number, values


OTHER_GLOBALS = {
    "step.THING.label_smoothing: saved 0.0, now 0.1": (
        nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.1)),
    "step.THING.weight: saved 'float32 .*', now 'float32": (
        nn.CrossEntropyLoss(torch.ones(3)), nn.CrossEntropyLoss(torch.tensor([1.0, 1.0, 2.0]))),
    "step.THING.label_smoothing: saved 0.1, now 0.2": (
        functools.partial(F.cross_entropy, label_smoothing=0.1),
        functools.partial(F.cross_entropy, label_smoothing=0.2)),
    "step.THING.a.b: saved 1, now 2": ({"a": {"b": 1}}, {"a": {"b": 2}}),
    "step.THING.1: saved 2, now 3": ([1, 2], [1, 3]),
    "step.THING content: saved": ({"a", "b"}, {"a", "c"}),
    "step.THING.number: saved 1, now 2": (Plain(1), Plain(2)),
    "step.THING.values.0: saved 1, now 2": (Plain(1, [1]), Plain(1, [2])),
    "step.THING.rate: saved 1, now 2": (
        types.SimpleNamespace(rate=1), types.SimpleNamespace(rate=2)),
    "step.THING.self.number: saved 1, now 2": (
        types.MethodType(step_of_the_file, Plain(1)), types.MethodType(step_of_the_file, Plain(2))),
    "step.THING: saved 'float64 .*', now 'float64": (np.ones(2), np.zeros(2)),
}  # fmt: skip


@pytest.mark.parametrize("difference", OTHER_GLOBALS)
def test_another_object_of_the_file_that_a_step_uses_is_another_run(monkeypatch, difference):
    first, second = OTHER_GLOBALS[difference]
    for thing in (first, first):
        monkeypatch.setitem(globals(), "THING", thing)
        run(step=step_of_a_thing)
    monkeypatch.setitem(globals(), "THING", second)
    with pytest.raises(CheckpointError, match=difference):
        run(step=step_of_a_thing)


def test_a_global_that_only_an_inner_function_names_counts_too(monkeypatch):
    def step(model, batch):
        return sum(F.cross_entropy(model(batch[0]), batch[1]) * THING["a"] for _ in range(2))

    monkeypatch.setitem(globals(), "THING", {"a": 1})
    run(step=step)
    monkeypatch.setitem(globals(), "THING", {"a": 2})
    with pytest.raises(CheckpointError, match="step.THING.a: saved 1, now 2"):
        run(step=step)


class Turned(Scaled):
    """With what moves in training, of every kind."""

    def __init__(self):
        super().__init__()
        self.net.append(nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3)))
        self.net.append(nn.BatchNorm1d(3))
        self.frozen = nn.Linear(1, 1).requires_grad_(False)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        self.passes += 1
        self.frozen.bias += 1
        return super().forward(x)


@pytest.mark.parametrize(
    "kind",
    [
        lambda model, optimizer: model,
        lambda model, optimizer: nn.Sequential(model, nn.Softmax(1)),
        lambda model, optimizer: [*model.parameters(), *model.buffers()],
        lambda model, optimizer: model.state_dict(keep_vars=True),
        lambda model, optimizer: {"net": model.net, "run": model.forward},
        lambda model, optimizer: Plain(1, [model, optimizer]),
        lambda model, optimizer: optimizer,
        lambda model, optimizer: functools.partial(step_of_the_file, model),
    ],
)
@pytest.mark.parametrize("place", ["global", "closure"])
def test_what_is_trained_does_not_count_by_its_weights_wherever_a_step_has_it(
    monkeypatch, kind, place
):
    model = Turned()
    before = [tensor.clone() for tensor in model.state_dict().values()]
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    thing = kind(model, optimizer)
    monkeypatch.setitem(globals(), "THING", thing)

    def step_of_a_closure(model, batch):
        return step_of_the_file(model, batch) + 0 * (thing is None)

    step = step_of_a_thing if place == "global" else step_of_a_closure
    first = run(model=model, optimizer=optimizer, step=step)
    assert not all(map(torch.equal, before, model.state_dict().values()))
    assert run(model=model, optimizer=optimizer, step=step) == first
    fresh = Turned()  # as after a new start of Python
    optimizer = torch.optim.SGD(fresh.parameters(), 0.1, momentum=0.9)
    thing = kind(fresh, optimizer)
    monkeypatch.setitem(globals(), "THING", thing)
    assert run(model=fresh, optimizer=optimizer, step=step) == first


RECORD, COUNTS, METER, CALLS, RUNNING = [], {"steps": 0}, Plain(0), 0, torch.zeros(())


def test_records_that_a_step_keeps_in_globals_are_no_settings():
    def step(model, batch):
        global CALLS
        loss = step_of_the_file(model, batch)
        RECORD.append(loss.item())
        COUNTS["steps"] += 1
        COUNTS["last"] = len(batch[0])
        METER.number += 1
        CALLS += 1
        RUNNING.mul_(0.9).add_(1)
        return loss

    first = run(step=step)
    assert run(step=step) == first
    assert len(RECORD) == COUNTS["steps"] == METER.number == CALLS == 3 and RUNNING > 0


def test_what_another_library_makes_and_what_the_package_keeps_is_not_followed(monkeypatch):
    import logging

    from labnotes.exercises import checker

    monkeypatch.setitem(globals(), "THING", logging.getLogger("a"))
    assert [*facts("f", step_of_a_thing)] == ["f", "f code"]
    monkeypatch.setitem(globals(), "THING", checker)  # writes to a register of its file
    assert [*facts("f", step_of_a_thing)] == ["f", "f code"]
    assert [*facts("f", checker)] == ["f", "f code"]


def test_windows_of_a_long_text_are_not_copied_to_be_looked_at(monkeypatch):
    largest, real = [0], torch.Tensor.reshape

    def reshape(tensor, *shape):
        largest[0] = max(largest[0], tensor.numel())
        return real(tensor, *shape)

    windows = random_windows(torch.arange(100_000), 64, 8)
    monkeypatch.setattr(torch.Tensor, "reshape", reshape)
    assert data("", windows) != data("", random_windows(torch.arange(100_000) + 1, 64, 8))
    assert largest[0] <= 4096


def test_of_a_list_of_many_thousands_some_entries_count_with_the_first_and_the_last():
    long = list(range(10_000))
    assert facts("x", long) == facts("x", long.copy())
    assert facts("x", long) != facts("x", [-1, *long[1:]])
    assert facts("x", long) != facts("x", [*long[:-1], -1])


def test_examples_with_the_numbers_0_to_n_minus_1_are_told_from_those_with_other_names():
    assert _numbered([1, 2, 3]) and _numbered({0: "a", 1: "b"})
    assert not _numbered({"a": 1, "b": 2}) and not _numbered({1: "a", 2: "b"})


def test_a_data_set_that_is_itself_iterated_counts_by_its_attributes():
    assert data("", Stream(1.0)) == data("", Stream(1.0)) != data("", Stream(2.0))


def test_looking_at_batches_does_not_draw_them():
    batches = pairs()["train"]
    before = batches.generator.get_state()
    assert data("", batches) == data("", pairs()["train"])
    assert torch.equal(batches.generator.get_state(), before)


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


def test_a_set_in_the_code_counts_in_no_order():
    def f(x):
        return x in {0, 8}

    constants = tuple(frozenset([8, 0]) if c == {0, 8} else c for c in f.__code__.co_consts)
    assert repr(constants) != repr(f.__code__.co_consts)
    other = types.FunctionType(f.__code__.replace(co_consts=constants), globals(), "f")
    assert facts("f", f) == facts("f", other) != facts("f", lambda x: x in {0, 9})


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
