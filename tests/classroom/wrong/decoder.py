"""Wrong answers to the assignment decoder, and the most they may get."""

CAUSAL = "def causal(steps, past=0):\n    return {result}"
REAL = "def real(tokens, pad=PAD):\n    return {result}"

PROJECT = """
def project(x, W_k, W_v, heads):
    batch, n, d = x.shape
    cut = lambda t: {cut}
    return {result}
"""
CUT = {
    "cut": "t.reshape(batch, n, heads, d // heads).transpose(1, 2)",
    "result": "cut(x @ W_k.T), cut(x @ W_v.T)",
}

ATTEND = """
def attend(x, keys, values, W_q, W_o, mask=None):
    batch, m, d = x.shape
    heads = keys.shape[1]
    queries = (x @ {W_q}).reshape(batch, m, heads, d // heads).transpose(1, 2)
    scores = queries @ keys.mT / {divisor}
    {hide}
    weights = scores.softmax(dim={axis})
    {empty}
    return {join} @ {W_o}
"""
ASK = {
    "W_q": "W_q.T",
    "divisor": "math.sqrt(d // heads)",
    "hide": "scores = scores if mask is None else scores.masked_fill("
    "~mask, torch.finfo(scores.dtype).min)",
    "axis": "-1",
    "empty": "weights = weights if mask is None else weights.masked_fill(~mask, 0.0)",
    "join": "(weights @ values).transpose(1, 2).reshape(batch, m, d)",
    "W_o": "W_o.T",
}

BLOCK = """
def block(x, memory, w, heads, own_mask=None, memory_mask=None):
    {first}
    y = {norm1}
    own = project({own_from}, w["own_k"], w["own_v"], heads)
    x = {skip1}attend(y, *own, w["own_q"], w["own_o"], {own_mask})
    other = project({memory}, w["cross_k"], w["cross_v"], heads)
    x = x + attend({norm2}, *other, w["cross_q"], w["cross_o"], {memory_mask})
    {last}
"""
LAYERS = {
    "first": "pass",
    "norm1": "N(x)",
    "own_from": "y",
    "skip1": "x + ",
    "own_mask": "own_mask",
    "memory": "memory",
    "norm2": "N(x)",
    "memory_mask": "memory_mask",
    "last": 'return x + F.relu(N(x) @ w["up"].T) @ w["down"].T',
}

START = """
def start(memory, w, heads):
    return {{
        "own": {own},
        "memory": project({memory}, w["cross_k"], w["cross_v"], heads),
    }}
"""
FIRST = {
    "own": 'project(memory[:, :0], w["own_k"], w["own_v"], heads)',
    "memory": "memory",
}

STEP = """
def step(x, cache, w, heads, memory_mask=None):
    y = N(x)
    new = project({project}, w["own_k"], w["own_v"], heads)
    own = tuple(torch.cat([{order}], dim=2) for old, added in zip(cache["own"], new))
    past = cache["own"][0].shape[2]
    x = x + attend(y, *{own}, w["own_q"], w["own_o"], {mask})
    x = x + attend(N(x), *cache["memory"], w["cross_q"], w["cross_o"], {memory_mask})
    x = x + F.relu(N(x) @ w["up"].T) @ w["down"].T
    {keep}
"""
NEXT = {
    "project": "y",
    "order": "old, added",
    "own": "own",
    "mask": "causal(x.shape[1], past)",
    "memory_mask": "memory_mask",
    "keep": 'return x, {"own": own, "memory": cache["memory"]}',
}

