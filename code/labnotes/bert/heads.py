"""The layers that turn a pretrained BERT into a classifier, a tagger, a finder of answers.

Each has a `head` that begins with random weights, and an `encoder` that does not. Outputs are
logits. Parameters of the heads have the shapes of Hugging Face's `BertFor...` classes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from labnotes.bert.model import Bert
from labnotes.checks import check_positive


class Classifier(nn.Module):
    """What the two classifiers have in common: an encoder, dropout, one linear layer.

    Parameters
    ----------
    encoder
        A BERT. It is held, not copied.
    num_classes
        Outputs; one for a number, such as a similarity.
    dropout
        Probability, on what goes into the head.
    """

    def __init__(self, encoder: Bert, num_classes: int, dropout: float = 0.1):
        super().__init__()
        check_positive(num_classes=num_classes)
        self.encoder, self.dropout = encoder, nn.Dropout(dropout)
        self.head = new_layer(encoder.config.hidden_size, num_classes)


class SequenceClassifier(Classifier):
    """A label for the whole input: one linear layer on the pooled vector of ``[CLS]``.

    Parameters are those of :class:`Classifier`.

    References
    ----------
    Devlin et al. (2019), section 4.1.

    Examples
    --------
    >>> from labnotes.bert import BertConfig
    >>> small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    >>> model = SequenceClassifier(Bert(BertConfig(vocab_size=50, **small)), 3)
    >>> model(torch.randint(50, (4, 9))).shape
    torch.Size([4, 3])
    """

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Arguments as those of `Bert`; logits ``(batch, num_classes)``."""
        whole = self.encoder(input_ids, attention_mask, token_type_ids).pooler_output
        return self.head(self.dropout(whole))  # (batch, num_classes)


class TokenClassifier(Classifier):
    """A label for each token: the same linear layer on the vector of each.

    Parameters are those of :class:`Classifier`.

    References
    ----------
    Devlin et al. (2019), section 5.3.
    """

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Arguments as those of `Bert`; logits ``(batch, length, num_classes)``."""
        each = self.encoder(input_ids, attention_mask, token_type_ids).last_hidden_state
        return self.head(self.dropout(each))  # (batch, length, num_classes)


class SpanFinder(nn.Module):
    """Where an answer begins and where it ends: two numbers for each token.

    Parameters
    ----------
    encoder
        A BERT. It is held, not copied.

    References
    ----------
    Devlin et al. (2019), section 4.2: the rows of the head are their vectors S and E.
    """

    def __init__(self, encoder: Bert):
        super().__init__()
        self.encoder = encoder
        self.head = new_layer(encoder.config.hidden_size, 2)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Arguments as those of `Bert`; scores of start and end, each ``(batch, length)``.

        Padding scores minus infinity, so a softmax over the tokens leaves it out.
        """
        each = self.encoder(input_ids, attention_mask, token_type_ids).last_hidden_state
        scores = self.head(each)  # (batch, length, 2)
        if attention_mask is not None:
            scores = scores.masked_fill(attention_mask[:, :, None] == 0, -torch.inf)
        return scores[..., 0], scores[..., 1]


def new_layer(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with BERT's first weights: N(0, 0.02²), biases zero."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer


class Span(NamedTuple):
    """The best span of a window: its first and last token, and its lead over "no answer"."""

    first: int
    last: int
    lead: float


def best_span(start: Tensor, end: Tensor, inside: Tensor, longest: int = 30) -> Span:
    """The span with the largest sum of its start's and its end's score.

    Parameters
    ----------
    start, end
        ``(length,)``, scores of one window; those of token 0, ``[CLS]``, stand for "no answer".
    inside
        ``(length,)`` bool, True at tokens of the passage: only there an answer may begin or end.
    longest
        Tokens that a span has at most.

    Returns
    -------
    Span
        The lead is ``start[i] + end[j] - start[0] - end[0]``: positive where the span beats "no
        answer". Without any token inside it is ``Span(0, 0, -inf)``.

    Raises
    ------
    ValueError
        If the shapes differ, a score is NaN, or `longest` is below 1.

    References
    ----------
    Devlin et al. (2019), sections 4.2 and 4.3.

    Examples
    --------
    >>> start, end = torch.tensor([1.0, 0.0, 3.0, 0.0]), torch.tensor([1.0, 4.0, 0.0, 2.0])
    >>> best_span(start, end, torch.tensor([False, True, True, True]))
    Span(first=2, last=3, lead=3.0)
    """
    _check_scores(start, end, inside)
    check_positive(longest=longest)
    n = len(start)
    scores = start[:, None] + end  # (length, length): row is the start, column the end
    order = torch.ones(n, n, dtype=torch.bool, device=start.device).triu().tril(longest - 1)
    allowed = order & inside[:, None] & inside
    if not allowed.any():
        return Span(0, 0, -torch.inf)
    place = int(scores.masked_fill(~allowed, -torch.inf).argmax())
    first, last = divmod(place, n)
    return Span(first, last, float(scores[first, last] - scores[0, 0]))


def _check_scores(start: Tensor, end: Tensor, inside: Tensor) -> None:
    shapes = [tuple(part.shape) for part in (start, end, inside)]
    if start.dim() != 1 or len(set(shapes)) > 1 or not len(start):
        raise ValueError(f"start, end and inside have the shapes {shapes}: give three of (length,)")
    if inside.dtype != torch.bool:
        raise ValueError(f"inside is {inside.dtype}: give bool, True at tokens of the passage")
    if start.isnan().any() or end.isnan().any():
        raise ValueError("start or end holds NaN: the network has diverged, or its input has NaN")
