"""Sentence pairs for translation, and the tokeniser that the chapters share."""

from __future__ import annotations

import gzip
import re
import tomllib
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from labnotes.data import catalog, provenance
from labnotes.data.catalog import HERE, DatasetUnavailable
from labnotes.data.provenance import Provenance

Pair = tuple[str, str]
LANGUAGES = ("de", "en", "fr")

SPACES = re.compile(r"\s+")  # in a str pattern this includes the no-break spaces
TOKEN = re.compile(
    r"""
    \d+(?:[.,]\d+)*(?![^\W_])   # a number: 3.50, 1,000
  | [^\W_]+(?:['-][^\W_]+)*     # a word, with the apostrophes and hyphens inside it: don't, l'eau
  | [^\w\s] | _                 # any other sign stands alone
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class SentencePairs:
    """English sentences with a French translation each, and all the translations there are.

    Attributes
    ----------
    train, test : list of (str, str)
        (English, French). Each English sentence occurs once, with the first of its translations;
        no sentence of `test` is in `train`, not even with other capitals or punctuation. (A French
        sentence may be in both, as the translation of two English ones.)
    provenance : Provenance
        Where they came from.
    """

    train: list[Pair]
    test: list[Pair]
    provenance: Provenance
    _references: dict[str, list[str]] = field(repr=False)

    def references(self, english: str) -> list[str]:
        """All French translations of an English sentence, the one of the pair first.

        Raises
        ------
        KeyError
            If `english` is not a sentence of the data (exactly, punctuation included).
        """
        key = normalise(english)
        if key not in self._references:
            raise KeyError(f"no translation of {english!r} in the data: take one of the pairs")
        return list(self._references[key])

    def __repr__(self) -> str:
        return f"{self.provenance.title}: {len(self.train):,} train, {len(self.test):,} test"


@dataclass(frozen=True)
class ParallelText:
    """Sentences in two languages to train, choose and test a translation on, and their origin.

    Attributes
    ----------
    train, valid, test : list of (str, str)
        (Source, target), as they are in the files.
    provenance : Provenance
        Where they came from.
    """

    train: list[Pair]
    valid: list[Pair]
    test: list[Pair]
    provenance: Provenance

    def __repr__(self) -> str:
        sizes = (f"{part} {len(getattr(self, part)):,}" for part in ("train", "valid", "test"))
        return f"{self.provenance.title}: {', '.join(sizes)} pairs"


def multi30k(source: str = "de", target: str = "en", fallback: bool = False) -> ParallelText:
    """Descriptions of photographs in two languages: 29,000 pairs, 1,014 and 1,000 (of 2016).

    Parameters
    ----------
    source, target
        Two of ``"de"``, ``"en"``, ``"fr"``.
    fallback
        If the data are not to be had, give the small bundled set instead: from French into
        English, whichever languages were asked for. The provenance then says so.

    Raises
    ------
    DatasetUnavailable
        If the data are not to be had and `fallback` is false.
    ValueError
        If these are not two of the three languages, or their files differ in length.
    """
    if {source, target} - set(LANGUAGES) or source == target:
        raise ValueError(
            f"languages are {source!r} and {target!r}: give two of {', '.join(LANGUAGES)}"
        )
    try:
        found = catalog.fetch("multi30k")
    except DatasetUnavailable:
        if not fallback:
            raise
        return _bundled_parallel(catalog.entry("multi30k"))
    train, valid, test = (
        _side_by_side(*(found.paths[f"{part}.{language}.gz"] for language in (source, target)))
        for part in ("train", "val", "test_2016_flickr")
    )
    return ParallelText(train, valid, test, provenance.of(catalog.entry("multi30k"), found.source))


def _bundled_parallel(wanted: catalog.Dataset) -> ParallelText:
    """French and English, to train with all translations; what is held out goes half and half."""
    known = _split(_bundled_pairs(), _bundled_provenance(wanted), one_in=4)
    train = [
        (french, english) for english, _ in known.train for french in known.references(english)
    ]
    held_out = [(french, english) for english, french in known.test]
    note = provenance.missing(
        wanted,
        "A few hundred short pairs of French and English sentences stand in for 29,000 captions in "
        "German and English: translations learned from them are of no use, and scores say nothing.",
    )
    origin = replace(known.provenance, note=note)
    return ParallelText(train, held_out[::2], held_out[1::2], origin)


def _side_by_side(*paths: Path) -> list[Pair]:
    # Only a line feed ends a line: splitlines would also cut at signs like U+2028.
    first, second = (
        gzip.decompress(path.read_bytes()).decode("utf-8").rstrip("\n").split("\n")
        for path in paths
    )
    if len(first) != len(second):
        raise ValueError(
            f"{paths[0]} has {len(first)} lines, {paths[1]} has {len(second)}: they do not "
            "belong together"
        )
    return [(a.strip(), b.strip()) for a, b in zip(first, second)]


def english_french(fallback: bool = False) -> SentencePairs:
    """English-French sentence pairs of Tatoeba, as ManyThings pairs them (2019-04-07).

    In the order of the file, which is by the length of the English sentence. One English sentence
    in ten is for testing, chosen by a checksum of its words, so the split is always the same.

    Parameters
    ----------
    fallback
        If the data are not to be had, give the small bundled set instead (a quarter of it for
        testing). The provenance then says so.

    Raises
    ------
    DatasetUnavailable
        If the data are not to be had and `fallback` is false.
    ValueError
        If the archive is not what it should be.
    """
    wanted = catalog.entry("fra_eng")
    try:
        found = catalog.fetch("fra_eng")
    except DatasetUnavailable:
        if not fallback:
            raise
        return _split(_bundled_pairs(), _bundled_provenance(wanted), one_in=4)
    pairs = _read_pairs(found.paths["fra-eng.zip"])
    return _split(pairs, provenance.of(wanted, found.source), one_in=10)


def normalise(text: str) -> str:
    """`text` in Unicode's composed form (NFC), with plain single spaces and plain apostrophes.

    French sets a narrow no-break space before ``!`` and ``?``; to a program that compares strings
    it is another character than the space, and ``é`` has two encodings that look alike.

    Examples
    --------
    >>> normalise("L\\u2019e\\u0301te\\u0301\\u202f!")
    "L'été !"
    """
    composed = unicodedata.normalize("NFC", text).replace("\u2019", "'")
    return SPACES.sub(" ", composed).strip()


def tokenize(text: str) -> list[str]:
    """Split `text` into lower-case words, numbers and punctuation marks.

    Every mark is a token, except the apostrophes and hyphens inside a word and the points and
    commas inside a number. On plain English this gives what the tokeniser "13a" of sacreBLEU gives
    for lower-case text; beyond it, quotation marks at the edge of a word and marks that are not
    ASCII (« », …) are split off too.

    Examples
    --------
    >>> tokenize("I don't owe 3.50, do I?")
    ['i', "don't", 'owe', '3.50', ',', 'do', 'i', '?']
    >>> tokenize("Peut-être l\\u2019a-t-il\\u202f!")
    ['peut-être', "l'a-t-il", '!']
    """
    return TOKEN.findall(normalise(text).lower())


def _read_pairs(archive: Path) -> list[Pair]:
    """The lines of ``fra.txt``: English, tab, French, and in later releases an attribution."""
    try:
        with zipfile.ZipFile(archive) as packed:
            name = next((n for n in packed.namelist() if n.split("/")[-1] == "fra.txt"), None)
            if name is None:
                raise ValueError(f"{archive} holds {packed.namelist()}: there is no fra.txt")
            lines = packed.read(name).decode("utf-8").splitlines()
    except (zipfile.BadZipFile, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"{archive} cannot be read ({error}): get it again") from error
    return [_pair(line, number) for number, line in enumerate(lines, 1) if line.strip()]


def _pair(line: str, number: int) -> Pair:
    columns = line.split("\t")
    if len(columns) < 2:
        raise ValueError(f"line {number} of fra.txt is {line!r}: expected English, a tab, French")
    return normalise(columns[0]), normalise(columns[1])


def _split(pairs: list[Pair], origin: Provenance, one_in: int) -> SentencePairs:
    references: dict[str, list[str]] = {}
    for english, french in pairs:
        known = references.setdefault(english, [])
        if french not in known:
            known.append(french)
    train, test = [], []
    for english, (first, *_) in references.items():
        (test if _is_test(english, one_in) else train).append((english, first))
    return SentencePairs(train, test, origin, references)


def _is_test(english: str, one_in: int) -> bool:
    words = " ".join(t for t in tokenize(english) if t[0].isalnum())
    return zlib.crc32(words.encode()) % one_in == 0


def _bundled_pairs() -> list[Pair]:
    with open(HERE / "bundled" / "english_french.toml", "rb") as file:
        translations = tomllib.load(file)
    return [
        (normalise(english), normalise(french))
        for english, all_french in translations.items()
        for french in all_french
    ]


def _bundled_provenance(wanted: catalog.Dataset) -> Provenance:
    return Provenance(
        name="english_french_small",
        title="A few English-French sentences",
        source="bundled",
        licence="CC BY-SA 4.0",
        citation="Written for this book",
        stand_in=True,
        note=provenance.missing(
            wanted,
            "With so few sentences a network learns them by heart; scores say nothing about "
            "translation.",
        ),
    )
