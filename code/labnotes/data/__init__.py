"""The book's data sets, and minibatches of them."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "augment.color": ["color_jitter"],
    "augment.erasing": ["random_erasing"],
    "augment.mixing": ["cut_box", "cutmix", "mixup"],
    "batches": ["Batches", "channel_statistics", "random_crop", "random_flip"],
    "boxed.batches": ["BoxBatches", "in_memory_boxes"],
    "boxed.changes": ["images_only", "random_box_flip"],
    "captions": ["CaptionData", "coco_captions"],
    "catalog": ["DatasetUnavailable"],
    "corpora": ["Text", "time_machine", "tiny_shakespeare", "wikitext2"],
    "folder": ["flower_photos", "image_folder"],
    "jitter": ["scale_jitter"],
    "labelled": [
        "LabelledText", "Question", "Questions", "sentiment_sentences", "snli", "sst2", "wnut17",
        "xquad_en",
    ],
    "networks.torchvisions": ["pretrained"],
    "pets": ["PetData", "oxford_pets"],
    "photographs": ["Photos", "photos"],
    "pictures": ["PictureData", "Pictures", "as_lists"],
    "provenance": ["Provenance"],
    "rows": ["minibatches"],
    "tables": ["Airfoil", "HousePrices", "NumberSet", "Table", "airfoil", "house_prices"],
    "text": ["ParallelText", "SentencePairs", "english_french", "multi30k", "tokenize"],
    "vectors": ["WordVectors", "glove"],
    "vision": ["ImageData", "ImageSet", "cifar10", "digits", "fashion_mnist"],
    "voc": ["DetectionData", "VocData", "bccd", "voc2007", "voc2012"],
    "worlds.drawn": ["World"],
})  # fmt: skip
