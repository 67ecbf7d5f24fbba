"""Checkpoints: whole or not at all, refused where they do not fit, and never a silent restart."""

import errno
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import labnotes.train.checkpoint as checkpoint_module
import labnotes.train.lock as lock_module
from labnotes.train import CheckpointError, cosine, fit, step_decay
from labnotes.train.checkpoint import Checkpoint, read, runs_folder


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")
    monkeypatch.setenv("LABNOTES_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def net(width=8, dropout=0.3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 2))


def data(batch_size=8):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(40, 4, generator=g)
    return DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size, shuffle=True)


def sgd(parameters, lr=0.1, momentum=0.9):
    return torch.optim.SGD(parameters, lr=lr, momentum=momentum)


def run(checkpoint="run", epochs=3, model=None, **changes):
    settings = {"optimizer": sgd, "schedule": cosine(warmup=2), "clip_norm": 1.0}
    return fit(
        net() if model is None else model, data(), epochs=epochs, checkpoint=checkpoint,
        progress=False, **{**settings, **changes},
    )  # fmt: skip


class Stop(Exception):
    pass


def stop_at(step):
    """An optimizer that fails at a step, as a cell that is interrupted there."""
    count = [0]

    def build(parameters):
        optimizer = sgd(parameters)

        def hook(*_):
            if count[0] == step:
                raise Stop
            count[0] += 1

        optimizer.register_step_pre_hook(hook)
        return optimizer

    return build


# Going on


@pytest.mark.parametrize("seconds", [0.0, 30.0])  # a checkpoint every step, and every epoch
@pytest.mark.parametrize("step", [0, 2, 4, 5, 9, 10, 14])
def test_a_run_stopped_at_any_step_goes_on_to_the_same_losses(monkeypatch, step, seconds):
    whole = net()
    expected = run(None, model=whole)
    monkeypatch.setattr(checkpoint_module, "SECONDS", seconds)
    with pytest.raises(Stop):
        run(optimizer=stop_at(step))
    torch.seed(), np.random.seed(), random.seed()
    model = net()
    history = run(model=model)
    assert history.steps == expected.steps
    assert [row["train_loss"] for row in history.epochs] == [
        row["train_loss"] for row in expected.epochs
    ]
    assert [row["lr"] for row in history.epochs] == [row["lr"] for row in expected.epochs]
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), whole.state_dict().values())
    )


def test_adam_goes_on_too(monkeypatch):
    expected = run(None, optimizer=torch.optim.AdamW)
    monkeypatch.setattr(checkpoint_module, "SECONDS", 0.0)
    real, steps = Checkpoint.save, []

    def save_and_stop(self):
        real(self)
        steps.append(1)
        if len(steps) in (3, 8):
            raise Stop

    monkeypatch.setattr(Checkpoint, "save", save_and_stop)
    for _ in range(2):
        with pytest.raises(Stop):
            run(optimizer=torch.optim.AdamW)
    assert run(optimizer=torch.optim.AdamW).steps == expected.steps


def test_a_checkpoint_changes_nothing_of_the_run(monkeypatch):
    monkeypatch.setattr(checkpoint_module, "SECONDS", 0.0)
    assert run().steps == run(None).steps


def test_a_finished_run_is_loaded_not_trained_again(monkeypatch):
    trained, again = net(), net()
    first = run(model=trained)
    again[0].register_forward_hook(lambda *_: pytest.fail("trained again"))
    assert run(model=again) == first
    assert torch.equal(again[0].weight, trained[0].weight)


def test_without_a_schedule_a_run_may_be_made_longer_and_never_shorter():
    expected = run(None, epochs=4, schedule=None)
    run(epochs=2, schedule=None)
    assert run(epochs=4, schedule=None).steps == expected.steps
    with pytest.raises(CheckpointError, match="has 4 epochs, more than epochs=3"):
        run(epochs=3, schedule=None)


