"""A GRU whose gradient is written by hand: backpropagation through time (沿时间反向传播) as a formula.

autograd would record every small operation of every step, each with its own result, and take them
back one by one. Here a step keeps its gates and what n recalls; its way back is the chain rule of the
whole step, in a few operations whose numbers stay in the processor's cache.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from labnotes.checks import check_below, check_tensors
from labnotes.sequence.recurrent import GRU, _check_inputs, _check_state


class GRUSteps(torch.autograd.Function):
    """The states of a GRU after every step, and the gradient of all that they depend on.

    The numbers are those of :func:`labnotes.sequence.gru_step` at each time. What comes back can be
    differentiated no further.
    """

    @staticmethod
    def forward(ctx, inputs, first, w_ih, w_hh, b_ih, b_hh) -> Tensor:
        """States (time, batch, hidden), from inputs or letters and the state before, (batch, hidden)."""
        steps, batch, size = *inputs.shape[:2], w_hh.shape[1]
        bias = torch.cat([b_ih[:-size] + b_hh[:-size], b_ih[-size:]])  # r, z, n
        if inputs.is_floating_point():
            gates = F.linear(inputs, w_ih, bias)  # (time, batch, 3 * hidden): what they read
        else:
            gates = F.embedding(inputs, w_ih.T + bias)  # a letter's column is the product with it
        (rz, n), r, z = gates.split([2 * size, size], -1), *gates.chunk(3, -1)[:2]
        recalled, states = gates.new_empty(n.shape), gates.new_empty(steps + 1, batch, size)
        states[0], products = first, gates.new_empty(batch, 3 * size)
        for t in range(steps):
            torch.mm(states[t], w_hh.T, out=products)
            rz[t].add_(products[:, : 2 * size]).sigmoid_()
            torch.add(products[:, 2 * size :], b_hh[-size:], out=recalled[t])
            # tanh a = 2 sigmoid(2 a) - 1, which takes a CPU a third of the time of torch.tanh.
            n[t].addcmul_(r[t], recalled[t]).mul_(2).sigmoid_().mul_(2).sub_(1)
            torch.lerp(n[t], states[t], z[t], out=states[t + 1])  # (1 - z) n + z h
        ctx.save_for_backward(inputs, gates, recalled, states, w_ih, w_hh)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx, above: Tensor):
        """The gradients, from the one that reaches each state from `above`, (time, batch, hidden)."""
        inputs, gates, recalled, states, w_ih, w_hh = ctx.saved_tensors
        r, z, n = gates.chunk(3, -1)  # (time, batch, hidden) each
        at_inputs = torch.empty_like(inputs) if ctx.needs_input_grad[0] else None
        at_table = w_ih.new_zeros(w_ih.shape[::-1])  # its rows lie in one piece: letters add fast
        at_w = torch.zeros_like(w_hh)
        at_h, at_b, at_b_n = torch.zeros_like(states[0]), at_w.new_zeros(len(at_w)), 0
        at = torch.empty_like(gates[0])  # at what the gates of one step add up
        at_r, at_z, at_n = at.chunk(3, -1)  # (batch, hidden) each
        for t in reversed(range(len(above))):
            at_h += above[t]
            kept = at_h * z[t]
            new = at_h - kept
            new.addcmul_(new * n[t], n[t], value=-1)  # at_h (1 - z) (1 - n * n)
            torch.mul(new, r[t], out=at_n)
            s = at_n * recalled[t]
            torch.addcmul(s, s, r[t], value=-1, out=at_r)  # s (1 - r)
            s = (states[t] - n[t]).mul_(kept)
            torch.addcmul(s, s, z[t], value=-1, out=at_z)  # s (1 - z)
            at_h = kept.addmm_(at, w_hh)  # at the state before
            at_w.addmm_(at.T, states[t])
            at_b += at.sum(0)
            at_n.copy_(new)  # what n reads is not multiplied by r
            at_b_n = at_b_n + new.sum(0)
            if inputs.is_floating_point():
                at_table.addmm_(inputs[t].T, at)
            else:
                at_table.index_add_(0, inputs[t], at)
            if at_inputs is not None:
                torch.mm(at, w_ih, out=at_inputs[t])
        at_b_ih = torch.cat([at_b[: -len(at_b_n)], at_b_n])
        return at_inputs, at_h, at_table.T, at_w, at_b_ih, at_b


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
        outputs = GRUSteps.apply(inputs, state[0], *self.parameters())
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
    if inputs.ndim != 2 or not len(inputs) or inputs.dtype not in (torch.int32, torch.int64):
        raise ValueError(
            f"inputs are {inputs.dtype} of the shape {tuple(inputs.shape)}: give numbers (time, "
            "batch, input_size), or letters as int64 (time, batch), of at least one step"
        )
    check_below(input_size, letters=inputs)
