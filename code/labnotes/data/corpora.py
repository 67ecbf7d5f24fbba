"""Running text for language models: a novel, plays, articles."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from labnotes.data import catalog, provenance
from labnotes.data.provenance import Provenance


@dataclass(frozen=True)
class Text:
    """Running text to train, choose and test a language model on, and where it came from.

    Attributes
    ----------
    train, valid, test : str
        The parts, as they are in the files. `valid` is empty where the authors give none.
    provenance : Provenance
        Where it came from.
    """

    train: str
    valid: str
    test: str
    provenance: Provenance

    def __repr__(self) -> str:
        sizes = (f"{part} {len(getattr(self, part)):,}" for part in ("train", "valid", "test"))
        return f"{self.provenance.title}: {', '.join(sizes)} characters"


def time_machine() -> Text:
    """The Time Machine, by H. G. Wells: the first nine tenths to train, the last to test.

    Raises
    ------
    DatasetUnavailable
        If the text is not to be had.
    """
    return _split("time_machine")


def tiny_shakespeare() -> Text:
    """A million letters of Shakespeare: the first nine tenths to train, the last to test.

    Raises
    ------
    DatasetUnavailable
        If the text is not to be had.
    """
    return _split("tiny_shakespeare")


def wikitext2() -> Text:
    """WikiText-2: articles of Wikipedia, already in tokens, in its authors' three parts.

    Tokens are divided by blanks and rare words are ``<unk>``. To count tokens as everybody does,
    take each line's words and one end-of-line token.

    Raises
    ------
    DatasetUnavailable
        If the text is not to be had.
    ValueError
        If the archive lacks a part.
    """
    found = catalog.fetch("wikitext2")
    train, valid, test = (
        _wiki_part(found.paths[f"{part}.txt"], part) for part in ("train", "valid", "test")
    )
    origin = provenance.of(catalog.entry("wikitext2"), found.source)
    return Text(train, valid, test, origin)


def _split(name: str) -> Text:
    found = catalog.fetch(name)
    (path,) = found.paths.values()
    text = _read(path.read_bytes(), path)
    cut = len(text) * 9 // 10
    return Text(text[:cut], "", text[cut:], provenance.of(catalog.entry(name), found.source))


def _wiki_part(path: Path, part: str) -> str:
    if path.suffix != ".zip":
        return _read(path.read_bytes(), path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive.read(f"wikitext-2/wiki.{part}.tokens"), path)
    except (zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise ValueError(f"{path} cannot be read ({error}): get it again") from error


def _read(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error}): get it again") from error
