"""VOC's colours against the published table."""

import pytest
import torch

from labnotes.segmentation import VOC_CLASSES, colors_to_labels, labels_to_colors, voc_colormap

PUBLISHED = {  # the development kit's, as in Dive into Deep Learning, section 14.9
    "background": (0, 0, 0), "aeroplane": (128, 0, 0), "bicycle": (0, 128, 0),
    "bird": (128, 128, 0), "boat": (0, 0, 128), "bottle": (128, 0, 128), "bus": (0, 128, 128),
    "car": (128, 128, 128), "cat": (64, 0, 0), "chair": (192, 0, 0), "cow": (64, 128, 0),
    "diningtable": (192, 128, 0), "dog": (64, 0, 128), "horse": (192, 0, 128),
    "motorbike": (64, 128, 128), "person": (192, 128, 128), "pottedplant": (0, 64, 0),
    "sheep": (128, 64, 0), "sofa": (0, 192, 0), "train": (128, 192, 0), "tvmonitor": (0, 64, 128),
}  # fmt: skip


def test_the_21_colours_are_the_published_ones_and_void_is_cream():
    assert tuple(PUBLISHED) == VOC_CLASSES
    assert voc_colormap()[:21].tolist() == [list(color) for color in PUBLISHED.values()]
    assert voc_colormap()[255].tolist() == [224, 224, 192]
    assert len({tuple(color) for color in voc_colormap().tolist()}) == 256


def test_labels_survive_the_way_to_colours_and_back():
    labels = torch.tensor([*range(21), 255, 255, 0]).view(2, 3, 4)
    colors = labels_to_colors(labels)
    assert colors.shape == (2, 3, 3, 4) and colors.dtype == torch.uint8
    back = colors_to_labels(colors)
    assert back.dtype == torch.uint8 and torch.equal(back.long(), labels)
    assert torch.equal(colors_to_labels(colors[0]).long(), labels[0])


def test_pillow_shows_a_palette_file_in_these_colours(tmp_path):
    import numpy as np
    from PIL import Image

    labels = torch.tensor([[0, 15, 255], [20, 8, 12]], dtype=torch.uint8)
    file = Image.fromarray(labels.numpy())
    file.putpalette(voc_colormap().flatten().tolist())
    file.save(tmp_path / "labels.png")
    shown = np.array(Image.open(tmp_path / "labels.png").convert("RGB"))
    assert torch.equal(labels_to_colors(labels), torch.from_numpy(shown).movedim(-1, 0))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: labels_to_colors(torch.zeros(2, 2)), "give integers"),
        (lambda: labels_to_colors(torch.tensor([3])), "height, width"),
        (lambda: labels_to_colors(torch.tensor([[256]])), "pixels hold 256"),
        (lambda: labels_to_colors(torch.tensor([[-1]])), "pixels hold -1"),
        (lambda: colors_to_labels(torch.zeros(2, 2, dtype=torch.uint8)), "colors are"),
        (lambda: colors_to_labels(torch.zeros(3, 2, 2)), "torch.uint8"),
        (
            lambda: colors_to_labels(torch.tensor([1, 2, 3], dtype=torch.uint8).view(3, 1, 1)),
            r"1 pixels have colours .* such as \[1, 2, 3\]",
        ),
        (  # behind the last colour in the order of their numbers
            lambda: colors_to_labels(torch.full((3, 1, 1), 255, dtype=torch.uint8)),
            r"1 pixels have colours .* such as \[255, 255, 255\]",
        ),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()
