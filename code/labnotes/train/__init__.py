"""Training: the loop, what it records, its checkpoints and learning-rate schedules."""

from labnotes.train.checkpoint import CheckpointError
from labnotes.train.fit import fit, seed_epoch
from labnotes.train.history import History
from labnotes.train.measure import accuracy, evaluate
from labnotes.train.schedules import constant, cosine, one_cycle, step_decay

__all__ = [
    "CheckpointError",
    "History",
    "accuracy",
    "constant",
    "cosine",
    "evaluate",
    "fit",
    "one_cycle",
    "seed_epoch",
    "step_decay",
]
