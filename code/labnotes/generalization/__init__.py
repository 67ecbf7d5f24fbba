"""What a model does on examples that it has not seen, and how to make that better."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "dropout": ["Dropout", "dropout", "dropping", "expected_dropout_fit", "monte_carlo"],
    "model_selection": [
        "Diagnosis", "Losses", "diagnose", "minimum_norm", "polynomial_features",
    ],
    "shift": [
        "effective_sample_size", "importance_weights", "joint_confusion", "label_shift_weights",
        "softmax_regression",
    ],
    "tabular": ["TableEncoder", "k_fold", "log_rmse"],
    "weight_decay": ["LinearModel", "decayed_step", "effective_parameters", "ridge"],
})  # fmt: skip
