"""BERT's network, and how the weights that Hugging Face publishes get into it.

Batch first. Arguments and results have the names of Hugging Face's `BertModel`; a mask is 1 where a
token counts, as there (and not True where it is hidden, as in torch's layers).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labnotes.checks import check_below, check_positive
from labnotes.transformer.blocks import EncoderBlock


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a BERT, by Hugging Face's names; the defaults are those of the base model."""

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    hidden_dropout_prob: float = 0.1
    layer_norm_eps: float = 1e-12

    @classmethod
    def read(cls, values: Mapping) -> BertConfig:
        """From a published ``config.json``; what plays no part here is left out.

        Raises
        ------
        ValueError
            If the activation is not GELU or the positions are not absolute.
        """
        _check_kind(values)
        return cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})


class BertOutput(NamedTuple):
    """What BERT says of a text.

    Attributes
    ----------
    last_hidden_state
        A vector for each token, ``(batch, length, hidden_size)``.
    pooler_output
        One for the whole, ``(batch, hidden_size)``: the first token's, once more transformed.
    """

    last_hidden_state: Tensor
    pooler_output: Tensor


class Bert(nn.Module):
    """BERT: three embeddings, a stack of encoder blocks, a pooler on the first token.

    Parameters
    ----------
    config
        The sizes.

    Raises
    ------
    ValueError
        If a size is not positive, or the heads do not divide the features.

    References
    ----------
    Devlin et al. (2019), BERT: Pre-training of deep bidirectional transformers for language
    understanding, section 3. Weights start from N(0, 0.02²), as in the authors' code.

    Examples
    --------
    >>> sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    >>> model = Bert(BertConfig(vocab_size=50, intermediate_size=32, **sizes))
    >>> tokens, whole = model(torch.randint(50, (2, 7)))
    >>> tokens.shape, whole.shape
    (torch.Size([2, 7, 16]), torch.Size([2, 16]))
    """

    def __init__(self, config: BertConfig):
        super().__init__()
        _check_config(config)
        size = config.hidden_size
        self.config = config
        self.words = nn.Embedding(config.vocab_size, size)
        self.positions = nn.Embedding(config.max_position_embeddings, size)
        self.segments = nn.Embedding(config.type_vocab_size, size)
        self.norm = nn.LayerNorm(size, config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.layers = nn.ModuleList(
            EncoderBlock(
                size, config.num_attention_heads, config.intermediate_size,
                config.hidden_dropout_prob, activation=F.gelu,
                layer_norm_eps=config.layer_norm_eps,
            )
            for _ in range(config.num_hidden_layers)
        )  # fmt: skip
        self.pooler = nn.Linear(size, size)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> BertOutput:
        """A vector for each token and one for the whole.

        Parameters
        ----------
        input_ids
            Token numbers, int64, ``(batch, length)``; the first is ``[CLS]``.
        attention_mask
            ``(batch, length)``, 1 where a token counts and 0 at padding. None: all count.
        token_type_ids
            The segment of each token, 0 or 1, ``(batch, length)``. None: all are of the first.

        Raises
        ------
        ValueError
            If shapes do not fit, a number is not in the vocabulary, or the text is too long.
        """
        _check_inputs(input_ids, attention_mask, token_type_ids, self.config)
        if token_type_ids is None:
            token_type_ids = torch.zeros_like(input_ids)
        places = self.positions.weight[: input_ids.shape[1]]  # (length, hidden_size)
        x = self.words(input_ids) + self.segments(token_type_ids) + places
        x = self.dropout(self.norm(x))
        padding = None if attention_mask is None else attention_mask == 0
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        return BertOutput(x, torch.tanh(self.pooler(x[:, 0])))


#: Hugging Face's name of each part, as a pattern, and ours.
NAMES = {
    r"embeddings\.word_embeddings\.": "words.",
    r"embeddings\.position_embeddings\.": "positions.",
    r"embeddings\.token_type_embeddings\.": "segments.",
    r"embeddings\.LayerNorm\.": "norm.",
    r"encoder\.layer\.(\d+)\.attention\.output\.dense\.": r"layers.\1.self_attn.out_proj.",
    r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.": r"layers.\1.norm1.",
    r"encoder\.layer\.(\d+)\.intermediate\.dense\.": r"layers.\1.linear1.",
    r"encoder\.layer\.(\d+)\.output\.dense\.": r"layers.\1.linear2.",
    r"encoder\.layer\.(\d+)\.output\.LayerNorm\.": r"layers.\1.norm2.",
    r"pooler\.dense\.": "pooler.",
}
PROJECTION = re.compile(r"encoder\.layer\.(\d+)\.attention\.self\.(query|key|value)\.(weight|bias)")


def from_hugging_face(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of Hugging Face's `BertModel` under the names of :class:`Bert`.

    The projections of queries, keys and values, three matrices there, become one, of which each has
    a third. Heads for other tasks (``cls.``) are left out, as is ``position_ids``, which holds no
    weights.

    Parameters
    ----------
    state_dict
        With or without ``bert.`` before its names.

    Returns
    -------
    dict
        For ``Bert(config).load_state_dict``, in the types that came.

    Raises
    ------
    ValueError
        If a name is not one of BERT's, or one of the three projections is missing.
    """
    found, projections = {}, {}
    for full, tensor in state_dict.items():
        name = full.removeprefix("bert.")
        if name.startswith("cls.") or name == "embeddings.position_ids":
            continue
        if match := PROJECTION.fullmatch(name):
            layer, which, kind = match.groups()
            ours = f"layers.{layer}.self_attn.in_proj_{kind}"
            projections.setdefault(ours, {})[which] = tensor
        else:
            found[_renamed(name)] = tensor
    for ours, parts in projections.items():
        _check_projections(ours, parts)
        found[ours] = torch.cat([parts["query"], parts["key"], parts["value"]])
    return found


def _renamed(name: str) -> str:
    for pattern, ours in NAMES.items():
        renamed, count = re.subn(f"^{pattern}", ours, name)
        if count:
            return renamed
    raise ValueError(f"{name} is no weight of Hugging Face's BertModel: give its state_dict()")


def _check_projections(name: str, parts: Mapping[str, Tensor]) -> None:
    if missing := {"query", "key", "value"} - parts.keys():
        raise ValueError(f"{name} lacks {', '.join(sorted(missing))}: give the whole state_dict()")


def _check_kind(values: Mapping) -> None:
    for name, expected in (("hidden_act", "gelu"), ("position_embedding_type", "absolute")):
        if values.get(name, expected) != expected:
            raise ValueError(f"{name} is {values[name]!r}: this BERT knows {expected!r} alone")


def _check_config(config: BertConfig) -> None:
    check_positive(
        **{f.name: getattr(config, f.name) for f in fields(BertConfig) if f.type == "int"}
    )


def _check_inputs(input_ids, attention_mask, token_type_ids, config: BertConfig) -> None:
    if input_ids.dim() != 2 or input_ids.dtype not in (torch.int64, torch.int32):
        raise ValueError(
            f"input_ids are {input_ids.dtype} of shape {tuple(input_ids.shape)}: give integers "
            "(batch, length)"
        )
    for name, given in (("attention_mask", attention_mask), ("token_type_ids", token_type_ids)):
        if given is not None and given.shape != input_ids.shape:
            raise ValueError(
                f"{name} has shape {tuple(given.shape)}: give {tuple(input_ids.shape)}, as input_ids"
            )
    if not 0 < input_ids.shape[1] <= config.max_position_embeddings:
        raise ValueError(
            f"the text has {input_ids.shape[1]} tokens: give 1 to {config.max_position_embeddings}, "
            "or cut it into windows"
        )
    check_below(config.vocab_size, input_ids=input_ids)
    if token_type_ids is not None:
        check_below(config.type_vocab_size, token_type_ids=token_type_ids)
