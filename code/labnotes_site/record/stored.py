"""Records as they lie in the book: ``data/records/<part>/<chapter>/``, and weights in the package.

A record is ``record.json`` with a file for each output. It holds the checksums of these files, of
the weights and of itself: a record is made by a run and never edited. Weights lie in
``code/labnotes/records/<part>/<chapter>/``, since an installed package must have them too.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..keys import Chapter, chapters
from . import Refused
from .tagged import key, name_of, recording

OUTPUTS = Path("data", "records")
WEIGHTS = Path("code", "labnotes", "records")
FORMAT = 1
#: Bytes: of one file of weights, of all weights of the book, of one output.
MOST_WEIGHTS, MOST_WEIGHTS_IN_ALL, MOST_OUTPUT = 2_000_000, 25_000_000, 500_000
#: Of an output's forms the first of these is kept; the file's ending.
FORMS = {
    "image/svg+xml": ".svg",
    "image/png": ".png",
    "text/markdown": ".md",
    "text/html": ".html",
    "text/plain": ".txt",
}


@dataclass(frozen=True)
class Record:
    """A stored record, verified: its folder and what ``record.json`` says."""

    folder: Path
    content: dict

    @property
    def made(self) -> dict:
        return self.content["made"]

    @property
    def cells(self) -> list[dict]:
        return self.content["cells"]

    def text(self, output: dict) -> str:
        return (self.folder / output["file"]).read_text("utf8")


# --- reading -----------------------------------------------------------------------------------------


def folder_of(root: Path, name: str) -> Path:
    return root / OUTPUTS / name


def stored(root: Path) -> list[str]:
    """The names ``part/chapter`` of all records in the book."""
    found = (root / OUTPUTS).glob("*/*/record.json")
    return sorted(f.parent.relative_to(root / OUTPUTS).as_posix() for f in found)


def load(root: Path, name: str) -> Record | None:
    """The record of a chapter, verified; None if there is none.

    Raises
    ------
    Refused
        If a file of it was changed, taken away or added.
    """
    folder = folder_of(root, name)
    if not (folder / "record.json").is_file():
        return None
    content = json.loads((folder / "record.json").read_text("utf8"))
    wrong = _changed(root, name, content)
    if wrong:
        raise Refused(
            f"the record of {name} is not as its run left it: {', '.join(wrong)}. "
            f"A record is never edited: make it again with `python -m labnotes_site.record {name}`"
        )
    return Record(folder, content)


def _changed(root: Path, name: str, content: dict) -> list[str]:
    """The files of a record that are not what it says, as paths below the book."""
    listed = {
        (OUTPUTS / name / o["file"]): o["sha256"] for c in content["cells"] for o in c["outputs"]
    }
    listed |= {(WEIGHTS / name / file): sum_ for file, sum_ in content["weights"].items()}
    wrong = [p for p, wanted in listed.items() if _digest_of(root / p) != wanted]
    if checksum(content) != content.get("sha256"):
        wrong.append(OUTPUTS / name / "record.json")
    for folder in (OUTPUTS / name, WEIGHTS / name):
        there = {p.relative_to(root) for p in (root / folder).glob("*")}
        wrong += there - set(listed) - {OUTPUTS / name / "record.json"}
    return sorted(p.as_posix() for p in wrong)


def checksum(content: dict) -> str:
    """The SHA-256 of what ``record.json`` says, its own checksum aside."""
    rest = {name: value for name, value in content.items() if name != "sha256"}
    return _digest(json.dumps(rest, sort_keys=True, ensure_ascii=False).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_of(file: Path) -> str | None:
    return _digest(file.read_bytes()) if file.is_file() else None


def is_stale(record: Record, chapter: Chapter, code_root: Path) -> bool:
    """Whether the record was made by earlier code than the chapter's."""
    return record.content["key"] != key(chapter, code_root)


def shown(root: Path) -> dict[str, str]:
    """What each page shows of its record, as a key: the record's checksum, and whether it is stale."""
    found = {}
    for chapter in chapters(root):
        file = folder_of(root, name_of(chapter)) / "record.json"
        if file.is_file():
            content = json.loads(file.read_text("utf8"))
            fresh = content["key"] == key(chapter, root / "code")
            found[chapter.docname] = f"{_digest_of(file)} {fresh}"
    return found


def all_stale(root: Path, found: list[Chapter]) -> list[str]:
    """The names of the chapters whose record was made by earlier code."""
    records = [(chapter, load(root, name_of(chapter))) for chapter in found]
    return [name_of(c) for c, record in records if record and is_stale(record, c, root / "code")]


