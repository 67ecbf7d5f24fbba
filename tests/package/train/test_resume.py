"""A run that is killed again and again (SIGKILL, at random moments) gives the same losses.

Run as a program, this file is the victim's parent: it forks a process that trains, waits until
that one has done a random number of steps, kills it, and starts the next, until one gets through.
"""

import inspect
import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import labnotes.train
import labnotes.train.checkpoint as checkpoint_module
from labnotes.data import Batches, random_crop, random_flip
from labnotes.train import cosine, fit

EPOCHS, BATCHES = 6, 13
STEPS = EPOCHS * BATCHES


class Noisy(Dataset):
    """Images that are changed at random as they are loaded, by torch's and Python's generators."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        noise = torch.rand(()) + random.random()
        return self.images[i].float() / 255 + noise, self.labels[i]


def images():
    g = torch.Generator().manual_seed(5)
    labels = torch.randint(0, 3, (100,), generator=g)
    x = torch.randint(0, 200, (100, 1, 8, 8), generator=g, dtype=torch.uint8)
    return x + labels[:, None, None, None].to(torch.uint8) * 20, labels


def batches(kind):
    if kind == "Batches":
        return Batches(*images(), 8, augment=[random_crop(1), random_flip()], seed=3)
    return DataLoader(Noisy(*images()), 8, shuffle=True)


def train(kind, checkpoint, on_step=lambda: None):
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 3),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    optimizer.register_step_post_hook(lambda *_: on_step())
    x, y = images()
    valid = [(x.float() / 255, y)]
    history = fit(
        model, batches(kind), valid, epochs=EPOCHS, optimizer=optimizer, schedule=cosine(warmup=5),
        clip_norm=1.0, checkpoint=checkpoint, seed=11, progress=False,
    )  # fmt: skip
    for row in history.epochs:
        del row["seconds"]
    weights = [p.tolist() for p in model.state_dict().values()]
    return {"steps": history.steps, "epochs": history.epochs, "weights": weights}


def in_a_process(kind, checkpoint, kill_after, delay, result):
    """Train in a forked process and kill it after some steps; how many it did, and its end."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            found = train(kind, checkpoint, lambda: os.write(writer, b"."))
            Path(result).write_text(json.dumps(found))
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    done = 0
    while byte := os.read(reader, 1):
        done += len(byte)
        if done == kill_after:
            time.sleep(delay)
            os.kill(child, signal.SIGKILL)
    os.close(reader)
    return done, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_and_resume(kind, seed, kills):
    """What an undisturbed run gave, what the killed one gave, and how it went."""
    warnings.simplefilter("error")  # a checkpoint that had to be passed over would warn
    rng = random.Random(seed)
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)  # imports a second's worth, once
    checkpoint_module.SECONDS = 0.002  # many checkpoints, not after every step
    assert in_a_process(kind, None, 0, 0, "undisturbed.json") == (STEPS, 0)
    log, end = [], -signal.SIGKILL
    while end == -signal.SIGKILL:
        kill_after = rng.randint(1, 20) if len(log) < kills else 0
        done, end = in_a_process(kind, "run", kill_after, rng.random() * 0.001, "killed.json")
        log.append(done)
    assert end == 0, f"the training process ended with {end}"
    found = {
        name: json.loads(Path(f"{name}.json").read_text()) for name in ("undisturbed", "killed")
    }
    print(json.dumps(found | {"log": log}))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("kind", ["Batches", "DataLoader"])
def test_killed_at_random_steps_and_resumed_the_history_is_the_same_bit_for_bit(tmp_path, kind):
    seed = random.randrange(10**6)  # other moments every time; the seed is in the message
    environment = os.environ | {
        "LABNOTES_DEVICE": "cpu",
        "LABNOTES_RUNS": str(tmp_path / "runs"),
        "OMP_NUM_THREADS": "1",
    }
    call = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), kind, str(seed), "7"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert call.returncode == 0, f"seed {seed}: {call.stderr}"
    found = json.loads(call.stdout)
    killed, undisturbed, log = found["killed"], found["undisturbed"], found["log"]
    assert len(undisturbed["steps"]) == STEPS
    assert killed == undisturbed, f"seed {seed}, steps done before each kill: {log}"
    assert len(log) >= 3, f"seed {seed}: hardly killed, {log}"
    assert log[-1] < STEPS, f"seed {seed}: the last one started anew, {log}"


def example():
    """The loop with two optimizers, as the documentation of the package shows it."""
    return inspect.cleandoc(labnotes.train.__doc__.split("where it is::")[1])


def two_optimizers(seed, kills):
    """As :func:`kill_and_resume`, with the loop of the documentation."""
    warnings.simplefilter("error")
    rng, code = random.Random(seed), compile(example(), "example", "exec")
    torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=1.0)  # imports, once
    checkpoint_module.SECONDS = 0.002

    def run(folder, kill_after):
        os.environ["LABNOTES_RUNS"] = folder
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(reader)
                real = labnotes.train.Progress.step

                def step(self, *values):
                    real(self, *values)
                    os.write(writer, b".")

                labnotes.train.Progress.step, space = step, {}
                exec(code, space)
                nets = [p.tolist() for name in "GD" for p in space[name].parameters()]
                Path(f"{folder}.json").write_text(json.dumps([space["history"].steps, nets]))
                status = 0
            finally:
                os._exit(status)
        os.close(writer)
        done = 0
        while byte := os.read(reader, 1):
            done += len(byte)
            if done == kill_after:
                time.sleep(rng.random() * 0.001)
                os.kill(child, signal.SIGKILL)
        os.close(reader)
        return done, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    steps, end = run("whole", 0)
    assert end == 0
    log, end = [], -signal.SIGKILL
    while end == -signal.SIGKILL:
        done, end = run("killed", rng.randint(1, steps // 4) if len(log) < kills else 0)
        log.append(done)
    assert end == 0, f"the process ended with {end}"
    whole, killed = (json.loads(Path(f"{name}.json").read_text()) for name in ("whole", "killed"))
    assert killed == whole, f"seed {seed}, steps before each kill: {log}"
    assert len(whole[0]) == steps and log[-1] < steps and len(log) >= 3, (steps, log)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_documented_loop_with_two_optimizers_goes_on_bit_for_bit_when_it_is_killed(tmp_path):
    assert len(example().splitlines()) <= 26
    seed = random.randrange(10**6)
    environment = os.environ | {"LABNOTES_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
    call = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), "two", str(seed), "5"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert call.returncode == 0, f"seed {seed}: {call.stderr[-3000:]}"


if __name__ == "__main__":
    if sys.argv[1] == "two":
        two_optimizers(int(sys.argv[2]), int(sys.argv[3]))
        sys.exit()
    kill_and_resume(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
