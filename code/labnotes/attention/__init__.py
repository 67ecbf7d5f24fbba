"""Attention: weighted pooling whose weights depend on a query."""

from labnotes.attention.scoring import (
    AdditiveAttention,
    ScaledDotProductAttention,
    gaussian_weights,
    masked_softmax,
    nadaraya_watson,
)

__all__ = [
    "AdditiveAttention",
    "ScaledDotProductAttention",
    "gaussian_weights",
    "masked_softmax",
    "nadaraya_watson",
]
