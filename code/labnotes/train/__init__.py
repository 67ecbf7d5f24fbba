"""Training: the loop, what it records, its checkpoints and learning-rate schedules."""

from labnotes.train.checkpoint import CheckpointError
from labnotes.train.fit import fit, seed_epoch
from labnotes.train.history import History
from labnotes.train.measure import accuracy, evaluate
from labnotes.train.recorded import RecordError, record_weights, recorded
from labnotes.train.schedules import constant, cosine, one_cycle, step_decay

__all__ = [
    "CheckpointError",
    "History",
    "RecordError",
    "accuracy",
    "constant",
    "cosine",
    "evaluate",
    "fit",
    "one_cycle",
    "record_weights",
    "recorded",
    "seed_epoch",
    "step_decay",
]
