"""What a model does on data that it was not trained on."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "dropout": ["Dropout", "dropout", "dropping", "expected_dropout_fit", "monte_carlo"],
    "weight_decay": ["LinearModel", "decayed_step", "effective_parameters", "ridge"],
})  # fmt: skip
