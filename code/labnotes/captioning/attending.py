"""A decoder that looks at a picture's grid of features anew for each word (Show, Attend and Tell)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from labnotes.attention.scoring import AdditiveAttention
from labnotes.checks import check_below, check_positive

#: How often a decoder looks at the picture: before each word, once before the first, or not at all.
LOOKS = ("each", "once", "never")


class State(NamedTuple):
    """What a decoder keeps while it writes; a row for each picture in every part."""

    h: Tensor  #: of the LSTM, ``(batch, hidden)``
    c: Tensor  #: its memory, ``(batch, hidden)``
    features: Tensor  #: ``(batch, cells, size)``
    keys: Tensor  #: the features as attention asks them, ``(batch, cells, attention)``
    query: Tensor  #: what asks: the first h, which a decoder that looks once keeps

    def select(self, rows: Tensor) -> State:
        """The state of those rows ``(m,)``, one maybe several times."""
        return State(*(part[rows] for part in self))


class GridEncoder(nn.Module):
    r"""Four convolutions that turn a picture into a grid of features, a row for each cell.

    A side of the picture is divided by 8: ``(batch, 3, 64, 64)`` gives 64 cells. A learned vector
    for each cell is added, so that the decoder can tell left from right.

    Parameters
    ----------
    size
        Numbers of a cell's feature.
    side
        Cells along a side of the grid.

    Raises
    ------
    ValueError
        If a number is no positive integer; in use, if pictures have another shape.

    Examples
    --------
    >>> GridEncoder(size=16)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 64, 16])
    """

    def __init__(self, size: int = 96, side: int = 8):
        check_positive(size=size, side=side)
        super().__init__()
        self.side = side
        layers = []
        for inputs, outputs, stride in ((3, 16, 2), (16, 32, 2), (32, 64, 1), (64, size, 2)):
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers)
        self.places = nn.Parameter(0.1 * torch.randn(side * side, size))

    def forward(self, images: Tensor) -> Tensor:
        """Features ``(batch, cells, size)`` of pictures ``(batch, 3, 8 * side, 8 * side)``, floats."""
        _check_images(images, 8 * self.side)
        grid = self.body(images)  # (batch, size, side, side)
        return grid.flatten(2).transpose(1, 2) + self.places  # (batch, cells, size)


class CaptionDecoder(nn.Module):
    r"""An LSTM that weighs the cells of a grid before each word.

    With the features :math:`a_1, \ldots, a_L`, the state begins at two perceptrons of their mean.
    Then for each word

    .. math::
        \alpha_t = \mathrm{softmax}_i\, f_{att}(a_i, h_{t-1}), \qquad
        z_t = \sigma(f_\beta(h_{t-1})) \sum_i \alpha_{ti} a_i, \qquad
        h_t, c_t = \mathrm{LSTM}([E y_{t-1}, z_t], h_{t-1}, c_{t-1}),

    and the logits are :math:`L_o(E y_{t-1} + L_h h_t + L_z z_t)`.

    Parameters
    ----------
    vocab_size, feature_size, embed_size, hidden_size
        Tokens; numbers of a feature, of an embedding (and units of the attention), of the state.
    looks
        ``"each"``: attention before each word; ``"once"``: the weights of the first word are kept;
        ``"never"``: the picture enters through the first state alone.
    gate
        Whether the context is multiplied by the gate :math:`\beta_t`, a number between 0 and 1.

    Raises
    ------
    ValueError
        If a size is no positive integer or `looks` no such word.

    References
    ----------
    Xu et al., "Show, Attend and Tell", 2015, section 3.1.2 (state, output) and 4.2.1 (the gate).

    Examples
    --------
    >>> decoder = CaptionDecoder(vocab_size=20, feature_size=16, embed_size=8, hidden_size=12)
    >>> logits, maps = decoder(torch.tensor([[1, 5, 7]]), decoder.start(torch.randn(1, 64, 16)))
    >>> logits.shape, maps.shape
    (torch.Size([1, 3, 20]), torch.Size([1, 3, 64]))
    """

    def __init__(
        self,
        vocab_size: int,
        feature_size: int,
        embed_size: int,
        hidden_size: int,
        looks: str = "each",
        gate: bool = True,
    ):
        check_positive(
            vocab_size=vocab_size,
            feature_size=feature_size,
            embed_size=embed_size,
            hidden_size=hidden_size,
        )
        _check_looks(looks)
        super().__init__()
        self.looks = looks
        self.embedding = nn.Embedding(vocab_size, embed_size)
        self.init_h = perceptron(feature_size, hidden_size)
        self.init_c = perceptron(feature_size, hidden_size)
        self.attention = AdditiveAttention(hidden_size, feature_size, embed_size)
        self.gate = nn.Linear(hidden_size, 1) if gate else None
        self.rnn = nn.LSTMCell(embed_size + feature_size, hidden_size)
        self.from_h = nn.Linear(hidden_size, embed_size)
        self.from_z = nn.Linear(feature_size, embed_size)
        self.logits = nn.Linear(embed_size, vocab_size)

    def start(self, features: Tensor) -> State:
        """The state before the first word, from features ``(batch, cells, feature_size)``."""
        _check_features(features, self.attention.W_k.in_features)
        mean = features.mean(1)  # (batch, feature_size)
        h, c = self.init_h(mean), self.init_c(mean)  # (batch, hidden) each
        return State(h, c, features, self.attention.W_k(features), h)

    def look(self, state: State) -> tuple[Tensor, Tensor]:
        """The context ``(batch, feature_size)`` and the weights of the cells ``(batch, cells)``."""
        query = state.h if self.looks == "each" else state.query
        mixed = torch.tanh(self.attention.W_q(query)[:, None] + state.keys)
        alpha = self.attention.w_v(mixed)[:, :, 0].softmax(-1)  # (batch, cells)
        context = (alpha[:, None] @ state.features)[:, 0]  # (batch, feature_size)
        if self.looks == "never":
            context, alpha = 0 * context, torch.full_like(alpha, 1 / alpha.shape[1])
        if self.gate is not None:
            context = self.gate(state.h).sigmoid() * context
        return context, alpha

    def write(self, tokens: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Logits ``(batch, vocab_size)`` after reading one token each, the weights, the new state."""
        e = self.embedding(tokens)  # (batch, embed_size)
        z, alpha = self.look(state)
        h, c = self.rnn(torch.cat([e, z], -1), (state.h, state.c))
        logits = self.logits(e + self.from_h(h) + self.from_z(z))
        return logits, alpha, state._replace(h=h, c=c)

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, Tensor]:
        """Teacher forcing: what might follow each of the given tokens, and where it looked for it.

        Parameters
        ----------
        tokens
            ``(batch, steps)``, the beginning of the sentence first.
        state
            From :meth:`start`.

        Returns
        -------
        logits : Tensor
            ``(batch, steps, vocab_size)``.
        maps : Tensor
            The weights of the cells ``(batch, steps, cells)``; each row sums to 1.

        Raises
        ------
        ValueError
            If tokens are no integers ``(batch, steps)`` of the vocabulary.
        """
        _check_tokens(tokens, state, self.embedding.num_embeddings)
        logits, maps = [], []
        for word in tokens.unbind(1):
            found, alpha, state = self.write(word, state)
            logits.append(found)
            maps.append(alpha)
        return torch.stack(logits, 1), torch.stack(maps, 1)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Log-probabilities ``(rows, vocab_size)`` after the tokens ``(rows,)``, as a beam asks."""
        logits, _, state = self.write(tokens, state)
        return logits.log_softmax(-1), state


class Captioner(nn.Module):
    """An encoder that makes a grid of a picture, and a decoder that tells it.

    Parameters
    ----------
    encoder
        Called with pictures, it gives features ``(batch, cells, size)``: :class:`GridEncoder`, or
        ``nn.Identity()`` where the features are computed beforehand.
    decoder
        Reads such features.

    Examples
    --------
    >>> model = Captioner(GridEncoder(16), CaptionDecoder(20, 16, 8, 12))
    >>> logits, maps = model(torch.rand(2, 3, 64, 64), torch.tensor([[1, 5], [1, 7]]))
    >>> maps.shape
    torch.Size([2, 2, 64])
    """

    def __init__(self, encoder: nn.Module, decoder: CaptionDecoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, images: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(batch, steps, vocab_size)`` and maps ``(batch, steps, cells)``."""
        return self.decoder(tokens, self.decoder.start(self.encoder(images)))

    @torch.no_grad()
    def caption(self, images: Tensor, begin: int, end: int, width: int, length: int) -> list:
        """Captions by a beam search. Call ``eval()`` first: the mode is left as it is.

        Parameters
        ----------
        images
            What the encoder takes.
        begin, end
            The tokens before the first word and after the last.
        width, length
            Of the beam, and the most tokens of a caption, the end included.

        Returns
        -------
        list of list of Hypothesis
            For each picture at most `width`, the best first, with ``tokens`` and ``score``.

        Raises
        ------
        ValueError
            If `begin` or `end` is no token, `width` or `length` no positive integer, there is no
            picture, or the features are not finite.
        """
        from labnotes.sequence.search import batched_beam_search

        _check_begin(begin, self.decoder.embedding.num_embeddings)
        state = self.decoder.start(self.encoder(images))
        first = torch.full((len(images),), begin, device=images.device)
        return batched_beam_search(
            self.decoder.step, state, first, end, width, length, select=State.select
        )


