"""Text of every kind against other readers (pandas) and the numbers that its authors give."""

from __future__ import annotations

import doctest
import gzip
import io
import json
import re
import zipfile
from collections import Counter

import numpy as np
import pandas
import pytest
import torch

from labnotes import data
from labnotes.data import DatasetUnavailable, catalog, labelled, vectors
from labnotes.data.made import names
from labnotes.data.tables import read_table

LOADERS = [
    data.time_machine, data.tiny_shakespeare, data.wikitext2, data.multi30k, data.sst2,
    data.sentiment_sentences, data.snli, data.xquad_en, data.wnut17, data.house_prices,
    data.airfoil, data.glove,
]  # fmt: skip


@pytest.mark.parametrize("load", LOADERS, ids=lambda load: load.__name__)
def test_without_the_data_a_loader_says_where_it_looked(load, tmp_path, monkeypatch):
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DatasetUnavailable, match="homepage: https://") as caught:
        load()
    assert f"LABNOTES_DATA: no {tmp_path / 'none'}" in str(caught.value)
    assert caught.value.name == load.__name__


def columns(path, **options):
    """A file of columns divided by tabs, through pandas, quotes being plain signs."""
    return pandas.read_csv(
        path, sep="\t", quoting=3, keep_default_na=False, lineterminator="\n", **options
    )


# ---- running text ----


@pytest.mark.parametrize(
    ("load", "length"), [(data.time_machine, 178_979), (data.tiny_shakespeare, 1_115_394)]
)
def test_a_text_is_cut_after_nine_tenths_and_nothing_is_lost(real_data, load, length):
    (path,) = real_data(load.__name__).paths.values()
    text = load()
    assert text.train + text.test == path.read_text("utf-8") and text.valid == ""
    assert len(text.train) + len(text.test) == length
    assert len(text.train) == int(0.9 * length)


def test_without_a_text_another_novel_stands_in_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LABNOTES_OFFLINE", "1")
    novel, plays = data.time_machine(fallback=True), data.tiny_shakespeare(fallback=True)
    assert len(novel.train + novel.test) == 180_000 and len(novel.train) == 162_000
    assert len(plays.train + plays.test) > 180_000 and plays.train[:1000] not in novel.train
    # Its first words, known to all, and the first of chapter 41, which lies in the other part.
    assert novel.train.startswith("CHAPTER 1. Loomings.\n\nCall me Ishmael. Some years ago--never")
    assert "I, Ishmael, was one of that crew" in plays.train
    for text in (novel, plays):
        whole = text.train + text.test
        assert whole.isascii() and max(map(len, whole.split("\n"))) <= 72
    for text, name in ((novel, "time_machine"), (plays, "tiny_shakespeare")):
        origin = text.provenance
        assert origin.stand_in and f"labnotes data get {name}" in origin.note
        assert origin.licence == "public domain" and "Melville" in origin.citation
        assert "Stand-in data" in origin._repr_html_()


def test_the_real_text_is_taken_where_it_is_to_be_had(real_data):
    real_data("time_machine")
    assert data.time_machine(fallback=True) == data.time_machine()


def test_wikitext_has_the_tokens_and_the_vocabulary_of_its_paper(real_data):
    real_data("wikitext2")
    text = data.wikitext2()
    parts = [
        [token for line in part.split("\n")[:-1] for token in [*line.split(), "<eos>"]]
        for part in (text.train, text.valid, text.test)
    ]
    assert [len(part) for part in parts] == [2_088_628, 217_646, 245_569]  # Merity et al., table 1
    assert len(set(parts[0]) - {"<eos>"}) + 1 == 33_278
    assert "unk" in repr(text) or "WikiText-2: train" in repr(text)


def test_the_plain_files_of_wikitext_do_as_well_as_its_archive(real_data, tmp_path, monkeypatch):
    (archive,) = set(real_data("wikitext2").paths.values())
    before = data.wikitext2()
    (tmp_path / "wikitext2").mkdir()
    with zipfile.ZipFile(archive) as packed:
        for part in ("train", "valid", "test"):
            content = packed.read(f"wikitext-2/wiki.{part}.tokens")
            (tmp_path / "wikitext2" / f"{part}.txt").write_bytes(content)
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path))
    assert set(catalog.locate("wikitext2").paths.values()) == set(tmp_path.glob("*/*.txt"))
    assert data.wikitext2().test == before.test


