"""The checkers of gan/conditional accept right answers and refuse the usual wrong ones."""

import torch
import torch.nn.functional as F

from labnotes.gan.conditional import matching_loss
from labnotes.gan.sequences import gumbel_softmax

from ..planted import answers


def by_cross_entropy(real, made, mismatched):
    cross = F.binary_cross_entropy_with_logits
    wrong = cross(made, torch.zeros_like(made)) + cross(mismatched, torch.zeros_like(mismatched))
    return cross(real, torch.ones_like(real)) + 0.5 * wrong


def packages(scores, temperature):
    return gumbel_softmax(scores, temperature, torch.zeros_like(scores), hard=True)


def choice(scores, temperature, hard=True, through=True, dim=-1, least=False):
    """Right by default; each argument makes one mistake."""
    soft = (scores / temperature).softmax(dim)
    if not hard:
        return soft
    place = soft.argmin(dim) if least else soft.argmax(dim)
    one = F.one_hot(place, soft.shape[dim]).to(soft.dtype)
    return one + soft - soft.detach() if through else one


def probabilities(real, made, mismatched):
    wrong = -(1 - made.sigmoid()).log().mean() - (1 - mismatched.sigmoid()).log().mean()
    return -real.sigmoid().log().mean() + wrong / 2


soft_plus = F.softplus
RIGHT = {"loss_of_pairs": [matching_loss, by_cross_entropy], "hard_choice": [packages, choice]}
WRONG = {
    "loss_of_pairs": {
        "zeros": lambda r, m, w: torch.zeros(()),
        "nan": lambda r, m, w: torch.tensor(torch.nan),
        "without halves": lambda r, m, w: (
            soft_plus(-r).mean() + soft_plus(m).mean() + soft_plus(w).mean()
        ),
        "no mismatched pairs": lambda r, m, w: soft_plus(-r).mean() + soft_plus(m).mean(),
        "mismatched counted as real": lambda r, m, w: (
            soft_plus(-r).mean() + (soft_plus(m).mean() + soft_plus(-w).mean()) / 2
        ),
        "negatives in one mean": lambda r, m, w: (
            soft_plus(-r).mean() + soft_plus(torch.cat([m, w])).mean()
        ),
        "signs swapped": lambda r, m, w: matching_loss(-r, -m, -w),
        "sums": lambda r, m, w: soft_plus(-r).sum() + (soft_plus(m).sum() + soft_plus(w).sum()) / 2,
        "overflows": probabilities,
        "a float": lambda r, m, w: matching_loss(r, m, w).item(),
    },
    "hard_choice": {
        "zeros": lambda s, t: torch.zeros_like(s),
        "nan": lambda s, t: s * torch.nan,
        "soft": lambda s, t: choice(s, t, hard=False),
        "no gradient": lambda s, t: choice(s, t, through=False),
        "the smallest": lambda s, t: choice(s, t, least=True),
        "no temperature": lambda s, t: choice(s, 1.0 if t != 1.0 else 2.0),
        "the gradient passed on to the scores": lambda s, t: (
            choice(s, t, through=False) + s - s.detach()
        ),
        "soft detached on the wrong side": lambda s, t: (
            choice(s, t, through=False)
            + choice(s, t, hard=False).detach()
            - choice(s, t, hard=False)
        ),
        "softmax over all": lambda s, t: choice(s.flatten(), t).view_as(s),
        "multiplied by the temperature": lambda s, t: choice(s, 1 / t),
    },
}

TestAnswers = answers("conditional", RIGHT, WRONG)
