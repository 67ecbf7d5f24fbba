"""WordPiece: the pieces that the tokenizers library cuts."""

import ast
import doctest
import inspect
import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from labnotes.text import WordPiece, wordpiece

LETTERS = "abcdefghijklmnopqrstuvwxyzéñ中文。,!?-'$ß0189ı"
PIECES = ["[UNK]", *"abcdefgh", *(f"##{c}" for c in "abcdefghé"), "un", "##aff", "##able", "the",
          "##ing", "中", "。", ",", "!", "'", "$", "ss", "ß", "é", "e", "##e", "01", "##89"]  # fmt: skip


def library(lowercase: bool) -> Tokenizer:
    vocabulary = {piece: i for i, piece in enumerate(PIECES)}
    found = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    found.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return found


THEIRS = {lowercase: library(lowercase) for lowercase in (True, False)}


def is_old(char: str) -> bool:
    """Whether a character is what it was in 2002: newer ones the two know from other years."""
    kind = unicodedata.ucd_3_2_0.category(char)
    return kind == unicodedata.category(char) and kind not in ("Cn", "Co")


ANY = st.one_of(st.sampled_from(LETTERS + " " * 9), st.characters(codec="utf8").filter(is_old))


@pytest.mark.parametrize("lowercase", [True, False])
@given(text=st.text(ANY, max_size=60))
def test_pieces_are_the_librarys(text, lowercase):
    assert WordPiece(set(PIECES), lowercase=lowercase).tokenize(text) == (
        THEIRS[lowercase].encode(text).tokens
    )


@pytest.mark.parametrize(
    "text",
    ["", " \t\n", "UNAFFABLE", "e\u0301", "a" * 100, "a" * 101, "a\x00b\ufffdc\u200dd", "中文,the"],
)
def test_these_texts_too(text):
    assert WordPiece(set(PIECES)).tokenize(text) == THEIRS[True].encode(text).tokens


def test_five_thousand_sentences_of_mistreated_words_are_cut_as_the_library_cuts_them():
    """Capitals, accents, Chinese characters, punctuation, words of 100 and 101 characters."""
    words = ["unaffable", "The", "ABED", "de\u0301ce\u0301de\u0301", "Éga", "中文", "的a中", "can't", "$01,89!",
             "(the)", "…", "«bad»", "ab" * 50, "ab" * 50 + "c", "ß", "x", "un\u00a0able", "3.5%"]  # fmt: skip
    draw, ours = random.Random(0), WordPiece(set(PIECES))
    for _ in range(5_000):
        text = " ".join(draw.choices(words, k=draw.randint(1, 12)))
        assert ours.tokenize(text) == THEIRS[True].encode(text).tokens, text


def test_the_blocks_of_chinese_characters_begin_and_end_where_the_librarys_do():
    borders = {c for low, high in wordpiece.CHINESE for c in (low - 1, low, high, high + 1)}
    spaced = normalizers.BertNormalizer(clean_text=False, lowercase=False)
    for char in map(chr, borders - {0x2B820}):  # the library has 0x2B920 in its place, BERT has not
        assert wordpiece._is_chinese(char) == (spaced.normalize_str(char) != char), hex(ord(char))
    assert unicodedata.name("\U0002b820") == "CJK UNIFIED IDEOGRAPH-2B820"
    assert wordpiece.basic_tokens("a\U0002b820a") == ["a", "\U0002b820", "a"]


def test_it_is_short_enough_to_be_read_at_once():
    """At most 60 lines, docstrings left out."""
    tree = ast.parse(inspect.getsource(wordpiece))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:] or [ast.Pass()]
    assert len(ast.unparse(tree).splitlines()) <= 60


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(wordpiece).failed == 0