# ---- translations ----


@pytest.mark.parametrize(("source", "target"), [("de", "en"), ("en", "fr")])
def test_pairs_of_multi30k_are_the_lines_side_by_side(real_data, source, target):
    paths = real_data("multi30k").paths
    pairs = data.multi30k(source, target)
    assert [len(p) for p in (pairs.train, pairs.valid, pairs.test)] == [29_000, 1014, 1000]
    for name, part in (("val", pairs.valid), ("test_2016_flickr", pairs.test)):
        for place, language in enumerate((source, target)):
            lines = gzip.open(paths[f"{name}.{language}.gz"], "rt", encoding="utf-8", newline="\n")
            assert [pair[place] for pair in part] == [line.strip() for line in lines]
    assert data.multi30k().test[0] == (
        "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt.",
        "A man in an orange hat starring at something.",
    )


@pytest.mark.parametrize("languages", [(), ("de", "en"), ("en", "fr")])
def test_without_multi30k_french_and_english_stand_in_and_no_part_knows_another(
    languages, tmp_path, monkeypatch
):
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    found = data.multi30k(*languages, fallback=True)
    origin = found.provenance
    assert origin.stand_in and origin.name == "english_french_small" and origin.source == "bundled"
    for said in ("Multi30k", "labnotes data get multi30k", "29,000", "scores say nothing"):
        assert said in origin.note, said
    assert "Stand-in data" in origin._repr_html_()
    parts = (found.train, found.valid, found.test)
    assert len(found.train) > 200 and min(len(found.valid), len(found.test)) >= 20
    for side in (0, 1):  # the sources are not known from training either
        kept = [{" ".join(data.tokenize(pair[side])) for pair in part} for part in parts]
        assert sum(map(len, kept)) == len(set.union(*kept)), "no sentence in two parts"
    assert len({english for _, english in found.test}) == len(found.test)
    # The pairs are those of english_french, the other way round, and none is left out.
    pairs = data.english_french(fallback=True)
    trained = [(f, e) for e, _ in pairs.train for f in pairs.references(e)]
    assert found.train == trained
    assert sorted(found.valid + found.test) == sorted((f, e) for e, f in pairs.test)
    assert data.multi30k(*languages, fallback=True) == found, "the same split every time"


def test_without_multi30k_nothing_stands_in_unasked(tmp_path, monkeypatch):
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DatasetUnavailable, match="labnotes data get multi30k"):
        data.multi30k()
    with pytest.raises(ValueError, match="'cs' and 'en': give two of de, en, fr"):
        data.multi30k("cs", "en", fallback=True)


def test_with_multi30k_at_hand_nothing_stands_in(real_data):
    real_data("multi30k")
    found = data.multi30k(fallback=True)
    assert not found.provenance.stand_in and found == data.multi30k()


def test_only_the_languages_that_there_are_can_be_asked_for():
    with pytest.raises(ValueError, match="'cs' and 'en': give two of de, en, fr"):
        data.multi30k("cs", "en")
    with pytest.raises(ValueError, match="'en' and 'en'"):
        data.multi30k("en", "en")


# ---- sentences ----


def test_sentences_of_sst2_are_what_pandas_reads(real_data):
    paths = real_data("sst2").paths
    found = data.sst2()
    assert [len(p) for p in (found.train, found.valid, found.test)] == [6920, 872, 1821]
    for name, part in (("train", found.train), ("dev", found.valid), ("test", found.test)):
        table = columns(paths[f"{name}.tsv"], header=None)
        assert [s for s, _ in part] == [s.strip() for s in table[0]]
        assert [y for _, y in part] == table[1].tolist()
    assert found.classes[found.test[0][1]] == "negative", "no movement , no yuks"


