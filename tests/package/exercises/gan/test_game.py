"""The checkers of gan/game accept right answers and refuse the usual wrong ones."""

import math

import torch

from labnotes.gan.toy import coverage, game_value, optimal_discriminator

from ..planted import answers


def by_package(p, q):
    return game_value(p, q, optimal_discriminator(p, q))


def by_divergence(p, q, base=math.e, js=2.0, constant=-1.3862943611198906):
    """Right by default; each argument makes one mistake."""
    m = (p + q) / 2
    parts = [a * (a / b).log() for x in (p, q) for a, b in zip(x, m) if a > 0]
    return (constant + js * sum(parts).item() / 2) / math.log(base)


def counted(samples, centres, std, wide=3.0, part=5.0, of_good=False, equal=True):
    distance, nearest = torch.cdist(samples, centres).min(1)
    good = distance < wide * std
    counts = torch.bincount(nearest[good], minlength=len(centres))
    share = (good.sum() if of_good else len(samples)) / len(centres) / part
    return int((counts >= share).sum() if equal else (counts > share).sum())


RIGHT = {
    "best_value": [by_package, by_divergence],
    "covered": [counted, lambda s, c, std: coverage(s, c, std).modes],
}
WRONG = {
    "best_value": {
        "zero": lambda p, q: 0.0,
        "nan": lambda p, q: math.nan,
        "a tensor": lambda p, q: torch.tensor(by_package(p, q)),
        "0 log 0 is nan": lambda p, q: (
            p * (p / (p + q)).log() + q * (q / (p + q)).log()
        ).sum().item(),
        "bits": lambda p, q: by_divergence(p, q, base=2),
        "the divergence alone": lambda p, q: by_divergence(p, q, constant=0.0),
        "the divergence once": lambda p, q: by_divergence(p, q, js=1.0),
        "the loss, not the value": lambda p, q: -by_package(p, q),
        "the share of the data alone": lambda p, q: (
            torch.xlogy(p, optimal_discriminator(p, q)).sum().item()
        ),
        "D of the generator": lambda p, q: game_value(p, q, optimal_discriminator(q, p)),
    },
    "covered": {
        "zero": lambda *a: 0,
        "all": lambda s, c, std: len(c),
        "a float": lambda *a: float(counted(*a)),
        "a tensor": lambda *a: torch.tensor(counted(*a)),
        "one good sample is enough": lambda *a: counted(*a, part=1e9),
        "an equal share is asked": lambda *a: counted(*a, part=1.0),
        "bad samples count": lambda *a: counted(*a, wide=1e9),
        "one deviation": lambda *a: counted(*a, wide=1.0),
        "the share of the good": lambda *a: counted(*a, of_good=True),
        "a sample counts twice": lambda s, c, std: int(
            ((torch.cdist(s, c) < 3 * std).sum(0) >= len(s) / len(c) / 5).sum()
        ),
        "more than a fifth": lambda *a: counted(*a, equal=False),
    },
}  # fmt: skip

TestAnswers = answers("game", RIGHT, WRONG)
