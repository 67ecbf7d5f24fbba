"""Text with labels: sentences, pairs of sentences, tagged tokens, questions with answers."""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labnotes.data import catalog, provenance
from labnotes.data.catalog import DatasetUnavailable
from labnotes.data.made.names import tagged_sentences
from labnotes.data.provenance import Provenance

SENTIMENTS = ("negative", "positive")
RELATIONS = ("entailment", "neutral", "contradiction")


@dataclass(frozen=True)
class LabelledText:
    """Examples to train, choose and test a model on, the names of the classes, their origin.

    Attributes
    ----------
    train, valid, test : list of tuple
        What an example is, each loader says. A part that the data lack is empty.
    classes : tuple of str
        The names of the labels.
    provenance : Provenance
        Where they came from.
    """

    train: list[tuple]
    valid: list[tuple]
    test: list[tuple]
    classes: tuple[str, ...]
    provenance: Provenance

    def __repr__(self) -> str:
        sizes = (f"{part} {len(getattr(self, part)):,}" for part in ("train", "valid", "test"))
        return f"{self.provenance.title}: {', '.join(sizes)}"


def sst2() -> LabelledText:
    """Sentences of film reviews: (sentence, 0 for negative or 1 for positive).

    Whole sentences, already in tokens and lower case, in the parts of the treebank's authors. (The
    set of the same name in GLUE has 67,349 phrases for training and keeps its test labels.)

    Raises
    ------
    DatasetUnavailable
        If the data are not to be had.
    """
    found = catalog.fetch("sst2")
    train, valid, test = (
        list(_sentences(found.paths[f"{part}.tsv"])) for part in ("train", "dev", "test")
    )
    origin = provenance.of(catalog.entry("sst2"), found.source)
    return LabelledText(train, valid, test, SENTIMENTS, origin)


def sentiment_sentences() -> LabelledText:
    """Sentences of reviews of films, goods and places: (sentence, 0 negative or 1 positive).

    A small set, 3,000 sentences. One in five is for testing, chosen by a checksum of the sentence,
    so the split is always the same and no sentence is in both parts.

    Raises
    ------
    DatasetUnavailable
        If the data are not to be had.
    """
    found = catalog.fetch("sentiment_sentences")
    parts: dict[bool, list] = {False: [], True: []}
    for path in found.paths.values():
        for sentence, label in _sentences(path):
            parts[_one_in_five(sentence)].append((sentence, label))
    origin = provenance.of(catalog.entry("sentiment_sentences"), found.source)
    return LabelledText(parts[False], [], parts[True], SENTIMENTS, origin)


def snli() -> LabelledText:
    """Pairs of sentences: (premise, hypothesis, label), the label 0, 1 or 2.

    The premise describes a photograph. The hypothesis follows from it (0), may be true or not (1),
    or cannot be true (2). Pairs on which the annotators did not agree are left out. Where only
    the validation and test pairs are to be had (see the catalogue), `train` is empty, and the
    provenance says so.

    Raises
    ------
    DatasetUnavailable
        If the data are not to be had.
    ValueError
        If the archive lacks a part.
    """
    found = catalog.fetch("snli")
    paths = found.paths
    whole = [path for path in paths.values() if path.suffix == ".zip"]
    if whole:
        train, valid, test = (_pairs_of_archive(whole[0], p) for p in ("train", "dev", "test"))
    else:
        train, (valid, test) = [], (_pairs(paths[f"snli_{p}.tsv.gz"]) for p in ("dev", "test"))
    note = "" if whole else "A subset: the validation and test pairs, none for training."
    origin = provenance.of(catalog.entry("snli"), found.source, note)
    return LabelledText(train, valid, test, RELATIONS, origin)


def wnut17(fallback: bool = False) -> LabelledText:
    """Tagged sentences of the web: (tokens, tags), two lists of str of the same length.

    The tags mark new and rare names, as IOB2: ``B-person`` begins a name of a person, ``I-person``
    goes on with it, ``O`` is outside. The classes are the 13 tags, ``O`` first.

    Parameters
    ----------
    fallback
        If the data are not to be had, give generated sentences with names of three kinds instead
        (7 tags). The provenance then says so.

    Raises
    ------
    DatasetUnavailable
        If the data are not to be had and `fallback` is false.
    """
    try:
        found = catalog.fetch("wnut17")
    except DatasetUnavailable:
        if not fallback:
            raise
        return _generated_names(catalog.entry("wnut17"))
    names = ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")
    train, valid, test = (_tagged(found.paths[name]) for name in names)
    origin = provenance.of(catalog.entry("wnut17"), found.source)
    return LabelledText(train, valid, test, _tags(train + valid + test), origin)


def _tags(sentences: list[tuple]) -> tuple[str, ...]:
    used = {tag for _, tags in sentences for tag in tags} - {"O"}
    return ("O", *sorted(used, key=lambda tag: (tag[2:], tag)))  # B- and I- of a type together


