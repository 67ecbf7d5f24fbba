"""The book's data sets, and minibatches of them."""

from labnotes.data.batches import Batches, channel_statistics, random_crop, random_flip
from labnotes.data.catalog import DatasetUnavailable
from labnotes.data.folder import image_folder
from labnotes.data.jitter import scale_jitter
from labnotes.data.provenance import Provenance
from labnotes.data.text import SentencePairs, english_french, tokenize
from labnotes.data.vision import (
    ImageData,
    ImageSet,
    Photos,
    cifar10,
    digits,
    fashion_mnist,
    photos,
)

__all__ = [
    "Batches",
    "DatasetUnavailable",
    "ImageData",
    "ImageSet",
    "Photos",
    "Provenance",
    "SentencePairs",
    "channel_statistics",
    "cifar10",
    "digits",
    "english_french",
    "fashion_mnist",
    "image_folder",
    "photos",
    "random_crop",
    "random_flip",
    "scale_jitter",
    "tokenize",
]
