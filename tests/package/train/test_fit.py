"""The loop against loops written by hand, and what it refuses."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from labnotes import runtime
from labnotes.data import Batches
from labnotes.train import accuracy, cosine, evaluate, fit, one_cycle, seed_epoch, step_decay
from labnotes.train.place import choose_precision


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")


def vectors(n=50, batch=8, seed=0):
    """Batches of a small problem of three classes; the last batch is short."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 5, generator=g)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    return list(zip(x.split(batch), y.split(batch)))


def images(n=22, batch=8):
    g = torch.Generator().manual_seed(1)
    x, y = torch.randn(n, 3, 8, 8, generator=g), torch.randint(0, 3, (n,), generator=g)
    return list(zip(x.split(batch), y.split(batch)))


def perceptron(dropout=0.0):
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 3))


def convnet():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.2),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 3),
    )  # fmt: skip


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.3, momentum=0.9, weight_decay=1e-3)


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=0.01)


def same_state(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


# Equal to a loop that a reader would write


@pytest.mark.parametrize("build", [sgd, adamw])
@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize("schedule", [None, cosine(warmup=3), one_cycle(), step_decay([4, 9])])
def test_fit_equals_a_hand_written_loop_bit_for_bit(build, clip_norm, schedule):
    ours, theirs, data, epochs = perceptron(0.3), perceptron(0.3), vectors(), 3
    history = fit(
        ours, data, epochs=epochs, optimizer=build(ours.parameters()), schedule=schedule,
        clip_norm=clip_norm, seed=7, progress=False,
    )  # fmt: skip

    optimizer, losses, step = build(theirs.parameters()), [], 0
    initial = optimizer.param_groups[0]["lr"]
    for epoch in range(epochs):
        seed_epoch(7, epoch)
        for x, y in data:
            if schedule:
                optimizer.param_groups[0]["lr"] = initial * schedule(step, epochs * len(data))
            loss = F.cross_entropy(theirs(x), y)
            optimizer.zero_grad()
            loss.backward()
            if clip_norm:
                torch.nn.utils.clip_grad_norm_(theirs.parameters(), clip_norm)
            optimizer.step()
            losses.append(loss.item())
            step += 1
    assert history.steps == losses
    assert same_state(ours, theirs)
    assert history.steps[-1] < history.steps[0]


@pytest.mark.parametrize("memory_format", [None, torch.channels_last])
def test_fit_equals_a_hand_written_loop_on_images_with_batch_normalization(memory_format):
    ours, theirs, data = convnet(), convnet(), images()
    layout = memory_format or torch.contiguous_format
    history = fit(
        ours, data, epochs=2, optimizer=sgd, memory_format=memory_format, progress=False
    )  # fmt: skip

    theirs.to(memory_format=layout)
    optimizer, losses = sgd(theirs.parameters()), []
    for epoch in range(2):
        seed_epoch(0, epoch)
        for x, y in data:
            optimizer.zero_grad()
            loss = F.cross_entropy(theirs(x.to(memory_format=layout)), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert history.steps == losses
    assert same_state(ours, theirs)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_half_precision_equals_a_hand_written_loop_with_autocast_and_scaler(precision, dtype):
    ours, theirs, data = perceptron(), perceptron(), vectors()
    history = fit(
        ours, data, epochs=2, optimizer=sgd, precision=precision, clip_norm=0.5, progress=False
    )

    optimizer, losses = sgd(theirs.parameters()), []
    scaler = torch.amp.GradScaler("cpu", enabled=precision == "fp16")
    for x, y in data * 2:
        with torch.autocast("cpu", dtype=dtype):
            loss = F.cross_entropy(theirs(x), y)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert history.steps == losses
    assert same_state(ours, theirs)
    assert (
        history.steps
        != fit(perceptron(), data, epochs=2, optimizer=sgd, clip_norm=0.5, progress=False).steps
    )


def test_a_compiled_model_trains_to_the_same_losses(monkeypatch):
    real, compiled = torch.compile, []
    # The real compiler takes half a minute; dynamo with its eager backend runs the same graph.
    monkeypatch.setattr(torch, "compile", lambda m: compiled.append(m) or real(m, backend="eager"))
    one, other, data = perceptron(), perceptron(), vectors()
    plain = fit(one, data, data, epochs=2, optimizer=sgd, progress=False)
    fast = fit(other, data, data, epochs=2, optimizer=sgd, compile=True, progress=False)
    assert compiled == [other]
    assert fast.steps == plain.steps
    assert fast.last["valid_loss"] == plain.last["valid_loss"]
    assert same_state(one, other)


# What is measured


def test_epoch_means_weigh_batches_by_their_size():
    data = [vectors(11, batch=8)[0], vectors(11, batch=8)[1]]  # 8 and 3 examples
    model = perceptron()
    history = fit(model, data, epochs=1, optimizer=sgd, progress=False)
    assert history.last["train_loss"] == pytest.approx(
        (8 * history.steps[0] + 3 * history.steps[1]) / 11, rel=1e-12
    )


def test_validation_is_the_mean_over_all_examples_at_once():
    model, data = perceptron(0.5), vectors(53, batch=8)
    history = fit(model, data, data, epochs=1, optimizer=sgd, progress=False)
    x, y = (torch.cat(part) for part in zip(*data))
    with torch.no_grad():
        outputs = model.eval()(x)
    assert history.last["valid_loss"] == pytest.approx(F.cross_entropy(outputs, y).item(), rel=1e-5)
    right = (outputs.argmax(1) == y).double().mean().item()
    assert history.last["valid_accuracy"] == pytest.approx(right, rel=1e-6)
    assert evaluate(model, data) == {
        "loss": history.last["valid_loss"],
        "accuracy": history.last["valid_accuracy"],
    }


def test_evaluation_changes_neither_weights_nor_statistics_nor_modes():
    model = convnet().train()
    model[1].eval()  # a frozen normalization must stay frozen
    before = copy.deepcopy(model)
    evaluate(model, images())
    assert same_state(model, before)
    assert [m.training for m in model.modules()] == [m.training for m in before.modules()]


def test_modes_come_back_when_the_evaluation_fails():
    model = perceptron().train()
    with pytest.raises(RuntimeError):
        evaluate(model, [(torch.zeros(2, 99), torch.zeros(2, dtype=torch.long))])
    assert model.training


def test_dropout_is_on_in_training_after_a_validation():
    modes = []

    class Watch(nn.Module):
        def forward(self, x):
            modes.append(self.training)
            return x

    model, data = nn.Sequential(Watch(), perceptron()).eval(), vectors(16, batch=8)
    fit(model, data, data, epochs=2, optimizer=sgd, progress=False)
    assert modes == [True, True, False, False] * 2


def test_accuracy_agrees_with_scikit_learn():
    from sklearn.metrics import accuracy_score

    g = torch.Generator().manual_seed(0)
    outputs, targets = torch.randn(40, 6, generator=g), torch.randint(0, 6, (40,), generator=g)
    expected = accuracy_score(targets, outputs.argmax(1))
    assert accuracy(outputs, targets).item() == pytest.approx(expected, rel=1e-6)
    assert accuracy(outputs, F.one_hot(targets, 6).float()).item() == pytest.approx(expected)
    assert accuracy(outputs[..., None], targets[:, None]).item() == pytest.approx(expected)


def test_accuracy_refuses_shapes_that_would_broadcast():
    with pytest.raises(ValueError, match=r"targets \(4, 1\)"):
        accuracy(torch.zeros(4, 3), torch.zeros(4, 1))
    with pytest.raises(TypeError, match="evaluate"):
        accuracy(perceptron(), vectors())


def test_own_metrics_and_loss_appear_under_their_names():
    x, y = torch.randn(12, 5), torch.randn(12, 3)
    history = fit(
        perceptron(), [(x[:8], y[:8]), (x[8:], y[8:])], [(x, y)], epochs=1, optimizer=sgd,
        loss=nn.MSELoss(), metrics={"mae": F.l1_loss}, progress=False,
    )  # fmt: skip
    assert list(history.last) == [
        "epoch", "train_loss", "train_mae", "valid_loss", "valid_mae", "seconds", "lr",
    ]  # fmt: skip
    regression = fit(
        perceptron(), [(x, y)], epochs=1, optimizer=sgd, loss=F.mse_loss, progress=False
    )
    assert "train_accuracy" not in regression.last


def test_a_loss_with_weights_of_its_own_is_trained_when_the_optimizer_holds_them():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.log_scale = nn.Parameter(torch.zeros(()))

        def forward(self, outputs, targets):
            return F.cross_entropy(outputs * self.log_scale.exp(), targets)

    model, loss = perceptron(), Scaled()
    optimizer = torch.optim.SGD([*model.parameters(), *loss.parameters()], lr=0.1)
    fit(model, vectors(), epochs=1, optimizer=optimizer, loss=loss, progress=False)
    assert loss.log_scale.item() != 0


def test_inputs_may_be_several_tensors():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = perceptron()

        def forward(self, a, b):
            return self.net(a + b)

    one, other = Sum(), Sum()
    halves = [((x / 2, x / 2), y) for x, y in vectors()]
    double = fit(one, halves, halves, epochs=2, optimizer=sgd, progress=False)
    single = fit(other.net, vectors(), vectors(), epochs=2, optimizer=sgd, progress=False)
    assert double.steps == single.steps
    assert double.last["valid_loss"] == single.last["valid_loss"]


def test_the_row_tells_the_rate_of_its_last_step_and_the_optimizer_gets_its_own_back():
    model = perceptron()
    optimizer, data = sgd(model.parameters()), vectors()
    history = fit(model, data, epochs=2, optimizer=optimizer, schedule=cosine(), progress=False)
    total = 2 * len(data)
    assert history.epochs[0]["lr"] == 0.3 * cosine()(len(data) - 1, total)
    assert history.last["lr"] == 0.3 * cosine()(total - 1, total)
    assert optimizer.param_groups[0]["lr"] == 0.3


def test_each_group_keeps_its_own_rate_under_a_schedule():
    model, seen = perceptron(), []
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[3].parameters()}]
    optimizer = torch.optim.SGD(groups, lr=0.5)
    optimizer.register_step_post_hook(
        lambda o, *_: seen.append([group["lr"] for group in o.param_groups])
    )
    fit(
        model,
        vectors(16),
        epochs=1,
        optimizer=optimizer,
        schedule=lambda s, n: 1 - s / n,
        progress=False,
    )
    assert seen == [[0.1, 0.5], [0.05, 0.25]]


