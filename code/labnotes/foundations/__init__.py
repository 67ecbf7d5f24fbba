"""Linear models, hidden layers, and what training them takes."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "calibration": ["Reliability", "reliability"],
    "softmax": ["cross_entropy", "log_softmax", "softmax"],
})  # fmt: skip
