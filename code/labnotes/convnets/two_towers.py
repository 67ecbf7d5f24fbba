"""One network on two processes, as AlexNet was on two graphics cards: half of all kernels each.

Model parallelism by channels: each process holds half of every layer, and the two exchange numbers
only before a layer that reads the channels of both. Data parallelism, where each process holds the
whole network and half of the images, is another thing.
"""

from __future__ import annotations

import datetime
import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from labnotes.convnets.alexnet import LocalResponseNorm

TIMEOUT = datetime.timedelta(seconds=120)


class Swap(torch.autograd.Function):
    """The channels of both processes, from this one's half; the gradient goes back the same way.

    Forward, each process sends its half and receives the other's. Backward, it holds the gradient
    of all channels as far as *its* kernels cause it; it sends the other's half of that, receives
    its own half, and adds.
    """

    @staticmethod
    def forward(ctx, mine: Tensor) -> Tensor:
        other = _send_and_receive(mine)
        halves = (mine, other) if dist.get_rank() == 0 else (other, mine)
        return torch.cat(halves, dim=1)  # (batch, channels of both, ...)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        halves, rank = gradient.chunk(2, dim=1), dist.get_rank()
        return halves[rank] + _send_and_receive(halves[1 - rank])


_sent: list[int] = []  # bytes of each message of this process


def _send_and_receive(tensor: Tensor) -> Tensor:
    _sent.append(tensor.numel() * tensor.element_size())
    tensor, other = tensor.contiguous(), torch.empty(tensor.shape, dtype=tensor.dtype)
    partner = 1 - dist.get_rank()
    waiting = dist.isend(tensor, partner), dist.irecv(other, partner)
    for request in waiting:
        request.wait()
    return other


def chain(net: nn.Module) -> nn.Sequential:
    """`net.features`, `net.avgpool` and `net.classifier` as one row of layers."""
    return nn.Sequential(*net.features, net.avgpool, nn.Flatten(), *net.classifier)


def reads_both(layers: nn.Sequential) -> list[bool]:
    """For each layer: does it read channels that the other process holds?

    A linear layer and a convolution of one group read everything that the layer before gives. The
    first convolution reads the image, which both processes have.
    """
    wide = [
        isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)
        for layer in layers
    ]
    first = next(i for i, layer in enumerate(layers) if isinstance(layer, nn.Conv2d))
    wide[first] = False
    return wide


class Tower(nn.Module):
    """One half of a network: the kernels `rank` (0 or 1) of each layer, and its place to swap.

    Parameters
    ----------
    net
        The whole network, with `features`, `avgpool` and `classifier`: one of the AlexNets. Its
        grouped convolutions have 2 groups, and so has its response normalization.
    rank
        0 for the first half of the channels, 1 for the second.

    Called with all images, inside a process group of two, it gives the outputs of the whole network
    in both processes. Parameters keep the places of :func:`chain`.

    Raises
    ------
    ValueError
        If a layer cannot be cut into two halves.
    """

    def __init__(self, net: nn.Module, rank: int):
        super().__init__()
        whole = chain(net)
        self.layers = nn.Sequential(*(half_of(layer, rank) for layer in whole))
        self.swap_before = reads_both(whole)

    def forward(self, x: Tensor) -> Tensor:
        for layer, swap in zip(self.layers, self.swap_before):
            x = layer(Swap.apply(x) if swap else x)
        return Swap.apply(x)  # (batch, num_classes), in both processes


def half_of(layer: nn.Module, rank: int) -> nn.Module:
    """Half of the outputs of a layer: its first half for `rank` 0, its second for 1.

    Raises
    ------
    ValueError
        If the outputs are odd in number, or groups are neither 1 nor 2.
    """
    if rank not in (0, 1):
        raise ValueError(f"rank is {rank!r}: give 0 or 1")
    if isinstance(layer, LocalResponseNorm):
        if layer.groups != 2:
            raise ValueError(
                f"the response normalization has {layer.groups} groups: it would need the other "
                "process's channels at the seam; give the network groups=2, or lrn=False"
            )
        return LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k)
    if isinstance(layer, nn.Conv2d):
        if layer.groups not in (1, 2):
            raise ValueError(f"a convolution has {layer.groups} groups: give a network of 1 or 2")
        inputs, outputs = layer.in_channels // layer.groups, _halved(layer.out_channels)
        half = nn.Conv2d(
            inputs,
            outputs,
            layer.kernel_size,
            stride=layer.stride,
            padding=layer.padding,
            device="meta",
        )
    elif isinstance(layer, nn.Linear):
        half = nn.Linear(layer.in_features, _halved(layer.out_features), device="meta")
    else:
        return layer  # nothing in it belongs to a channel
    mine = {name: value.chunk(2)[rank].clone() for name, value in layer.state_dict().items()}
    half.load_state_dict(mine, assign=True)
    return half.requires_grad_()


def _halved(outputs: int) -> int:
    if outputs % 2:
        raise ValueError(f"a layer has {outputs} outputs: give an even number, to be halved")
    return outputs // 2