def perceptron(inputs: int, outputs: int) -> nn.Sequential:
    """A perceptron with one hidden layer whose answer lies between -1 and 1, as an LSTM's state."""
    return nn.Sequential(
        nn.Linear(inputs, outputs), nn.Tanh(), nn.Linear(outputs, outputs), nn.Tanh()
    )


def even_looks(maps: Tensor, lengths: Tensor) -> Tensor:
    r"""The doubly stochastic term: :math:`\sum_i (1 - \sum_t \alpha_{ti})^2`, its mean over pictures.

    Parameters
    ----------
    maps
        Weights ``(batch, steps, cells)``.
    lengths
        How many of the steps count, ``(batch,)``; the others are padding.

    Returns
    -------
    Tensor
        One number.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a length is below 0 or above the number of steps.

    References
    ----------
    Xu et al., "Show, Attend and Tell", 2015, section 4.2.1, equation 14.

    Examples
    --------
    >>> even_looks(torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), torch.tensor([2]))
    tensor(0.)
    """
    _check_maps(maps, lengths)
    counts = torch.arange(maps.shape[1], device=maps.device) < lengths[:, None]  # (batch, steps)
    looked = (maps * counts[:, :, None]).sum(1)  # (batch, cells)
    return (1 - looked).square().sum(-1).mean()


