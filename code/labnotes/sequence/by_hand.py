"""A GRU whose gradient is written by hand: backpropagation through time (沿时间反向传播) as a formula.

autograd would record every small operation of every step, and on its way back add to the gradient
of the weights at each of them. Here the way back is two lines a step, and the gradient of the
weights one product over all steps.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from labnotes.checks import check_tensors
from labnotes.sequence.recurrent import GRU, _check_inputs, _check_state


class GRUSteps(torch.autograd.Function):
    """The states of a GRU after every step, and the gradient of all that they depend on.

    The numbers are those of :func:`labnotes.sequence.gru_step` at each time. The gates stand in the
    order r, z, n. What comes back can be differentiated no further.
    """

    @staticmethod
    def forward(ctx, read: Tensor, first: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """States (time, batch, hidden), from what the gates read and recall.

        `read`, (3, time, batch, hidden), holds all biases but n's for what it recalls: `bias`,
        (hidden). `first` is the state before the steps, (batch, hidden), and `weight` multiplies
        the states, (3, hidden, hidden).
        """
        _, steps, batch, size = read.shape
        gates, recalled = read.new_empty(read.shape), read.new_empty(steps, batch, size)
        states = read.new_empty(steps + 1, batch, size)
        states[0] = first
        for t in range(steps):
            h = states[t]
            torch.baddbmm(read[:2, t], h.expand(2, batch, size), weight[:2].mT, out=gates[:2, t])
            r, z = gates[:2, t].sigmoid_()  # (batch, hidden) each
            torch.addmm(bias, h, weight[2].T, out=recalled[t])
            n = torch.addcmul(read[2, t], r, recalled[t], out=gates[2, t]).tanh_()
            torch.lerp(n, h, z, out=states[t + 1])  # (1 - z) n + z h
        ctx.save_for_backward(gates, recalled, states, weight)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx, above: Tensor):
        """The gradients, from the one that reaches each state from `above` (time, batch, hidden)."""
        gates, recalled, states, weight = ctx.saved_tensors
        (r, z, n), before = gates, states[:-1]  # (time, batch, hidden) each
        to_n = (1 - z) * (1 - n * n)  # how the new state moves with the argument of n's tanh
        to_r, to_z = to_n * recalled * r * (1 - r), (before - n) * z * (1 - z)
        at_gates = torch.stack([to_r, to_z, to_n * r])  # (3, time, batch, hidden)
        at_states = torch.cat([torch.zeros_like(above[:1]), above])  # (1 + time, batch, hidden)
        for t in reversed(range(len(above))):
            at_gates[:, t] *= at_states[t + 1]
            at_states[t].addcmul_(z[t], at_states[t + 1]).addbmm_(at_gates[:, t], weight)
        flat = at_gates.flatten(1, 2)  # (3, time * batch, hidden)
        at_weight = flat.mT @ before.flatten(0, 1)  # one product over all steps
        at_bias = flat[2].sum(0)
        at_gates[2] = to_n * at_states[1:]  # n's reading is not multiplied by r
        return at_gates, at_states[0], at_weight, at_bias


class GRUByHand(GRU):
    """One layer of gated recurrent units, in one direction, with the gradient of :class:`GRUSteps`.

    Parameters have the names and shapes of ``nn.GRU(input_size, hidden_size)``.

    Parameters
    ----------
    input_size, hidden_size
        Numbers at each step (or kinds of letters), and numbers in the state.

    Examples
    --------
    >>> outputs, last = GRUByHand(3, 5)(torch.tensor([[0, 2], [1, 1]]))
    >>> outputs.shape, last.shape
    (torch.Size([2, 2, 5]), torch.Size([1, 2, 5]))
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__(input_size, hidden_size)

    def forward(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Read sequences from end to end.

        Parameters
        ----------
        inputs
            ``(time, batch, input_size)``; or letters, whole numbers ``(time, batch)``, which are
            read as one-hot vectors are: the product of a matrix with one is one of its columns.
        state
            ``(1, batch, hidden_size)``; zeros by default.

        Returns
        -------
        tuple of Tensor
            The states at all times, ``(time, batch, hidden_size)``, and the last one, shaped as
            `state`.
        """
        _check_read(inputs, self.input_size, self.weight_ih_l0.dtype)
        if state is None:
            state = self.bias_hh_l0.new_zeros(1, inputs.shape[1], self.hidden_size)
        _check_state((state,), 1, (1, inputs.shape[1], self.hidden_size))
        w_ih, w_hh, b_ih, b_hh = (p.unflatten(0, (3, -1)) for p in self.parameters())
        bias = torch.stack([b_ih[0] + b_hh[0], b_ih[1] + b_hh[1], b_ih[2]])[
            :, None
        ]  # (3, 1, hidden)
        if inputs.is_floating_point():
            rows = inputs.flatten(0, 1).expand(3, -1, -1)  # (3, time * batch, input_size)
            read = torch.baddbmm(bias, rows, w_ih.mT).unflatten(1, inputs.shape[:2])
        else:
            table = (w_ih.mT + bias).flatten(0, 1)  # (3 * input_size, hidden)
            gate = torch.arange(3, device=inputs.device)[:, None, None]
            read = F.embedding(inputs + self.input_size * gate, table)
        outputs = GRUSteps.apply(read, state[0], w_hh, b_hh[2])  # read: (3, time, batch, hidden)
        return outputs, outputs[-1:]


def _check_read(inputs: Tensor, input_size: int, dtype: torch.dtype) -> None:
    check_tensors(inputs=inputs)
    if torch.is_autocast_enabled(inputs.device.type):
        raise ValueError("autocast is on, and this layer is not made for it: use precision='fp32'")
    if inputs.is_floating_point():
        _check_inputs(inputs, input_size, False)
        if inputs.dtype != dtype:
            raise ValueError(f"inputs are {inputs.dtype}, the weights {dtype}: give both the same")
        return
    if inputs.ndim != 2 or not len(inputs) or inputs.is_complex() or inputs.dtype == torch.bool:
        raise ValueError(
            f"inputs are {inputs.dtype} of the shape {tuple(inputs.shape)}: give numbers (time, "
            "batch, input_size), or letters as whole numbers (time, batch), of at least one step"
        )
    if inputs.numel() and not 0 <= inputs.min() <= inputs.max() < input_size:
        raise ValueError(
            f"letters from {inputs.min()} to {inputs.max()}: give whole numbers from 0 to "
            f"{input_size - 1}, as input_size is {input_size}"
        )
