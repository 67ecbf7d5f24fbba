"""What a model does on data that it was not trained on."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "weight_decay": ["LinearModel", "decayed_step", "effective_parameters", "ridge"],
})  # fmt: skip
