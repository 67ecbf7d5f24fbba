"""BERT: the Transformer's encoder, pretrained on text without labels."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "model": ["Bert", "BertConfig", "BertOutput", "from_hugging_face"],
    "pretrained": ["minilm"],
})  # fmt: skip
