"""What a step may be and what its means are means of: against torch's means over all at once."""

import functools
import math
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils.data import DataLoader, Dataset

from labnotes.train import Mean, accuracy, evaluate, fit, supervised


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")


def net():
    torch.manual_seed(1)
    return nn.Linear(4, 3)


def still(parameters):
    return torch.optim.SGD(parameters, lr=0.0)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.5)


def vectors(*sizes):
    g = torch.Generator().manual_seed(2)
    return [(torch.randn(n, 4, generator=g), torch.randint(0, 3, (n,), generator=g)) for n in sizes]


def padded(ignore=-100):
    """Two batches of eight, with 1 and with 8 targets that count."""
    (x, y), (u, v) = vectors(8, 8)
    y = y.clone()
    y[0], y[1:] = 0, ignore
    return [(x, y), (u, v)]


def whole(batches):
    return tuple(torch.cat(parts) for parts in zip(*batches))


WEIGHT = torch.tensor([0.2, 3.0, 1.0])
LOSSES = {
    "function": F.cross_entropy,
    "module": nn.CrossEntropyLoss(),
    "other index": nn.CrossEntropyLoss(ignore_index=2),
    "weighted": nn.CrossEntropyLoss(weight=WEIGHT),
    "smoothed": nn.CrossEntropyLoss(label_smoothing=0.2),
    "weighted, smoothed": nn.CrossEntropyLoss(weight=WEIGHT, label_smoothing=0.2),
    "partial": functools.partial(F.cross_entropy, ignore_index=2, weight=WEIGHT),
}