def test_the_python_and_numpy_generators_go_on_too(monkeypatch):
    monkeypatch.setattr(checkpoint_module, "SECONDS", 0.0)

    class Jitter(nn.Module):
        def forward(self, x):
            return x * (1 + 0.1 * random.random()) + 0.1 * np.random.standard_normal()

    def model():
        return nn.Sequential(Jitter(), net())

    expected = run(None, model=model())
    with pytest.raises(Stop):
        run(model=model(), optimizer=stop_at(7))
    assert run(model=model()).steps == expected.steps


def test_a_gradient_scaler_goes_on_too(monkeypatch):
    monkeypatch.setattr(checkpoint_module, "SECONDS", 0.0)
    expected = run(None, precision="fp16")
    with pytest.raises(Stop):
        run(precision="fp16", optimizer=stop_at(7))
    assert run(precision="fp16").steps == expected.steps
    assert read(runs_folder() / "run.pt")["parts"]["scaler"]["scale"] > 0


def test_within_an_epoch_checkpoints_are_at_least_30_seconds_apart(monkeypatch):
    now, saved = [0.0], []
    monkeypatch.setattr(checkpoint_module.time, "monotonic", lambda: now[0])
    real = Checkpoint.save
    monkeypatch.setattr(Checkpoint, "save", lambda self: (saved.append(now[0]), real(self)))
    model = net()

    def tick(*_):
        if model.training:
            now[0] += 12.0

    model.register_forward_hook(tick)
    run(model=model, epochs=2)  # epochs of 5 steps of 12 seconds: they end at 60 and 120
    assert saved == [36.0, 60.0, 96.0, 120.0]


def test_the_time_of_an_epoch_counts_what_was_done_before_the_interruption(monkeypatch):
    monkeypatch.setattr(checkpoint_module, "SECONDS", 0.0)
    now = [0.0]
    monkeypatch.setattr("labnotes.train.measure.time.perf_counter", lambda: now[0])

    def slow():
        model = net()
        model.register_forward_hook(lambda *_: now.__setitem__(0, now[0] + 10.0))
        return model

    with pytest.raises(Stop):
        run(model=slow(), epochs=1, optimizer=stop_at(3))  # 3 of 5 steps are done and saved
    now[0] += 1000.0
    assert run(model=slow(), epochs=1).last["seconds"] == 50.0


def test_a_loader_with_worker_processes_goes_on_too(monkeypatch):
    monkeypatch.setattr(checkpoint_module, "SECONDS", 0.0)
    x = torch.arange(32.0).reshape(8, 4)
    y = torch.zeros(8, dtype=torch.long)

    def train(checkpoint, optimizer):
        loader = DataLoader(TensorDataset(x, y), 2, shuffle=True, num_workers=1)
        return fit(
            net(), loader, epochs=1, optimizer=optimizer, checkpoint=checkpoint, progress=False
        )

    expected = train(None, sgd)
    with pytest.raises(Stop):
        train("run", stop_at(2))
    assert train("run", sgd).steps == expected.steps


# What is on the disk


def test_a_checkpoint_is_one_file_and_the_one_before_it(runs):
    run(epochs=1, schedule=None)
    assert sorted(os.listdir(runs)) == ["run.pt"]
    run(epochs=2, schedule=None)
    assert sorted(os.listdir(runs)) == ["run.pt", "run.pt.prev"]
    assert len(read(runs / "run.pt")["parts"]["history"]["epochs"]) == 2
    assert len(read(runs / "run.pt.prev")["parts"]["history"]["epochs"]) == 1


def test_loading_never_unpickles_anything_but_plain_values(runs, monkeypatch):
    asked = []
    real = torch.load
    monkeypatch.setattr(
        torch, "load", lambda *a, **k: asked.append(k["weights_only"]) or real(*a, **k)
    )
    run()
    run()
    assert asked and all(asked)


def test_a_file_that_would_run_code_is_not_loaded(runs):
    import hashlib
    import io

    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(runs / "attacked"),)

    run(epochs=1)
    buffer = io.BytesIO()
    torch.save({"parts": Attack()}, buffer)
    body = buffer.getvalue()
    line = f"labnotes checkpoint 2 sha256 {hashlib.sha256(body).hexdigest()}\n"
    (runs / "run.pt").write_bytes(line.encode() + body)
    with pytest.raises(CheckpointError, match="more than tensors and plain values"):
        run(epochs=1)
    assert not (runs / "attacked").exists()


