"""Wrong answers to the assignment attention, and the most they may get."""

MASKED = """
def masked_softmax(scores, valid_lens=None):
    if valid_lens is None:
        return scores.softmax(dim=-1)
    hidden = torch.arange(scores.shape[-1]) {compare} valid_lens.reshape({shape})
    hidden = hidden.expand(scores.shape)
    {wrong}
"""
RIGHT = {"compare": ">=", "shape": "len(scores), -1, 1"}
LOWEST = "torch.finfo(scores.dtype).min"
FILL = "scores.masked_fill(hidden, {}).softmax(dim={})"

DOT = """
def scaled_dot_product(queries, keys, values, valid_lens=None):
    scores = queries @ keys.transpose(1, 2) / {divisor}
    weights = masked_softmax(scores, valid_lens)
    return {result}
"""

ADDITIVE = """
def additive(queries, keys, values, W_q, W_k, w_v, valid_lens=None):
    hidden = (queries @ W_q.T)[:, :, None] + (keys @ W_k.T)[:, None]
    weights = masked_softmax({score}, {lens})
    return weights @ values, weights
"""

CAUSAL = """
def causal_lens(valid_lens, steps):
    seen = torch.arange({first}, {first} + steps)
    return {result}
"""

MEASURE = """
def measure(queries, keys, divisor):
    scores = queries @ keys.T / {divisor}
    a = scores.softmax(dim=-1)
    jacobian = torch.diag_embed(a) - a[:, :, None] * a[:, None, :]
    return {{
        "variance": scores.{variance}().item(),
        "entropy": {entropy}.sum(dim=-1).mean().item(),
        "gradient": {gradient}.mean().item(),
    }}
"""
ENTROPY = "torch.special.entr(a)"
NORM = "jacobian.norm(dim=(1, 2))"

POOL = """
def pool(queries, keys, values, lens, mask):
    padding = torch.arange(keys.shape[1]) >= lens[:, None, None]
    {wrong}
    return weights @ values, weights
"""

EXPERIMENT = """
def experiment(model, bags, labels, widths=(49, 100)):
    rows = []
    for width in widths:
        padded, lens = pad(bags, width)
        real = torch.arange(width) < lens[:, None, None]
        for mask in ("before", "none", "after"):
            output, weights = pool(*model.parts(padded), lens, mask)
            scores = model.answer(output)
            alone = {alone}
            rows.append({{
                "padded to": width, "mask": mask,
                "largest difference": (scores - alone).abs().max().item(),
                "changed": (scores.argmax(1) != alone.argmax(1)).float().mean().item(),
                "accuracy": (scores.argmax(1) == labels).float().mean().item(),
                "weight on patches": {weight}.item(),
            }})
    return rows
"""
ALONE = "torch.cat([model.answer(scaled_dot_product(*model.parts(b[None]))[0]) for b in bags])"
WEIGHT = "(weights * real).sum(dim=-1).mean()"

