"""Metrics: how good a model's output is, as the field measures it."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "bleu": [
        "BleuScore", "bleu", "bleu_d2l", "brevity_penalty", "clipped_counts", "clipped_precision",
        "closest_length", "corpus_bleu", "ngrams",
    ],
    "classification": ["accuracy"],
    "paired": ["McNemar", "mcnemar", "paired_bootstrap"],
})  # fmt: skip
