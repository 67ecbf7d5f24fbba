"""What is done with pictures besides building a network: augmentation, fine-tuning, style."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "fine_tuning": ["Frozen", "features_of", "replace_head", "two_rates"],
})  # fmt: skip