def test_sentiment_sentences_are_whole_and_in_one_part_each(real_data):
    paths = real_data("sentiment_sentences").paths
    found = data.sentiment_sentences()
    tables = [columns(path, header=None) for path in paths.values()]
    assert [len(table) for table in tables] == [1000] * 3
    expected = Counter((s.strip(), y) for t in tables for s, y in zip(t[0], t[1]))
    assert Counter([*found.train, *found.test]) == expected
    assert Counter(y for _, y in [*found.train, *found.test]) == {0: 1500, 1: 1500}
    assert not {s for s, _ in found.train} & {s for s, _ in found.test}
    assert 0.15 < len(found.test) / 3000 < 0.25


def test_pairs_of_snli_are_what_pandas_reads(real_data):
    paths = real_data("snli").paths
    if any(path.suffix == ".zip" for path in paths.values()):
        pytest.skip("LABNOTES_DATA has the whole set")
    found = data.snli()
    assert [len(p) for p in (found.train, found.valid, found.test)] == [0, 9842, 9824]
    for name, part in (("dev", found.valid), ("test", found.test)):
        table = columns(paths[f"snli_{name}.tsv.gz"])
        assert [list(pair) for pair in part] == table.to_numpy().tolist()
    assert "none for training" in found.provenance.note
    premise, hypothesis, label = found.valid[2]
    assert found.classes[label] == "contradiction", (premise, hypothesis)


def test_the_official_archive_of_snli_is_read_without_the_pairs_in_dispute(tmp_path):
    rows = [
        {"gold_label": "contradiction", "sentence1": "a", "sentence2": "b"},
        {"gold_label": "-", "sentence1": "c", "sentence2": "d"},
        {"gold_label": "entailment", "sentence1": "é\u2028", "sentence2": "f"},
    ]
    with zipfile.ZipFile(tmp_path / "snli_1.0.zip", "w") as archive:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        archive.writestr("snli_1.0/snli_1.0_train.jsonl", lines)
    found = labelled._pairs_of_archive(tmp_path / "snli_1.0.zip", "train")
    assert found == [("a", "b", 2), ("é\u2028", "f", 0)]
    with pytest.raises(ValueError, match="cannot be read.*get it again"):
        labelled._pairs_of_archive(tmp_path / "snli_1.0.zip", "test")


def test_tags_of_wnut_are_what_pandas_reads_between_blank_lines(real_data):
    paths = real_data("wnut17").paths
    found = data.wnut17()
    assert [len(p) for p in (found.train, found.valid, found.test)] == [3394, 1009, 1287]
    assert len(found.classes) == 13
    assert found.classes[:3] == ("O", "B-corporation", "I-corporation"), "a type together"
    for path, part in zip(paths.values(), (found.train, found.valid, found.test)):
        # Some of the blank lines hold a tab; pandas passes over those that hold nothing.
        text = re.sub(r"^\t$", "", path.read_text("utf-8"), flags=re.MULTILINE)
        table = columns(io.StringIO(text), header=None)
        assert [token for tokens, _ in part for token in tokens] == table[0].tolist()
        assert [tag for _, tags in part for tag in tags] == table[1].tolist()
        blocks = [block for block in re.split(r"\n\n+", text.strip("\n")) if block]
        assert [len(tokens) for tokens, _ in part] == [b.count("\n") + 1 for b in blocks]
        assert set(table[1]) <= set(found.classes)


@pytest.mark.parametrize("text", ["word\n", "word\tX-person\n", "O\n", "word\tBperson\n"])
def test_a_line_without_a_tag_is_named(tmp_path, text):
    (tmp_path / "x.conll").write_text("a\tO\n" + text)
    with pytest.raises(ValueError, match=r"line 2 of .*x\.conll is .*expected a token"):
        labelled._tagged(tmp_path / "x.conll")


@pytest.mark.parametrize("text", ["no label", "a\t2", "a 1", ""])
def test_a_sentence_without_a_label_is_named(tmp_path, text):
    (tmp_path / "x.tsv").write_text(f"good\t1\n{text}\nbad\t0\n")
    with pytest.raises(ValueError, match=r"line 2 of .*x\.tsv is .*expected a text, a tab, 0 or 1"):
        list(labelled._sentences(tmp_path / "x.tsv"))


def test_a_next_line_sign_ends_no_line(tmp_path):
    (tmp_path / "x.tsv").write_bytes("one\x85two\u2028three\t1\r\nfour\t0\n".encode())
    assert list(labelled._sentences(tmp_path / "x.tsv")) == [
        ("one\x85two\u2028three", 1),
        ("four", 0),
    ]