def _check_looks(looks: str) -> None:
    if looks not in LOOKS:
        raise ValueError(f"looks is {looks!r}: give one of {', '.join(map(repr, LOOKS))}")


def _check_images(images: Tensor, side: int) -> None:
    if not isinstance(images, Tensor):
        raise ValueError(f"pictures are a {type(images).__name__}: give a tensor of floats")
    if images.dim() != 4 or images.shape[1:] != (3, side, side) or not images.is_floating_point():
        raise ValueError(
            f"pictures are {images.dtype} {tuple(images.shape)}: give floats (batch, 3, {side}, "
            f"{side}), or build the encoder with another side"
        )


def _check_features(features: Tensor, size: int) -> None:
    if features.dim() != 3 or features.shape[1] == 0 or features.shape[2] != size:
        raise ValueError(
            f"features have the shape {tuple(features.shape)}: give (batch, cells, {size}) with at "
            "least one cell"
        )
    if not features.is_floating_point():
        raise ValueError(f"features are {features.dtype}: give floats")


def _check_tokens(tokens: Tensor, state: State, size: int) -> None:
    fits = isinstance(tokens, Tensor) and tokens.dim() == 2 and tokens.shape[1] > 0
    if not fits or len(tokens) != len(state.h) or tokens.dtype not in (torch.int64, torch.int32):
        what = f"{tokens.dtype} {tuple(tokens.shape)}" if isinstance(tokens, Tensor) else tokens
        raise ValueError(
            f"tokens are {what}: give integers ({len(state.h)}, steps) with at least one step"
        )
    check_below(size, tokens=tokens)


def _check_begin(begin: int, size: int) -> None:
    if not 0 <= begin < size:
        raise ValueError(f"begin is {begin}: token numbers go from 0 to {size - 1}")


def _check_maps(maps: Tensor, lengths: Tensor) -> None:
    if not isinstance(maps, Tensor) or not isinstance(lengths, Tensor):
        raise ValueError(
            f"maps and lengths are {type(maps).__name__} and {type(lengths).__name__}: give tensors"
        )
    if maps.dim() != 3 or lengths.shape != maps.shape[:1]:
        raise ValueError(
            f"maps have the shape {tuple(maps.shape)} and lengths {tuple(lengths.shape)}: give "
            "(batch, steps, cells) and one length for each picture (batch,)"
        )
    steps = maps.shape[1]
    if not lengths.is_cuda and len(lengths) and not 0 <= lengths.min() <= lengths.max() <= steps:
        raise ValueError(
            f"lengths go from {lengths.min()} to {lengths.max()}: the maps have {steps} steps"
        )
