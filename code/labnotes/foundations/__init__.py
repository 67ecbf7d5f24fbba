"""Linear models, hidden layers, and what training them takes."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "stability": [
        "MeanSquares", "Sizes", "expected_sizes", "layer_sizes", "mean_squares", "rms",
    ],
})  # fmt: skip
