"""The command `labnotes train`: end to end on a few images, killed and resumed."""

import csv
import os
import pickletools
import signal
import subprocess
import sys
import time
import zipfile

import pytest
import torch
from PIL import Image

from labnotes import cli, convnets
from labnotes.data import digits
from labnotes.files import replacing
from labnotes.train import History, evaluate, recipes
from labnotes.train.recipes import RECIPES, load


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    monkeypatch.setenv("LABNOTES_DEVICE", "cpu")
    monkeypatch.setenv("LABNOTES_OFFLINE", "1")
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("LABNOTES_DATA", raising=False)
    monkeypatch.delenv("LABNOTES_RUNS", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pictures(tmp_path):
    """Dark and light pictures, 12 + 3 of each."""
    g = torch.Generator().manual_seed(0)
    for part, count in (("train", 12), ("test", 3)):
        for name, level in (("dark", 60), ("light", 190)):
            folder = tmp_path / "pictures" / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = level + torch.randint(-50, 50, (20, 20, 3), generator=g)
                Image.fromarray(pixels.to(torch.uint8).numpy()).save(folder / f"{i}.png")
    return tmp_path / "pictures"


def command(*arguments):
    return [sys.executable, "-m", "labnotes.cli", "train", *map(str, arguments)]


def rows(folder):
    with open(folder / "history.csv", newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def weights(folder):
    return torch.load(folder / "model.pt", weights_only=True)["weights"]


# The recipes


def known(name):
    if name == "googlenet" and not hasattr(convnets, "googlenet_small"):
        pytest.skip("no googlenet_small yet")
    return RECIPES[name]


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_makes_a_network_for_each_data_set_that_has_a_gradient_everywhere(name):
    recipe = known(name)
    for channels, side in ((1, 28), (3, 32)):
        model = recipe.network(7, channels, side)
        logits = model(torch.randn(2, channels, side, side))
        assert logits.shape == (2, 7)
        logits.sum().backward()
        assert all(p.grad is not None for p in model.parameters())


def test_list_shows_every_recipe(capsys):
    assert cli.main(["train", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)


# A whole run


def test_a_run_leaves_curves_and_a_model_that_loads_to_the_same_accuracy(
    pictures, tmp_path, capsys
):
    output = tmp_path / "out"
    assert cli.main([
        "train", "lenet", "--data", str(pictures), "--size", "16", "--epochs", "2",
        "--batch-size", "5", "--lr", "0.01", "--output", str(output),
    ]) == 0  # fmt: skip
    out = capsys.readouterr().out
    assert out.startswith("lenet after 2 epochs: loss ") and f"results in {output}" in out
    assert sorted(os.listdir(output)) == sorted([*recipes.FILES, "checkpoint.pt.prev"])
    assert len(rows(output)) == 2
    with Image.open(output / "history.png") as picture:
        assert picture.size[0] > 500 and len(picture.convert("L").getcolors()) > 10

    saved = torch.load(output / "model.pt", weights_only=True)
    assert saved["classes"] == ["dark", "light"] and saved["side"] == 16
    found = recipes.read_data(str(pictures), 16)
    mean, std = (torch.tensor(saved[name]).reshape(-1, 1, 1) for name in ("mean", "std"))
    images = (found.test.images / 255 - mean) / std
    accuracy = evaluate(load(output / "model.pt"), [(images, found.test.labels)])["accuracy"]
    assert accuracy == pytest.approx(float(rows(output)[-1]["valid_accuracy"]), abs=1e-6)


@pytest.mark.parametrize("name", ["fashion-mnist", "fashion_mnist", "Fashion-MNIST"])
def test_a_data_set_is_known_by_each_spelling_of_its_name(name, monkeypatch):
    small = digits()
    monkeypatch.setattr(recipes, "fashion_mnist", lambda: small)
    assert recipes.read_data(name) is small
    assert recipes.data_name(name) == "fashion-mnist"
    assert recipes.read_data("Digits").train.images.shape[1:] == (1, 28, 28)
    assert recipes.data_name("my_own/Folder") == "my_own/Folder"


def test_the_two_curves_of_a_run_stand_above_the_same_epochs():
    row = {"train_loss": 0.5, "train_accuracy": 0.8, "valid_loss": 0.6, "valid_accuracy": 0.75}
    epochs = [row | {"epoch": n} for n in (1, 2, 3)]
    loss, accuracy = recipes._draw(History(steps=[1.0] * 6, epochs=epochs)).axes
    assert loss.get_xlim() == accuracy.get_xlim()
    assert loss.figure.get_size_inches().tolist() == [6.4, 6.4]  # a square for two
    drawn = {line.get_label(): line.get_xydata().tolist() for line in accuracy.lines}
    assert drawn == {
        "train": [[1, 80], [2, 80], [3, 80]], "valid": [[1, 75], [2, 75], [3, 75]],
    }  # fmt: skip


def test_the_model_file_is_one_that_any_torch_reads_with_weights_only(pictures, tmp_path):
    recipes.train("lenet", str(pictures), tmp_path / "out", size=12, epochs=1, progress=False)
    with zipfile.ZipFile(tmp_path / "out" / "model.pt") as file:
        (name,) = [n for n in file.namelist() if n.endswith("data.pkl")]
        named = {arg for _, arg, _ in pickletools.genops(file.read(name)) if isinstance(arg, str)}
    assert not [each for each in named if each.startswith(("labnotes ", "numpy", "pathlib"))]
    assert not load(tmp_path / "out" / "model.pt").training


def test_a_run_learns(tmp_path):
    history = recipes.train("lenet", "digits", tmp_path / "out", epochs=3, progress=False)
    assert history.last["valid_accuracy"] > 0.5


def test_runs_go_to_a_folder_named_after_recipe_and_data(pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("LABNOTES_RUNS", str(tmp_path / "runs"))
    words = ["train", "lenet", "--data", str(pictures), "--size", "12", "--epochs", "1"]
    assert cli.main(words) == 0
    assert (tmp_path / "runs" / "lenet-pictures" / "model.pt").exists()


# Killed and resumed (two processes: see test_train_distributed.py)


def test_killed_and_resumed_it_gives_the_same_history_and_weights_bit_for_bit(tmp_path):
    options = ["lenet", "--data", "digits", "--epochs", "6", "--batch-size", "64"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    start = time.monotonic()
    victim = subprocess.Popen(command(*options, "--output", killed), stderr=subprocess.DEVNULL)
    while not (killed / "checkpoint.pt.prev").exists():  # two epochs are done
        assert victim.poll() is None and time.monotonic() - start < 600
        time.sleep(0.005)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    assert not (killed / "model.pt").exists(), "it was through before it was killed"
    assert cli.main(["train", *options, "--output", str(killed)]) == 2  # never overwritten
    assert cli.main(["train", *options, "--output", str(killed), "--resume"]) == 0
    assert cli.main(["train", *options, "--output", str(whole), "--resume"]) == 2  # nothing there
    assert cli.main(["train", *options, "--output", str(whole)]) == 0
    assert rows(killed) == rows(whole) and len(rows(whole)) == 6
    assert all(torch.equal(weights(killed)[k], v) for k, v in weights(whole).items())


# What it refuses


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "no recipe is named: give one of lenet, alexnet"),
        (["lenat"], "there is no recipe 'lenat': give one of lenet"),
        (["lenet", "--data", "mnist"], "data is 'mnist', which is no folder: give fashion-mnist"),
        (["lenet", "--data", "."], "is no folder of pictures by class"),
        (["lenet", "--data", "digits", "--epochs", "0"], "epochs is 0: give a whole number"),
        (["lenet", "--data", "digits", "--batch-size", "-2"], "batch_size is -2: give"),
        (["lenet", "--data", "digits", "--size", "0"], "size is 0: give"),
        (["lenet", "--data", "digits", "--lr", "0"], "lr is 0.0: give a learning rate above 0"),
        (["lenet", "--data", "digits", "--lr", "nan"], "lr is nan: give"),
        (["lenet", "--data", "digits", "--lr", "inf"], "lr is inf: give"),
        (["lenet", "--data", "digits", "--size", "100000"], "size is 100000: give at most 1024"),
        (["lenet", "--data", "digits", "--resume", "--output", "rnus"], "rnus holds no checkpoint"),
        (["lenet", "--data", "digits", "--resume"], "holds no checkpoint to go on from"),
        (["lenet", "--data", "digits", "--seed", "-1"], "seed is -1: give"),
        (["vgg", "--data", "digits", "--size", "7"], r"vgg cannot take images of 7x7 pixels"),
        (["lenet", "--data", "digits", "--output", "file"], "file is no folder: give --output"),
    ],
)
def test_bad_input_is_answered_with_what_to_do_and_exit_code_2(words, says, capsys, tmp_path):
    import re

    (tmp_path / "file").write_text("in the way")
    assert cli.main(["train", *words]) == 2
    err = capsys.readouterr().err
    assert re.search(says, err) and err.startswith("labnotes: ") and "Traceback" not in err
    assert not (tmp_path / "runs").exists()


# The card after the last one is on no machine, and torch's "meta" keeps no numbers.
@pytest.mark.parametrize("absent", [f"cuda:{torch.cuda.device_count()}", "meta"])
def test_a_device_that_is_not_there_is_named_without_a_traceback(
    absent, capsys, monkeypatch, tmp_path
):
    monkeypatch.setenv("LABNOTES_DEVICE", absent)
    assert cli.main(["train", "lenet", "--data", "digits"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"labnotes: there is no device {absent} here") and err.count("\n") == 1
    there = ["cpu", *["mps"] * torch.backends.mps.is_available()]
    there += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    assert f"set LABNOTES_DEVICE to {' or '.join(there)}, or not at all" in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "error",
    [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"),
     RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")],
)  # fmt: skip
def test_too_little_memory_is_said_in_a_line(error, capsys, monkeypatch):
    def train(*_, **__):
        raise error

    monkeypatch.setattr(recipes, "train", train)
    assert cli.main(["train", "lenet", "--data", "digits"]) == 1
    assert capsys.readouterr().err.startswith("labnotes: there is not enough memory: try")
    error.args = ("another error",)
    if type(error) is RuntimeError:
        with pytest.raises(RuntimeError, match="another error"):
            cli.main(["train", "lenet", "--data", "digits"])


def test_a_folder_that_cannot_be_made_is_named_without_a_traceback(capsys, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert cli.main(["train", "lenet", "--data", "digits", "--epochs", "1", "--output", "file/a"])
    err = capsys.readouterr().err
    assert err.startswith("labnotes: ") and "file" in err and "Traceback" not in err


def test_data_that_are_not_to_be_had_are_named_and_nothing_takes_their_place(capsys):
    assert cli.main(["train", "lenet"]) == 1
    assert "labnotes data get fashion_mnist" in capsys.readouterr().err


def test_a_run_with_other_settings_is_not_resumed(pictures, tmp_path, capsys):
    words = ["train", "lenet", "--data", str(pictures), "--size", "12", "--output", "out"]
    assert cli.main([*words, "--epochs", "1"]) == 0
    assert cli.main([*words, "--epochs", "1", "--lr", "0.5", "--resume"]) == 2
    assert "lr: saved 0.05, now 0.5" in capsys.readouterr().err


def test_a_run_that_diverges_says_so(pictures, capsys):
    words = ["train", "lenet", "--data", str(pictures), "--size", "12", "--lr", "1e30"]
    assert cli.main([*words, "--epochs", "2", "--batch-size", "4"]) == 1
    assert "the training loss is" in capsys.readouterr().err


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "text.pt").write_text("no model")
    torch.save({"weights": {}}, tmp_path / "other.pt")
    for name in ("text.pt", "other.pt"):
        with pytest.raises(ValueError, match=f"{name} is no model that labnotes train has written"):
            load(tmp_path / name)


def test_a_full_disk_leaves_the_model_of_before(pictures, tmp_path, monkeypatch):
    recipes.train("lenet", str(pictures), tmp_path / "out", size=12, epochs=1, progress=False)
    before = (tmp_path / "out" / "model.pt").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("labnotes.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        recipes.train(
            "lenet", str(pictures), tmp_path / "out", size=12, epochs=1, resume=True, progress=False
        )
    with pytest.raises(OSError, match="No space"), replacing(tmp_path / "out" / "model.pt") as file:
        file.write(b"half")
    assert (tmp_path / "out" / "model.pt").read_bytes() == before
    assert not (tmp_path / "out" / "model.pt.tmp").exists()
