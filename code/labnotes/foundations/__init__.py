"""Linear models and perceptrons: what every deep network is made of."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "calibration": ["Reliability", "reliability"],
    "softmax": ["cross_entropy", "log_softmax", "softmax"],
})  # fmt: skip
