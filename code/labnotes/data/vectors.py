"""Words as vectors: GloVe."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labnotes.data import catalog, provenance
from labnotes.data.provenance import Provenance


class WordVectors(Mapping[str, Tensor]):
    """A vector for each word: ``vectors["king"]`` is ``(dimensions,)``, float32.

    Attributes
    ----------
    words : tuple of str
        The most frequent first.
    matrix : Tensor
        ``(words, dimensions)``, float32: row i is the vector of ``words[i]``.
    provenance : Provenance
        Where they came from.
    """

    def __init__(self, words: tuple[str, ...], matrix: Tensor, origin: Provenance):
        self.words, self.matrix, self.provenance = words, matrix, origin
        self._row = {word: row for row, word in enumerate(words)}

    def __getitem__(self, word: str) -> Tensor:
        if word not in self._row:
            raise KeyError(f"no vector for {word!r}: there are {len(self):,} words in lower case")
        return self.matrix[self._row[word]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def __len__(self) -> int:
        return len(self.words)

    def __repr__(self) -> str:
        return f"{self.provenance.title}: {len(self):,} words, {self.matrix.shape[1]} numbers each"


def glove() -> WordVectors:
    """GloVe's vectors of 50 numbers, trained on six billion words.

    Where only those of 5,050 words are to be had (see the catalogue), they are given, and the
    provenance says so.

    Raises
    ------
    DatasetUnavailable
        If the vectors are not to be had.
    ValueError
        If the file is not made of a word and 50 numbers a line.
    """
    found = catalog.fetch("glove")
    (path,) = found.paths.values()
    some = path.suffix == ".gz"
    words, matrix = read_vectors(_content(path), path)
    note = f"A subset: {len(words):,} of 400,000 words." if some else ""
    return WordVectors(words, matrix, provenance.of(catalog.entry("glove"), found.source, note))


def read_vectors(text: str, path: Path) -> tuple[tuple[str, ...], Tensor]:
    """Words and matrix ``(words, dimensions)`` of a text with a word and its numbers a line.

    Raises
    ------
    ValueError
        If a line has another number of columns than the first, or no numbers; `path` is named.
    """
    lines = [line for line in text.split("\n") if line]
    words = tuple(line.split(" ", 1)[0] for line in lines)
    dimensions = lines[0].count(" ")
    for number, line in enumerate(lines, 1):
        if line.count(" ") != dimensions:
            raise ValueError(
                f"line {number} of {path} has {line.count(' ')} numbers, the first {dimensions}"
            )
    try:
        # A row at a time: twenty million numbers as Python's own would fill the memory.
        rows = [np.array(line.split(" ")[1:], dtype=np.float32) for line in lines]
    except ValueError as error:
        raise ValueError(f"{path} holds something else than words and numbers: {error}") from error
    return words, torch.from_numpy(np.stack(rows))


def _content(path: Path) -> str:
    """The text of the subset, or of ``vec.txt`` in d2l's archive."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes()).decode("utf-8")
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("vec.txt"))
            return io.TextIOWrapper(archive.open(name), "utf-8").read()
    except (zipfile.BadZipFile, zlib.error, StopIteration) as error:
        raise ValueError(f"{path} cannot be read ({error!r}): get it again") from error
