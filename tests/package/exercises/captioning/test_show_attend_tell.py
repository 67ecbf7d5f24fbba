"""The checkers of the chapter captioning/show-attend-tell take right answers and no wrong ones."""

import torch
import torch.nn.functional as F

from ..planted import answers


def pooled(weights, mask):
    cells = int(len(weights) ** 0.5)
    part = F.adaptive_avg_pool2d(mask[None].float(), cells).flatten()
    return (weights @ part).item()


def enlarged(weights, mask):
    cells = int(len(weights) ** 0.5)
    wide = len(mask) // cells
    pixels = weights.view(cells, cells).kron(torch.ones(wide, wide)) / wide**2
    return pixels[mask].sum().item()


def touched(weights, mask):
    cells = int(len(weights) ** 0.5)
    return (weights * F.adaptive_max_pool2d(mask[None].float(), cells).flatten()).sum().item()


def turned(weights, mask):
    cells = int(len(weights) ** 0.5)
    return pooled(weights.view(cells, cells).T.flatten(), mask)


def hard(scores, place, reward, baseline):
    alpha = scores.softmax(-1)
    one_hot = F.one_hot(place, scores.shape[1]).float()
    return (reward - baseline)[:, None] * (one_hot - alpha)


def by_autograd(scores, place, reward, baseline):
    scores = scores.requires_grad_(True)
    chosen = torch.distributions.Categorical(logits=scores).log_prob(place)
    return torch.autograd.grad(chosen @ (reward - baseline), scores)[0]


TestShowAttendTell = answers(
    "show_attend_tell",
    right={"share_inside": [pooled, enlarged], "hard_gradient": [hard, by_autograd]},
    wrong={
        "share_inside": {
            "the mask's area": lambda w, m: m.float().mean().item(),
            "every cell that it touches": touched,
            "columns before rows": turned,
            "not divided by a cell's pixels": lambda w, m: (
                pooled(w, m) * (len(m) // int(len(w) ** 0.5)) ** 2
            ),
            "the share outside": lambda w, m: 1 - pooled(w, m),
            "of the mask's mean": lambda w, m: pooled(w, m) / m.float().mean().item(),
            "a tensor": lambda w, m: torch.tensor(pooled(w, m)),
            "zero": lambda w, m: 0.0,
            "nan": lambda w, m: float("nan"),
        },
        "hard_gradient": {
            "no baseline": lambda s, p, r, b: hard(s, p, r, 0.0),
            "baseline added": lambda s, p, r, b: hard(s, p, r, -b),
            "descent": lambda *args: -hard(*args),
            "alpha is missing": lambda s, p, r, b: (
                (r - b)[:, None] * F.one_hot(p, s.shape[1]).float()
            ),
            "the mean over the batch": lambda s, p, r, b: hard(s, p, r, b) / len(s) / 2,
            "the same reward for all": lambda s, p, r, b: hard(s, p, r.mean().expand_as(r), b),
            "of the likeliest place": lambda s, p, r, b: hard(s, s.argmax(-1), r, b),
            "log in place of the softmax": lambda s, p, r, b: (
                (r - b)[:, None] * (F.one_hot(p, s.shape[1]) - s.log_softmax(-1))
            ),
            "zeros": lambda s, p, r, b: torch.zeros_like(s),
            "nan": lambda s, p, r, b: torch.full_like(s, float("nan")),
            "one row": lambda *args: hard(*args)[0],
        },
    },
)
