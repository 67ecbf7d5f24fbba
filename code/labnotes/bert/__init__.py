"""BERT: the Transformer's encoder, pretrained on text without labels."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "corpus": ["Articles", "Pieces", "count_words", "learn_pieces", "wiki_articles"],
    "heads": ["SequenceClassifier", "Span", "SpanFinder", "TokenClassifier", "best_span"],
    "inputs": [
        "Inputs", "Row", "Window", "batch_of", "encode", "encode_words", "labels_of_pieces",
        "places_of_answer", "windows",
    ],
    "lora": ["LowRank", "add_lora", "merge_lora"],
    "model": ["Bert", "BertConfig", "BertOutput", "from_hugging_face"],
    "pretrained": ["minilm"],
    "pretraining": ["BertForPretraining", "Masked", "Pairs", "WordHead", "mask_tokens", "text_pairs"],
    "stand_in": ["StandIn", "stand_in"],
})  # fmt: skip
