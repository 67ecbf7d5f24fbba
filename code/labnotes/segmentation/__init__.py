"""Segmentation: a class for every pixel, and how maps become large again."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "dice": ["dice_loss"],
    "fcn": [
        "FCN", "FCNHead", "MOBILENET_V2", "Stages", "UNetHead", "mobilenet_stages", "upsampling",
    ],
    "pixels": ["PixelBatches", "border_band", "random_window"],
    "transposed": ["bilinear_kernel", "checkerboard", "output_padding", "phase_sums"],
    "voc": ["VOC_CLASSES", "colors_to_labels", "labels_to_colors", "voc_colormap"],
})  # fmt: skip