@pytest.mark.parametrize("name", LOSSES)
def test_means_are_torchs_means_over_all_targets_at_once(name):
    loss, batches = LOSSES[name], padded()
    ignore = 2 if name in ("other index", "partial") else -100
    if ignore == 2:
        batches = padded(ignore=2)
    x, y = whole(batches)
    outputs = net()(x)
    right = (outputs.argmax(1) == y)[y != ignore].double().mean().item()
    expected = {"loss": loss(outputs, y).item(), "accuracy": right}
    assert evaluate(net(), batches, loss=loss) == pytest.approx(expected, rel=1e-5)
    row = fit(net(), batches, epochs=1, optimizer=still, loss=loss, progress=False).last
    assert row["train_loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert row["train_accuracy"] == pytest.approx(right, rel=1e-6)
    by_batch = sum(loss(net()(u), v).item() for u, v in batches) / 2
    assert abs(by_batch - expected["loss"]) > 0.01  # the mean of means is another number


def test_log_likelihoods_and_class_probabilities_count_too():
    class LogProbabilities(nn.Linear):
        def forward(self, x):
            return super().forward(x).log_softmax(1)

    torch.manual_seed(1)
    model, batches = LogProbabilities(4, 3), padded()
    x, y = whole(batches)
    for loss in (nn.NLLLoss(weight=WEIGHT), F.nll_loss):
        expected = {"loss": pytest.approx(loss(model(x), y).item(), rel=1e-5)}
        assert evaluate(model, batches, loss=loss) == expected
    soft = [(u, F.one_hot(v, 3) * 0.9 + 0.1 / 3) for u, v in vectors(8, 3)]
    x, y = whole(soft)
    found = evaluate(net(), soft)
    assert found["loss"] == pytest.approx(F.cross_entropy(net()(x), y).item(), rel=1e-5)
    right = (net()(x).argmax(1) == y.argmax(1)).double().mean().item()
    assert found["accuracy"] == pytest.approx(right, rel=1e-6)


def test_every_pixel_counts_where_images_have_different_sizes():
    torch.manual_seed(3)
    model = nn.Conv2d(1, 3, 1)
    batches = [
        (torch.randn(2, 1, side, side), torch.randint(0, 3, (2, side, side))) for side in (2, 9)
    ]
    batches[1][1][0] = -100
    outputs = torch.cat([model(x).transpose(0, 1).flatten(1) for x, _ in batches], 1).T
    targets = torch.cat([y.flatten() for _, y in batches])
    found = evaluate(model, batches)
    assert found["loss"] == pytest.approx(F.cross_entropy(outputs, targets).item(), rel=1e-5)
    right = (outputs.argmax(1) == targets)[targets >= 0].double().mean().item()
    assert found["accuracy"] == pytest.approx(right, rel=1e-6)


def test_a_summed_loss_is_minimized_as_a_sum_and_recorded_as_a_mean():
    batches, loss = padded(), nn.CrossEntropyLoss(reduction="sum")
    x, y = whole(batches)
    expected = F.cross_entropy(net()(x), y).item()
    assert evaluate(net(), batches, loss=loss)["loss"] == pytest.approx(expected, rel=1e-5)
    ours, theirs = net(), net()
    fit(ours, batches[:1], epochs=1, optimizer=sgd, loss=loss, progress=False)
    optimizer = sgd(theirs.parameters())
    loss(theirs(batches[0][0]), batches[0][1]).backward()
    optimizer.step()
    assert torch.equal(ours.weight, theirs.weight)
    data = [(x, x[:, :3]) for x, _ in vectors(8, 3)]
    squares = evaluate(net(), data, loss=nn.MSELoss(reduction="sum"))["loss"]
    x, y = whole(data)
    assert squares == pytest.approx(((net()(x) - y) ** 2).sum().item() / 11, rel=1e-5)


@pytest.mark.parametrize("loss", [F.cross_entropy, nn.CrossEntropyLoss(weight=WEIGHT)])
def test_a_batch_without_a_valid_target_changes_nothing_and_is_no_nan(loss):
    (x, y), none = padded()[1], (torch.randn(4, 4), torch.full((4,), -100))
    ours, theirs = net(), net()
    metrics = {"accuracy": accuracy}  # NaN for such a batch, if it is asked alone
    options = {"epochs": 1, "optimizer": sgd, "loss": loss, "progress": False}
    history = fit(ours, [none, (x, y), none], [none, (x, y)], metrics=metrics, **options)
    alone = fit(theirs, [(x, y)], [(x, y)], metrics=metrics, **options)
    assert history.steps == [0.0, *alone.steps, 0.0]
    assert torch.equal(ours.weight, theirs.weight)
    for name in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy"):
        assert history.last[name] == pytest.approx(alone.last[name], rel=1e-6)
    assert math.isnan(evaluate(net(), [none], loss=loss)["loss"])  # a mean of nothing


def test_class_weights_that_are_all_zero_give_no_nan_gradient():
    loss = nn.CrossEntropyLoss(weight=torch.tensor([0.0, 1.0, 1.0]))
    batch = (torch.randn(4, 4), torch.zeros(4, dtype=torch.long))
    model = net()
    fit(model, [batch], epochs=1, optimizer=sgd, loss=loss, progress=False)
    assert torch.equal(model.weight, net().weight)


def test_plain_metrics_count_by_the_targets_that_are_not_ignored():
    batches = padded()
    own = {"own": lambda o, t: (o.argmax(1) == t)[t >= 0].float().mean(), "accuracy": accuracy}
    found = evaluate(net(), batches, metrics=own)
    assert found["own"] == pytest.approx(found["accuracy"], rel=1e-6)
    assert found["accuracy"] == pytest.approx(evaluate(net(), batches)["accuracy"], rel=1e-6)


@pytest.mark.parametrize(
    "loss", [nn.CrossEntropyLoss(), functools.partial(F.cross_entropy, label_smoothing=0.1)]
)
def test_any_form_of_cross_entropy_gets_an_accuracy(loss):
    assert list(evaluate(net(), vectors(5), loss=loss)) == ["loss", "accuracy"]


def test_accuracy_leaves_ignored_targets_out_and_says_so_for_what_is_no_tensor():
    outputs, targets = torch.eye(3)[[0, 1, 2, 0]], torch.tensor([0, 2, -100, 0])
    assert accuracy(outputs, targets).item() == pytest.approx(2 / 3)
    assert accuracy(outputs, targets, ignore_index=0).item() == 0  # -100 is then a wrong answer
    with pytest.raises(TypeError, match="outputs are of type tuple"):
        accuracy((outputs, outputs), targets)


# A step of one's own


def by_hand(model, batch):
    x, y = batch
    outputs = model(x)
    return F.cross_entropy(outputs, y), {"accuracy": accuracy(outputs, y)}


def test_a_step_by_hand_equals_the_built_in_one_bit_for_bit():
    data = vectors(8, 8, 3)
    one, other = net(), net()
    first = fit(one, data, data, epochs=3, optimizer=sgd, step=by_hand, progress=False)
    second = fit(other, data, data, epochs=3, optimizer=sgd, progress=False)
    third = fit(net(), data, data, epochs=3, optimizer=sgd, step=supervised(), progress=False)
    assert first.steps == second.steps == third.steps
    assert torch.equal(one.weight, other.weight)
    assert [*first.last] == [*second.last]
    for name in ("train_accuracy", "valid_loss", "valid_accuracy"):
        assert first.last[name] == pytest.approx(second.last[name], rel=1e-6)


@pytest.mark.parametrize("kind", [Mean, lambda total, count: (total, count)])
def test_means_of_a_step_are_over_what_it_has_counted(kind):
    batches = padded()

    def step(model, batch):
        x, y = batch
        valid = y != -100
        total = F.cross_entropy(model(x), y, reduction="sum")
        return kind(total, valid.sum()), {"targets": kind(valid.sum(), 1), "two": kind(4.0, 2)}

    x, y = whole(batches)
    history = fit(net(), batches, batches, epochs=1, optimizer=still, step=step, progress=False)
    expected = F.cross_entropy(net()(x), y).item()
    assert history.last["train_loss"] == pytest.approx(expected, rel=1e-6)
    assert history.last["valid_loss"] == pytest.approx(expected, rel=1e-6)
    assert history.last["train_targets"] == 4.5 and history.last["train_two"] == 2.0
    assert history.steps == pytest.approx([F.cross_entropy(net()(u), v).item() for u, v in batches])


def test_a_mean_counts_whatever_the_batch_looks_like_and_a_number_needs_its_size():
    """Time-major: (time, batch, features), with times that differ from batch to batch."""
    g = torch.Generator().manual_seed(0)
    batches = [(torch.randn(t, 3, 4, generator=g), torch.randint(0, 3, (3,))) for t in (5, 2)]

    def step(model, batch):
        x, y = batch  # (time, 3, 4), (3,)
        return Mean(F.cross_entropy(model(x.mean(0)), y, reduction="sum"), y.numel())

    def plain(model, batch):
        total, count = step(model, batch)
        return total / count

    expected = torch.stack([plain(net(), batch) for batch in batches]).mean().item()
    assert evaluate(net(), batches, step=step)["loss"] == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match=r"how many examples has a tuple of 2 .*\(5, 3, 4\)"):
        evaluate(net(), batches, step=plain)

    @dataclass
    class Batch:
        x: torch.Tensor
        y: torch.Tensor

        @property
        def batch_size(self):
            return self.y.shape[0]

    told = [Batch(x, y) for x, y in batches] + [Batch(torch.ones(4, 1, 4), torch.tensor([0]))]
    parts = [plain(net(), (b.x, b.y)).item() * n for b, n in zip(told, (3, 3, 1))]
    found = evaluate(net(), told, step=lambda model, batch: plain(model, (batch.x, batch.y)))
    assert found["loss"] == pytest.approx(sum(parts) / 7, rel=1e-6)


