"""Generalization: how well a model does on examples that it has not seen."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "tabular": ["TableEncoder", "k_fold", "log_rmse"],
})  # fmt: skip