def test_the_weights_in_a_checkpoint_can_be_read_for_other_uses(runs):
    model = net()
    run(model=model)
    other = net()
    other.load_state_dict(read(runs / "run.pt")["parts"]["model"])
    assert torch.equal(other[0].weight, model[0].weight)


def test_what_could_not_be_loaded_again_is_refused_at_the_first_save(runs):
    class Odd(nn.Identity):
        def get_extra_state(self):
            return Path("x")

        def set_extra_state(self, state):
            pass

    with pytest.raises(CheckpointError, match="more than tensors and plain values"):
        run(model=nn.Sequential(Odd(), net()), epochs=1)
    assert os.listdir(runs) == []


# Damage


def lengths(size):
    rng = random.Random(0)
    some = [rng.randrange(size) for _ in range(12)]
    return sorted({0, 1, 53, 54, 55, size // 2, size - 56, size - 32, size - 1, *some})


def test_a_checkpoint_cut_at_any_length_is_told_from_a_whole_one(runs):
    run(epochs=1)
    whole = (runs / "run.pt").read_bytes()
    for length in lengths(len(whole)):
        (runs / "run.pt").write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="is damaged"):
            read(runs / "run.pt")


def test_one_changed_byte_anywhere_is_noticed(runs):
    run(epochs=1)
    whole = (runs / "run.pt").read_bytes()
    for place in lengths(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        (runs / "run.pt").write_bytes(changed)
        with pytest.raises(CheckpointError, match="is damaged"):
            read(runs / "run.pt")


def test_after_damage_the_checkpoint_before_is_used_with_a_warning(runs):
    expected = run(None, epochs=3, schedule=None)
    run(epochs=1, schedule=None)
    run(epochs=2, schedule=None)
    whole = (runs / "run.pt").read_bytes()
    (runs / "run.pt").write_bytes(whole[:1000])
    with pytest.warns(UserWarning, match=r"run\.pt is damaged.*before it is used"):
        history = run(epochs=3, schedule=None)
    assert history.steps == expected.steps
    # The damaged file went aside: it did not push the good one out.
    assert (runs / "run.pt.bad").read_bytes() == whole[:1000]
    assert len(read(runs / "run.pt.prev")["parts"]["history"]["epochs"]) == 2


def test_with_two_damaged_checkpoints_the_run_stops_and_says_what_to_do(runs):
    run()
    for name in ("run.pt", "run.pt.prev"):
        (runs / name).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="No whole checkpoint is left: delete these files"):
        run()
    assert (runs / "run.pt").read_bytes() == b"nothing"  # never a silent restart


def test_a_kill_between_the_two_renames_loses_nothing(runs):
    expected = run(None)
    run()
    os.replace(runs / "run.pt", runs / "run.pt.prev")
    (runs / "run.pt.tmp").write_bytes(b"half")
    assert run().steps == expected.steps


# Files of another kind


def whole_files_of_other_kinds():
    """Name, content, and what is said of it."""
    import hashlib
    import io

    buffer = io.BytesIO()
    torch.save({"weight": torch.ones(3)}, buffer)
    body = buffer.getvalue()
    mark = b"labnotes checkpoint 1\n"  # stood at the end in the first format
    line = f"labnotes checkpoint 3 sha256 {hashlib.sha256(body).hexdigest()}\n".encode()
    return {
        "before": (body + mark + hashlib.sha256(body).digest(), "format 1 .* reads format 2"),
        "later": (line + body, "format 3 .* reads format 2"),
        "torch": (body, "no checkpoint of labnotes, though torch may have written it"),
    }


@pytest.mark.parametrize("kind", ["before", "later", "torch"])
@pytest.mark.parametrize("name", ["run.pt", "run.pt.prev"])
def test_a_file_of_another_format_is_told_from_a_damaged_one_and_left_alone(runs, kind, name):
    content, says = whole_files_of_other_kinds()[kind]
    runs.mkdir()
    (runs / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{says}.*left as it is.*checkpoint name") as caught:
        run()
    assert "delete" not in str(caught.value) and "damaged" not in str(caught.value)
    assert {p.name: p.read_bytes() for p in runs.iterdir()} == {name: content}


def test_a_file_tells_its_format_in_its_first_line(runs):
    import hashlib

    run(epochs=1)
    line, body = (runs / "run.pt").read_bytes().split(b"\n", 1)
    assert line.decode() == f"labnotes checkpoint 2 sha256 {hashlib.sha256(body).hexdigest()}"


def test_parts_that_are_missing_or_too_many_are_named(runs):
    model = net()
    with Checkpoint("run", {}, {"model": model, "other": nn.Linear(1, 1)}) as saved:
        saved.save()
    for parts, says in (
        ({"model": model, "critic": net()}, "parts model, other; it lacks critic; other has no"),
        ({"model": model}, "other has no place to go"),
    ):
        with Checkpoint("run", {}, parts) as saved:
            with pytest.raises(CheckpointError, match=says):
                saved.resume()


def test_a_folder_as_path_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="is a folder: give the path of a file in it"):
        run(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_random_numbers_without_a_loaded_checkpoint_are_refused():
    with Checkpoint("run", {}, {}) as saved:
        saved.resume()
        with pytest.raises(ValueError, match=r"call resume\(\) first"):
            saved.restore_random()


# One at a time


def holding(name, lock):
    """A forked process that holds a checkpoint; its number, when it does."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            held = Checkpoint(name, {}, {})
            os.write(writer, b"!")
            while held:
                time.sleep(1)
        finally:
            os._exit(1)
    os.close(writer)
    assert os.read(reader, 1) == b"!"
    os.close(reader)
    assert lock.exists()
    return child


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_checkpoint_that_another_process_uses_is_refused_until_that_one_is_killed(runs):
    expected = run(epochs=1)
    child = holding("run", runs / "run.pt.lock")
    try:
        before = (runs / "run.pt").read_bytes()
        with pytest.raises(CheckpointError, match=rf"another process \(number {child}\) trains"):
            run(epochs=1)
        assert (runs / "run.pt").read_bytes() == before
        assert run("other", epochs=1).steps == expected.steps
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert (runs / "run.pt.lock").exists()  # nobody was left to remove it
    assert run(epochs=1) == expected
    assert sorted(os.listdir(runs)) == ["other.pt", "run.pt"]


def test_a_lock_that_is_given_back_twice_leaves_its_next_holders_file_alone(tmp_path):
    path = tmp_path / "run.pt.lock"
    first = lock_module.Lock(path)
    first.release()
    second = lock_module.Lock(path)
    first.release()
    assert path.exists()
    second.release()
    assert not path.exists()


def test_where_no_lock_is_known_the_run_goes_on_without(runs, monkeypatch):
    import fcntl

    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    assert len(run(epochs=1).steps) == 5


def test_on_windows_its_own_lock_is_taken(runs, monkeypatch):
    """A stand-in for msvcrt, that keeps to the rules: one byte, from the place where the file is."""
    held, places = [], []

    class Msvcrt:
        LK_NBLCK = 2

        @staticmethod
        def locking(descriptor, mode, length):
            places.append((os.lseek(descriptor, 0, os.SEEK_CUR), mode, length))
            if held:
                raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setitem(sys.modules, "fcntl", None)  # the import fails
    monkeypatch.setitem(sys.modules, "msvcrt", Msvcrt)
    run(epochs=1)
    assert places == [(1 << 20, 2, 1)]
    held.append(1)
    with pytest.raises(CheckpointError, match="another process"):
        run(epochs=1)


def test_a_lock_that_its_last_holder_removed_in_the_meantime_is_made_anew(runs, monkeypatch):
    runs.mkdir()
    take, taken = lock_module._take, []

    def as_the_holder_ends(descriptor):
        if not taken:
            (runs / "a.lock").unlink()
        taken.append(descriptor)
        return take(descriptor)

    monkeypatch.setattr(lock_module, "_take", as_the_holder_ends)
    lock = lock_module.Lock(runs / "a.lock")
    assert len(taken) == 2 and (runs / "a.lock").read_text() == str(os.getpid())
    (runs / "a.lock").unlink()
    lock.release()  # there is nothing left to remove
    lock.release()


def test_several_processes_look_at_the_clock_every_10th_time(monkeypatch):
    monkeypatch.setattr(checkpoint_module, "SECONDS", 0.0)
    with Checkpoint("run", {}, {}) as saved:
        assert all(saved.due() for _ in range(3))
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(checkpoint_module.distributed, "of_process_0", lambda value: value)
    with Checkpoint("run", {}, {}) as saved:
        assert [n for n in range(1, 31) if saved.due()] == [10, 20, 30]


def test_a_file_and_its_folder_are_on_the_disk_when_a_save_is_done(runs, monkeypatch):
    events, opened, replace, sync = [], [], os.replace, os.fsync

    def note_sync(descriptor):
        opened.append(descriptor)
        events.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def note_replace(source, target):
        events.append("renamed")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    with Checkpoint("run", {}, {}) as saved:
        saved.save()
    assert events == [(runs / "run.pt").stat().st_ino, "renamed", runs.stat().st_ino]
    for descriptor in opened:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_a_failing_run_lets_the_name_go(runs):
    with pytest.raises(Stop):
        run(optimizer=stop_at(3))
    assert not (runs / "run.pt.lock").exists()
    run()
    with pytest.raises(CheckpointError, match="other settings"):
        run(clip_norm=3.0)
    assert not (runs / "run.pt.lock").exists()


# Other settings


def test_a_setting_that_only_the_file_or_only_the_run_has_is_another_run():
    with Checkpoint("run", {"a": 1, "b": 2}, {}) as saved:
        saved.save()
    with Checkpoint("run", {"a": 1}, {}) as saved:
        with pytest.raises(CheckpointError, match="b: saved 2, now None"):
            saved.resume()
    with Checkpoint("run", {"a": 1, "b": 2, "c": 3}, {}) as saved:
        with pytest.raises(CheckpointError, match="c: saved None, now 3"):
            saved.resume()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"optimizer": lambda p: sgd(p, lr=0.2)}, r"lr: saved 0\.1, now 0\.2"),
        ({"optimizer": lambda p: sgd(p, momentum=0.5)}, r"momentum: saved 0\.9, now 0\.5"),
        ({"optimizer": torch.optim.Adam}, "optimizer: saved 'SGD', now 'Adam'"),
        ({"schedule": None}, "schedule: saved '0.333"),
        ({"schedule": cosine(warmup=3)}, "schedule: saved '0.333.*now '0.25"),
        ({"schedule": step_decay([3])}, "schedule: saved"),
        ({"epochs": 4}, "steps in all: saved 15, now 20"),
        ({"clip_norm": 2.0}, r"clip_norm: saved 1\.0, now 2\.0"),
        ({"seed": 1}, "seed: saved 0, now 1"),
        ({"precision": "bf16"}, "precision: saved 'auto', now 'bf16'"),
        ({"metrics": {}}, r"metrics: saved \['accuracy'\], now \[\]"),
        ({"loss": nn.CrossEntropyLoss(label_smoothing=0.1)}, "loss: saved 'cross_entropy'"),
        ({"model": lambda: net(width=9)}, "model: saved '.*out_features=8.*now '.*out_features=9"),
        ({"model": lambda: net(dropout=0.1)}, r"model: saved '.*p=0\.3.*now '.*p=0\.1"),
    ],
)
def test_other_settings_are_refused_by_name_and_the_checkpoint_stays(runs, changes, says):
    run()
    before = (runs / "run.pt").read_bytes()
    changes = {k: v() if k == "model" else v for k, v in changes.items()}
    with pytest.raises(CheckpointError, match=says):
        run(**changes)
    assert (runs / "run.pt").read_bytes() == before


def test_every_difference_is_named_at_once():
    run()
    with pytest.raises(CheckpointError) as caught:
        run(optimizer=lambda p: sgd(p, lr=0.2), clip_norm=None, seed=5)
    for name in ("lr: saved", "clip_norm: saved", "seed: saved", "another checkpoint name"):
        assert name in str(caught.value)
    assert "momentum" not in str(caught.value)


def test_other_batches_are_refused():
    model = net()
    fit(model, data(), epochs=1, optimizer=sgd, checkpoint="run", progress=False)
    with pytest.raises(CheckpointError, match="batch_size: saved 8, now 4"):
        fit(net(), data(4), epochs=1, optimizer=sgd, checkpoint="run", progress=False)


@pytest.mark.parametrize("name", ["", "a/b", "../x", ".hidden", "/tmp/x", "a b", 7])
def test_a_name_that_could_leave_the_folder_is_refused(name):
    with pytest.raises(ValueError, match="give a name of letters"):
        run(name)


# A disk that does not take it


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, the disk that is full")
def test_a_full_disk_stops_the_run_and_leaves_the_checkpoints(runs, monkeypatch):
    run(epochs=2, schedule=None)
    before = {p.name: p.read_bytes() for p in runs.iterdir()}
    real = checkpoint_module._write

    def on_a_full_disk(path, state):
        path.symlink_to("/dev/full")  # the kernel itself answers: no space left
        real(path, state)

    monkeypatch.setattr(checkpoint_module, "_write", on_a_full_disk)
    with pytest.raises(CheckpointError, match="No space left on device.*untouched"):
        run(epochs=3, schedule=None)
    assert {p.name: p.read_bytes() for p in runs.iterdir()} == before


def test_a_rename_that_fails_leaves_the_checkpoints(runs, monkeypatch):
    run(epochs=2, schedule=None)
    before = {p.name: p.read_bytes() for p in runs.iterdir()}

    def refuse(source, target):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(CheckpointError, match="Read-only file system.*LABNOTES_RUNS"):
        run(epochs=3, schedule=None)
    assert {p.name: p.read_bytes() for p in runs.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_refused_before_training(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LABNOTES_RUNS", str(tmp_path / "file"))
    model = net()
    model[0].register_forward_hook(lambda *_: pytest.fail("trained"))
    with pytest.raises(CheckpointError, match="no checkpoint can be written in .*LABNOTES_RUNS"):
        run(model=model)


def test_a_read_only_folder_is_refused_before_training(monkeypatch, runs):
    def refuse(self, content):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(CheckpointError, match="Permission denied"):
        run()
    assert os.listdir(runs) == []  # the name is free again


def test_runs_lie_where_labnotes_runs_says_else_on_drive_else_here(monkeypatch, tmp_path):
    monkeypatch.setenv("LABNOTES_RUNS", "~/somewhere")
    assert runs_folder() == Path.home() / "somewhere"
    monkeypatch.delenv("LABNOTES_RUNS")
    assert runs_folder() == Path("runs")
    drive = Path("/content/drive/MyDrive")
    real = Path.is_dir
    monkeypatch.setattr(Path, "is_dir", lambda self: self == drive or real(self))
    assert runs_folder() == drive / "labnotes-runs"


def test_a_run_with_a_loss_that_is_not_finite_is_not_saved(runs, monkeypatch):
    monkeypatch.setattr(checkpoint_module, "SECONDS", 0.0)
    x, y = torch.ones(4, 4), torch.zeros(4, dtype=torch.long)
    batches = [(x, y), (x, y), (x * float("nan"), y), (x, y)]
    with pytest.raises(FloatingPointError, match="at step 2"):
        fit(net(), batches, epochs=1, optimizer=sgd, checkpoint="run", progress=False)
    assert read(runs / "run.pt")["parts"]["means"]["counts"]["loss"] == [4, 4]
