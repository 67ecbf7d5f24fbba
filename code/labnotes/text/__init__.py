"""Text as numbers: vocabularies, words cut into pieces, and windows of token numbers."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "byte_pairs": ["BytePairs"],
    "tokens": ["tokenize"],
    "vocabulary": ["Vocabulary"],
    "windows": ["Windows", "pad", "random_windows", "sequential_windows"],
    "wordpiece": ["WordPiece", "basic_tokens"],
})  # fmt: skip
