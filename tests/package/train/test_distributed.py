"""Two processes give one process's run: the same losses, gradients, metrics and weights.

Run as a program, by ``torchrun``, this file is one of the processes: it does all the cases and
process 0 prints what it found. One start serves all tests, for starting costs more than the cases.
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import labnotes.train.checkpoint as checkpoint_module
from labnotes import runtime
from labnotes.data import Batches, random_crop, random_flip
from labnotes.train import Mean, accuracy, cosine, distributed, evaluate, fit
from labnotes.train.checkpoint import read, runs_folder

# The last batch of 21 in eights has 5 examples, 2 + 3; that of 17 has one: 0 + 1.
COUNTS = (16, 21, 17)


def images(n):
    g = torch.Generator().manual_seed(2)
    x = torch.randint(0, 256, (n, 1, 8, 8), generator=g, dtype=torch.uint8)
    return x, torch.randint(0, 3, (n,), generator=g)


def net(dropout=0.0, norm=False):
    torch.manual_seed(4)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6) if norm else nn.Identity(), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(dropout), nn.Linear(24, 3),
    )  # fmt: skip


def data(kind, n):
    if kind == "Batches":
        return Batches(*images(n), 8, augment=[random_crop(1), random_flip()], seed=3)
    x, y = images(n)
    dataset = TensorDataset(x.float() / 255, y)
    if kind == "DataLoader":
        return DataLoader(dataset, 8, shuffle=True)
    return list(DataLoader(dataset, 8))


def run(kind="Batches", n=21, model=None, stop=None, **options):
    model = net() if model is None else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    steps = [0]

    def count(*_):
        steps[0] += 1
        if steps[0] == stop:
            raise InterruptedError

    optimizer.register_step_pre_hook(count)
    settings = {"epochs": 2, "schedule": cosine(), "seed": 5, "progress": False} | options
    history = fit(model, data(kind, n), data("list", n), optimizer=optimizer, **settings)
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in history.epochs]
    weights = torch.cat([p.detach().flatten().double() for p in model.state_dict().values()])
    return {"steps": history.steps, "epochs": rows, "weights": weights.tolist()}


def gradients(n):
    """The gradient of the mean loss over `n` images, as DDP averages it."""
    distributed.join()
    model = net()
    replica = distributed.replicate(model)
    x, y = images(n)
    (inputs, targets), share = distributed.part((x.float() / 255, y))
    (share * F.cross_entropy(replica(inputs), targets)).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()]).tolist()


# Of 21 targets in three batches, those that count lie unevenly in batches and in processes.
IGNORED = torch.tensor([0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1, 1, 1]).bool()
WEIGHT = torch.tensor([0.3, 1.0, 4.0])


def uneven():
    x, y = images(21)
    y = y.where(~IGNORED, -100)
    return list(zip((x.float() / 255).split(8), y.split(8)))


def counted(loss=F.cross_entropy, **options):
    """A run whose mean is over the targets that are not ignored; a batch has none of them."""
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    if "step" not in options:
        options = {"loss": loss} | options
    history = fit(
        model, uneven(), uneven(), epochs=2, optimizer=optimizer, progress=False, **options
    )
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in history.epochs]
    weights = torch.cat([p.detach().flatten().double() for p in model.parameters()])
    return {"steps": history.steps, "epochs": rows, "weights": weights.tolist()}


def token_step(model, batch):
    x, y = batch
    valid = y != -100
    value = F.cross_entropy(model(x), y, reduction="sum")
    return Mean(value, valid.sum()), {"valid": Mean(valid.sum(), len(y)), "half": 0.5}


class Detector(nn.Module):
    """Images of different sizes in a list, a dict for each; its loss is a method, called twice."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(6)
        self.conv, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4, 4)

    def loss(self, images, targets):
        found = [self.head(self.conv(image[None]).relu().mean((2, 3)))[0] for image in images]
        gaps = [(f - t["boxes"]).abs().sum() for f, t in zip(found, targets)]
        return torch.stack(gaps).sum(), sum(len(t["boxes"]) for t in targets)


def detector(kind=list):
    g = torch.Generator().manual_seed(7)
    batches = []
    for n in (3, 1, 4):
        pictures = [torch.rand(1, 10, 10 + i, generator=g) for i in range(n)]
        boxes = [{"boxes": torch.rand(1 + i, 4, generator=g)} for i in range(n)]
        batches.append((kind(pictures), kind(boxes)))

    def step(model, batch):
        total, boxes = model.loss(*batch)
        again, _ = model.loss(*batch)
        return Mean((total + again) / 2, boxes)

    model = Detector()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    history = fit(model, batches, epochs=2, optimizer=optimizer, step=step, progress=False)
    return history.steps + model.head.weight.flatten().tolist()