WRITE = """
def write(net, source, most):
    state = net.start(source)
    token = torch.full((len(source), 1), {begin})
    ended, rows = torch.zeros(len(source), dtype=torch.bool), [[] for _ in source]
    for _ in range({steps}):
        scores, {state} = net.step(token, state)
        best = {best}
        {mark}
        for row, letter, over in zip(rows, best.tolist(), ended.tolist()):
            if {keep}:
                row.append(letter)
        if {stop}:
            break
        {late}
        token = {next}
    return rows
"""
GREEDY = {
    "begin": "BOS",
    "steps": "most",
    "state": "state",
    "best": "scores[:, -1].argmax(dim=-1)",
    "mark": "ended = ended | (best == EOS)",
    "keep": "not over",
    "stop": "ended.all()",
    "late": "pass",
    "next": "best.masked_fill(ended, PAD)[:, None]",
}
ALL_ZERO = {
    "masks-graded": 0,
    "attend-graded": 0,
    "block-graded": 0,
    "cached-step-graded": 0,
    "write-graded": 0,
}
SEEN, PROJECTED, LEAST = [[1, 2, 3, 4], [4, 5], [3, 3, 3]], [21, 6, 30, 5], [1.75, 0]


def predicted(name: str, most: int, seen=SEEN, projected=PROJECTED, least=LEAST) -> dict:
    """The cell of the predictions, with one of them wrong."""
    return {
        "name": name,
        "cells": {
            "predicted": f"predicted = {{'seen': {seen}, 'projected': {projected}, "
            f"'least loss': {least}}}"
        },
        "at_most": {"predicted-graded": most},
    }


def one(name: str, cell: str, code: str, compared: str, most: float) -> dict:
    return {"name": name, "cells": {cell: code}, "at_most": {compared: most}}


def masks(name: str, cell: str, template: str, result: str, most: int = 1) -> dict:
    return one(name, cell, template.format(result=result), "masks-graded", most)


def projects(name: str, most: int = 2, **parts: str) -> dict:
    return one(name, "project", PROJECT.format(**CUT | parts), "attend-graded", most)


def attends(name: str, most: int, **parts: str) -> dict:
    return one(name, "attend", ATTEND.format(**ASK | parts), "attend-graded", most)


def blocks(name: str, most: int = 0, **parts: str) -> dict:
    return one(name, "block", BLOCK.format(**LAYERS | parts), "block-graded", most)


def starts(name: str, most: int, **parts: str) -> dict:
    return one(name, "start", START.format(**FIRST | parts), "cached-step-graded", most)


def steps(name: str, most: int, **parts: str) -> dict:
    return one(name, "cached-step", STEP.format(**NEXT | parts), "cached-step-graded", most)


def writes(name: str, most: int, **parts: str) -> dict:
    return one(name, "write", WRITE.format(**GREEDY | parts), "write-graded", most)


