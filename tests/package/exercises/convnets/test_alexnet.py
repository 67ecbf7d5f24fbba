"""The checkers of the chapter convnets/alexnet take right answers and no wrong ones."""

import pytest
import torch

from labnotes.exercises import check


def sgd_step(w, v, gradient, rate, momentum=0.9, decay=0.0005):
    v = momentum * v - decay * rate * w - rate * gradient
    return w + v, v


def colour_shift(image, pixels, alphas):
    values, vectors = torch.linalg.eigh(torch.cov(pixels.T))
    shift = vectors.flip(1) @ (alphas * values.flip(0))
    return image + shift[:, None, None]


def by_svd(image, pixels, alphas):
    """Another right answer, with other signs."""
    centred = pixels - pixels.mean(0)
    _, s, vh = torch.linalg.svd(centred, full_matrices=False)
    return image - (vh.T @ (alphas * s**2 / (len(pixels) - 1)))[:, None, None]


def test_right_answers_pass(capsys):
    assert check("alexnet.sgd_step", sgd_step)
    assert check("alexnet.colour_shift", colour_shift)
    assert check("alexnet.colour_shift", by_svd)
    assert capsys.readouterr().out.count("✓") == 3


def test_stubs_fail_kindly(capsys):
    def stub(*_, **__):
        raise NotImplementedError("write it")

    assert not check("alexnet.sgd_step", stub)
    assert not check("alexnet.colour_shift", stub)
    assert capsys.readouterr().out.count("not written yet") == 2


def in_place(w, v, gradient, rate, momentum=0.9, decay=0.0005):
    v.mul_(momentum).sub_(decay * rate * w + rate * gradient)
    return w + v, v


@pytest.mark.parametrize(
    "wrong",
    [
        lambda w, v, g, e, m=0.9, d=0.0005: (torch.zeros_like(w), torch.zeros_like(v)),
        lambda w, v, g, e, m=0.9, d=0.0005: (w * float("nan"), v),
        lambda w, v, g, e, m=0.9, d=0.0005: sgd_step(w, v, g, e, m, d)[::-1],
        lambda w, v, g, e, m=0.9, d=0.0005: sgd_step(w, v, g, e, m, d)[0],
        lambda w, v, g, e, m=0.9, d=0.0005: (w + v, sgd_step(w, v, g, e, m, d)[1]),  # old v
        lambda w, v, g, e, m=0.9, d=0.0005: sgd_step(w, v, -g, e, m, d),
        lambda w, v, g, e, m=0.9, d=0.0005: sgd_step(w, v, g, e, m, d / e),  # decay without rate
        lambda w, v, g, e, m=0.9, d=0.0005: sgd_step(w, v, g, e, m, -d),
        lambda w, v, g, e, m=0.9, d=0.0005: sgd_step(w, v, g, e, m, 0.0),
        lambda w, v, g, e, m=0.9, d=0.0005: sgd_step(w, v, g, e, 0.0, d),
        lambda w, v, g, e, m=0.9, d=0.0005: sgd_step(w, v, g, e),  # its own constants
        lambda w, v, g, e, m=0.9, d=0.0005: sgd_step(w, v, (1 - m) * g, e, m, d),
        lambda w, v, g, e, m=0.9, d=0.0005: (w + e * (m * v - d * w - g), m * v - d * w - g),
        lambda w, v, g, e, m=0.9, d=0.0005: tuple(x[None] for x in sgd_step(w, v, g, e, m, d)),
        lambda w, v, g, e, m=0.9, d=0.0005: tuple(x.double() for x in sgd_step(w, v, g, e, m, d)),
        lambda w, v, g, e, m=0.9, d=0.0005: None,
        lambda w, v, g, e, m=0.9, d=0.0005: (
            w + m * v - e * g - e * d * w,
            m * v - e * g,
        ),  # AdamW's
        lambda w, v, g, e, m=0.9, d=0.0005: (
            w - e * (m * v + g + d * w),
            m * v + g + d * w,
        ),  # torch's
        lambda w, v, g, e, m=0.9, d=0.0005: (
            w + m * (m * v - e * (g + d * w)) - e * (g + d * w),  # Nesterov's
            m * v - e * (g + d * w),
        ),
        lambda w, v, g, e, m=0.9, d=0.0005: torch.stack(sgd_step(w, v, g, e, m, d)),
        in_place,
    ],
)
def test_wrong_steps_fail(wrong, capsys):
    assert not check("alexnet.sgd_step", wrong)
    assert "✗" in capsys.readouterr().out


def by_matrix(matrix):
    """The right answer with another matrix in place of the covariance."""

    def wrong(image, pixels, alphas):
        values, vectors = torch.linalg.eigh(matrix(pixels))
        return image + (vectors.flip(1) @ (alphas * values.flip(0)))[:, None, None]

    return wrong


def shifted(change):
    """The right answer with another decomposition of the covariance."""

    def wrong(image, pixels, alphas):
        values, vectors = torch.linalg.eigh(torch.cov(pixels.T))
        return image + change(values, vectors, alphas)[:, None, None]

    return wrong


@pytest.mark.parametrize(
    "wrong",
    [
        shifted(lambda values, vectors, alphas: vectors @ (alphas * values)),  # smallest first
        shifted(lambda values, vectors, alphas: vectors.flip(1) @ (alphas * values.flip(0).sqrt())),
        shifted(lambda values, vectors, alphas: vectors.flip(1).T @ (alphas * values.flip(0))),
        shifted(lambda values, vectors, alphas: vectors.flip(1) @ alphas),
        shifted(lambda values, vectors, alphas: alphas * values.flip(0)),
        by_matrix(lambda pixels: pixels.T @ pixels / (len(pixels) - 1)),  # not centred
        by_matrix(lambda pixels: torch.corrcoef(pixels.T).nan_to_num()),
        lambda image, pixels, alphas: image + alphas[:, None, None],
        lambda image, pixels, alphas: image * (1 + colour_shift(0 * image, pixels, alphas)),
        lambda image, pixels, alphas: colour_shift(image, pixels, alphas) > 0,
        lambda image, pixels, alphas: colour_shift(image, pixels, alphas) + 0j,
        lambda image, pixels, alphas: image,
        lambda image, pixels, alphas: torch.zeros_like(image),
        lambda image, pixels, alphas: image * float("nan"),
        lambda image, pixels, alphas: colour_shift(image, pixels, alphas).movedim(0, -1),
        lambda image, pixels, alphas: colour_shift(image, pixels, alphas).double(),
        lambda image, pixels, alphas: colour_shift(image, pixels, alphas).clamp(0, 1),
        lambda image, pixels, alphas: colour_shift(image, pixels, alphas.flip(0)),
        lambda image, pixels, alphas: (  # the covariance divided by n
            image + (colour_shift(image, pixels, alphas) - image) * (len(pixels) - 1) / len(pixels)
        ),
        lambda image, pixels, alphas: None,
    ],
)
def test_wrong_colours_fail(wrong, capsys):
    assert not check("alexnet.colour_shift", wrong)
    assert "✗" in capsys.readouterr().out