class Heated(nn.Module):
    """A loss with a weight of its own."""

    def __init__(self):
        super().__init__()
        self.heat = nn.Parameter(torch.zeros(()))

    def forward(self, outputs, targets):
        return F.cross_entropy(outputs * self.heat.exp(), targets)


def heated():
    model, loss = net(), Heated()
    optimizer = torch.optim.SGD([*model.parameters(), *loss.parameters()], lr=0.2)
    options = {"epochs": 2, "optimizer": optimizer, "loss": loss, "progress": False}
    return fit(model, data("list", 21), **options).steps + [loss.heat.item()]


def structured():
    """Dicts with nothing in one place, and packed sequences, evaluated by a step."""
    torch.manual_seed(8)
    model = nn.LSTM(3, 2)
    words = [torch.randn(1 + i % 4, 3) for i in range(7)]
    packed = pack_sequence(words, enforce_sorted=False)
    batch = {"words": packed, "y": torch.randn(7, 2), "none": None}

    def step(model, batch):
        assert batch["none"] is None
        return F.mse_loss(model(batch["words"])[1][0][0], batch["y"])

    return evaluate(model, [batch], step=step)


CASES = {
    **{f"{kind} {n}": lambda kind=kind, n=n: run(kind, n)
       for kind in ("Batches", "DataLoader", "list") for n in COUNTS},
    **{f"gradients of {n}": lambda n=n: gradients(n) for n in (8, 5, 1)},
    "clipped": lambda: run(clip_norm=0.05),
    "three metrics": lambda: run(metrics={
        "accuracy": accuracy, "error": lambda o, t: 1 - accuracy(o, t),
        "largest": lambda o, t: o.max(1).values.mean()}),
    "evaluate": lambda: evaluate(net(), data("Batches", 17)),
    "ignored targets": counted,
    "weighted classes": lambda: counted(nn.CrossEntropyLoss(weight=WEIGHT, label_smoothing=0.1)),
    "a summed loss": lambda: counted(nn.CrossEntropyLoss(reduction="sum")),
    "a step that counts": lambda: counted(step=token_step),
    "a detector with lists": detector,
    "a detector with tuples": lambda: detector(tuple),
    "a loss with a weight": heated,
    "dicts and packed sequences": structured,
    "channels last": lambda: run(memory_format=torch.channels_last),
    "undivided": lambda: run(model=net(dropout=0.5, norm=True)),
}  # fmt: skip


def resumed(stop):
    """A run that fails at a step in all processes, and goes on from its checkpoint."""
    name = f"stop{stop}"
    options = {"checkpoint": name, "n": 85, "epochs": 3}  # 11 steps an epoch, a save at the 10th
    try:
        run(model=net(dropout=0.5, norm=True), stop=stop, **options)
    except InterruptedError:
        pass
    torch.manual_seed(distributed.rank())
    return run(model=net(dropout=0.5, norm=True), **options)


def not_a_number():
    x, y = images(8)
    x = x.float()
    x[7] = float("nan")  # in the part of process 1
    try:
        fit(net(), [(x, y)], epochs=1, optimizer=torch.optim.SGD, progress=False)
    except FloatingPointError as error:
        return str(error)
    return ""


def refused(**options):
    """What `fit` says of a run that it refuses."""
    options = {"train": data("list", 16), "model": net()} | options
    try:
        fit(epochs=2, optimizer=torch.optim.SGD, progress=False, **options)
    except ValueError as error:
        return str(error)
    return ""


def sharded():
    x, y = images(16)
    dataset = TensorDataset(x.float(), y)
    sampler = DistributedSampler(dataset, distributed.processes(), distributed.rank())
    return refused(train=DataLoader(dataset, 8, sampler=sampler))


def unused():
    class Spare(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.spare = net(), nn.Linear(2, 2)

        def forward(self, x):
            return self.net(x)

    return refused(model=Spare())


def one_example_each():
    batches = [(torch.ones(2, 4), torch.zeros(2, dtype=torch.long))]
    return refused(train=batches, model=nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)))


def ended():
    """Epochs of a run that process 0 ends, whatever the others say."""
    options = {"epochs": 5, "optimizer": torch.optim.SGD, "progress": False}
    end = distributed.rank() == 0
    return len(fit(net(), data("list", 16), on_epoch=lambda h, m: end, **options).epochs)