class Boxes(Dataset):
    """Images of different sizes, each with another number of boxes."""

    def __len__(self):
        return 5

    def __getitem__(self, i):
        g = torch.Generator().manual_seed(i)
        target = {"boxes": torch.rand(i + 1, 4, generator=g), "name": f"image {i}", "nothing": None}
        return torch.rand(3, 6 + i, 7, generator=g), target


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_detector_trains_on_lists_of_images_and_targets(kind):
    class Detector(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 4)

        def loss(self, images, targets):
            guesses = [self.head(image.mean((1, 2))) for image in images]
            return torch.stack(
                [(g - t["boxes"].mean(0)).abs().sum() for g, t in zip(guesses, targets)]
            ).mean()

    def step(model, batch):
        images, targets = batch
        assert all(t["name"].startswith("image") and t["nothing"] is None for t in targets)
        boxes = sum(len(t["boxes"]) for t in targets)
        return model.loss(images, targets), {"boxes": Mean(boxes, len(targets))}

    loader = DataLoader(Boxes(), 2, collate_fn=lambda samples: tuple(map(kind, zip(*samples))))
    torch.manual_seed(0)
    history = fit(Detector(), loader, loader, epochs=20, optimizer=sgd, step=step, progress=False)
    assert history.last["train_boxes"] == 3.0  # (1 + 2 + 3 + 4 + 5) / 5
    first = history.epochs[0]
    assert first["train_loss"] == pytest.approx(
        (2 * history.steps[0] + 2 * history.steps[1] + history.steps[2]) / 5, rel=1e-6
    )
    assert history.last["train_loss"] < first["train_loss"]


