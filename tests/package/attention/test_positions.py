"""Positions against their papers' formulas, one number at a time, and against d2l."""

import math

import numpy as np
import pytest
import torch

from labnotes.attention import positions


def test_sinusoidal_positions_are_the_papers_formula():
    found = positions.sinusoidal(50, 16)
    for i in range(50):
        for j in range(8):
            angle = i / 10000 ** (2 * j / 16)
            assert found[i, 2 * j].item() == pytest.approx(math.sin(angle), abs=1e-7)
            assert found[i, 2 * j + 1].item() == pytest.approx(math.cos(angle), abs=1e-7)


def test_sinusoidal_positions_are_d2ls():
    d2l = pytest.importorskip("d2l.torch")
    expected = d2l.PositionalEncoding(32, dropout=0).P[0, :60]
    torch.testing.assert_close(positions.sinusoidal(60, 32), expected, rtol=0, atol=1e-5)


def test_a_later_start_gives_the_later_rows():
    assert torch.equal(positions.sinusoidal(4, 8, start=3), positions.sinusoidal(7, 8)[3:])
    learned = positions.Learned(7, 8)
    assert torch.equal(learned(4, start=3), learned(7)[3:])
    x = torch.randn(2, 3, 7, 8)
    assert torch.equal(positions.rotate(x[..., 3:, :], start=3), positions.rotate(x)[..., 3:, :])


def test_rotary_positions_multiply_pairs_as_complex_numbers():
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    found = positions.rotate(x, start=2).numpy()
    pairs = x.numpy()[..., ::2] + 1j * x.numpy()[..., 1::2]
    for i in range(5):
        for j in range(3):
            turned = pairs[:, i, j] * np.exp(1j * (2 + i) / 10000 ** (2 * j / 6))
            np.testing.assert_allclose(found[:, i, 2 * j], turned.real, atol=1e-12)
            np.testing.assert_allclose(found[:, i, 2 * j + 1], turned.imag, atol=1e-12)


def test_a_product_of_turned_vectors_depends_on_their_distance_alone():
    q, k = torch.randn(2, 1, 1, 8, dtype=torch.float64)

    def product(at_q, at_k):
        return (positions.rotate(q, at_q) * positions.rotate(k, at_k)).sum()

    torch.testing.assert_close(product(9, 4), product(25, 20), rtol=0, atol=1e-12)
    assert abs(product(9, 4) - product(4, 9)) > 1e-3


def test_a_place_further_on_is_a_rotation_to_rounding():
    angles = positions._angles(torch.arange(64), 32)  # what sines and rotary positions are made of
    turn = positions._angles(torch.tensor([5]), 32)
    for at, apart in ((angles.sin(), angles.cos()), (angles.cos(), -angles.sin())):
        turned = turn.cos() * at[:-5] + turn.sin() * apart[:-5]
        torch.testing.assert_close(turned, at[5:], rtol=0, atol=1e-14)
    q, k = torch.nn.functional.normalize(torch.randn(2, 1, 32).double(), dim=-1).expand(2, 64, 32)
    scores = positions.rotate(q) @ positions.rotate(k).T
    torch.testing.assert_close(scores[1:, 1:], scores[:-1, :-1], rtol=0, atol=1e-14)


def test_a_relative_bias_is_shared_by_pairs_of_one_distance():
    layer = positions.RelativeBias(num_heads=2, max_distance=2)
    assert not layer(4, 6).any()  # no place is preferred before training
    torch.nn.init.normal_(layer.bias)
    found = layer(4, 6)  # queries stand at 2, 3, 4, 5
    for head in range(2):
        for q in range(4):
            for k in range(6):
                distance = max(-2, min(2, k - (q + 2)))
                assert found[head, q, k] == layer.bias[head, distance + 2]


def test_alibis_slopes_are_the_papers():
    found = positions.alibi(8, 3, 3)
    assert (-found[:, 2, 1]).tolist() == [2.0**-n for n in range(1, 9)]  # 1/2, 1/4, ..., 1/256
    assert (-positions.alibi(16, 3, 3)[:2, 2, 1]).tolist() == pytest.approx([2**-0.5, 0.5])
    assert torch.equal(found[0], torch.tensor([[0.0, 0.5, 1], [0.5, 0, 0.5], [1, 0.5, 0]]) * -1)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: positions.sinusoidal(3, 5), "5 features"),
        (lambda: positions.sinusoidal(0, 4), "length is 0"),
        (lambda: positions.sinusoidal(3, 4, start=-1), "start is -1"),
        (lambda: positions.Learned(4, 2)(5), "position 4 was asked for, 4 were learned"),
        (lambda: positions.Learned(4, 2)(2, start=3), "position 4 was asked for"),
        (lambda: positions.Learned(4, 2)(2, start=-1), "start is -1"),
        (lambda: positions.rotate(torch.zeros(2, 3)), "3 features"),
        (lambda: positions.rotate(torch.zeros(3, 4), start=-1), "start is -1"),
        (lambda: positions.RelativeBias(0, 2), "num_heads is 0"),
        (lambda: positions.alibi(6, 2, 2), "powers of two"),
        (lambda: positions.alibi(0, 2, 2), "num_heads is 0"),
    ],
)
def test_bad_input_is_refused_in_words(call, says):
    with pytest.raises(ValueError, match=says):
        call()
