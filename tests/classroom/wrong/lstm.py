"""Wrong answers to the assignment lstm, and the most they may get."""

STEP = """
def lstm_step(x, state, W, b):
    h, c = state
    {order} = (torch.cat({side}, dim=1) @ W.T{bias}).chunk(4, dim=1)
    {cell}
    return {result}
"""
GATES = {
    "order": "i, f, g, o",
    "side": "[x, h]",
    "bias": " + b",
    "cell": "c = f.sigmoid() * c + i.sigmoid() * g.tanh()",
    "result": "o.sigmoid() * c.tanh(), c",
}

LSTM = """
def lstm(inputs, starts, state, W, b):
    outputs = []
    for t in {times}:
        on = {on}
        h, c = state
        state = lstm_step(inputs[:, t], ({h}, {c}), W, b)
        {after}
        outputs.append(state[{output}])
    return torch.stack(outputs, dim={axis}), {last}
"""
SEQUENCE = {
    "times": "range(inputs.shape[1])",
    "on": "~starts[:, t, None]",
    "h": "h * on",
    "c": "c * on",
    "after": "pass",
    "output": "0",
    "axis": "1",
    "last": "state",
}

WINDOWS = """
def windows(ids, rows, steps):
    length = {length}
    inputs = {inputs}
    targets = {targets}
    return {result}
"""
CUT = {
    "length": "(len(ids) - 1) // (rows * steps) * steps",
    "inputs": "ids[: rows * length].reshape(rows, length)",
    "targets": "ids[1 : rows * length + 1].reshape(rows, length)",
    "result": "list(zip(inputs.split(steps, dim=1), targets.split(steps, dim=1)))",
}

TRAIN = """
def train_pass(net, pairs, optimizer, limit, carry=True):
    state, parts = {first}, []
    {zero_once}
    for inputs, targets in pairs:
        scores, state = net(inputs, state)
        found = surprisal(scores, targets)
        {zero}
        {loss}.backward()
        {clip}
        parts.append(found.detach())
        state = {next}
    return {result}
"""
CLIP = "nn.utils.clip_grad_norm_(net.parameters(), limit)"
PASS = {
    "first": "None",
    "zero_once": "pass",
    "zero": "optimizer.zero_grad()",
    "loss": "found.mean()",
    "clip": f"{CLIP}\n        optimizer.step()",
    "next": "tuple(part.detach() for part in state) if carry else None",
    "result": "perplexity(parts)",
}

WRITE = """
def write(net, first, uniforms, temperature=1.0):
    state, letter, written = None, first, []
    with torch.no_grad():
        for u in uniforms:
            scores, {state} = net({read}, state)
            sums = {sums}
            letter = {draw}
            written.append(letter)
    return {result}
"""
DRAW = {
    "state": "state",
    "read": "torch.tensor([[letter]])",
    "sums": "(scores[0, -1] / temperature).softmax(dim=0).cumsum(dim=0)",
    "draw": "min(int((sums <= u).sum()), len(sums) - 1)",
    "result": "written",
}

JUDGE = """
def judge(net, ids, lags, rows, steps, carry):
    state, found, behind = None, [], []
    with torch.no_grad():
        for (inputs, targets), {lag} in zip(windows(ids, rows, steps), windows(lags, rows, steps)):
            scores, state = net(inputs, {given})
            found.append(surprisal(scores, targets).flatten())
            behind.append(lag.flatten())
    all_of_them, behind = torch.cat(found), torch.cat(behind)
    near = {near}
    return {{
        "perplexity": {perplexity},
        "near": all_of_them[near].mean().item(),
        "far": all_of_them[{far}].mean().item(),
    }}
"""
LOOK = {
    "lag": "(_, lag)",
    "given": "state if carry else None",
    "near": "(behind > 0) & (behind <= steps)",
    "far": "behind > steps",
    "perplexity": "perplexity(found)",
}
ALL_ZERO = {
    "sequence-graded": 0,
    "windows-graded": 0,
    "surprisal-graded": 0,
    "train-pass-graded": 0,
    "write-graded": 0,
    "judge-graded": 0,
}
CELLS, TEXTS = [0.8, 0.8, 0.6, 0.3, -0.5], [2, 32, 4]
SECOND = [[[3, 4, 5], [9, 10, 11]], [[4, 5, 6], [10, 11, 12]]]


