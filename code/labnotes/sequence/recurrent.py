"""RNN, GRU and LSTM from their equations, one step after the other.

Parameters have torch's names and shapes, so that state dicts load both ways.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from labnotes.checks import check_positive

State = tuple[Tensor, ...]

# --- one step ----------------------------------------------------------------------------------
#
# `read` is what the step reads, W_ih x + b_ih, (batch, gates * hidden); `recalled` what it
# remembers, W_hh h + b_hh, of the same shape. Both hold the gates side by side.


def rnn_step(read: Tensor, recalled: Tensor, state: State) -> State:
    r""":math:`\mathbf{h}' = \tanh(\mathbf{W}_{ih}\mathbf{x} + \mathbf{W}_{hh}\mathbf{h} + \mathbf{b})`.

    Parameters
    ----------
    read, recalled
        The two products, bias included, ``(batch, hidden)``.
    state
        ``(h,)``, the state before the step; here it comes in through `recalled` alone.

    Returns
    -------
    tuple of Tensor
        ``(h,)`` after the step, ``(batch, hidden)``.

    References
    ----------
    Elman, "Finding structure in time", 1990.
    """
    return (torch.tanh(read + recalled),)


def gru_step(read: Tensor, recalled: Tensor, state: State) -> State:
    r"""Gated recurrent unit: :math:`\mathbf{h}' = (1-\mathbf{z})\odot\mathbf{n} + \mathbf{z}\odot\mathbf{h}`.

    The update gate z (更新门) says how much of the state stays; the reset gate r (重置门) how much of
    it the candidate n sees.

    Parameters
    ----------
    read, recalled
        The two products, bias included, ``(batch, 3 * hidden)``: r, z and n side by side.
    state
        ``(h,)`` before the step.

    Returns
    -------
    tuple of Tensor
        ``(h,)`` after the step.

    References
    ----------
    Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014, equations 5 to 8.
    There r is applied to the state before its matrix; here, as in torch, to the product behind it,
    which allows one matrix product for all three.
    """
    (hidden,) = state
    read_r, read_z, read_n = read.chunk(3, -1)  # (batch, hidden) each
    recalled_r, recalled_z, recalled_n = recalled.chunk(3, -1)
    r = torch.sigmoid(read_r + recalled_r)
    z = torch.sigmoid(read_z + recalled_z)
    candidate = torch.tanh(read_n + r * recalled_n)
    return ((1 - z) * candidate + z * hidden,)


def lstm_step(read: Tensor, recalled: Tensor, state: State) -> State:
    r"""Long short-term memory: :math:`\mathbf{c}' = \mathbf{f}\odot\mathbf{c} + \mathbf{i}\odot\mathbf{g}`.

    The forget gate f (遗忘门) says what of the cell stays, the input gate i (输入门) what of the
    candidate g comes in, the output gate o (输出门) what the others see:
    :math:`\mathbf{h}' = \mathbf{o}\odot\tanh\mathbf{c}'`.

    Parameters
    ----------
    read, recalled
        The two products, bias included, ``(batch, 4 * hidden)``: i, f, g and o side by side.
    state
        ``(h, c)`` before the step.

    Returns
    -------
    tuple of Tensor
        ``(h, c)`` after the step.

    References
    ----------
    Gers, Schmidhuber and Cummins, "Learning to Forget: Continual Prediction with LSTM", 2000; the
    first LSTM of Hochreiter and Schmidhuber, 1997, has no forget gate.
    """
    _, cell = state
    i, f, g, o = (read + recalled).chunk(4, -1)  # (batch, hidden) each
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


# --- layers ------------------------------------------------------------------------------------


class _Recurrent(nn.Module):
    """What the three have in common: the steps over time, directions and layers."""

    gates: int
    states: int  # tensors in the state

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        batch_first: bool = False,
    ):
        super().__init__()
        check_positive(input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bidirectional, self.batch_first = bidirectional, batch_first
        self.suffixes = ("", "_reverse") if bidirectional else ("",)
        for layer in range(num_layers):
            size = input_size if layer == 0 else hidden_size * len(self.suffixes)
            for suffix in self.suffixes:
                rows = self.gates * hidden_size
                for name, shape in (
                    ("weight_ih", (rows, size)), ("weight_hh", (rows, hidden_size)),
                    ("bias_ih", (rows,)), ("bias_hh", (rows,)),
                ):  # fmt: skip
                    weight = nn.Parameter(torch.empty(shape))
                    self.register_parameter(f"{name}_l{layer}{suffix}", weight)
        for weight in self.parameters():  # as torch does it, in its order
            nn.init.uniform_(weight, -(hidden_size**-0.5), hidden_size**-0.5)

    @staticmethod
    def step(read: Tensor, recalled: Tensor, state: State) -> State:
        raise NotImplementedError

    def forward(self, inputs, state=None):
        """Read sequences from end to end.

        Parameters
        ----------
        inputs
            ``(time, batch, input_size)``, or ``(batch, time, input_size)`` with `batch_first`, or a
            ``PackedSequence``, in which each sequence ends where it ends.
        state
            ``(layers * directions, batch, hidden_size)``, for the LSTM a pair of them; zeros by
            default.

        Returns
        -------
        tuple
            The states of the last layer at all times, ``(time, batch, directions * hidden_size)``
            or as `inputs` were given, both directions side by side; and the last state of each
            layer and direction, shaped as `state`: of each sequence after *its* last step.
        """
        padded, lengths = self._unpacked(inputs)  # (time, batch, input_size)
        state = self._split(state, padded)
        last: list[State] = []
        for layer in range(self.num_layers):
            outputs = []
            for suffix in self.suffixes:
                out, end = self._run(f"l{layer}{suffix}", padded, state[len(last)], lengths)
                outputs.append(out)
                last.append(end)
            padded = torch.cat(outputs, -1)  # (time, batch, directions * hidden)
        end = tuple(torch.stack(parts) for parts in zip(*last))
        return self._packed(padded, inputs, lengths), end if self.states > 1 else end[0]

    def _run(self, name: str, inputs: Tensor, state: State, lengths) -> tuple[Tensor, State]:
        """One layer in one direction: all its outputs ``(time, batch, hidden)`` and its last state."""
        w_ih, w_hh, b_ih, b_hh = (
            getattr(self, f"{kind}_{name}")
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        read = inputs @ w_ih.T + b_ih  # (time, batch, gates * hidden): all times in one product
        times = range(len(inputs))
        outputs = [None] * len(inputs)
        for t in reversed(times) if name.endswith("_reverse") else times:
            new = self.step(read[t], state[0] @ w_hh.T + b_hh, state)
            if lengths is not None:  # past its end a sequence keeps its state
                on = (t < lengths)[:, None]  # (batch, 1)
                new = tuple(torch.where(on, after, before) for after, before in zip(new, state))
            outputs[t], state = new[0], new
        return torch.stack(outputs), state

    def _unpacked(self, inputs) -> tuple[Tensor, Tensor | None]:
        if isinstance(inputs, PackedSequence):
            padded, lengths = pad_packed_sequence(inputs)
            _check_inputs(padded, self.input_size, False)
            return padded, lengths.to(padded.device)
        _check_inputs(inputs, self.input_size, self.batch_first)
        return inputs.transpose(0, 1) if self.batch_first else inputs, None

    def _packed(self, outputs: Tensor, inputs, lengths: Tensor | None):
        """Outputs in the form in which the inputs came."""
        if lengths is not None:
            return pack_padded_sequence(
                outputs, lengths.cpu(), enforce_sorted=inputs.sorted_indices is None
            )
        return outputs.transpose(0, 1) if self.batch_first else outputs

    def _split(self, state, padded: Tensor) -> list[State]:
        """The first state of each layer and direction."""
        count, batch = self.num_layers * len(self.suffixes), padded.shape[1]
        shape = (count, batch, self.hidden_size)
        if state is None:
            state = (padded.new_zeros(shape),) * self.states
        elif self.states == 1:
            state = (state,)
        _check_state(state, self.states, shape)
        return list(zip(*state))  # one tuple of (batch, hidden) for each


class RNN(_Recurrent):
    """Plain recurrent layers (循环神经网络): :func:`rnn_step` at each time.

    Parameters
    ----------
    input_size, hidden_size
        Numbers at each step, and numbers in the state.
    num_layers
        Layers; each reads the states of the one below.
    bidirectional
        Read from the end too, with weights of its own.
    batch_first
        Whether the batch comes before time in inputs and outputs (never in the state).

    Examples
    --------
    >>> outputs, last = RNN(3, 5)(torch.zeros(7, 2, 3))
    >>> outputs.shape, last.shape
    (torch.Size([7, 2, 5]), torch.Size([1, 2, 5]))
    """

    gates, states = 1, 1
    step = staticmethod(rnn_step)


class GRU(_Recurrent):
    """Layers of gated recurrent units (门控循环单元): :func:`gru_step` at each time.

    Parameters, inputs and outputs are those of :class:`RNN`.

    Examples
    --------
    >>> GRU(3, 5, bidirectional=True)(torch.zeros(7, 2, 3))[0].shape
    torch.Size([7, 2, 10])
    """

    gates, states = 3, 1
    step = staticmethod(gru_step)


class LSTM(_Recurrent):
    """Layers of long short-term memory (长短期记忆): :func:`lstm_step` at each time.

    Parameters are those of :class:`RNN`; the state is a pair, hidden state and cell.

    Examples
    --------
    >>> outputs, (hidden, cell) = LSTM(3, 5, num_layers=2)(torch.zeros(7, 2, 3))
    >>> cell.shape
    torch.Size([2, 2, 5])
    """

    gates, states = 4, 2
    step = staticmethod(lstm_step)


def _check_inputs(inputs: Tensor, input_size: int, batch_first: bool) -> None:
    order = "(batch, time, input_size)" if batch_first else "(time, batch, input_size)"
    shape = tuple(inputs.shape)
    if len(shape) != 3 or shape[-1] != input_size or not shape[1 if batch_first else 0]:
        raise ValueError(
            f"inputs have the shape {shape}: give {order} with input_size {input_size} and at "
            "least one step"
        )


def _check_state(state, count: int, shape: tuple[int, ...]) -> None:
    if not isinstance(state, tuple) or len(state) != count:
        raise ValueError(f"the state is {type(state).__name__}: give {count} tensors of {shape}")
    for part in state:
        if tuple(part.shape) != shape:
            raise ValueError(
                f"a state has the shape {tuple(part.shape)}: give (layers * directions, batch, "
                f"hidden_size), {shape}"
            )