@dataclass
class Exchange:
    """Numbers that each process sends to the other for one image, before one layer."""

    layer: str
    numbers: int

    @property
    def bytes(self) -> int:
        """Bytes of the forward pass in float32; the backward pass sends as many again."""
        return 4 * self.numbers


def exchanges(net: nn.Module, image: tuple[int, int, int]) -> list[Exchange]:
    """What a :class:`Tower` of `net` sends for one image in the forward pass, layer by layer.

    Parameters
    ----------
    net
        The whole network; on the device "meta" it costs nothing.
    image
        ``(channels, height, width)``.

    Returns
    -------
    list of Exchange
        One for each layer that reads both halves, the last for the outputs.

    Examples
    --------
    >>> from labnotes.convnets import alexnet_2012
    >>> with torch.device("meta"):
    ...     net = alexnet_2012()
    >>> [(e.layer, e.numbers) for e in exchanges(net, (3, 224, 224))][:2]
    [('conv 3', 21632), ('linear 6', 4608)]
    """
    found, weighted = [], 0
    layers = chain(net)
    weight = next(net.parameters())
    x = torch.zeros(1, *image, dtype=weight.dtype, device=weight.device)
    with torch.no_grad():
        for layer, swap in zip(layers, reads_both(layers)):
            kind = {nn.Conv2d: "conv", nn.Linear: "linear"}.get(type(layer))
            weighted += kind is not None
            if swap:
                found.append(Exchange(f"{kind} {weighted}", x.numel() // 2))
            x = layer(x)
    return [*found, Exchange("outputs", x.numel() // 2)]


@dataclass
class TwoTowers:
    """What a step on two processes gives, put together again.

    `logits` is ``(batch, num_classes)``, as both processes have it; `loss` the mean over the batch;
    `gradients` maps the places of :func:`chain` to whole gradients; `parameters` counts those that
    each process holds, `sent` the bytes that each sent to the other, forward and backward.
    """

    logits: Tensor
    loss: float
    gradients: dict[str, Tensor]
    parameters: tuple[int, int]
    sent: tuple[int, int]


def run_two_towers(net: nn.Module, images: Tensor, labels: Tensor) -> TwoTowers:
    """One forward and backward pass of `net` on two processes of this machine's processor.

    Each process gets half of the kernels (:class:`Tower`) and all images. They find each other
    through a file in a temporary folder and talk over the loopback interface: no port is fixed.

    Parameters
    ----------
    net
        A network that :class:`Tower` can halve, on the CPU. Dropout would draw other units in each
        process than in one: call ``net.eval()`` to compare.
    images, labels
        ``(batch, channels, height, width)`` and ``(batch,)``, on the CPU.

    Returns
    -------
    TwoTowers

    Raises
    ------
    ValueError
        If a layer cannot be halved.
    RuntimeError
        If a process failed (with its traceback), or the two did not find each other in 120 s.
    """
    towers = [Tower(net, rank).train(net.training) for rank in (0, 1)]
    with tempfile.TemporaryDirectory(prefix="two-towers-") as folder:
        for rank, tower in enumerate(towers):
            torch.save((tower, images, labels), Path(folder, f"task-{rank}.pt"))
        # Fresh interpreters: a fork would copy a notebook's threads and its CUDA state.
        torch.multiprocessing.spawn(_work, args=(folder,), nprocs=2)
        done = [torch.load(Path(folder, f"done-{r}.pt"), weights_only=True) for r in (0, 1)]
    gradients = {
        name: torch.cat([part["gradients"][name] for part in done]) for name in done[0]["gradients"]
    }
    return TwoTowers(
        logits=done[0]["logits"],
        loss=done[0]["loss"],
        gradients=gradients,
        parameters=tuple(sum(p.numel() for p in tower.parameters()) for tower in towers),
        sent=tuple(part["sent"] for part in done),
    )


def _work(rank: int, folder: str) -> None:
    """What each of the two processes does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # gloo greets on stdout
    torch.set_num_threads(1)
    # A file of our own making, a moment old: loading any object from it is safe.
    tower, images, labels = torch.load(Path(folder, f"task-{rank}.pt"), weights_only=False)
    for name in _loopback():
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)  # the machine's own name may not resolve
    store = dist.FileStore(str(Path(folder, "store")), 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=TIMEOUT)
    try:
        done = _step(tower, images, labels)
        dist.barrier()  # nobody leaves while the other still reads
    finally:
        dist.destroy_process_group()
    torch.save(done, Path(folder, f"done-{rank}.pt"))


def _step(tower: Tower, images: Tensor, labels: Tensor) -> dict:
    logits = tower(images)
    loss = F.cross_entropy(logits, labels)
    # Both processes compute the loss from the same logits: each takes a half of it, so that the
    # gradients that meet in Swap.backward add up to those of one loss.
    (loss / 2).backward()
    return {
        "logits": logits.detach(),
        "loss": loss.item(),
        "gradients": {name.removeprefix("layers."): p.grad for name, p in tower.named_parameters()},
        "sent": sum(_sent),
    }


def _loopback() -> list[str]:
    names = socket.if_nameindex() if hasattr(socket, "if_nameindex") else []
    return [name for _, name in names if name.startswith("lo")]
