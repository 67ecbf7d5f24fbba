"""Random changes of whole batches of images, equal to torchvision's of single images."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "color": [
        "adjust_brightness", "adjust_contrast", "adjust_hue", "adjust_saturation", "blend",
        "color_jitter", "grey",
    ],
    "erasing": ["erase", "random_erasing"],
    "mixing": ["cut_box", "cutmix", "mixup"],
})  # fmt: skip
