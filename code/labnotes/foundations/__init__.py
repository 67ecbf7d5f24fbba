"""Linear models, hidden layers, and what training them takes."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "linear_regression": [
        "Parameters", "gradient_descent", "least_absolute_line", "linear", "mae", "mae_gradient",
        "mse", "mse_gradient", "normal_equations",
    ],
    "calibration": ["Reliability", "reliability"],
    "softmax": ["cross_entropy", "log_softmax", "softmax"],
    "activations": ["activate"],
    "mlp": ["Gradients", "mlp", "mlp_gradients"],
    "pieces": ["Pieces", "best_slopes", "through_points"],
    "stability": [
        "MeanSquares", "Sizes", "expected_sizes", "layer_sizes", "mean_squares", "rms",
    ],
})  # fmt: skip