#: answer cell -> code instead of the solution's cell, and what the compare cells may give at most
WRONG = [
    {
        "name": "every predicted weight is zero",
        "cells": {
            "predicted": "predicted = {'a sequence': [[0.0] * 3] * 4, 'a query': [[0.0] * 3] * 4, "
            "'too late': [0.0] * 3}"
        },
        "at_most": {"predicted-graded": 0},
    },
    {
        "name": "predicted one length a sequence as one length a query",
        "cells": {
            "predicted": "predicted = {'a sequence': [[0.25, 0.75, 0], [0.25, 0.25, 0.5]] * 2, "
            "'a query': [[1, 0, 0], [0.25, 0.25, 0.5], [0.25, 0.75, 0], [0, 0, 0]], "
            "'too late': [0.1, 0.3, 0]}"
        },
        "at_most": {"predicted-graded": 2},
    },
    {
        "name": "predicted equal weights for nothing valid, and that a late mask changes nothing",
        "cells": {
            "predicted": "predicted = {'a sequence': [[0.25, 0.75, 0], [0.5, 0.5, 0], "
            "[0.1, 0.3, 0.6], [0.25, 0.25, 0.5]], 'a query': [[1, 0, 0], [0.25, 0.25, 0.5], "
            "[0.25, 0.75, 0], [1 / 3] * 3], 'too late': [0.25, 0.75, 0]}"
        },
        "at_most": {"predicted-graded": 1},
    },
    {
        "name": "all zeros",
        "cells": {
            "masked-softmax": "def masked_softmax(scores, valid_lens=None):\n    return scores * 0",
            "dot-product": "def scaled_dot_product(queries, keys, values, valid_lens=None):\n"
            "    return queries * 0, queries @ keys.mT * 0",
            "additive": "def additive(queries, keys, values, W_q, W_k, w_v, valid_lens=None):\n"
            "    return queries @ keys.mT @ values * 0, queries @ keys.mT * 0",
            "causal": "def causal_lens(valid_lens, steps):\n"
            "    return torch.zeros(len(valid_lens), steps, dtype=torch.long)",
            "measure": "def measure(queries, keys, divisor):\n"
            "    return {'variance': 0.0, 'entropy': 0.0, 'gradient': 0.0}",
            "pad": "def pad(bags, width):\n    return torch.zeros(len(bags), width, "
            "bags[0].shape[1]), torch.zeros(len(bags), dtype=torch.long)",
            "pool": "def pool(queries, keys, values, lens, mask):\n"
            "    return queries @ keys.mT @ values * 0, queries @ keys.mT * 0",
        },
        "at_most": {
            "masked-softmax-graded": 0,
            "attention-graded": 0,
            "measure-graded": 0,
            "padding-graded": 0,
        },
    },
    {
        "name": "functions return their input",
        "cells": {
            "masked-softmax": "def masked_softmax(scores, valid_lens=None):\n    return scores",
            "dot-product": "def scaled_dot_product(queries, keys, values, valid_lens=None):\n"
            "    return values, queries",
            "additive": "def additive(queries, keys, values, W_q, W_k, w_v, valid_lens=None):\n"
            "    return values, queries",
            "causal": "def causal_lens(valid_lens, steps):\n    return valid_lens",
            "measure": "def measure(queries, keys, divisor):\n    return queries",
            "pad": "def pad(bags, width):\n    return bags, width",
            "pool": "def pool(queries, keys, values, lens, mask):\n    return values, keys",
        },
        "at_most": {
            "masked-softmax-graded": 0,
            "attention-graded": 0,
            "measure-graded": 0,
            "padding-graded": 0,
        },
    },
    {
        "name": "the mask is forgotten",
        "cells": {"masked-softmax": MASKED.format(**RIGHT, wrong="return scores.softmax(dim=-1)")},
        "at_most": {"masked-softmax-graded": 0, "attention-graded": 3, "padding-graded": 1},
    },
    {
        "name": "hidden scores are filled with -1e6, and nothing valid gets equal weights",
        "cells": {
            "masked-softmax": MASKED.format(**RIGHT, wrong="return " + FILL.format("-1e6", -1))
        },
        "at_most": {"masked-softmax-graded": 3},
    },
    {
        "name": "the lowest number, but nothing valid gets equal weights",
        "cells": {
            "masked-softmax": MASKED.format(**RIGHT, wrong="return " + FILL.format(LOWEST, -1))
        },
        "at_most": {"masked-softmax-graded": 4},
    },
    {
        "name": "hidden scores are filled with -inf: NaN where nothing is valid",
        "cells": {
            "masked-softmax": MASKED.format(
                **RIGHT, wrong="return " + FILL.format("-torch.inf", -1)
            )
        },
        "at_most": {"masked-softmax-graded": 4},
    },
    {
        "name": "hidden scores are added -inf: weights right, gradients NaN where nothing is valid",
        "cells": {
            "masked-softmax": MASKED.format(
                **RIGHT,
                wrong="mask = torch.zeros_like(scores).masked_fill(hidden, -torch.inf)\n"
                "    return (scores + mask).softmax(dim=-1).nan_to_num(0.0)",
            )
        },
        "at_most": {"masked-softmax-graded": 4},
    },
    {
        "name": "hidden scores are multiplied by 0, as if 0 were low",
        "cells": {
            "masked-softmax": MASKED.format(
                **RIGHT, wrong="return (scores * ~hidden).softmax(dim=-1)"
            )
        },
        "at_most": {"masked-softmax-graded": 0, "attention-graded": 3, "padding-graded": 1},
    },
    {
        "name": "the mask comes after the softmax",
        "cells": {
            "masked-softmax": MASKED.format(
                **RIGHT, wrong="return scores.softmax(dim=-1).masked_fill(hidden, 0.0)"
            )
        },
        "at_most": {"masked-softmax-graded": 0, "attention-graded": 3, "padding-graded": 1},
    },
    {
        "name": "the mask comes after the softmax, and the rest is divided by its sum",
        "cells": {
            "masked-softmax": MASKED.format(
                **RIGHT,
                wrong="rest = scores.softmax(dim=-1).masked_fill(hidden, 0.0)\n"
                "    return rest / rest.sum(dim=-1, keepdim=True)",
            )
        },
        "at_most": {"masked-softmax-graded": 3},
    },
    {
        "name": "exponentials by hand, which overflow",
        "cells": {
            "masked-softmax": "def masked_softmax(scores, valid_lens=None):\n"
            "    e = scores.exp()\n"
            "    if valid_lens is not None:\n"
            "        hidden = torch.arange(scores.shape[-1]) >= valid_lens.reshape(len(scores), -1, 1)\n"
            "        e = e.masked_fill(hidden, 0.0)\n"
            "    return e / e.sum(dim=-1, keepdim=True).clamp_min(1e-30)"
        },
        "at_most": {"masked-softmax-graded": 4},
    },
    {
        "name": "off by one: one key too many takes part",
        "cells": {
            "masked-softmax": MASKED.format(
                compare=">",
                shape="len(scores), -1, 1",
                wrong=f"return {FILL.format(LOWEST, -1)}.masked_fill(hidden, 0.0)",
            )
        },
        "at_most": {"masked-softmax-graded": 0, "attention-graded": 3, "padding-graded": 1},
    },
    {
        "name": "one length a sequence is taken for one length a query",
        "cells": {
            "masked-softmax": MASKED.format(
                compare=">=",
                shape="-1, scores.shape[1], 1",
                wrong=f"return {FILL.format(LOWEST, -1)}.masked_fill(hidden, 0.0)",
            )
        },
        "at_most": {"masked-softmax-graded": 3, "attention-graded": 3, "padding-graded": 1},
    },
    {
        "name": "only one length a sequence is understood",
        "cells": {
            "masked-softmax": MASKED.format(
                compare=">=",
                shape="-1, 1, 1",
                wrong=f"return {FILL.format(LOWEST, -1)}.masked_fill(hidden, 0.0)",
            )
        },
        "at_most": {"masked-softmax-graded": 3, "attention-graded": 3},
    },
    {
        "name": "softmax over the queries",
        "cells": {
            "masked-softmax": MASKED.format(
                **RIGHT, wrong=f"return {FILL.format(LOWEST, 1)}.masked_fill(hidden, 0.0)"
            )
        },
        "at_most": {"masked-softmax-graded": 0, "attention-graded": 3, "padding-graded": 1},
    },
    {
        "name": "the caller's scores are overwritten",
        "cells": {
            "masked-softmax": MASKED.format(
                **RIGHT,
                wrong=f"scores[hidden] = {LOWEST}\n"
                "    return scores.softmax(dim=-1).masked_fill(hidden, 0.0)",
            )
        },
        "at_most": {"masked-softmax-graded": 4},
    },
    {
        "name": "dot products are not scaled",
        "cells": {"dot-product": DOT.format(divisor="1", result="weights @ values, weights")},
        "at_most": {"attention-graded": 2, "padding-graded": 1},
    },
    {
        "name": "dot products are divided by d",
        "cells": {
            "dot-product": DOT.format(
                divisor="queries.shape[-1]", result="weights @ values, weights"
            )
        },
        "at_most": {"attention-graded": 2, "padding-graded": 1},
    },
    {
        "name": "dot products are divided by the square root of the number of keys",
        "cells": {
            "dot-product": DOT.format(
                divisor="math.sqrt(keys.shape[1])", result="weights @ values, weights"
            )
        },
        "at_most": {"attention-graded": 2, "padding-graded": 1},
    },
    {
        "name": "weights and output change places",
        "cells": {
            "dot-product": DOT.format(
                divisor="math.sqrt(queries.shape[-1])", result="weights, weights @ values"
            )
        },
        "at_most": {"attention-graded": 2, "padding-graded": 1},
    },
    {
        "name": "torch's kernel for the output, and no weights",
        "cells": {
            "dot-product": "def scaled_dot_product(queries, keys, values, valid_lens=None):\n"
            "    mask = None\n"
            "    if valid_lens is not None:\n"
            "        mask = torch.arange(keys.shape[1]) < valid_lens.reshape(len(keys), -1, 1)\n"
            "    output = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)\n"
            "    return output, torch.zeros(queries.shape[:2] + keys.shape[1:2])"
        },
        "at_most": {"attention-graded": 2, "padding-graded": 1},
    },
    {
        "name": "additive without the tanh",
        "cells": {"additive": ADDITIVE.format(score="hidden @ w_v", lens="valid_lens")},
        "at_most": {"attention-graded": 2},
    },
    {
        "name": "additive with w_v inside the tanh",
        "cells": {"additive": ADDITIVE.format(score="torch.tanh(hidden @ w_v)", lens="valid_lens")},
        "at_most": {"attention-graded": 2},
    },
    {
        "name": "additive forgets the lengths",
        "cells": {"additive": ADDITIVE.format(score="torch.tanh(hidden) @ w_v", lens="None")},
        "at_most": {"attention-graded": 3},
    },
    {
        "name": "causal, off by one: a step does not see itself",
        "cells": {
            "causal": CAUSAL.format(first=0, result="torch.minimum(seen, valid_lens[:, None])")
        },
        "at_most": {"attention-graded": 3},
    },
    {
        "name": "causal, but padding is seen",
        "cells": {"causal": CAUSAL.format(first=1, result="seen.expand(len(valid_lens), -1)")},
        "at_most": {"attention-graded": 3},
    },
    {
        "name": "not causal: padding is hidden, the future is not",
        "cells": {"causal": CAUSAL.format(first=1, result="valid_lens[:, None].expand(-1, steps)")},
        "at_most": {"attention-graded": 3},
    },
    {
        "name": "measured: the standard deviation instead of the variance",
        "cells": {
            "measure": MEASURE.format(
                divisor="divisor", variance="std", entropy=ENTROPY, gradient=NORM
            )
        },
        "at_most": {"measure-graded": 1},
    },
    {
        "name": "measured: the divisor is forgotten",
        "cells": {
            "measure": MEASURE.format(divisor="1", variance="var", entropy=ENTROPY, gradient=NORM)
        },
        "at_most": {"measure-graded": 0},
    },
    {
        "name": "measured: 0 log 0 is NaN",
        "cells": {
            "measure": MEASURE.format(
                divisor="divisor", variance="var", entropy="(-a * a.log())", gradient=NORM
            )
        },
        "at_most": {"measure-graded": 1},
    },
    {
        "name": "measured: entropy in bits",
        "cells": {
            "measure": MEASURE.format(
                divisor="divisor",
                variance="var",
                entropy=f"({ENTROPY} / math.log(2))",
                gradient=NORM,
            )
        },
        "at_most": {"measure-graded": 1},
    },
    {
        "name": "measured: the gradient is the diagonal of the Jacobian alone",
        "cells": {
            "measure": MEASURE.format(
                divisor="divisor",
                variance="var",
                entropy=ENTROPY,
                gradient="(a * (1 - a)).norm(dim=-1)",
            )
        },
        "at_most": {"measure-graded": 1},
    },
    {
        "name": "padding stands in front",
        "cells": {
            "pad": "def pad(bags, width):\n"
            "    padded = torch.stack([F.pad(bag, (0, 0, width - len(bag), 0)) for bag in bags])\n"
            "    return padded, torch.tensor([len(bag) for bag in bags])"
        },
        "at_most": {"padding-graded": 1},
    },
    {
        "name": "every bag is said to be as long as the padded ones",
        "cells": {
            "pad": "def pad(bags, width):\n"
            "    padded = torch.stack([F.pad(bag, (0, 0, 0, width - len(bag))) for bag in bags])\n"
            "    return padded, torch.full((len(bags),), width)"
        },
        "at_most": {"padding-graded": 1},
    },
    {
        "name": "pooled with the mask before the softmax, whatever was asked for",
        "cells": {
            "pool": POOL.format(
                wrong="weights = scaled_dot_product(queries, keys, values, lens)[1]"
            )
        },
        "at_most": {"padding-graded": 1},
    },
    {
        "name": "after the softmax the weights are divided by their sum",
        "cells": {
            "pool": POOL.format(
                wrong="weights = scaled_dot_product(queries, keys, values, "
                "lens if mask == 'before' else None)[1]\n"
                "    if mask == 'after':\n"
                "        weights = weights.masked_fill(padding, 0.0)\n"
                "        weights = weights / weights.sum(dim=-1, keepdim=True)"
            )
        },
        "at_most": {"padding-graded": 1},
    },
    {
        "name": "after the softmax only the weights are masked, the output is not",
        "cells": {
            "pool": "def pool(queries, keys, values, lens, mask):\n"
            "    output, weights = scaled_dot_product(\n"
            "        queries, keys, values, lens if mask == 'before' else None)\n"
            "    if mask == 'after':\n"
            "        padding = torch.arange(keys.shape[1]) >= lens[:, None, None]\n"
            "        weights = weights.masked_fill(padding, 0.0)\n"
            "    return output, weights"
        },
        "at_most": {"padding-graded": 1},
    },
    {
        "name": "table: padded pictures are compared with padded pictures",
        "cells": {
            "experiment": EXPERIMENT.format(
                alone="model.answer(pool(*model.parts(padded), lens, 'none')[0])", weight=WEIGHT
            )
        },
        "at_most": {"padding-graded": 2},
    },
    {
        "name": "table: the weights on padding are counted too",
        "cells": {
            "experiment": EXPERIMENT.format(alone=ALONE, weight="weights.sum(dim=-1).mean()")
        },
        "at_most": {"padding-graded": 2},
    },
    {
        "name": "takes the package's functions, which are withheld",
        "cells": {
            "masked-softmax": "from labnotes.attention import masked_softmax",
            "dot-product": "from labnotes.attention import ScaledDotProductAttention\n"
            "def scaled_dot_product(queries, keys, values, valid_lens=None):\n"
            "    layer = ScaledDotProductAttention()\n"
            "    return layer(queries, keys, values, valid_lens), layer.weights",
            "additive": "from d2l.torch import AdditiveAttention as additive",
            "causal": "from labnotes.attention.scoring import causal_lens",
            "measure": "from labnotes.attention import measure",
            "pad": "from labnotes.attention import pad",
            "pool": "from labnotes.attention import pool",
        },
        "at_most": {
            "masked-softmax-graded": 0,
            "attention-graded": 0,
            "measure-graded": 0,
            "padding-graded": 0,
        },
    },
]
