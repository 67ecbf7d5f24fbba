"""From a picture to a sentence."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {})
