"""The checkers of start/how-to-use accept right answers and refuse the usual wrong ones."""

import torch
from sklearn.metrics import accuracy_score

from ..planted import answers


def compared(scores, labels):
    return (scores.argmax(1) == labels).float().mean().item()


def most_frequent(train, test):
    return (test == train.mode().values).double().mean().item()


RIGHT = {
    "accuracy": [compared, lambda s, y: accuracy_score(y, s.argmax(1))],
    "constant_guess": [
        most_frequent,
        lambda a, b: (b == a.bincount().argmax()).sum().item() / len(b),
    ],
}
WRONG = {
    "accuracy": {
        "zeros": lambda s, y: 0.0,
        "nan": lambda s, y: float("nan"),
        "the smallest score": lambda s, y: (s.argmin(1) == y).float().mean().item(),
        "a count": lambda s, y: (s.argmax(1) == y).sum().item(),
        "in per cent": lambda s, y: 100 * compared(s, y),
        "the errors": lambda s, y: 1 - compared(s, y),
        "columns for rows": lambda s, y: (s.argmax(0) == y[: s.shape[1]]).float().mean().item(),
        "one short": lambda s, y: (s.argmax(1) == y).sum().item() / (len(y) + 1),
        "mean score": lambda s, y: s.gather(1, y.unsqueeze(1)).mean().item(),
        "largest magnitude": lambda s, y: (s.abs().argmax(1) == y).float().mean().item(),
        "a column of guesses": lambda s, y: (s.argmax(1, keepdim=True) == y).float().mean().item(),
        "wrong shape": lambda s, y: (s.argmax(1) == y).float(),
        "no answer": lambda s, y: None,
    },
    "constant_guess": {
        "zeros": lambda a, b: 0.0,
        "nan": lambda a, b: float("nan"),
        "commonest of the test": lambda a, b: (b == b.mode().values).float().mean().item(),
        "measured on training": lambda a, b: (a == a.mode().values).float().mean().item(),
        "its share in training": lambda a, b: a.bincount().max().item() / len(a),
        "rarest": lambda a, b: (b == a.bincount().argmin()).float().mean().item(),
        "chance": lambda a, b: 1 / (int(max(a.max(), b.max())) + 1),
        "the first label": lambda a, b: (b == a[0]).float().mean().item(),
        "the largest label": lambda a, b: (b == a.max()).float().mean().item(),
        "a count": lambda a, b: (b == a.mode().values).sum().item(),
        "off by one": lambda a, b: (b == a.mode().values + 1).float().mean().item(),
        "no mean": lambda a, b: (b == a.mode().values).float(),
        "no answer": lambda a, b: None,
    },
}

TestAnswers = answers("how_to_use", RIGHT, WRONG)


def test_the_third_case_of_the_constant_guess_has_no_tie_to_break():
    draw = torch.Generator().manual_seed(0)
    first, second = torch.randint(4, (41,), generator=draw).bincount().sort().values[-2:].tolist()
    assert first != second