def test_answers_stand_where_they_should_and_articles_are_not_divided(real_data):
    (path,) = real_data("xquad_en").paths.values()
    found = data.xquad_en()
    questions = [*found.train, *found.test]
    assert len(questions) == 1190 and len({q.context for q in questions}) == 240
    for q in questions:
        assert q.answers and q.context[q.starts[0] :].startswith(q.answers[0])
    content = json.loads(path.read_text("utf-8"))["data"]
    article = {p["context"]: i for i, a in enumerate(content) for p in a["paragraphs"]}
    train, test = ({article[q.context] for q in part} for part in (found.train, found.test))
    assert not train & test and len(train | test) == 48 and len(test) == 9
    ids = Counter(qa["id"] for a in content for p in a["paragraphs"] for qa in p["qas"])
    assert Counter(q.id for q in questions) == ids


def test_an_answer_that_is_not_there_is_refused():
    asked = {"id": "7", "question": "?", "answers": [{"text": "two", "answer_start": 3}]}
    with pytest.raises(ValueError, match="question 7: 'two' is not at 3"):
        labelled._question(asked, "one two")


# ---- tables and vectors ----


def test_house_prices_are_what_pandas_reads(real_data):
    paths = real_data("house_prices").paths
    found = data.house_prices()
    assert (found.train.rows, len(found.train), found.test.rows, len(found.test)) == (
        1460, 81, 1459, 80,
    )  # fmt: skip
    for part, table in (("train", found.train), ("test", found.test)):
        frame = pandas.read_csv(
            paths[f"kaggle_house_pred_{part}.csv"], keep_default_na=False, na_values=["NA", ""]
        )
        assert list(table) == list(frame.columns)
        for name in table:
            if table[name].dtype == object:
                expected = [None if pandas.isna(v) else v for v in frame[name]]
                assert table[name].tolist() == expected, name
            else:
                assert np.array_equal(table[name], frame[name].to_numpy(float), equal_nan=True)
        assert pandas.DataFrame(dict(table)).shape == frame.shape
    assert "None" in found.train["MasVnrType"], "a word, and no missing value"
    with pytest.raises(KeyError, match="no column 'Prize': there are Id, MSSubClass"):
        found.train["Prize"]


def test_a_table_with_a_line_too_short_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text('a,b\n1,"two, and\nthree"\n2\n')
    with pytest.raises(ValueError, match=r"line 3 of .*x\.csv has 1 columns, not 2"):
        read_table(tmp_path / "x.csv")
    (tmp_path / "x.csv").write_text('a,b\n1,"two, and\nthree"\n')
    assert read_table(tmp_path / "x.csv")["b"].tolist() == ["two, and\nthree"]
    (tmp_path / "x.csv").write_text("a,b\n")
    with pytest.raises(ValueError, match="has no row"):
        read_table(tmp_path / "x.csv")


def test_airfoil_has_every_measurement_once(real_data):
    (path,) = real_data("airfoil").paths.values()
    theirs = pandas.read_csv(path, sep="\t", header=None).to_numpy(np.float32)
    found = data.airfoil()
    assert (len(found.train), len(found.test)) == (1203, 300) and len(found.names) == 5
    ours = torch.cat([
        torch.column_stack([part.inputs, part.targets]) for part in (found.train, found.test)
    ]).numpy()  # fmt: skip
    assert sorted(map(tuple, ours.tolist())) == sorted(map(tuple, theirs.tolist()))
    assert abs(found.train.targets.mean() - found.test.targets.mean()) < 1.5, "a random split"
    assert torch.equal(found.test.targets, data.airfoil().test.targets)