def test_a_model_that_can_learn_the_task_does():
    model = perceptron()
    data = vectors(400, batch=20)
    history = fit(
        model,
        data,
        vectors(100, seed=9),
        epochs=8,
        optimizer=sgd,
        schedule=cosine(),
        progress=False,
    )
    assert history.last["valid_accuracy"] > 0.9


# The same again


def loader(n=40):
    x, y = (torch.cat(part) for part in zip(*vectors(n)))
    return DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)


def loader_with_generator():
    x, y = (torch.cat(part) for part in zip(*vectors(40)))
    return DataLoader(
        TensorDataset(x, y), batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(1)
    )


def loader_with_sampler():
    x, y = (torch.cat(part) for part in zip(*vectors(40)))
    data = TensorDataset(x, y)
    sampler = RandomSampler(data, replacement=True, generator=torch.Generator().manual_seed(1))
    return DataLoader(data, batch_size=8, sampler=sampler)


def byte_batches():
    g = torch.Generator().manual_seed(4)
    x = torch.randint(0, 256, (40, 3, 8, 8), generator=g, dtype=torch.uint8)
    return Batches(x, torch.randint(0, 3, (40,), generator=g), 8)


@pytest.mark.parametrize(
    ("build", "net"),
    [(loader, perceptron), (loader_with_generator, perceptron), (loader_with_sampler, perceptron),
     (byte_batches, convnet)],
)  # fmt: skip
def test_one_seed_gives_one_history_whatever_was_drawn_before(build, net):
    def run(data, seed):
        torch.manual_seed(torch.seed() % 1000)  # what came before must not matter
        model = net()
        torch.seed()
        return fit(model, data, epochs=2, optimizer=sgd, seed=seed, progress=False).steps

    data = build()
    first = run(data, 0)
    assert run(data, 0) == first  # the same loader again
    assert run(build(), 0) == first  # a new one
    if not isinstance(data, Batches):  # their order has a seed of its own
        assert run(build(), 1) != first


