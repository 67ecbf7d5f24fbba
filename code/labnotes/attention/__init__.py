"""Attention: weighted pooling whose weights depend on a query."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "multi_head": ["KeysValues", "MultiHeadAttention"],
    "scoring": [
        "AdditiveAttention", "ScaledDotProductAttention", "gaussian_weights", "masked_softmax",
        "nadaraya_watson",
    ],
})  # fmt: skip