def _generated_names(wanted: catalog.Dataset) -> LabelledText:
    train, valid, test = (tagged_sentences(n, seed) for seed, n in enumerate((1500, 300, 500)))
    origin = Provenance(
        name="generated",
        title="Sentences with invented names",
        source="bundled",
        licence="MIT, as the code that draws them",
        citation="Drawn by labnotes",
        stand_in=True,
        note=provenance.missing(
            wanted,
            "Names are invented, and one word before or after each tells its kind; scores say "
            "nothing about real sentences.",
        ),
    )
    return LabelledText(train, valid, test, _tags(train + valid + test), origin)


@dataclass(frozen=True)
class Question:
    """A question on a paragraph, and the answers that count as right.

    Attributes
    ----------
    id : str
        Its name in the data set.
    context, question : str
        The paragraph and what is asked.
    answers : tuple of str
        Pieces of `context`, one or more.
    starts : tuple of int
        Where each begins: ``context[start : start + len(answer)] == answer``.
    """

    id: str
    context: str
    question: str
    answers: tuple[str, ...]
    starts: tuple[int, ...]


@dataclass(frozen=True)
class Questions:
    """Questions to train and to test on, and where they came from."""

    train: list[Question]
    test: list[Question]
    provenance: Provenance

    def __repr__(self) -> str:
        sizes = f"train {len(self.train):,}, test {len(self.test):,}"
        return f"{self.provenance.title}: {sizes} questions"


def xquad_en() -> Questions:
    """Questions on paragraphs of Wikipedia whose answers are spans of the paragraph.

    A part of the development set of SQuAD 1.1, meant for evaluation. Every fifth article is for
    testing, so that no paragraph is in both parts.

    Raises
    ------
    DatasetUnavailable
        If the data are not to be had.
    ValueError
        If an answer does not stand where the file says.
    """
    found = catalog.fetch("xquad_en")
    (path,) = found.paths.values()
    parts: dict[bool, list] = {False: [], True: []}
    for number, article in enumerate(json.loads(path.read_text("utf-8"))["data"], 1):
        part = parts[number % 5 == 0]
        for paragraph in article["paragraphs"]:
            part += [_question(asked, paragraph["context"]) for asked in paragraph["qas"]]
    origin = provenance.of(catalog.entry("xquad_en"), found.source)
    return Questions(parts[False], parts[True], origin)


def _question(asked: dict[str, Any], context: str) -> Question:
    answers = tuple(answer["text"] for answer in asked["answers"])
    starts = tuple(answer["answer_start"] for answer in asked["answers"])
    for answer, start in zip(answers, starts):
        if context[start : start + len(answer)] != answer:
            raise ValueError(f"question {asked['id']}: {answer!r} is not at {start} of its text")
    return Question(asked["id"], context, asked["question"], answers, starts)


def _one_in_five(text: str) -> bool:
    return zlib.crc32(text.encode()) % 5 == 0


def _lines(path: Path) -> list[str]:
    """The lines of a text file. Only a line feed ends one: not U+0085, as for ``splitlines``."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    return content.decode("utf-8").replace("\r\n", "\n").rstrip("\n").split("\n")


def _sentences(path: Path) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(_lines(path), 1):
        sentence, _, label = line.rpartition("\t")
        if label not in ("0", "1"):
            raise ValueError(f"line {number} of {path} is {line!r}: expected a text, a tab, 0 or 1")
        yield sentence.strip(), int(label)


def _pairs(path: Path) -> list[tuple[str, str, int]]:
    pairs = []
    for number, line in enumerate(_lines(path)[1:], 2):  # line 1 is the header
        columns = line.split("\t")
        if len(columns) != 3 or columns[2] not in ("0", "1", "2"):
            raise ValueError(f"line {number} of {path} is {line!r}: expected two texts and 0 to 2")
        pairs.append((columns[0], columns[1], int(columns[2])))
    return pairs


def _pairs_of_archive(path: Path, part: str) -> list[tuple[str, str, int]]:
    """The pairs of the official release, one JSON object a line."""
    pairs = []
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"snli_1.0/snli_1.0_{part}.jsonl") as f:
            for line in f:
                pair = json.loads(line)
                if pair["gold_label"] in RELATIONS:  # else "-": no agreement
                    label = RELATIONS.index(pair["gold_label"])
                    pairs.append((pair["sentence1"], pair["sentence2"], label))
    except (zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise ValueError(f"{path} cannot be read ({error}): get it again") from error
    return pairs


def _tagged(path: Path) -> list[tuple[list[str], list[str]]]:
    """The sentences of a file with a token, a tab and a tag a line, and a blank line between."""
    sentences: list[tuple[list[str], list[str]]] = []
    tokens, tags = [], []
    for number, line in enumerate([*_lines(path), ""], 1):
        if not line.strip():
            if tokens:
                sentences.append((tokens, tags))
            tokens, tags = [], []
            continue
        token, _, tag = line.strip().rpartition("\t")
        if not token or not (tag == "O" or tag[:2] in ("B-", "I-")):
            raise ValueError(f"line {number} of {path} is {line!r}: expected a token, a tab, a tag")
        tokens.append(token)
        tags.append(tag)
    return sentences
