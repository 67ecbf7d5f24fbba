"""The checkers of the chapter pretraining/fine-tuning-bert take right answers and no wrong ones."""

import torch
from sklearn.metrics import f1_score as sklearns

from ..planted import answers


def f1(predicted, true, positive=1):
    said, are = predicted == positive, true == positive
    both = (said & are).sum().item()
    return 2 * both / (said.sum() + are.sum()).item() if (said | are).any() else 0.0


def theirs(predicted, true):
    return float(sklearns(true.numpy(), predicted.numpy(), zero_division=0.0))


def words(scores, places, count):
    best = scores.max(1).indices
    return [int(best[place]) for place in places] + [0] * (count - len(places))


def by_last_piece(scores, places, count):
    ends = [*[place - 1 for place in places[1:]], len(scores) - 1]
    return words(scores, ends, count)


TestFineTuningBert = answers(
    "fine_tuning_bert",
    right={
        "f1_score": [f1, theirs],
        "tags_of_words": [
            words,
            lambda s, p, n: (s.argmax(1)[p].tolist() + n * [0])[:n],
        ],
    },
    wrong={
        "f1_score": {
            "of class 0": lambda a, b: f1(a, b, 0),
            "mean of both classes": lambda a, b: (f1(a, b) + f1(a, b, 0)) / 2,
            "accuracy": lambda a, b: (a == b).float().mean().item(),
            "precision": lambda a, b: ((a & b).sum() / a.sum().clamp(min=1)).item(),
            "recall": lambda a, b: ((a & b).sum() / b.sum().clamp(min=1)).item(),
            "nan where there is nothing": lambda a, b: (2 * (a & b).sum() / (a + b).sum()).item(),
            "1 where there is nothing": lambda a, b: f1(a, b) if (a | b).any() else 1.0,
            "a tensor": lambda a, b: torch.tensor(f1(a, b)),
            "zeros": lambda a, b: 0.0,
            "nan": lambda a, b: float("nan"),
        },
        "tags_of_words": {
            "the first pieces, whatever they are": lambda s, p, n: words(s, range(1, n + 1), n),
            "the last piece of each word": by_last_piece,
            "one place early": lambda s, p, n: words(s, [i - 1 for i in p], n),
            "nothing for words that were cut": lambda s, p, n: words(s, p, len(p)),
            "the last class for words that were cut": lambda s, p, n: (
                words(s, p, len(p)) + [s.shape[1] - 1] * (n - len(p))
            ),
            "all pieces": lambda s, p, n: s.argmax(1).tolist(),
            "a tensor": lambda s, p, n: torch.tensor(words(s, p, n)),
            "the largest score": lambda s, p, n: (
                [s[i].max().item() for i in p] + [0] * (n - len(p))
            ),
            "the worst class": lambda s, p, n: words(-s, p, n),
            "zeros": lambda s, p, n: [0] * n,
        },
    },
)
