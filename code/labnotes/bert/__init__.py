"""BERT: the Transformer's encoder, pretrained on text without labels."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "corpus": ["Articles", "Pieces", "count_words", "learn_pieces", "wiki_articles"],
    "model": ["Bert", "BertConfig", "BertOutput", "from_hugging_face"],
    "pretrained": ["minilm"],
    "pretraining": ["BertForPretraining", "Masked", "Pairs", "WordHead", "mask_tokens", "text_pairs"],
})  # fmt: skip
