"""LoRA: a frozen matrix and a product of two thin ones that are trained in its place."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from labnotes.checks import check_positive


class LowRank(nn.Module):
    r"""What stands in the place of a matrix :math:`W`: :math:`W + \frac{\alpha}{r} B A`.

    Parameters
    ----------
    outputs, inputs
        The shape of the matrix.
    rank
        Rows of A and columns of B.
    alpha
        See above.

    References
    ----------
    Hu et al. (2022), LoRA: Low-rank adaptation of large language models, section 4.1.
    """

    def __init__(self, outputs: int, inputs: int, rank: int = 8, alpha: float = 16.0):
        super().__init__()
        _check_rank(outputs, inputs, rank)
        self.A = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5)
        self.B = nn.Parameter(torch.zeros(outputs, rank))  # so the first output is W's
        self.scale = alpha / rank

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.scale * self.B @ self.A  # (outputs, inputs)


def add_lora(model: nn.Module, names: tuple[str, ...], rank: int = 8) -> nn.ModuleList:
    """Freeze `model`, and put a :class:`LowRank` on each of its matrices with one of these names.

    Parameters
    ----------
    model
        Changed in place.
    names
        Last parts of the names of parameters, such as ``"in_proj_weight"`` (the projections of
        queries, keys and values of an attention together) or ``"linear1.weight"``.
    rank
        Of each.

    Returns
    -------
    nn.ModuleList
        What has been added: these parameters alone are to be trained, kept and loaded.

    Raises
    ------
    ValueError
        If no matrix has such a name, or `rank` does not fit one.
    """
    matrices = _matrices(model, names)
    for _, matrix in matrices:
        _check_rank(*matrix.shape, rank)  # before anything is changed
    model.requires_grad_(False)
    added = nn.ModuleList()
    for full, matrix in matrices:
        owner, _, name = full.rpartition(".")
        low = LowRank(*matrix.shape, rank=rank).to(matrix.device)
        parametrize.register_parametrization(model.get_submodule(owner), name, low)
        added.append(low)
    return added


def merge_lora(model: nn.Module) -> nn.Module:
    """Write each sum into the matrix itself: a network as before, with no parts added."""
    for module in list(model.modules()):
        for name in list(getattr(module, "parametrizations", ())):
            parametrize.remove_parametrizations(module, name)
    return model


def _matrices(model: nn.Module, names: tuple[str, ...]) -> list[tuple[str, Tensor]]:
    names = (names,) if isinstance(names, str) else tuple(names)
    found = [
        (full, p)
        for full, p in model.named_parameters()
        if p.dim() == 2 and any(f".{full}".endswith(f".{name}") for name in names)
    ]
    if not found:
        raise ValueError(f"the model has no matrix called {' or '.join(names)}: see its "
                         "named_parameters()")  # fmt: skip
    return found


def _check_rank(outputs: int, inputs: int, rank: int) -> None:
    check_positive(outputs=outputs, inputs=inputs, rank=rank)
    if rank > min(outputs, inputs):
        raise ValueError(
            f"rank is {rank}, and the matrix is ({outputs}, {inputs}): give at most "
            f"{min(outputs, inputs)}"
        )
