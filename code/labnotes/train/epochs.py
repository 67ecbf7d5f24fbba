"""The batches of an epoch: in an order that hangs on seed and epoch alone, from any place on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import islice

import torch

from labnotes import runtime
from labnotes.train import distributed
from labnotes.train.checkpoint import Checkpoint


def seed_epoch(seed: int, epoch: int, train: Iterable | None = None) -> None:
    """Make all that is random in an epoch a function of `seed` and `epoch` (from 0) alone.

    Seeds Python, NumPy and torch, and where `train` is a ``DataLoader`` the generators that it and
    its samplers hold; calls ``set_epoch(epoch)`` where `train` or its sampler has it. (Worker
    processes that outlive an epoch, ``persistent_workers=True``, are out of its reach.)
    """
    digest = hashlib.sha256(f"{seed} {epoch}".encode()).digest()
    number = int.from_bytes(digest[:4], "big")
    runtime.seed_everything(number)
    sampler, batch_sampler = getattr(train, "sampler", None), getattr(train, "batch_sampler", None)
    for part in (train, sampler, batch_sampler, getattr(batch_sampler, "sampler", None)):
        if isinstance(getattr(part, "generator", None), torch.Generator):
            part.generator.manual_seed(number)
        if hasattr(part, "set_epoch"):
            part.set_epoch(epoch)


def rest_of_epoch(
    train: Iterable, seed: int, epoch: int, done: int = 0, saved: Checkpoint | None = None
) -> Iterable:
    """The batches of an epoch, seeded by :func:`seed_epoch`, less the first `done` of them.

    Parameters
    ----------
    train, seed, epoch
        As for :func:`seed_epoch`.
    done
        Batches that a run before this one has used.
    saved
        The checkpoint that this run goes on from, after its ``resume()``. The random generators
        are put where they were when it was saved; needed where `done` is not 0.
    """
    from labnotes.data.batches import Batches

    seed_epoch(seed, epoch, train)
    if not done:
        return distributed.own_random_numbers(train)
    if isinstance(train, Batches):  # they can start anywhere
        train.load_state_dict(train.state_dict() | {"batch": done})
        batches = train
    else:
        batches = iter(train)
        next(islice(batches, done, done), None)
    saved.restore_random()  # as they were after step `done`
    return batches
