"""Right and wrong answers to the exercises of vision/augmentation."""

import torch

from ..planted import answers


def flipped(images, which, axis=-2):
    return torch.where(which[:, None, None, None], images.flip(axis), images)


def by_index(images, which):
    changed = images.clone()
    changed[which] = images[which].flip(2)
    return changed


def in_place(images, which):
    images[which] = images[which].flip(2)
    return images


def averaged(model, images, views):
    return torch.stack([model(view(images)).softmax(1) for view in views]).mean(0)


def one_by_one(model, images, views):
    total = torch.zeros(())
    for view in views:
        logits = model(view(images))
        total = total + torch.exp(logits - logits.logsumexp(1, keepdim=True))
    return total / len(views)


TestAugmentation = answers(
    "augmentation",
    right={
        "flip_vertically": [flipped, by_index],
        "average_views": [averaged, one_by_one],
    },
    wrong={
        "flip_vertically": {
            "left and right": lambda images, which: flipped(images, which, -1),
            "half a turn": lambda images, which: flipped(images, which, (-1, -2)),
            "all": lambda images, which: images.flip(-2),
            "none": lambda images, which: images,
            "the others": lambda images, which: flipped(images, ~which),
            "every third not, whatever is asked": lambda images, which: flipped(
                images, torch.arange(len(images)) % 3 != 1
            ),
            "only the chosen": lambda images, which: images[which].flip(-2),
            "chosen first": lambda images, which: torch.cat(
                [images[which].flip(-2), images[~which]]
            ),
            "in place": in_place,
            "floats": lambda images, which: flipped(images, which).double(),
            "zeros": lambda images, which: 0 * images,
            "None": lambda images, which: None,
        },
        "average_views": {
            "mean of logits": lambda m, x, views: (
                torch.stack([m(v(x)) for v in views]).mean(0).softmax(1)
            ),
            "sum": lambda m, x, views: averaged(m, x, views) * len(views),
            "logits": lambda m, x, views: torch.stack([m(v(x)) for v in views]).mean(0),
            "first view only": lambda m, x, views: m(views[0](x)).softmax(1),
            "no view": lambda m, x, views: m(x).softmax(1),
            "softmax over images": lambda m, x, views: torch.stack(
                [m(v(x)).softmax(0) for v in views]
            ).mean(0),
            "one after the other": lambda m, x, views: m(views[-1](views[0](x))).softmax(1),
            "product": lambda m, x, views: torch.stack([m(v(x)).softmax(1) for v in views]).prod(0),
            "mean image": lambda m, x, views: m(torch.stack([v(x) for v in views]).mean(0)).softmax(
                1
            ),
            "greatest": lambda m, x, views: torch.stack([m(v(x)).softmax(1) for v in views]).amax(
                0
            ),
            "nan": lambda m, x, views: averaged(m, x, views) * float("nan"),
            "list": lambda m, x, views: averaged(m, x, views).tolist(),
        },
    },
)