#: answer cell -> code instead of the solution's cell (the whole cell), and what the compare cells may give at most
WRONG = [
    predicted("every prediction is zero", 0, [[0] * 4, [0] * 2, [0] * 3], [0, 0, 0, 0], [0.0, 0.0]),
    predicted("predicted that a token does not see itself", 2, [[0, 1, 2, 3], [3, 4], [3, 3, 3]]),
    predicted("predicted that a piece begins anew", 2, [[1, 2, 3, 4], [1, 2], [3, 3, 3]]),
    predicted("predicted a causal mask over the source", 2, [[1, 2, 3, 4], [4, 5], [1, 2, 3]]),
    predicted("predicted that the last step alone projects", 2, projected=[6, 6, 5, 5]),
    predicted("predicted the source once for each step with a cache", 2, projected=[21, 6, 30, 30]),
    predicted("predicted the loss of the likeliest token", 2, least=[1, 0]),
    {
        "name": "all zeros",
        "cells": {
            "causal": "def causal(steps, past=0):\n"
            "    return torch.zeros(steps, past + steps, dtype=torch.bool)",
            "real": "def real(tokens, pad=PAD):\n"
            "    return torch.zeros_like(tokens, dtype=torch.bool)[:, None, None]",
            "project": "def project(x, W_k, W_v, heads):\n"
            "    zero = torch.zeros(len(x), heads, x.shape[1], x.shape[2] // heads)\n"
            "    return zero, zero",
            "attend": "def attend(x, keys, values, W_q, W_o, mask=None):\n    return x * 0",
            "block": "def block(x, memory, w, heads, own_mask=None, memory_mask=None):\n"
            "    return x * 0",
            "start": "def start(memory, w, heads):\n"
            "    return dict.fromkeys(('own', 'memory'), project(memory, 0, 0, heads))",
            "cached-step": "def step(x, cache, w, heads, memory_mask=None):\n    return x * 0, cache",
            "write": "def write(net, source, most):\n    return [[0] * most for _ in source]",
        },
        "at_most": ALL_ZERO,
    },
    {
        "name": "functions return their input",
        "cells": {
            "causal": "def causal(steps, past=0):\n    return steps",
            "real": "def real(tokens, pad=PAD):\n    return tokens",
            "project": "def project(x, W_k, W_v, heads):\n    return x, x",
            "attend": "def attend(x, keys, values, W_q, W_o, mask=None):\n    return x",
            "block": "def block(x, memory, w, heads, own_mask=None, memory_mask=None):\n    return x",
            "start": "def start(memory, w, heads):\n    return {'own': (), 'memory': memory}",
            "cached-step": "def step(x, cache, w, heads, memory_mask=None):\n    return x, cache",
            "write": "def write(net, source, most):\n    return source",
        },
        "at_most": ALL_ZERO,
    },
    masks(
        "a token does not see itself",
        "causal",
        CAUSAL,
        "torch.ones(steps, past + steps, dtype=torch.bool).tril(diagonal=past - 1)",
    ),
    masks(
        "the past is forgotten in the mask",
        "causal",
        CAUSAL,
        "torch.ones(steps, past + steps, dtype=torch.bool).tril()",
    ),
    masks(
        "the mask is turned round: the future is seen",
        "causal",
        CAUSAL,
        "torch.ones(steps, past + steps, dtype=torch.bool).triu(diagonal=past)",
    ),
    masks(
        "True where a token is hidden",
        "causal",
        CAUSAL,
        "torch.ones(steps, past + steps, dtype=torch.bool).triu(diagonal=past + 1)",
    ),
    masks(
        "a mask of ones and zeros, not of truth values",
        "causal",
        CAUSAL,
        "torch.ones(steps, past + steps).tril(diagonal=past)",
    ),
    masks("True where there is padding", "real", REAL, "(tokens == pad)[:, None, None, :]"),
    masks("padding always has the number 10", "real", REAL, "(tokens != PAD)[:, None, None, :]"),
    masks("the padding hides queries, not keys", "real", REAL, "(tokens != pad)[:, None, :, None]"),
    masks("the mask has no axis for heads", "real", REAL, "(tokens != pad)[:, None, :]"),
    projects(
        "neighbouring features go to different heads",
        cut="t.reshape(batch, n, d // heads, heads).permute(0, 3, 1, 2)",
    ),
    projects("tokens and heads are mixed up", cut="t.reshape(batch, heads, n, d // heads)"),
    projects("keys and values change places", result="cut(x @ W_v.T), cut(x @ W_k.T)"),
    projects("the matrices are not transposed", result="cut(x @ W_k), cut(x @ W_v)"),
    attends("scores are not scaled", 2, divisor="1"),
    attends("divided by the root of all features", 2, divisor="math.sqrt(d)"),
    attends("divided by the size of a head, without the root", 2, divisor="(d // heads)"),
    attends("softmax over the queries", 2, axis="-2"),
    attends("the mask is forgotten", 1, hide="pass", empty="pass"),
    attends(
        "the mask is turned round",
        1,
        hide="mask = None if mask is None else ~mask\n    " + ASK["hide"],
    ),
    attends("the mask comes after the softmax", 1, hide="pass"),
    attends(
        "nothing to see gives NaN",
        2,
        hide="scores = scores if mask is None else scores.masked_fill(~mask, -torch.inf)",
        empty="pass",
    ),
    attends("nothing to see gives the mean of all values", 2, empty="pass"),
    attends(
        "heads are put together in the wrong order",
        1,
        join="(weights @ values).reshape(batch, m, d)",
    ),
    attends("the last matrix is forgotten", 1, W_o="torch.eye(d)"),
    blocks(
        "the normalization stands behind the addition",
        first="N = lambda t: t",
        last='return F.layer_norm(x + F.relu(x @ w["up"].T) @ w["down"].T, x.shape[-1:])',
    ),
    blocks("self-attention is not added, but put in place", skip1=""),
    blocks("keys and values of self-attention are not normalized", own_from="x"),
    blocks("the memory is normalized too", memory="N(memory)"),
    blocks("cross-attention asks with what is not normalized", norm2="x"),
    blocks("the first addition begins with the normalized vectors", skip1="y + "),
    blocks("the ReLU is forgotten", last='return x + N(x) @ w["up"].T @ w["down"].T'),
    blocks(
        "the feed-forward network is not added",
        last='return F.relu(N(x) @ w["up"].T) @ w["down"].T',
    ),
    blocks("the causal mask is forgotten", 1, own_mask="None"),
    blocks("the padding mask is forgotten", 1, memory_mask="None"),
    blocks(
        "what came in is changed in place",
        2,
        first="given = x",
        last='x = x + F.relu(N(x) @ w["up"].T) @ w["down"].T\n    return given.copy_(x)',
    ),
    starts(
        "the cache begins with the memory as own tokens",
        0,
        own='project(memory, w["own_k"], w["own_v"], heads)',
    ),
    starts(
        "the first own token is there from the start",
        0,
        own='project(memory[:, :1] * 0, w["own_k"], w["own_v"], heads)',
    ),
    starts("the memory is normalized before it is kept", 0, memory="N(memory)"),
    one(
        "the memory has the matrices of self-attention",
        "start",
        "def start(memory, w, heads):\n"
        "    own = project(memory, w['own_k'], w['own_v'], heads)\n"
        "    return {'own': tuple(t[:, :, :0] for t in own), 'memory': own}",
        "cached-step-graded",
        0,
    ),
    steps("keys and values of what is not normalized", 1, project="x"),
    steps("the new token stands in front of the past", 2, order="added, old"),
    steps("the new token looks at the past alone", 1, own='cache["own"]', mask="None"),
    steps("the past is not looked at", 1, own="new", mask="causal(x.shape[1])"),
    steps("no causal mask within a piece", 2, mask="None"),
    steps(
        "the mask of a piece knows no past",
        1,
        mask="torch.ones(x.shape[1], past + x.shape[1], dtype=torch.bool).tril()",
    ),
    steps("the padding mask is forgotten", 3, memory_mask="None"),
    steps(
        "the new token is not kept",
        1,
        keep='return x, {"own": cache["own"], "memory": cache["memory"]}',
    ),
    steps("the old cache is changed", 3, keep='cache["own"] = own\n    return x, cache'),
    writes("begins with EOS", 0, begin="EOS"),
    writes(
        "EOS is written too",
        1,
        keep="not over or letter == EOS and len(row) < most and EOS not in row",
    ),
    writes("goes on after EOS", 0, mark="pass"),
    writes("stops when the first row has ended", 0, stop="ended.any()"),
    writes("never stops before the last step", 1, stop="False"),
    writes("one step too many", 0, steps="most + 1"),
    writes("the lowest score", 0, best="scores[:, -1].argmin(dim=-1)"),
    writes("the state is not handed on", 0, state="_"),
    writes("a row that has ended reads on", 1, next="best[:, None]"),
    {
        "name": "takes the package's functions, which are withheld",
        "cells": {
            "causal": "from labnotes.attention.masks import causal",
            "real": "from labnotes.attention.masks import padding as real",
            "project": "from labnotes.attention.multi_head import project",
            "attend": "from labnotes.attention import MultiHeadAttention as attend",
            "block": "from labnotes.transformer import DecoderBlock as block",
            "start": "from labnotes.transformer.blocks import start",
            "cached-step": "from labnotes.transformer.blocks import step",
            "write": "from labnotes.sequence import greedy as write",
        },
        "at_most": ALL_ZERO,
    },
]