def test_packed_sequences_and_dicts_reach_the_step_as_they_were_given():
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(4, 5), nn.Linear(5, 3)

        def forward(self, words):
            return self.head(self.lstm(words)[1][0][-1])

    torch.manual_seed(0)
    words = [torch.randn(n, 4) for n in (2, 5, 3)]
    packed = pack_sequence(words, enforce_sorted=False)
    model, y = Reader(), torch.tensor([0, 2, 1])
    expected = F.cross_entropy(torch.stack([model(w[:, None])[0] for w in words]), y).item()
    assert evaluate(model, [(packed, y)])["loss"] == pytest.approx(expected, rel=1e-5)

    def step(model, batch):
        assert isinstance(batch["words"], PackedSequence) and batch["text"] == ["a", "b", "c"]
        return F.cross_entropy(model(batch["words"]), batch["y"])

    batch = {"words": packed, "y": y, "text": ["a", "b", "c"], "none": None}
    assert evaluate(model, [batch], step=step)["loss"] == pytest.approx(expected, rel=1e-5)


def test_batches_may_be_nothing_but_numbers():
    seen = []

    def step(model, batch):
        seen.append(batch)
        return (model(torch.ones(4)) ** 2).sum()

    history = fit(net(), range(3), epochs=2, optimizer=sgd, step=step, progress=False)
    assert seen == [0, 1, 2] * 2 and len(history.steps) == 6


