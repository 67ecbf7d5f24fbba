"""Pictures with boxes that fit in memory, in batches."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "batches": ["BoxBatches", "in_memory_boxes"],
    "changes": ["images_only", "random_box_flip"],
})  # fmt: skip
