"""The command `labnotes`, through main() and as a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

import labnotes
from labnotes import cli
from labnotes.data import catalog


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine with an empty cache, no LABNOTES_DATA and no network."""
    monkeypatch.delenv("LABNOTES_DATA", raising=False)
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LABNOTES_OFFLINE", "1")
    return tmp_path


@pytest.fixture
def small(bare, monkeypatch):
    """The catalogue with the digits alone, taken for a set that has to be found."""
    from dataclasses import replace

    entry = replace(catalog.entry("digits"), bundled=False, folder="digits")
    monkeypatch.setattr(catalog, "catalog", lambda: {"digits": entry})
    source, folder = catalog.HERE / "bundled", bare / "data" / "digits"
    folder.mkdir(parents=True)
    for file in entry.files:
        shutil.copy(source / file.name, folder)
    return bare / "data"


def test_list_shows_every_set_with_licence_and_place(bare, capsys):
    assert cli.main(["data", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(catalog.catalog())
    for line, dataset in zip(lines, catalog.catalog().values()):
        assert dataset.title in line and dataset.licence in line
        assert ("bundled" in line) if dataset.bundled else ("not here (" in line)
    assert "not here (30.9 MB)" in lines[0]
    said = {line.split()[0]: line for line in lines}
    assert "not here (811.1 MB)" in said["oxford_pets"], "both official archives, no subset"
    assert "not here (size not known)" in said["coco_captions"]
    assert "not here (no address to download from)" in said["sentiment_sentences"]


def test_get_says_where_the_files_are(small, capsys, monkeypatch):
    monkeypatch.setenv("LABNOTES_DATA", str(small))
    assert cli.main(["data", "get", "digits"]) == 0
    assert capsys.readouterr().out == f"digits: LABNOTES_DATA, {small / 'digits'}\n"


def test_get_takes_hyphens_too(bare, capsys):
    assert cli.main(["data", "get", "Digits", "fashion-mnist"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("digits: bundled") and "labnotes data get fashion_mnist" in err


def test_get_of_what_is_not_to_be_had_fails_and_says_why(bare, capsys):
    assert cli.main(["data", "get", "fra_eng", "digits"]) == 1
    out, err = capsys.readouterr()
    assert "digits: bundled" in out, "the other is got all the same"
    assert "LABNOTES_OFFLINE is set" in err and "Traceback" not in err


def test_get_of_an_unknown_name_fails_and_lists_the_names(bare, capsys):
    assert cli.main(["data", "get", "fashon"]) == 1
    assert "it has fashion_mnist, cifar10, fra_eng, digits" in capsys.readouterr().err


def test_get_without_a_name_means_all(small, capsys, monkeypatch):
    monkeypatch.setenv("LABNOTES_DATA", str(small))
    assert cli.main(["data", "get"]) == 0
    assert "digits: LABNOTES_DATA" in capsys.readouterr().out


def test_verify_passes_right_files_and_finds_a_wrong_one(small, capsys, monkeypatch):
    monkeypatch.setenv("LABNOTES_DATA", str(small))
    assert cli.main(["data", "verify"]) == 0
    assert "2 right, 0 wrong" in capsys.readouterr().out
    path = small / "digits" / "digits-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert cli.main(["data", "verify"]) == 1
    out, err = capsys.readouterr()
    assert "1 right, 1 wrong" in out and f"{path} has not the official checksum" in err


def test_doctor_is_content_with_a_bare_machine_and_says_what_is_absent(bare, capsys):
    assert cli.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    state = {line[8:].split()[0]: line.split()[0] for line in lines[:-2]}
    assert state == {
        "python": "ok", "torch": "ok", "torchvision": "ok", "device": "ok", "memory": "ok",
        "cache": "ok", "LABNOTES_DATA": "ok", "jail": "ok",
        **{name: "ok" if d.bundled else "absent" for name, d in catalog.catalog().items()},
    }  # fmt: skip
    assert "stand-ins" in lines[-2] and lines[-1] == "Everything needed works."


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("LABNOTES_DATA", "{}/nowhere", "FileNotFoundError: {}/nowhere is no folder: correct"),
        ("LABNOTES_CACHE", "{}/file/cache", "NotADirectoryError"),
        ("LABNOTES_DEVICE", "teapot", "ValueError: LABNOTES_DEVICE is 'teapot'"),
    ],
)
def test_doctor_finds_what_is_broken(bare, capsys, monkeypatch, variable, value, said):
    (bare / "file").write_text("")
    monkeypatch.setenv(variable, value.format(bare))
    assert cli.main(["doctor"]) == 1
    out = capsys.readouterr().out
    broken = [line for line in out.splitlines() if line.startswith("BROKEN")]
    assert len(broken) == 1 and said.format(bare) in broken[0] and "1 broken." in out


def test_doctor_finds_a_damaged_file(small, capsys, monkeypatch):
    monkeypatch.setenv("LABNOTES_DATA", str(small))
    (small / "digits" / "digits-images-idx3-ubyte.gz").write_bytes(b"damaged")
    assert cli.main(["doctor"]) == 1
    assert "has not the official checksum: delete it" in capsys.readouterr().out


def test_doctor_finds_a_torchvision_that_was_built_for_another_torch(bare, capsys, monkeypatch):
    import torchvision

    def nms(*arguments):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(torchvision.ops, "nms", nms)
    assert cli.main(["doctor"]) == 1
    assert "BROKEN  torchvision          RuntimeError: operator" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["data"], ["data", "put"], ["dance"]])
def test_a_wrong_command_is_answered_with_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2 and "usage: labnotes" in capsys.readouterr().err


def test_the_command_works_as_a_process(bare):
    done = subprocess.run(
        [sys.executable, "-m", "labnotes.cli", "data", "get", "photos", "digits"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "digits: bundled" in done.stdout
    assert "LABNOTES_OFFLINE is set" in done.stderr and "Traceback" not in done.stderr


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["--version"])
    assert left.value.code == 0 and capsys.readouterr().out == f"labnotes {labnotes.__version__}\n"