def test_epochs_see_different_orders():
    seen = []
    data = loader()
    model = perceptron()
    model.register_forward_pre_hook(lambda m, args: seen.append(args[0].clone()))
    fit(model, data, epochs=2, optimizer=sgd, progress=False)
    assert not torch.equal(torch.cat(seen[:5]), torch.cat(seen[5:]))
    assert torch.equal(torch.cat(seen[:5]).sort(0)[0], torch.cat(seen[5:]).sort(0)[0])


# No waiting for the device


class CountReads(TorchDispatchMode):
    """Counts the reads of a number off the device: `item`, `float`, `bool` of a tensor."""

    reads = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.reads += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("progress", [False, True])
def test_no_number_is_read_off_the_device_within_an_epoch(progress, monkeypatch):
    # The bar reads one twice a second: here never, so that a slow machine changes nothing.
    monkeypatch.setattr("labnotes.train.progress.Progress.SECONDS", math.inf)

    def reads(n):
        data = vectors(n)
        with CountReads() as count:
            fit(perceptron(), data, data, epochs=1, optimizer=sgd, clip_norm=1.0, progress=progress)
        return count.reads

    assert reads(400) <= reads(8)  # 50 batches, and 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_cuda_never_waits_within_an_epoch(monkeypatch, precision):
    monkeypatch.setenv("LABNOTES_DEVICE", "cuda")
    model = convnet()
    data = [(x.cuda(), y.cuda()) for x, y in images(64)]
    strict = []

    def start_strict(module, args):
        torch.cuda.set_sync_debug_mode("error")
        strict.append(1)

    hook = model.register_forward_pre_hook(start_strict)
    outputs = []
    model.register_forward_hook(lambda m, a, out: outputs.append(out.dtype))
    optimizer = sgd(model.parameters())
    optimizer.register_step_post_hook(
        lambda o, *_: torch.cuda.set_sync_debug_mode("default") if len(strict) == 8 else None
    )
    try:
        history = fit(
            model,
            data,
            epochs=1,
            optimizer=optimizer,
            clip_norm=1.0,
            precision=precision,
            progress=True,
        )
    finally:
        hook.remove()
        torch.cuda.set_sync_debug_mode("default")
    assert len(history.steps) == 8 and all(map(math.isfinite, history.steps))
    wanted = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    assert set(outputs) == {wanted[choose_precision(precision, torch.device("cuda"))]}


