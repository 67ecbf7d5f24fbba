"""Text as numbers: vocabularies, and words cut into pieces."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "vocabulary": ["Vocabulary"],
    "wordpiece": ["WordPiece", "basic_tokens"],
})  # fmt: skip