def outputs_of(record: Record, chapter: Chapter) -> list[list[dict]]:
    """The recorded outputs of each cell tagged ``record``, none for a cell that is new since.

    A cell keeps its record as long as its code is the same; those whose code has changed are taken
    in order, if there are as many of them as outputs left.
    """
    sums = [_digest(c.source.encode()) for c in recording(chapter)]
    left = list(record.cells)
    found: list[list[dict] | None] = []
    for sum_ in sums:
        same = next((c for c in left if c["code"] == sum_), None)
        if same is not None:
            left.remove(same)
        found.append(None if same is None else same["outputs"])
    if found.count(None) == len(left):
        found = [left.pop(0)["outputs"] if o is None else o for o in found]
    return [o or [] for o in found]


# --- writing -----------------------------------------------------------------------------------------


def store(root: Path, result: dict, weights: Path) -> Record:
    """Keep what a run left, in place of an earlier record of its chapter.

    Parameters
    ----------
    root
        The book's folder.
    result
        What the run wrote to ``result.json``.
    weights
        The folder with the weights it saved.

    Raises
    ------
    Refused
        If something is too large, or of a form that a page cannot show. Nothing is changed then.
    """
    name = result["job"]["chapter"]
    files, cells = _outputs(result)
    nets = _weights(root, name, weights)
    content = {
        "format": FORMAT,
        "chapter": name,
        "key": result["job"]["key"],
        "made": result["made"],
        "cells": cells,
        "weights": {file: _digest(data) for file, data in nets.items()},
    }
    content["sha256"] = checksum(content)
    files["record.json"] = (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
    # Weights first: the record that names them is the last thing to appear.
    _replace(root / WEIGHTS / name, nets)
    _replace(root / OUTPUTS / name, files)
    return load(root, name)


def _outputs(result: dict) -> tuple[dict[str, bytes], list[dict]]:
    """The files of all outputs, and the list of them by cell."""
    name, files, cells = result["job"]["chapter"], {}, []
    sources = [c["source"] for c in result["job"]["cells"] if c["record"]]
    for i, (source, outputs) in enumerate(zip(sources, result["outputs"], strict=True), 1):
        listed = []
        for j, output in enumerate(outputs, 1):
            form, data = _best_form(name, i, output)
            file = f"{Path(name).name}-{i}-{j}{FORMS[form]}"
            if len(data) > MOST_OUTPUT:
                raise Refused(
                    f"the output {file} of {name} has {len(data):,} bytes, and a record may keep "
                    f"{MOST_OUTPUT:,} of each: draw less, or as an image (plot.images())"
                )
            files[file] = data
            listed.append({"type": form, "file": file, "sha256": _digest(data)})
        cells.append({"code": _digest(source.encode()), "outputs": listed})
    return files, cells


def _best_form(name: str, cell: int, output: dict) -> tuple[str, bytes]:
    if output["output_type"] == "stream":
        return "text/plain", output["text"].encode()
    for form in FORMS:
        if form in output["data"]:
            text = output["data"][form]
            data = base64.b64decode(text) if form == "image/png" else text.encode()
            return form, data
    raise Refused(
        f"recorded cell {cell} of {name} shows {', '.join(output['data'])}, "
        f"and a record keeps {', '.join(FORMS)}"
    )


def _weights(root: Path, name: str, folder: Path) -> dict[str, bytes]:
    """The weights that a run saved, by file name."""
    found = {}
    for file in sorted(folder.rglob("*.safetensors")):
        if file.parent != folder / name:
            other = file.relative_to(folder).with_suffix("").as_posix()
            raise Refused(f"{name} has saved weights as {other}: name them {name}/…")
        found[file.name] = file.read_bytes()
        if len(found[file.name]) > MOST_WEIGHTS:
            raise Refused(
                f"the weights {name}/{file.name} have {len(found[file.name]):,} bytes, and a record "
                f"may keep {MOST_WEIGHTS:,}: record a smaller network"
            )
    others = [
        f for f in (root / WEIGHTS).rglob("*.safetensors") if f.parent != root / WEIGHTS / name
    ]
    total = sum(f.stat().st_size for f in others) + sum(map(len, found.values()))
    if total > MOST_WEIGHTS_IN_ALL:
        raise Refused(
            f"with {', '.join(found)} of {name} the book's weights would have {total:,} bytes, and "
            f"they may have {MOST_WEIGHTS_IN_ALL:,}: record smaller networks, or fewer"
        )
    return found


def _replace(folder: Path, files: dict[str, bytes]) -> None:
    """Make `folder` hold `files` alone; it is there as before or as it shall be."""
    new, old = (folder.with_name(f".{folder.name}.{word}") for word in ("new", "old"))
    for left_by_a_kill in (new, old):
        shutil.rmtree(left_by_a_kill, ignore_errors=True)
    if files:
        new.mkdir(parents=True)
        for name, data in files.items():
            (new / name).write_bytes(data)
    if folder.exists():
        folder.rename(old)
    if files:
        new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
