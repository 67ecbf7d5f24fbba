"""Linear models, hidden layers, and what training them takes."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "activations": ["activate"],
    "mlp": ["Gradients", "mlp", "mlp_gradients"],
    "pieces": ["Pieces", "best_slopes", "through_points"],
})  # fmt: skip
