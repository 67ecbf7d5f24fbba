"""Style transfer: what a picture shows and how it is painted, as losses on features of a network."""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "features": ["layer_outputs"],
    "losses": ["content_loss", "gram", "style_loss", "total_variation"],
    "transfer": ["TransferLoss", "stylize"],
})  # fmt: skip
