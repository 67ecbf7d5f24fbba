import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms.v2 import functional as tv

from labnotes.gan.scenes import HIGHEST, LOWEST, faces, middles, point_maps, tones, warp


def test_the_loudest_frequency_tells_the_row_and_its_strength_the_size():
    found = tones(200, seed=3, noise=0.0)
    waves = np.fft.rfft(found.waves.numpy() * np.hanning(129)[:128])  # the periodic window
    peak = torch.from_numpy(np.abs(waves)[:, 1:].argmax(1)) + 1
    pitch = (peak - LOWEST) / (HIGHEST - LOWEST)
    assert (21.5 - 16 * pitch - found.rows).abs().max() < 16 / (HIGHEST - LOWEST)
    assert torch.equal(found.spectra.argmax(1) + 1, peak)
    strongest = found.spectra.amax(1)
    assert np.corrcoef(strongest, found.radii)[0, 1] > 0.95


def test_the_disc_lies_where_the_truth_says_and_has_that_size():
    found = tones(50, seed=1)
    middle = middles(found.pictures)
    torch.testing.assert_close(middle[:, 0], found.rows, atol=0.05, rtol=0)
    torch.testing.assert_close(middle[:, 1], found.columns, atol=0.05, rtol=0)
    area = (found.pictures[:, 0] + 1).sum((1, 2)) / 2
    torch.testing.assert_close((area / torch.pi).sqrt(), found.radii, atol=0.1, rtol=0)


def test_the_same_seed_gives_the_same_and_another_others():
    for draw in (tones, faces):
        a, b, c = draw(3, 0), draw(3, 0), draw(3, 1)
        assert torch.equal(a.pictures, b.pictures) and not torch.equal(a.pictures, c.pictures)


def test_eyes_are_dark_where_their_points_are():
    found = faces(60, seed=2)
    assert found.pictures.min() >= -1 and found.pictures.max() <= 1
    for pictures, points in zip(found.pictures, found.points, strict=True):
        grid = (points[:, :2] + 0.5) / 32 * 2 - 1
        eyes = F.grid_sample(pictures, grid[:, None], align_corners=False)[:, 0, 0]  # (n, 2)
        between = (points[:, :1] + points[:, 1:2]) / 2
        skin = F.grid_sample(pictures, (between[:, None] + 0.5) / 16 - 1, align_corners=False)
        assert (eyes < skin[:, 0, 0]).float().mean() > 0.97


def test_a_mouth_is_dark_between_its_lips():
    found = faces(60, seed=2)
    for pictures, points in zip(found.pictures, found.points, strict=True):
        between = torch.stack([points[:, :2].mean(1), points[:, 2:].mean(1)], 1)  # eyes, lips
        grid = (between[:, None] + 0.5) / 16 - 1
        skin, mouth = F.grid_sample(pictures, grid, align_corners=False)[:, 0, 0].T
        assert (mouth < skin).all()


def test_a_mouth_lies_along_the_line_of_the_eyes_its_lips_in_its_middle():
    points = faces(60, seed=2).points  # (2, n, 6, 2)
    left, right, middle = points[:, :, 2], points[:, :, 3], points[:, :, 4:].mean(2)
    torch.testing.assert_close((left + right) / 2, middle)
    eyes = points[:, :, 1] - points[:, :, 0]
    along = F.cosine_similarity(right - left, eyes, dim=-1)
    torch.testing.assert_close(along, torch.ones_like(along))


def test_a_bell_has_its_peak_at_its_point():
    maps = point_maps(torch.tensor([[[5.0, 2.0], [9.0, 12.0]]]), 16)
    assert maps.shape == (1, 2, 16, 16)
    assert maps[0, 0, 2, 5] == 1 and maps[0, 1, 12, 9] == 1
    assert maps[0, 0, 2, 8] == pytest.approx(np.exp(-9 / 4.5))


def test_the_warp_by_a_shift_is_torchvisions():
    picture = torch.rand(1, 1, 20, 20)
    before = torch.tensor([[[4.0, 4.0], [15.0, 5.0], [7.0, 14.0]]])
    found = warp(picture, before, before + torch.tensor([3.0, -2.0]))
    expected = tv.affine(picture, 0.0, [3, -2], 1.0, [0.0, 0.0])
    torch.testing.assert_close(found[..., :17, 4:], expected[..., :17, 4:], atol=1e-4, rtol=0)


def test_the_warp_takes_a_face_to_its_other_pose_but_for_the_mouth():
    found = faces(40, seed=5)
    moved = warp(found.pictures[0], *found.points)
    off = (moved - found.pictures[1]).abs().mean()
    still = (found.pictures[0] - found.pictures[1]).abs().mean()
    assert off < 0.7 * still


POINTS = torch.tensor([[[1.0, 1.0], [6.0, 1.0], [3.0, 6.0]]]).expand(2, -1, -1, -1)
LINE = torch.tensor([[[1.0, 1.0], [2.0, 2.0], [5.0, 5.0]]])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: tones(0), "at least one tone"),
        (lambda: tones(1, noise=-1.0), "no negative noise"),
        (lambda: faces(0), "at least 1"),
        (lambda: faces(1, size=30), "multiple of 4"),
        (lambda: point_maps(torch.zeros(6, 2), 32), r"\(n, k, 2\)"),
        (lambda: point_maps(torch.zeros(1, 6, 2), 32, 0.0), "above 0"),
        (lambda: middles(torch.zeros(2, 28, 28)), r"\(n, 1, h, w\)"),
        (lambda: warp(torch.zeros(1, 1, 8, 9), *POINTS), "size, size"),
        (lambda: warp(torch.zeros(2, 1, 8, 8), *POINTS), r"\(2, k, 2\)"),
        (lambda: warp(torch.zeros(1, 1, 8, 8), POINTS[0], POINTS[0][:, :2]), "as many"),
        (lambda: warp(torch.zeros(1, 1, 8, 8), POINTS[0], LINE), "in one line"),
        (lambda: warp(torch.zeros(1, 1, 8, 8), LINE[:, :2], LINE[:, :2]), "in one line"),
    ],
)
def test_wrong_sizes_are_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
