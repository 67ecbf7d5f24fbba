"""The book's data sets, and minibatches of them."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "batches": ["Batches", "channel_statistics", "random_crop", "random_flip"],
    "catalog": ["DatasetUnavailable"],
    "folder": ["image_folder"],
    "jitter": ["scale_jitter"],
    "provenance": ["Provenance"],
    "text": ["SentencePairs", "english_french", "tokenize"],
    "vision": ["ImageData", "ImageSet", "Photos", "cifar10", "digits", "fashion_mnist", "photos"],
})  # fmt: skip
