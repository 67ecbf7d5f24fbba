"""Batches of any structure: counted, cut in parts that together are the whole, moved."""

from collections import namedtuple
from dataclasses import dataclass, field

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

from labnotes.train.structure import cut, move, size

CPU = torch.device("cpu")
Pair = namedtuple("Pair", "inputs targets")


@dataclass(frozen=True)
class Text:
    words: torch.Tensor
    source: str
    batch_size: int = field(init=False, default=3)  # neither axis of `words` need tell it


@dataclass
class Plain:
    words: torch.Tensor
    mask: torch.Tensor | None


def rows(n, *shape):
    return torch.arange(float(n)).reshape(n, *[1] * len(shape)).expand(n, *shape)


def picture(i, channels=1):
    return torch.full((channels, 10 + i, 10), float(i))


def several(n):
    """Batches of `n` examples; example number i holds the number i wherever it holds one."""
    return {
        "a tensor": rows(n, 2),
        "a pair": (rows(n, 2), rows(n).long()),
        "a list of parts, as loaders give": [rows(n, 2), rows(n).long()],
        "several inputs": ((rows(n, 2), rows(n, 5)), rows(n)),
        "a dict": {"x": rows(n, 2), "y": rows(n), "text": "a text", "none": None},
        "a named tuple": Pair(rows(n, 2), {"y": rows(n), "scale": torch.tensor(1.0)}),
        "a dataclass": Plain(rows(n, 2), None),
        "images (1, 10, 10) in a list": ([picture(0)] * n, [torch.tensor(1)] * n),
        "images of different sizes": ([picture(i) for i in range(n)], rows(n)),
        "a tuple of images and one of dicts": (
            tuple(picture(i, 3) for i in range(n)),
            tuple({"boxes": torch.full((i + 1, 4), float(i))} for i in range(n)),
        ),
        "packed sequences": (pack_sequence([rows(i + 1) for i in range(n)][::-1]), rows(n)),
    }


@pytest.mark.parametrize("n", [1, 4, 7])
def test_the_number_of_examples_is_found_in_any_structure(n):
    assert {name: size(batch) for name, batch in several(n).items()} == dict.fromkeys(several(n), n)


def test_a_batch_may_tell_its_own_size_and_one_that_tells_nothing_counts_once():
    assert size(Text(torch.zeros(7, 3), "x")) == 3
    assert size((Text(torch.zeros(7, 3), "x"), torch.zeros(3))) == 3
    assert size(None) == size(5) == size((None, "text", torch.tensor(2.0))) == 1


@pytest.mark.parametrize(
    ("batch", "shown"),
    [
        ((torch.zeros(7, 3, 2), torch.zeros(3)), r"\(7, 3, 2\).*\(3,\)"),
        ({"a": torch.zeros(2), "b": [1, 2, 3]}, "type dict"),
        (((torch.zeros(3), "text"), torch.zeros(2)), "a tuple of 2"),
        ((torch.zeros(2), [picture(0)] * 3), "a list of 3"),
    ],
)
def test_parts_that_tell_different_numbers_are_refused(batch, shown):
    with pytest.raises(ValueError, match=f"(?s){shown}.*first axis.*batch_size.*Mean"):
        size(batch)


def content(value):
    """All numbers in a batch, example after example where that can be told."""
    if isinstance(value, PackedSequence):
        return [each.tolist() for each in unpack_sequence(value)]
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {k: content(v) for k, v in value.items()}
    if isinstance(value, Plain):
        return content(vars(value))
    if isinstance(value, (tuple, list)):
        return [content(each) for each in value]
    return value


def joined(one, other):
    if isinstance(one, dict):
        return {k: joined(one[k], other[k]) for k in one}
    return one + other if isinstance(one, list) else one


def same(one, other, whole):
    """Whether two parts are, joined example by example, the whole."""
    if isinstance(whole, dict):
        return all(same(one[k], other[k], whole[k]) for k in whole)
    if not isinstance(whole, list):
        return one == other == whole
    if one + other == whole:
        return True
    return len(one) == len(whole) and all(map(same, one, other, whole))


@pytest.mark.parametrize("n", [2, 4, 7])
@pytest.mark.parametrize("name", several(2))
def test_two_parts_of_a_batch_are_all_of_it(name, n):
    batch = several(n)[name]
    first, second = cut(batch, slice(0, 1), n), cut(batch, slice(1, n), n)
    assert size(first) == 1 and size(second) == n - 1
    assert same(content(first), content(second), content(batch)), (first, second)
    assert content(first) != content(batch)
    if type(batch) is not list:
        assert type(first) is type(batch)


def test_packed_sequences_that_were_not_in_order_are_cut_in_theirs():
    words = [torch.arange(n).float() for n in (2, 5, 3, 4)]
    packed = pack_sequence(words, enforce_sorted=False)
    part = unpack_sequence(cut(packed, slice(2, 4), 4))
    assert [each.tolist() for each in part] == [each.tolist() for each in words[2:]]


def test_what_cannot_be_cut_says_what_to_give():
    with pytest.raises(ValueError, match=r"type Text tells its batch_size.*part\(slice\)"):
        cut(Text(torch.zeros(7, 3), "x"), slice(0, 1), 3)

    class TimeMajor(Text):
        def part(self, some):
            return TimeMajor(self.words[:, some], self.source)

    assert cut(TimeMajor(torch.zeros(7, 3), "x"), slice(0, 2), 3).words.shape == (7, 2)


def test_moving_keeps_the_structure_and_the_objects_that_are_there_already():
    for batch in several(3).values():
        moved = move(batch, CPU)
        assert type(moved) is type(batch) and content(moved) == content(batch)
    x = torch.zeros(2)
    assert move({"x": x}, CPU)["x"] is x
    frozen = move(Text(x, "text"), torch.device("meta"))
    assert frozen.words.is_meta and frozen.source == "text" and frozen.batch_size == 3
    packed = move(pack_sequence([torch.zeros(2)]), torch.device("meta"))
    assert packed.data.is_meta


def test_a_memory_format_is_given_to_images_of_floats_alone():
    batch = {
        "images": torch.zeros(2, 3, 4, 4), "mask": torch.zeros(2, 3, 4, 4, dtype=torch.bool),
        "rows": torch.zeros(2, 3, 4),
    }  # fmt: skip
    moved = move(batch, CPU, torch.channels_last)
    assert moved["images"].is_contiguous(memory_format=torch.channels_last)
    assert moved["mask"].is_contiguous() and moved["rows"].is_contiguous()
    assert move(batch, CPU)["images"] is batch["images"]
    assert move(moved, CPU)["images"] is moved["images"]  # as it came
