"""The checkers of generalization/distribution-shift accept right answers and refuse wrong ones."""

import numpy as np
import torch

from ..planted import answers


def rescale(p, old, new):
    weighted = p * (new / old)
    return weighted / weighted.sum(1, keepdim=True)


def by_odds(p, old, new):
    """In float64, from logarithms."""
    return (p.double().log() + new.double().log() - old.double().log()).softmax(1).float()


def estimate_shares(p, old, rounds, *, first=None):
    shares = old.clone() if first is None else first(old)
    for _ in range(rounds):
        shares = rescale(p, old, shares).mean(0)
    return shares


def by_numpy(p, old, rounds):
    p, old = p.double().numpy(), old.double().numpy()
    shares = old
    for _ in range(rounds):
        joint = p * shares / old
        shares = (joint / joint.sum(axis=1, keepdims=True)).mean(axis=0)
    return torch.tensor(np.asarray(shares)).float()


def own_answers(p, old, rounds):
    """Rescales the answers of the round before, again and again."""
    shares = old
    for _ in range(rounds):
        p = rescale(p, old, shares)
        shares = p.mean(0)
    return shares


def from_the_last_round(p, old, rounds):
    """Divides by the shares of the round before, not by the old ones."""
    shares, before = old, old
    for _ in range(rounds):
        shares, before = rescale(p, before, shares).mean(0), shares
    return shares


TestDistributionShift = answers(
    "distribution_shift",
    right={"rescale": [rescale, by_odds], "estimate_shares": [estimate_shares, by_numpy]},
    wrong={
        "rescale": {
            "not normalized": lambda p, old, new: p * new / old,
            "swapped": lambda p, old, new: rescale(p, new.clamp(min=0.01), old),
            "only the new shares": lambda p, old, new: rescale(p, torch.ones_like(old), new),
            "over the rows": lambda p, old, new: (p * new / old) / (p * new / old).sum(0),
            "softmax": lambda p, old, new: (p * new / old).softmax(1),
            "unchanged": lambda p, old, new: p,
            "the new shares alone": lambda p, old, new: new.expand_as(p).clone(),
            "zeros": lambda p, old, new: torch.zeros_like(p),
            "nan": lambda p, old, new: p * float("nan"),
            "doubles": lambda p, old, new: rescale(p, old, new).double(),
            "nothing": lambda p, old, new: None,
        },
        "estimate_shares": {
            "mean answer": lambda p, old, rounds: p.mean(0),
            "counts of guesses": lambda p, old, rounds: (
                torch.bincount(p.argmax(1), minlength=len(old)) / len(p)
            ),
            "one round more": lambda p, old, rounds: estimate_shares(p, old, rounds + 1),
            "from equal shares": lambda p, old, rounds: estimate_shares(
                p, old, rounds, first=lambda v: torch.full_like(v, 1 / len(v))
            ),
            "own answers": own_answers,
            "from the last round": from_the_last_round,
            "sum": lambda p, old, rounds: estimate_shares(p, old, rounds) * len(p),
            "over the classes": lambda p, old, rounds: rescale(p, old, old).mean(1),
            "zeros": lambda p, old, rounds: torch.zeros_like(old),
            "a list": lambda p, old, rounds: estimate_shares(p, old, rounds).tolist(),
            "nothing": lambda p, old, rounds: None,
        },
    },
)