def recipe():
    """The command ``labnotes train``, on pictures in the present folder."""
    from labnotes import cli

    return cli.main([
        "train", "lenet", "--data", "pictures", "--size", "16", "--epochs", "2", "--batch-size",
        "5", "--output", f"recipe {distributed.processes()}",
    ])  # fmt: skip


def dropped():
    """Which of four inputs, two in each process, dropout set to zero."""
    masks = []
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(9, 2))
    model[0].register_forward_hook(lambda m, i, output: masks.append((output == 0).tolist()))
    ones = [(torch.ones(4, 9), torch.zeros(4, dtype=torch.long))]
    fit(model, ones, epochs=1, optimizer=torch.optim.SGD, progress=False)
    return masks[0]


def main():
    found = {name: case() for name, case in CASES.items()}
    checkpoint_module.SECONDS = 0.0
    found["whole"] = run(model=net(dropout=0.5, norm=True), n=85, epochs=3)
    found |= {f"resumed {stop}": resumed(stop) for stop in (5, 15, 25)}
    found["not a number"] = not_a_number()
    found |= {each.__name__: each() for each in (sharded, unused, one_example_each, ended)}
    found["masks"] = distributed.of_all(dropped())
    found["everywhere"] = distributed.of_all(found)
    found["progress"] = run(progress=True)["steps"]
    recipe()
    if distributed.rank() == 0:
        Path("found.json").write_text(json.dumps(found))


