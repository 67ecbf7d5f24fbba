"""Metrics: how good a model's output is, as the field measures it."""

from labnotes.metrics.bleu import (
    BleuScore,
    bleu,
    bleu_d2l,
    brevity_penalty,
    clipped_counts,
    clipped_precision,
    closest_length,
    corpus_bleu,
    ngrams,
)
from labnotes.metrics.paired import McNemar, mcnemar, paired_bootstrap

__all__ = [
    "BleuScore",
    "McNemar",
    "bleu",
    "bleu_d2l",
    "brevity_penalty",
    "clipped_counts",
    "clipped_precision",
    "closest_length",
    "corpus_bleu",
    "mcnemar",
    "ngrams",
    "paired_bootstrap",
]