def predicted(cells=CELLS, perplexity=TEXTS, windows=SECOND) -> dict:
    """The cell of the predictions, with one of them wrong."""
    return {
        "predicted": f"predicted = {{'cells': {cells}, 'perplexity': {perplexity}, "
        f"'windows': {windows}}}"
    }


def wrong_pass(name: str, most: int = 0, **parts: str) -> dict:
    return {
        "name": name,
        "cells": {"train-pass": TRAIN.format(**PASS | parts)},
        "at_most": {"train-pass-graded": most},
    }


#: answer cell -> code instead of the solution's cell (the whole cell), and what the compare cells may give at most
WRONG = [
    {
        "name": "every prediction is zero",
        "cells": predicted([0.0] * 5, [0.0] * 3, [[[0] * 3] * 2] * 2),
        "at_most": {"predicted-graded": 0},
    },
    {
        "name": "predicted cells with the forget gate as what is forgotten",
        "cells": predicted(cells=[0.8, 0, -0.2, 0, -0.5]),
        "at_most": {"predicted-graded": 2},
    },
    {
        "name": "predicted the mean of two perplexities",
        "cells": predicted(perplexity=[2, 32, 17]),
        "at_most": {"predicted-graded": 2},
    },
    {
        "name": "predicted windows that follow one another without rows",
        "cells": predicted(windows=[[[6, 7, 8], [9, 10, 11]], [[7, 8, 9], [10, 11, 12]]]),
        "at_most": {"predicted-graded": 2},
    },
    {
        "name": "all zeros",
        "cells": {
            "step": "def lstm_step(x, state, W, b):\n    return state[0] * 0, state[1] * 0",
            "sequence": "def lstm(inputs, starts, state, W, b):\n"
            "    return torch.zeros(*inputs.shape[:2], len(b) // 4), (state[0] * 0, state[1] * 0)",
            "windows": "def windows(ids, rows, steps):\n"
            "    zero = torch.zeros(rows, steps, dtype=torch.long)\n"
            "    return [(zero, zero)] * ((len(ids) - 1) // (rows * steps))",
            "surprisal": "def surprisal(scores, targets):\n    return targets * 0.0",
            "perplexity": "def perplexity(parts):\n    return 0.0",
            "train-pass": "def train_pass(net, pairs, optimizer, limit, carry=True):\n    return 0.0",
            "write": "def write(net, first, uniforms, temperature=1.0):\n    return [0] * len(uniforms)",
            "judge": "def judge(net, ids, lags, rows, steps, carry):\n"
            "    return {'perplexity': 0.0, 'near': 0.0, 'far': 0.0}",
        },
        "at_most": ALL_ZERO,
    },
    {
        "name": "functions return their input",
        "cells": {
            "step": "def lstm_step(x, state, W, b):\n    return state",
            "sequence": "def lstm(inputs, starts, state, W, b):\n    return inputs, state",
            "windows": "def windows(ids, rows, steps):\n    return ids",
            "surprisal": "def surprisal(scores, targets):\n    return scores",
            "perplexity": "def perplexity(parts):\n    return parts",
            "train-pass": "def train_pass(net, pairs, optimizer, limit, carry=True):\n    return limit",
            "write": "def write(net, first, uniforms, temperature=1.0):\n    return uniforms",
            "judge": "def judge(net, ids, lags, rows, steps, carry):\n    return lags",
        },
        "at_most": ALL_ZERO,
    },
    {
        "name": "gates in the order of another library: i, f, o, g",
        "cells": {"step": STEP.format(**GATES | {"order": "i, f, o, g"})},
        "at_most": {"sequence-graded": 0},
    },
    {
        "name": "the forget gate and the input gate change places",
        "cells": {"step": STEP.format(**GATES | {"order": "f, i, g, o"})},
        "at_most": {"sequence-graded": 0},
    },
    {
        "name": "hidden state first, then the input",
        "cells": {"step": STEP.format(**GATES | {"side": "[h, x]"})},
        "at_most": {"sequence-graded": 0},
    },
    {
        "name": "the bias is forgotten",
        "cells": {"step": STEP.format(**GATES | {"bias": ""})},
        "at_most": {"sequence-graded": 0},
    },
    {
        "name": "the candidate has a sigmoid instead of a tanh",
        "cells": {
            "step": STEP.format(
                **GATES | {"cell": "c = f.sigmoid() * c + i.sigmoid() * g.sigmoid()"}
            )
        },
        "at_most": {"sequence-graded": 0},
    },
    {
        "name": "no tanh between the cell and the hidden state",
        "cells": {"step": STEP.format(**GATES | {"result": "o.sigmoid() * c, c"})},
        "at_most": {"sequence-graded": 0},
    },
    {
        "name": "the cell that was given is changed in place",
        "cells": {
            "step": STEP.format(
                **GATES | {"cell": "c.mul_(f.sigmoid()).add_(i.sigmoid() * g.tanh())"}
            ),
            "sequence": LSTM.format(**SEQUENCE | {"c": "c.mul_(on)"}),
        },
        "at_most": {"sequence-graded": 3},
    },
    {
        "name": "beginnings are not looked at",
        "cells": {"sequence": LSTM.format(**SEQUENCE | {"h": "h", "c": "c"})},
        "at_most": {"sequence-graded": 2},
    },
    {
        "name": "only the hidden state is set to zero, not the cell",
        "cells": {"sequence": LSTM.format(**SEQUENCE | {"c": "c"})},
        "at_most": {"sequence-graded": 2},
    },
    {
        "name": "the state is set to zero after the step, not before",
        "cells": {
            "sequence": LSTM.format(
                **SEQUENCE | {"h": "h", "c": "c", "after": "state = state[0] * on, state[1] * on"}
            )
        },
        "at_most": {"sequence-graded": 2},
    },
    {
        "name": "a beginning in one row empties all rows",
        "cells": {"sequence": LSTM.format(**SEQUENCE | {"on": "~starts[:, t].any()"})},
        "at_most": {"sequence-graded": 2},
    },
    {
        "name": "the state that was given is ignored",
        "cells": {
            "sequence": "def lstm(inputs, starts, state, W, b):\n"
            "    outputs, state = [], (state[0] * 0, state[1] * 0)\n"
            "    for t in range(inputs.shape[1]):\n"
            "        on = ~starts[:, t, None]\n"
            "        state = lstm_step(inputs[:, t], (state[0] * on, state[1] * on), W, b)\n"
            "        outputs.append(state[0])\n"
            "    return torch.stack(outputs, dim=1), state"
        },
        "at_most": {"sequence-graded": 1},
    },
    {
        "name": "outputs are the cells",
        "cells": {"sequence": LSTM.format(**SEQUENCE | {"output": "1"})},
        "at_most": {"sequence-graded": 1},
    },
    {
        "name": "outputs with the steps in front of the batch",
        "cells": {"sequence": LSTM.format(**SEQUENCE | {"axis": "0"})},
        "at_most": {"sequence-graded": 1},
    },
    {
        "name": "read from right to left",
        "cells": {
            "sequence": LSTM.format(**SEQUENCE | {"times": "reversed(range(inputs.shape[1]))"})
        },
        "at_most": {"sequence-graded": 1},
    },
    {
        "name": "targets are the inputs",
        "cells": {"windows": WINDOWS.format(**CUT | {"targets": "inputs"})},
        "at_most": {"windows-graded": 1},
    },
    {
        "name": "targets are one letter earlier",
        "cells": {
            "windows": WINDOWS.format(
                **CUT | {"targets": "ids.roll(1)[: rows * length].reshape(rows, length)"}
            )
        },
        "at_most": {"windows-graded": 1},
    },
    {
        "name": "targets begin with the next window",
        "cells": {"windows": WINDOWS.format(**CUT | {"targets": "inputs.roll(-1, 1)"})},
        "at_most": {"windows-graded": 1},
    },
    {
        "name": "windows follow one another within a batch",
        "cells": {
            "windows": WINDOWS.format(
                **CUT
                | {
                    "result": "[(a.reshape(rows, steps), b.reshape(rows, steps)) for a, b in "
                    "zip(inputs.reshape(-1, rows * steps), targets.reshape(-1, rows * steps))]"
                }
            )
        },
        "at_most": {"windows-graded": 0},
    },
    {
        "name": "rows and windows change places",
        "cells": {
            "windows": WINDOWS.format(
                **CUT
                | {
                    "inputs": "ids[: rows * length].reshape(length, rows).T",
                    "targets": "ids[1 : rows * length + 1].reshape(length, rows).T",
                }
            )
        },
        "at_most": {"windows-graded": 0},
    },
    {
        "name": "the last letter is forgotten: no target for it",
        "cells": {
            "windows": WINDOWS.format(
                **CUT | {"length": "len(ids) // (rows * steps) * steps"},
            )
        },
        "at_most": {"windows-graded": 0},
    },
    {
        "name": "surprisals in bits",
        "cells": {
            "surprisal": "def surprisal(scores, targets):\n"
            "    p = scores.log_softmax(dim=-1) / math.log(2)\n"
            "    return -p.gather(-1, targets[..., None])[..., 0]"
        },
        "at_most": {"surprisal-graded": 1},
    },
    {
        "name": "surprisals with the wrong sign",
        "cells": {
            "surprisal": "def surprisal(scores, targets):\n"
            "    return scores.log_softmax(dim=-1).gather(-1, targets[..., None])[..., 0]"
        },
        "at_most": {"surprisal-graded": 1, "train-pass-graded": 0},
    },
    {
        "name": "softmax and logarithm by hand, which give an infinity",
        "cells": {
            "surprisal": "def surprisal(scores, targets):\n"
            "    return -scores.softmax(dim=-1).log().gather(-1, targets[..., None])[..., 0]"
        },
        "at_most": {"surprisal-graded": 1},
    },
    {
        "name": "softmax over the rows",
        "cells": {
            "surprisal": "def surprisal(scores, targets):\n"
            "    return -scores.log_softmax(dim=0).gather(-1, targets[..., None])[..., 0]"
        },
        "at_most": {"surprisal-graded": 1},
    },
    {
        "name": "the mean of the parts' means",
        "cells": {
            "perplexity": "def perplexity(parts):\n"
            "    return math.exp(sum(p.mean().item() for p in parts) / len(parts))"
        },
        "at_most": {"surprisal-graded": 1, "train-pass-graded": 0},
    },
    {
        "name": "the mean of the parts' perplexities",
        "cells": {
            "perplexity": "def perplexity(parts):\n"
            "    return sum(math.exp(p.mean().item()) for p in parts) / len(parts)"
        },
        "at_most": {"surprisal-graded": 1},
    },
    {
        "name": "a power of two of natural surprisals",
        "cells": {
            "perplexity": "def perplexity(parts):\n"
            "    total = sum(p.sum().item() for p in parts)\n"
            "    return 2 ** (total / sum(p.numel() for p in parts))"
        },
        "at_most": {"surprisal-graded": 1},
    },
    wrong_pass(
        "the state is not detached",
        1,
        next="state if carry else None",
    ),
    wrong_pass("the state is never carried", 1, next="None"),
    wrong_pass("the state is always carried", 2, next="tuple(part.detach() for part in state)"),
    wrong_pass("gradients are added up: none is set to zero", 0, zero="pass"),
    wrong_pass(
        "gradients are set to zero after the backward pass",
        0,
        zero="pass",
        clip=f"optimizer.zero_grad()\n        {CLIP}\n        optimizer.step()",
    ),
    wrong_pass("clipped after the step", 2, clip=f"optimizer.step()\n        {CLIP}"),
    wrong_pass("nothing is clipped", 2, clip="optimizer.step()"),
    wrong_pass(
        "each entry is clipped by itself",
        2,
        clip="nn.utils.clip_grad_value_(net.parameters(), limit)\n        optimizer.step()",
    ),
    wrong_pass(
        "each parameter is clipped by itself",
        2,
        clip="[nn.utils.clip_grad_norm_([p], limit) for p in net.parameters()]\n"
        "        optimizer.step()",
    ),
    wrong_pass("the loss is a sum", 0, loss="found.sum()"),
    wrong_pass(
        "returns the perplexity of the last window",
        0,
        result="perplexity(parts[-1:])",
    ),
    {
        "name": "always the likeliest letter",
        "cells": {"write": WRITE.format(**DRAW | {"draw": "int(scores[0, -1].argmax())"})},
        "at_most": {"write-graded": 0},
    },
    {
        "name": "one letter too far",
        "cells": {
            "write": WRITE.format(
                **DRAW | {"draw": "min(int((sums <= u).sum()) + 1, len(sums) - 1)"}
            )
        },
        "at_most": {"write-graded": 0},
    },
    {
        "name": "the temperature is forgotten",
        "cells": {
            "write": WRITE.format(**DRAW | {"sums": "scores[0, -1].softmax(dim=0).cumsum(dim=0)"})
        },
        "at_most": {"write-graded": 1},
    },
    {
        "name": "scores are multiplied by the temperature",
        "cells": {
            "write": WRITE.format(
                **DRAW | {"sums": "(scores[0, -1] * temperature).softmax(dim=0).cumsum(dim=0)"}
            )
        },
        "at_most": {"write-graded": 1},
    },
    {
        "name": "probabilities are divided by the temperature",
        "cells": {
            "write": WRITE.format(
                **DRAW | {"sums": "(scores[0, -1].softmax(dim=0) / temperature).cumsum(dim=0)"}
            )
        },
        "at_most": {"write-graded": 1},
    },
    {
        "name": "the state is thrown away after each letter",
        "cells": {"write": WRITE.format(**DRAW | {"state": "_"})},
        "at_most": {"write-graded": 0},
    },
    {
        "name": "the whole text is read again, and the state is kept besides",
        "cells": {"write": WRITE.format(**DRAW | {"read": "torch.tensor([[first, *written]])"})},
        "at_most": {"write-graded": 0},
    },
    {
        "name": "the first letter is written too",
        "cells": {"write": WRITE.format(**DRAW | {"result": "[first] + written"})},
        "at_most": {"write-graded": 0},
    },
    {
        "name": "judge: the lags of the inputs, not of the targets",
        "cells": {"judge": JUDGE.format(**LOOK | {"lag": "(lag, _)"})},
        "at_most": {"judge-graded": 0.5},
    },
    {
        "name": "judge: letters without a lag are near",
        "cells": {"judge": JUDGE.format(**LOOK | {"near": "behind <= steps"})},
        "at_most": {"judge-graded": 0.5},
    },
    {
        "name": "judge: a lag of exactly one window is far",
        "cells": {
            "judge": JUDGE.format(
                **LOOK | {"near": "(behind > 0) & (behind < steps)", "far": "behind >= steps"}
            )
        },
        "at_most": {"judge-graded": 0.5},
    },
    {
        "name": "judge: the state is always carried",
        "cells": {"judge": JUDGE.format(**LOOK | {"given": "state"})},
        "at_most": {"judge-graded": 0},
    },
    {
        "name": "takes the package's functions, which are withheld",
        "cells": {
            "step": "from labnotes.sequence.recurrent import lstm_step",
            "sequence": "from labnotes.sequence import LSTM as lstm",
            "windows": "from labnotes.text import sequential_windows as windows",
            "surprisal": "from labnotes.metrics.language import surprisal",
            "perplexity": "from labnotes.metrics import perplexity",
            "train-pass": "from labnotes.train import fit as train_pass",
            "write": "from labnotes.sequence.characters import write",
            "judge": "from labnotes.sequence.characters import judge",
        },
        "at_most": ALL_ZERO,
    },
]