def launch(folder, *arguments, processes=2, program=__file__):
    environment = os.environ | {
        "LABNOTES_DEVICE": "cpu", "OMP_NUM_THREADS": "1", "LABNOTES_RUNS": str(folder / "runs"),
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
         str(processes), str(Path(program).resolve()), *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("distributed")


@pytest.fixture(scope="module")
def call(folder):
    g = torch.Generator().manual_seed(0)
    for part, count in (("train", 12), ("test", 3)):
        for name, level in (("dark", 60), ("light", 190)):
            place = folder / "pictures" / part / name
            place.mkdir(parents=True)
            for i in range(count):
                pixels = level + torch.randint(-50, 50, (20, 20, 3), generator=g)
                Image.fromarray(pixels.to(torch.uint8).numpy()).save(place / f"{i}.png")
    call = launch(folder)
    assert call.returncode == 0, call.stderr[-5000:]
    return call


@pytest.fixture(scope="module")
def two(call, folder):
    return json.loads((folder / "found.json").read_text())


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")


def flat(found):
    """All numbers of a result, one after another."""
    if isinstance(found, dict):
        return [x for key in sorted(found) for x in flat(found[key])]
    if isinstance(found, list):
        return [x for each in found for x in flat(each)]
    return [found]


@pytest.mark.parametrize("case", [name for name in CASES if name != "undivided"])
def test_two_processes_find_what_one_finds(two, case):
    ours, theirs = flat(two[case]), flat(CASES[case]())
    assert len(ours) == len(theirs)
    assert torch.tensor(ours).sub(torch.tensor(theirs)).abs().max() < 2e-5


def test_without_torchrun_there_is_one_process(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert (distributed.processes(), distributed.rank()) == (1, 0)
    monkeypatch.setenv("RANK", "0")  # as some clusters set it for every program
    assert (distributed.processes(), distributed.rank()) == (1, 0)
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert distributed.processes() == 4


def test_all_processes_end_with_the_same_history_and_weights(two):
    first, second = two["everywhere"]
    assert {k: v for k, v in first.items() if "gradients" not in k} == {
        k: v for k, v in second.items() if "gradients" not in k
    }


def test_with_batch_normalization_two_processes_do_not_find_what_one_finds(two):
    ours, theirs = two["undivided"]["steps"], CASES["undivided"]()["steps"]
    assert max(abs(a - b) for a, b in zip(ours, theirs)) > 1e-3


@pytest.mark.parametrize(
    "stop", [5, 15, 25]
)  # before any checkpoint, and after one within an epoch
def test_stopped_and_resumed_two_processes_give_the_same_bit_for_bit(two, stop):
    assert two[f"resumed {stop}"] == two["whole"]


def test_only_process_0_writes_and_one_checkpoint_holds_all_that_is_needed(two, folder):
    names = [f"stop{stop}.pt" for stop in (15, 25, 5)]
    assert sorted(os.listdir(folder / "runs")) == sorted(names + [f"{n}.prev" for n in names])
    state = read(folder / "runs" / "stop5.pt")
    assert state["settings"]["processes"] == 2 and len(state["random"]) == 2


def test_a_checkpoint_of_two_processes_is_refused_by_one(two, folder, monkeypatch):
    monkeypatch.setenv("LABNOTES_RUNS", str(folder / "runs"))
    assert (runs_folder() / "stop5.pt").exists()
    with pytest.raises(checkpoint_module.CheckpointError, match="processes: saved 2, now 1"):
        run(model=net(dropout=0.5, norm=True), checkpoint="stop5", n=85, epochs=3)


def test_a_loss_that_is_not_finite_in_one_process_stops_all(two):
    assert two["not a number"].startswith("the training loss is nan at step 0")
    assert len({each["not a number"] for each in two["everywhere"]}) == 1


def test_a_sampler_that_shards_once_more_is_refused(two, monkeypatch):
    assert "DistributedSampler" in two["sharded"] and "leave the sampler out" in two["sharded"]
    assert sharded() == ""  # alone, there is nothing to share


def test_parameters_without_a_gradient_are_named_and_nothing_is_advised_that_fit_has_not(two):
    assert "spare.weight, spare.bias" in two["unused"]
    assert "requires_grad_(False)" in two["unused"] and "find_unused" not in two["unused"]
    assert unused() == ""  # one process does not wait for them


def test_a_part_of_one_example_with_batch_normalization_names_drop_last(two):
    assert "drop_last=True" in two["one_example_each"]
    assert one_example_each() == ""


def test_process_0_decides_when_the_run_ends(two):
    assert two["ended"] == 1 and len({each["ended"] for each in two["everywhere"]}) == 1


def test_the_command_gives_one_processs_history_and_weights(call, folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert recipe() == 0
    rows, weights = [], []
    for name in ("recipe 1", "recipe 2"):
        with open(folder / name / "history.csv", newline="") as file:
            rows.append(
                [[float(row[k]) for k in row if k != "seconds"] for row in csv.DictReader(file)]
            )
        weights.append(torch.load(folder / name / "model.pt", weights_only=True)["weights"])
    assert torch.tensor(rows[0]).sub(torch.tensor(rows[1])).abs().max() < 1e-4
    assert len(rows[0]) == 2
    for key, value in weights[0].items():
        assert torch.allclose(value, weights[1][key], atol=1e-5)
    assert call.stdout.count("lenet after 2 epochs") == 1


def test_dropout_draws_other_masks_in_each_process(two):
    mine, theirs = two["masks"]
    assert len(mine) == len(theirs) == 2 and mine != theirs


def test_one_process_shows_the_progress(two, call):
    assert call.stderr.count("6/6") == 1


def test_the_parts_of_a_batch_are_all_of_it_and_their_shares_its_mean(monkeypatch):
    values = torch.arange(13.0)
    for size in (1, 2, 3, 8):
        monkeypatch.setenv("WORLD_SIZE", str(size))
        for n in (1, 2, 7, 8, 13):
            together, mean = [], 0.0
            for rank in range(size):
                monkeypatch.setenv("RANK", str(rank))
                (mine, _), share = distributed.part((values[:n], values[:n]))
                together += mine.tolist() if share else []
                mean += share * mine.mean().item() / size
            assert together == values[:n].tolist()
            assert abs(mean - values[:n].mean().item()) < 1e-6


def test_batches_give_each_process_the_part_that_a_list_of_them_would(monkeypatch):
    for augment in ([random_crop(1), random_flip()], None):
        batches = Batches(*images(21), 8, augment=augment, seed=3)
        whole = list(batches)
        monkeypatch.setenv("WORLD_SIZE", "3")
        for rank in range(3):
            monkeypatch.setenv("RANK", str(rank))
            batches.set_epoch(0)
            for (x, y, share), batch in zip(batches.parts(distributed.cut), whole, strict=True):
                (u, v), expected = distributed.part(batch)
                assert torch.equal(x, u) and torch.equal(y, v) and share == expected
        monkeypatch.delenv("WORLD_SIZE")
        monkeypatch.delenv("RANK")


def test_each_process_has_a_graphics_card_of_its_own(monkeypatch):
    monkeypatch.delenv("LABNOTES_DEVICE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for local_rank in (0, 1):
        monkeypatch.setenv("LOCAL_RANK", str(local_rank))
        assert runtime.device() == torch.device("cuda", local_rank)
    monkeypatch.setenv("LABNOTES_DEVICE", "cuda")
    assert runtime.device() == torch.device("cuda", 1)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(
        ValueError, match=r"finds 2 GPU\(s\): start torchrun with --nproc-per-node 2"
    ):
        runtime.device()
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")
    assert runtime.device() == torch.device("cpu")


if __name__ == "__main__":
    main()
