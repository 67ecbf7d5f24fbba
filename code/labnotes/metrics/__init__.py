"""Metrics: how good a model's output is, as the field measures it."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "answers": ["SquadScores", "squad_scores"],
    "bleu": [
        "BleuScore", "bleu", "bleu_d2l", "brevity_penalty", "clipped_counts", "clipped_precision",
        "closest_length", "corpus_bleu", "ngrams", "tokenize_13a",
    ],
    "cider": ["CiderScore", "cider"],
    "classification": ["accuracy"],
    "correlation": ["matthews", "pearson", "spearman"],
    "detection": [
        "MeanAveragePrecision", "average_precision", "mean_average_precision", "precision_recall",
    ],
    "generation": ["frechet_distance", "inception_score"],
    "language": ["perplexity"],
    "paired": ["McNemar", "mcnemar", "paired_bootstrap"],
    "segmentation": ["class_iou", "confusion_matrix", "dice", "mean_iou", "pixel_accuracy"],
    "tagging": ["Entity", "entities", "entity_f1"],
})  # fmt: skip
