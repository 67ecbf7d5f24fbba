"""A network that writes: an LSTM that predicts the next character of a text."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from labnotes.checks import check_below, check_positive

State = tuple[Tensor, Tensor]


class CharLSTM(nn.Module):
    """A character language model: an embedding, one LSTM layer, a linear layer to the logits.

    Parameters
    ----------
    alphabet
        The characters that it reads and writes, each once. They are kept with the weights, so that
        a saved network knows its own letters.
    embed_size, hidden_size
        Numbers for each character that comes in, and in the hidden state.
    dropout
        Part of the hidden states set to 0 in training on their way to the last layer. (The state
        that the next step reads is left whole.)
    weight_drop
        Part of the weights from hidden state to gates set to 0 in training, others for each batch.

    Raises
    ------
    ValueError
        If a character is there twice or none, a size is not positive, or a part is not in [0, 1).

    References
    ----------
    Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997; for `weight_drop` Merity, Keskar and
    Socher, "Regularizing and Optimizing LSTM Language Models", 2018, section 2.

    Examples
    --------
    >>> network = CharLSTM("abcdr")
    >>> logits, (hidden, cell) = network(network.encode("abracadabra")[None])
    >>> logits.shape, hidden.shape
    (torch.Size([1, 11, 5]), torch.Size([1, 1, 156]))
    """

    def __init__(
        self,
        alphabet: str,
        embed_size: int = 16,
        hidden_size: int = 156,
        dropout: float = 0.0,
        weight_drop: float = 0.0,
    ):
        super().__init__()
        _check_arguments(alphabet, embed_size, hidden_size, dropout, weight_drop)
        self.register_buffer("code_points", torch.tensor([ord(c) for c in alphabet]))
        self.embedding = nn.Embedding(len(alphabet), embed_size)
        self.lstm = nn.LSTM(embed_size, hidden_size, batch_first=True)
        self.output = nn.Linear(hidden_size, len(alphabet))
        self.dropout, self.weight_drop = nn.Dropout(dropout), weight_drop

    @property
    def alphabet(self) -> str:
        """The characters, in the order of their ids."""
        return "".join(map(chr, self.code_points.tolist()))

    def encode(self, text: str) -> Tensor:
        """The ids of a text's characters, ``(len(text),)`` int64, on the network's device.

        Raises
        ------
        ValueError
            If the text has a character that the network does not know.
        """
        ids = {character: i for i, character in enumerate(self.alphabet)}
        _check_known(text, ids)
        return torch.tensor(
            [ids[c] for c in text], dtype=torch.int64, device=self.code_points.device
        )

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """The logits of the character after each one, and the state to go on from.

        Parameters
        ----------
        ids
            ``(batch, steps)``, int64.
        state
            Hidden state and cell, ``(1, batch, hidden_size)`` each; zeros by default.

        Returns
        -------
        tuple
            Logits ``(batch, steps, characters)``, and the state after the last step. It still hangs
            on its graph: detach it before the next batch.

        Raises
        ------
        ValueError
            If `ids` have another shape or no step, or one of them is no character's.
        """
        _check_ids(ids, len(self.code_points))
        embedded = self.embedding(ids)  # (batch, steps, embed)
        changed = {}
        if self.training and self.weight_drop:  # one set of weights for all steps of a batch
            changed["weight_hh_l0"] = F.dropout(self.lstm.weight_hh_l0, self.weight_drop)
        hidden, state = functional_call(self.lstm, changed, (embedded, state))
        # hidden (batch, steps, hidden)
        return self.output(self.dropout(hidden)), state  # (batch, steps, characters)


def _check_arguments(alphabet, embed_size, hidden_size, dropout, weight_drop) -> None:
    if not alphabet or len(set(alphabet)) < len(alphabet):
        raise ValueError(
            f"the alphabet has {len(alphabet)} characters, {len(set(alphabet))} of them different: "
            'give each once, such as "".join(sorted(set(text)))'
        )
    check_positive(embed_size=embed_size, hidden_size=hidden_size)
    for name, part in (("dropout", dropout), ("weight_drop", weight_drop)):
        if not 0 <= part < 1:
            raise ValueError(f"{name} is {part}: give the part that is set to 0, from 0 to below 1")


def _check_known(text: str, ids: dict[str, int]) -> None:
    unknown = sorted(set(text) - set(ids))
    if unknown:
        raise ValueError(
            f"the text has {unknown[:5]}, which are not among the network's {len(ids)} characters: "
            "leave them out or train with them"
        )


def _check_ids(ids: Tensor, size: int) -> None:
    if ids.dim() != 2 or not ids.shape[1]:
        raise ValueError(
            f"ids have the shape {tuple(ids.shape)}: give (batch, steps), at least one step"
        )
    check_below(size, ids=ids)
