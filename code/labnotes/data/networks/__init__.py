"""Networks that others have trained."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {"torchvisions": ["pretrained"]})
