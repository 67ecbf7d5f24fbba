"""The loss as a landscape over the parameters."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "curvature": ["CriticalPoint", "Eigenpair", "classify", "extreme_eigenpairs", "hessian",
                  "hessian_vector"],
    "surface": ["barrier", "loss_on_line", "surface"],
})  # fmt: skip