@pytest.mark.parametrize(
    ("native", "emulated", "chosen"),
    [(True, True, "bf16"), (False, False, "fp16"), (False, True, "fp16")],
)
def test_auto_precision_is_what_the_card_computes_in(monkeypatch, native, emulated, chosen):
    def supported(including_emulation=True):  # torch's own default
        return native or (emulated and including_emulation)

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert choose_precision("auto", torch.device("cuda")) == chosen
    assert choose_precision("auto", torch.device("cpu")) == "fp32"
    assert choose_precision("auto", torch.device("mps")) == "fp32"
    assert choose_precision("fp32", torch.device("cuda")) == "fp32"


# The bar


def test_without_progress_nothing_is_printed(capfd):
    fit(perceptron(), vectors(), epochs=2, optimizer=sgd, progress=False)
    assert capfd.readouterr() == ("", "")


def test_the_bar_counts_all_steps_and_shows_epoch_and_loss(capfd, monkeypatch):
    monkeypatch.setattr("labnotes.train.progress.Progress.SECONDS", 0.0)
    fit(perceptron(), vectors(), epochs=2, optimizer=sgd, progress=True)
    text = capfd.readouterr().err
    assert "14/14" in text and "epoch=2/2" in text and "loss=" in text and "step" in text


# What is refused


class Endless:
    def __init__(self, data):
        self.data = data

    def __iter__(self):
        return iter(self.data)


class EmptyLater:
    """Batches once; from then on nothing."""

    def __init__(self, data):
        self.rest = iter(data)

    def __iter__(self):
        return self.rest


