"""Linear models, hidden layers, and what training them takes."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "linear_regression": [
        "Parameters", "gradient_descent", "least_absolute_line", "linear", "mae", "mae_gradient",
        "mse", "mse_gradient", "normal_equations",
    ],
})  # fmt: skip
