"""The book's data sets, and minibatches of them."""

from labnotes.data.batches import Batches, channel_statistics, random_crop, random_flip
from labnotes.data.captions import CaptionData, coco_captions
from labnotes.data.catalog import DatasetUnavailable
from labnotes.data.corpora import Text, time_machine, tiny_shakespeare, wikitext2
from labnotes.data.folder import flower_photos, image_folder
from labnotes.data.jitter import scale_jitter
from labnotes.data.labelled import (
    LabelledText,
    Question,
    Questions,
    sentiment_sentences,
    snli,
    sst2,
    wnut17,
    xquad_en,
)
from labnotes.data.pets import PetData, oxford_pets
from labnotes.data.photographs import Photos, photos
from labnotes.data.pictures import PictureData, Pictures, as_lists
from labnotes.data.provenance import Provenance
from labnotes.data.tables import Airfoil, HousePrices, NumberSet, Table, airfoil, house_prices
from labnotes.data.text import (
    ParallelText,
    SentencePairs,
    english_french,
    multi30k,
    tokenize,
)
from labnotes.data.vectors import WordVectors, glove
from labnotes.data.vision import ImageData, ImageSet, cifar10, digits, fashion_mnist
from labnotes.data.voc import DetectionData, bccd

__all__ = [
    "Airfoil",
    "Batches",
    "CaptionData",
    "DatasetUnavailable",
    "DetectionData",
    "HousePrices",
    "ImageData",
    "ImageSet",
    "LabelledText",
    "NumberSet",
    "ParallelText",
    "PetData",
    "Photos",
    "PictureData",
    "Pictures",
    "Provenance",
    "Question",
    "Questions",
    "SentencePairs",
    "Table",
    "Text",
    "WordVectors",
    "airfoil",
    "as_lists",
    "bccd",
    "channel_statistics",
    "cifar10",
    "coco_captions",
    "digits",
    "english_french",
    "fashion_mnist",
    "flower_photos",
    "glove",
    "house_prices",
    "image_folder",
    "multi30k",
    "oxford_pets",
    "photos",
    "random_crop",
    "random_flip",
    "scale_jitter",
    "sentiment_sentences",
    "snli",
    "sst2",
    "time_machine",
    "tiny_shakespeare",
    "tokenize",
    "wikitext2",
    "wnut17",
    "xquad_en",
]