X, Y = vectors()[0]
GOOD = {"epochs": 1, "optimizer": sgd, "progress": False}


@pytest.mark.parametrize(
    ("train", "changes", "says"),
    [
        ([], {}, "train holds no batch"),
        (Endless([]), {}, "there was no batch"),
        (EmptyLater([(X, Y)]), {"epochs": 2}, "there was no batch"),
        (((X, Y) for _ in range(3)), {"epochs": 2}, "train can be iterated only once"),
        (7, {}, "train is of type int"),
        ([X], {}, r"a batch is a tensor of shape \(8, 5\): give pairs"),
        ([(X, Y), (X, Y, Y)], {}, "a batch is a tuple of 3"),
        ([(X, Y)], {"valid": []}, "valid holds no batch"),
        ([(X, Y)], {"valid": iter([(X, Y)]), "epochs": 2}, "valid can be iterated only once"),
        ([(X, Y)], {"epochs": 0}, "epochs is 0"),
        ([(X, Y)], {"epochs": -3}, "epochs is -3"),
        ([(X, Y)], {"epochs": 1.5}, "epochs is 1.5"),
        ([(X, Y)], {"epochs": True}, "epochs is True"),
        ([(X, Y)], {"optimizer": "adam"}, "optimizer is of type str"),
        ([(X, Y)], {"optimizer": sgd(perceptron().parameters())}, "no parameter of this model"),
        ([(X, Y)], {"precision": "fp8"}, "precision is 'fp8'"),
        ([(X, Y)], {"clip_norm": 0}, "clip_norm is 0"),
        ([(X, Y)], {"schedule": 0.1}, "schedule is of type float"),
        ([(X, Y)], {"schedule": lambda s, n: -1.0}, "gives -1.0 at step 0 of 1"),
        (Endless([(X, Y)]), {"schedule": cosine()}, r"train has no len\(\)"),
        ([(X, Y)], {"metrics": {"loss": accuracy}}, 'named "loss"'),
        ([(X, Y)], {"metrics": {"each": lambda o, t: (o.argmax(1) == t).float()}}, r"each of a batch"),
        ([(X, Y)], {"loss": lambda o, t: F.cross_entropy(o, t, reduction="none")}, r"shape \(8,\)"),
        ([(X, Y)], {"seed": -1}, "seed is -1"),
        ([(X, Y)], {"seed": "a"}, "seed is 'a'"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_a_reason(train, changes, says):
    with pytest.raises(ValueError, match=says):
        fit(perceptron(), train, **{**GOOD, **changes})


def test_a_model_without_parameters_or_that_is_no_module_is_refused():
    with pytest.raises(ValueError, match="nothing to train"):
        fit(nn.ReLU(), [(X, Y)], **GOOD)
    with pytest.raises(ValueError, match="model is of type function"):
        fit(perceptron, [(X, Y)], **GOOD)


def test_a_generator_is_enough_for_one_epoch():
    history = fit(perceptron(), (pair for pair in vectors()), **GOOD)
    assert len(history.steps) == len(vectors())


def test_a_loss_that_is_not_finite_is_reported_with_its_step_and_the_history_kept():
    data = vectors(40)
    bad = [*data[:2], (data[2][0] * math.nan, data[2][1]), *data[3:]]

    class FirstGood(Endless):
        passes = 0

        def __iter__(self):
            self.passes += 1
            return iter(self.data if self.passes > 1 else data)

    with pytest.raises(
        FloatingPointError, match=r"is nan at step 7 \(epoch 2, its batch 2"
    ) as caught:
        fit(perceptron(), FirstGood(bad), epochs=3, optimizer=sgd, progress=False)
    history = caught.value.history
    assert len(history.epochs) == 1 and len(history.steps) == 10
    assert math.isnan(history.steps[7]) and all(map(math.isfinite, history.steps[:7]))


def test_the_device_is_the_one_that_runtime_names(monkeypatch):
    monkeypatch.setattr(runtime, "device", lambda: torch.device("meta"))
    model = perceptron()
    with pytest.raises((RuntimeError, NotImplementedError)):  # meta tensors hold no numbers to read
        fit(model, vectors(), **GOOD)
    assert {p.device.type for p in model.parameters()} == {"meta"}
