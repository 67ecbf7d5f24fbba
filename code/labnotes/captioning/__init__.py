"""From a picture to a sentence."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "attending": ["CaptionDecoder", "Captioner", "GridEncoder", "State", "even_looks"],
})  # fmt: skip
