"""The coverage list: every statement of the study notes, and where the book settles it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

LIST = Path("data", "notes.yml")
VERDICTS = ("right", "imprecise", "wrong", "open")

AREAS = {
    "foundations": "Foundations",
    "generalization": "Generalization",
    "optimization": "Optimisation",
    "numerics": "Numerics",
    "cnn-basics": "Convolution basics",
    "cnn-architectures": "Convolutional architectures",
    "normalization": "Normalization",
    "training-recipes": "Training recipes",
    "vision-augmentation": "Image augmentation",
    "vision-finetuning": "Fine-tuning",
    "detection": "Object detection",
    "segmentation": "Segmentation",
    "style-transfer": "Style transfer",
    "sequence-text": "Text and sequences",
    "rnn": "Recurrent networks",
    "seq2seq": "Sequence to sequence",
    "attention": "Attention",
    "transformer": "Transformer",
    "bert": "BERT",
    "captioning": "Image captioning",
    "gan": "Generative adversarial networks",
    "reading-papers": "Reading papers",
    "tensor-idioms": "Tensor idioms",
    "scaling": "Training on many devices",
}


@dataclass(frozen=True)
class Note:
    """One statement of the notes. `truth` is empty where the notes are right."""

    id: str
    area: str
    kind: str
    says: str
    verdict: str
    truth: str = ""


def load_notes(root: Path) -> dict[str, Note]:
    """The coverage list of the book at `root`, by id, in the list's own order.

    Raises
    ------
    ValueError
        If an entry lacks a field, has an unknown verdict or area, or uses an id twice.
    """
    path = root / LIST
    return _load(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _load(path: Path, mtime: int) -> dict[str, Note]:
    notes: dict[str, Note] = {}
    for entry in yaml.load(path.read_text("utf8"), Loader=yaml.CSafeLoader):
        fields = {f: entry.get(f) for f in ("id", "area", "kind", "says", "verdict")}
        missing = [f for f, value in fields.items() if not value]
        if missing:
            raise ValueError(f"{path}: entry {entry} lacks {', '.join(missing)}")
        note = Note(**fields, truth=entry.get("truth", ""))
        if note.verdict not in VERDICTS:
            raise ValueError(
                f"{path}: {note.id} has the verdict {note.verdict!r}, not one of {VERDICTS}"
            )
        if note.area not in AREAS:
            raise ValueError(f"{path}: {note.id} has the unknown area {note.area!r}")
        if note.id in notes:
            raise ValueError(f"{path}: the id {note.id} is there twice")
        notes[note.id] = note
    return notes
