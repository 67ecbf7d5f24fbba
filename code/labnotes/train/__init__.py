"""Training: the loop, what it records, its checkpoints and learning-rate schedules."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "checkpoint": ["CheckpointError"],
    "fit": ["fit", "seed_epoch"],
    "history": ["History"],
    "measure": ["accuracy", "evaluate"],
    "schedules": ["constant", "cosine", "one_cycle", "step_decay"],
})  # fmt: skip