def test_a_loader_of_samples_with_two_inputs_gives_the_model_both():
    class Pairs(Dataset):
        def __len__(self):
            return 5

        def __getitem__(self, i):
            return (torch.full((4,), float(i)), torch.ones(4)), i % 3

    class Sum(nn.Linear):
        def forward(self, a, b):
            return super().forward(a + b)

    torch.manual_seed(1)
    model, loader = Sum(4, 3), DataLoader(Pairs(), 2)
    x = torch.arange(5.0)[:, None].expand(5, 4)
    expected = F.cross_entropy(model(x, torch.ones(5, 4)), torch.arange(5) % 3).item()
    assert evaluate(model, loader)["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_step_may_record_another_loss_than_the_one_that_it_minimizes():
    def step(model, batch):
        x, y = batch
        loss = F.cross_entropy(model(x), y)
        return loss + 100, {"loss": loss}

    history = fit(net(), vectors(8), epochs=1, optimizer=still, step=step, progress=False)
    x, y = vectors(8)[0]
    assert history.steps == [F.cross_entropy(net()(x), y).item()]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"step": by_hand, "metrics": {}}, "either step, or loss and metrics"),
        ({"step": by_hand, "loss": F.mse_loss}, "either step, or loss and metrics"),
        ({"step": 3}, "step is of type int"),
        ({"step": lambda m, b: 1.5}, "loss of a step is of type float: return a tensor"),
        ({"step": lambda m, b: m(b[0])}, r"loss of a batch has the shape \(8, 3\)"),
        ({"step": lambda m, b: (m(b[0]).sum(), {"a": m(b[0])})}, "a of a batch has the shape"),
        ({"step": lambda m, b: (m(b[0]).sum(), {"a": "x"})}, "a of a batch is of type str"),
        ({"step": lambda m, b: None}, "loss of a batch is of type NoneType"),
    ],
)
def test_a_step_that_cannot_work_is_refused_with_a_reason(changes, says):
    with pytest.raises(ValueError, match=says):
        fit(net(), vectors(8), epochs=1, optimizer=sgd, progress=False, **changes)


# Nothing else is changed


