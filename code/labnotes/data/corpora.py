"""Running text for language models: a novel, plays, articles."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from labnotes.data import catalog, provenance
from labnotes.data.catalog import HERE, DatasetUnavailable
from labnotes.data.provenance import Provenance

#: Characters of the stand-ins, as places in Moby-Dick; no character is in both.
STAND_INS = {"time_machine": slice(0, 180_000), "tiny_shakespeare": slice(180_000, 440_000)}


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


def time_machine(fallback: bool = False) -> Text:
    """The Time Machine, by H. G. Wells: the first nine tenths to train, the last to test.

    Parameters
    ----------
    fallback
        If the text is not to be had, give chapters of Moby-Dick instead, which come with this
        package. The provenance then says so.

    Raises
    ------
    DatasetUnavailable
        If the text is not to be had and `fallback` is false.
    """
    return _read_or_stand_in("time_machine", fallback)


def tiny_shakespeare(fallback: bool = False) -> Text:
    """A million letters of Shakespeare: the first nine tenths to train, the last to test.

    Parameters
    ----------
    fallback
        If the text is not to be had, give chapters of Moby-Dick instead, which come with this
        package. The provenance then says so.

    Raises
    ------
    DatasetUnavailable
        If the text is not to be had and `fallback` is false.
    """
    return _read_or_stand_in("tiny_shakespeare", fallback)


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


def _read_or_stand_in(name: str, fallback: bool) -> Text:
    try:
        found = catalog.fetch(name)
    except DatasetUnavailable:
        if not fallback:
            raise
        return _split(_moby_dick()[STAND_INS[name]], _moby_dick_provenance(catalog.entry(name)))
    (path,) = found.paths.values()
    return _split(_read(path.read_bytes(), path), provenance.of(catalog.entry(name), found.source))


def _split(text: str, origin: Provenance) -> Text:
    cut = len(text) * 9 // 10
    return Text(text[:cut], "", text[cut:], origin)


def _moby_dick() -> str:
    """The first chapters of the novel, in lines of at most 72 letters and plain ASCII signs."""
    with gzip.open(HERE / "bundled" / "moby_dick.txt.gz", "rt", encoding="ascii") as file:
        return file.read()


def _moby_dick_provenance(wanted: catalog.Dataset) -> Provenance:
    return Provenance(
        name="moby_dick",
        title="Moby-Dick, by Herman Melville: some of its chapters",
        source="bundled",
        licence="public domain",
        citation="Melville, H. Moby-Dick; or, The Whale. Harper & Brothers, 1851",
        stand_in=True,
        note=provenance.missing(
            wanted, "It is another book, so no score can be compared with one on the real text."
        ),
    )


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
