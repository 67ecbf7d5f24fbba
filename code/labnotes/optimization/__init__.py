"""What a loss looks like around a point, and how steps go down on it."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "curvature": ["CriticalPoint", "Eigenpair", "classify", "extreme_eigenpairs", "hessian",
                  "hessian_vector"],
    "surface": ["barrier", "loss_on_line", "surface"],
    "noise": ["batch_variance", "per_example_gradients", "stationary_variance"],
    "quadratic": ["descend_quadratic", "largest_stable_rate"],
})  # fmt: skip