class Flattening(nn.Module):
    """With the commonest line of PyTorch: ``x.view(x.size(0), -1)``."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4 * 36, 3)
        self.layouts = []

    def forward(self, x):
        self.layouts.append(x.is_contiguous())
        x = self.conv(x).relu()
        return self.head(x.view(x.size(0), -1))


class Reshaping(Flattening):
    def forward(self, x):
        self.layouts.append(x.is_contiguous())
        return self.head(self.conv(x).relu().flatten(1))


def pictures():
    g = torch.Generator().manual_seed(4)
    return [(torch.randn(4, 3, 6, 6, generator=g), torch.randint(0, 3, (4,), generator=g))] * 3


def momentum(parameters):
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


def test_a_network_that_flattens_with_view_trains_and_works_afterwards():
    model = Flattening()
    fit(model, pictures(), pictures(), epochs=1, optimizer=momentum, progress=False)
    evaluate(model, pictures())
    assert model(pictures()[0][0]).shape == (4, 3) and all(model.layouts)


@pytest.mark.parametrize("fused", [False, True])
def test_a_memory_format_is_for_the_run_alone_and_the_optimizer_keeps_its_state(fused):
    def run(memory_format):
        model = Reshaping()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, fused=fused)
        options = {"epochs": 1, "optimizer": optimizer, "progress": False}
        for layout in (None, memory_format, None):  # one optimizer through all three
            fit(model, pictures(), pictures(), memory_format=layout, **options)
        return model, optimizer

    plain, _ = run(None)
    model, optimizer = run(torch.channels_last)
    assert model.layouts[6:12] == [False] * 6 and all(model.layouts[:6] + model.layouts[12:])
    weight = model.conv.weight
    assert weight.is_contiguous() and weight.grad.is_contiguous()
    assert optimizer.state[weight]["momentum_buffer"].is_contiguous()
    assert torch.allclose(weight, plain.conv.weight, atol=1e-6)


def test_layout_and_modes_come_back_when_a_run_fails():
    model = Flattening().eval()
    with pytest.raises(RuntimeError, match="view"):
        fit(model, pictures(), epochs=1, optimizer=momentum, memory_format=torch.channels_last,
            progress=False)  # fmt: skip
    assert model.conv.weight.is_contiguous() and not model.training
    with pytest.raises(RuntimeError, match="view"):
        evaluate(model.train(), pictures(), memory_format=torch.channels_last)
    assert model.conv.weight.is_contiguous() and model.training


def test_three_axes_are_no_image_and_keep_their_layout():
    seen = []

    class Watch(nn.Module):
        def forward(self, x):
            seen.append((tuple(x.shape), x.stride()))
            return x.mean(2) @ torch.ones(5, 3)

    x = torch.randn(2, 7, 5).transpose(1, 2)  # (2, 5, 7), not contiguous
    evaluate(Watch(), [(x, torch.tensor([0, 1]))], memory_format=torch.channels_last)
    assert seen == [((2, 5, 7), (35, 1, 5))]


def test_a_module_that_keeps_a_table_of_its_first_pass_can_be_trained_after_an_evaluation():
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.table = net(), None

        def forward(self, x):
            if self.table is None:
                self.table = torch.arange(1.0, 4.0)  # as positions and masks are
            return self.net(x) * self.table  # whose gradient needs the table

    model = Table()
    evaluate(model, vectors(8))
    history = fit(model, vectors(8), epochs=2, optimizer=sgd, progress=False)
    assert history.steps[1] < history.steps[0]


def test_what_the_optimizer_does_not_hold_is_not_trained():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3))
    before = [p.clone() for p in model.parameters()]
    optimizer = torch.optim.SGD(model[1].parameters(), lr=0.5)
    fit(model, vectors(8), epochs=1, optimizer=optimizer, clip_norm=0.1, progress=False)
    same = [torch.equal(p, old) for p, old in zip(model.parameters(), before)]
    assert same == [True, True, False, False]
    moved = torch.cat([(p - q).flatten() for p, q in zip(model.parameters(), before)])
    assert moved.norm().item() == pytest.approx(0.05, rel=1e-4)  # clipped over what it holds


def test_validation_computes_in_the_precision_of_the_training():
    model, seen = net(), []
    model.register_forward_hook(lambda m, a, out: seen.append((m.training, out.dtype)))
    fit(model, vectors(8), vectors(8), epochs=1, optimizer=sgd, precision="bf16", progress=False)
    assert seen == [(True, torch.bfloat16), (False, torch.bfloat16)]


def test_a_last_batch_of_one_with_batch_normalization_names_drop_last():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    with pytest.raises(ValueError, match="has one example.*drop_last=True"):
        fit(model, vectors(8, 1), epochs=1, optimizer=sgd, progress=False)


# After each epoch


def test_a_run_ends_when_on_epoch_says_so_and_the_best_weights_can_be_kept(tmp_path):
    best = tmp_path / "best.pt"

    def watch(history, model):
        losses = [row["valid_loss"] for row in history.epochs]
        if losses[-1] == min(losses):
            torch.save(model.state_dict(), best)
        return len(losses) == 3

    model, data = net(), vectors(8, 8)
    options = {"optimizer": sgd, "progress": False}
    history = fit(model, data, data, epochs=9, on_epoch=watch, **options)
    assert len(history.epochs) == 3 and history.stopped
    kept = net()
    kept.load_state_dict(torch.load(best, weights_only=True))
    lowest = min(row["valid_loss"] for row in history.epochs)
    assert evaluate(kept, data)["loss"] == pytest.approx(lowest, rel=1e-6)
    free = fit(net(), data, data, epochs=3, on_epoch=lambda history, model: None, **options)
    assert free.steps == history.steps and not free.stopped
    with pytest.raises(ValueError, match="on_epoch returned 0.5"):
        fit(net(), data, epochs=1, on_epoch=lambda history, model: 0.5, **options)
    with pytest.raises(ValueError, match="on_epoch is of type int"):
        fit(net(), data, epochs=1, on_epoch=3, **options)


def test_a_run_that_was_ended_stays_ended_when_it_is_called_again(tmp_path):
    options = {"optimizer": sgd, "progress": False, "checkpoint": tmp_path / "run.pt"}
    first = fit(net(), vectors(8), epochs=9, on_epoch=lambda h, m: len(h.epochs) == 2, **options)
    model = net()
    model.register_forward_hook(lambda *_: pytest.fail("trained again"))
    again = fit(model, vectors(8), epochs=9, on_epoch=lambda h, m: len(h.epochs) == 2, **options)
    assert again == first and len(again.epochs) == 2
