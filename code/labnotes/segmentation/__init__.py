"""Segmentation: a class for every pixel, and how maps become large again."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "transposed": ["bilinear_kernel", "checkerboard", "output_padding", "phase_sums"],
})  # fmt: skip