def test_without_the_measurements_an_airfoil_is_drawn_from_the_rule_that_its_text_gives(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    found = data.airfoil(fallback=True)
    assert found.provenance.stand_in and "rule with noise" in found.provenance.note
    assert (len(found.train), len(found.test)) == (1203, 300)
    inputs = found.train.inputs.double().numpy()
    low, high = [200, 0, 0.025, 31.7, 0.0004], [20_000, 22.2, 0.305, 71.3, 0.0584]
    scaled = 2 * (inputs - low) / (np.array(high) - low) - 1
    assert np.abs(scaled).max() <= 1 + 1e-4
    columns = np.column_stack([np.ones(1203), scaled, scaled[:, 0] * scaled[:, 4]])
    rule, rest, *_ = np.linalg.lstsq(columns, found.train.targets.double().numpy())
    assert np.abs(rule - [125, -5, -3, -3, 2, -3, -5]).max() < 0.6, "four standard errors"
    assert abs(np.sqrt(rest[0] / 1203) - 3) < 0.25


def test_glove_has_the_numbers_of_its_file(real_data):
    (path,) = real_data("glove").paths.values()
    if path.suffix != ".gz":
        pytest.skip("LABNOTES_DATA has the whole set")
    theirs = pandas.read_csv(path, sep=" ", header=None, quoting=3, keep_default_na=False)
    found = data.glove()
    assert len(found) == 5050 and list(found) == theirs[0].tolist()
    assert np.allclose(found.matrix, theirs.iloc[:, 1:].to_numpy(float), atol=1e-6)
    assert torch.equal(found["king"], found.matrix[found.words.index("king")])
    near = torch.cosine_similarity(found.matrix, found["king"] - found["man"] + found["woman"])
    near[[found.words.index(w) for w in ("king", "man", "woman")]] = -1
    assert found.words[near.argmax()] == "queen"
    with pytest.raises(
        KeyError, match="no vector for 'Queen': there are 5,050 words in lower case"
    ):
        found["Queen"]


def test_the_archive_of_d2l_holds_vectors_too(tmp_path):
    with zipfile.ZipFile(tmp_path / "glove.6B.50d.zip", "w") as archive:
        archive.writestr("glove.6B.50d/vec.txt", "the 1 2.5\n, -3 4e-1\n")
    text = vectors._content(tmp_path / "glove.6B.50d.zip")
    words, matrix = vectors.read_vectors(text, tmp_path)
    assert words == ("the", ",") and matrix.tolist() == [[1, 2.5], [-3, pytest.approx(0.4)]]
    for text, said in [("a 1 2\nb 1\n", "line 2 .* has 1 numbers, the first 2"), ("a x\n", "else")]:
        with pytest.raises(ValueError, match=said):
            vectors.read_vectors(text, tmp_path)
    (tmp_path / "glove.6B.50d.zip").write_bytes(io.BytesIO(b"no archive").read())
    with pytest.raises(ValueError, match="get it again"):
        vectors._content(tmp_path / "glove.6B.50d.zip")


def test_without_wnut_names_are_generated_and_one_cue_tells_the_kind_of_each(tmp_path, monkeypatch):
    monkeypatch.setenv("LABNOTES_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("LABNOTES_CACHE", str(tmp_path / "cache"))
    found = data.wnut17(fallback=True)
    assert found.provenance.stand_in and len(found.classes) == 7 and found.classes[0] == "O"
    kinds = {cue: kind for kind, cues in names.CUES.items() for cue in cues}
    seen, sides, far = [], Counter(), Counter()
    for part in (found.train, found.valid, found.test):
        inside = set()
        for tokens, tags in part:
            (start,) = (i for i, tag in enumerate(tags) if tag.startswith("B-"))
            stop = start + 1 + sum(tag.startswith("I-") for tag in tags)
            (cue,) = (i for i, token in enumerate(tokens) if token in kinds)
            assert {tag[2:] for tag in tags[start:stop]} == {kinds[tokens[cue]]}
            assert set(tags[:start] + tags[stop:]) <= {"O"} and len(tokens) == len(tags)
            sides[cue < start] += 1
            far[start - cue if cue < start else cue - stop + 1] += 1
            inside.update(tokens[start:stop])
        seen.append(inside)
    assert set(far) == {1, 2, 3, 4, 5} and 0.45 < sides[True] / sides.total() < 0.55
    # A name of the training part does not help with the test part.
    assert len(seen[2] & seen[0]) < len(seen[2]) / 10
    with pytest.raises(ValueError, match="count is 0"):
        names.tagged_sentences(0)


def test_the_examples_in_the_docstrings_of_generated_names_run():
    assert doctest.testmod(names).failed == 0
