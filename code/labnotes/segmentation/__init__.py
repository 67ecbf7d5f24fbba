"""Segmentation: a class for each pixel."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "dice": ["dice_loss"],
    "fcn": ["FCN", "FCNHead", "Stages", "UNetHead", "mobilenet_stages", "upsampling"],
    "pixels": ["PixelBatches", "border_band", "random_window"],
    "voc": ["VOC_CLASSES", "colors_to_labels", "labels_to_colors", "voc_colormap"],
})  # fmt: skip
