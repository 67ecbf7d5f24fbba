"""The Transformer: encoder and decoder blocks with torch's parameters, and the whole of it."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "blocks": ["DecoderBlock", "EncoderBlock"],
    "model": ["Decoder", "Encoder", "Transformer"],
    "packed": ["encode_packed"],
})  # fmt: skip
