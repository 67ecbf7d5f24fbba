"""Wrong answers to the assignment shapes, and the most they may get.

A submission holds several mistakes where they do not touch each other; its name lists them. Most
leave the table of the experiment empty, so that nothing is trained.
"""

SIZE = """
def out_size(n, kernel, stride=1, padding=0, dilation=1):
    room = n + {pad} * padding - ({span})
    return {result}
"""
RIGHT_SIZE = {
    "pad": "2",
    "span": "dilation * (kernel - 1) + 1",
    "result": "room // stride + 1 if room >= 0 else 0",
}

INVERSE = """
def input_sizes(m, kernel, stride=1, padding=0, dilation=1):
    least = (m - 1) * stride + dilation * (kernel - 1) + 1 - 2 * padding
    return {result}
"""

FIELD = """
def field(layers):
    size, jump, start = 1, 1, 0
    for kernel, stride, padding, dilation in layers:
        {body}
    return size, jump, start
"""

WHOLE = """
def whole_units(layers, n):
    size, jump, start = field(layers)
    units = n
    for layer in layers:
        units = out_size(units, *layer)
    firsts = [start + unit * jump for unit in range(units)]
    return sum({inside} for first in firsts)
"""

PROFILE = """
def profile(net, side, unit):
    net = {copy}
    net.{mode}()
    for part in net.modules():
        if isinstance(part, nn.Conv2d) and {ones}:
            nn.init.ones_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    image = torch.{image}(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    net(image)[0, :, unit, unit].sum().backward()
    columns = image.grad[0, 0].abs().sum(0){change}
    return (columns / columns.sum()).tolist()
"""
RIGHT_PROFILE = {
    "copy": "copy.deepcopy(net).double()",
    "mode": "eval",
    "ones": "True",
    "image": "ones",
    "change": "",
}

ATROUS = """
def atrous(layers):
    finer, jump = [], 1
    for kernel, stride, padding, dilation in layers:
        {body}
    return finer
"""

DESCRIBE = """
def describe(layers, channels, side=28):
    parameters, multiply_adds, inside = {rest}, 0, 1
    for layer in layers:
        weights = layer.kernel**2 * inside * channels
        {before}
        parameters += weights + {norm} * channels
        multiply_adds += weights * side**2
        {after}
        inside = channels
    return {{"channels": channels, "parameters": parameters, "field": field(layers)[0],
            "multiply-adds": multiply_adds}}
"""
RIGHT_COUNTS = {
    "rest": "10 * channels + 10",
    "norm": "2",
    "before": "side = out_size(side, *layer)",
    "after": "",
}

EXPERIMENT = """
def experiment(stacks, budget, score, seeds=(0, 1)):
    rows = []
    for name, layers in stacks.items():
        channels = {channels}
        scores = [score(layers, channels, seed) for seed in {seeds}]
        rows.append({{"stack": name}} | describe(layers, channels)
                    | {{"accuracy": {accuracy}, "seeds apart": max(scores) - min(scores)}})
    return rows
"""
RIGHT_ROWS = {
    "channels": "widest(layers, budget)",
    "seeds": "seeds",
    "accuracy": "sum(scores) / len(scores)",
}

NO_TABLE = {"results": "results = []"}

#: answer cell -> code instead of the solution's cell (the whole cell), and what the compare cells
#: may give at most
WRONG = [
    {
        "name": "all zeros",
        "cells": {
            "predicted": 'predicted = {"side": [0] * 5, "field": [0] * 5}',
            "out-size": "def out_size(n, kernel, stride=1, padding=0, dilation=1):\n    return 0",
            "input-sizes": "def input_sizes(m, kernel, stride=1, padding=0, dilation=1):\n"
            "    return [0] * stride",
            "field": "def field(layers):\n    return 0, 0, 0",
            "whole-units": "def whole_units(layers, n):\n    return 0",
            "profile": "def profile(net, side, unit):\n    return [0.0] * side",
            "atrous": "def atrous(layers):\n    return [(0, 0, 0, 0) for layer in layers]",
            "describe": "def describe(layers, channels, side=28):\n"
            '    return dict.fromkeys(("channels", "parameters", "field", "multiply-adds"), 0)',
            "widest": "def widest(layers, budget):\n    return 0",
            "experiment": "def experiment(stacks, budget, score, seeds=(0, 1)):\n"
            '    return [{"stack": s, "channels": 0, "parameters": 0, "field": 0,\n'
            '             "multiply-adds": 0, "accuracy": 0, "seeds apart": 0} for s in stacks]',
        },
        "at_most": {
            "predicted-graded": 0,
            "out-size-graded": 0,
            "field-graded": 0,
            "profile-graded": 0,
            "atrous-graded": 0,
            "describe-graded": 0,
            "experiment-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "constants: one number everywhere",
        "cells": {
            "predicted": 'predicted = {"side": [15] * 5, "field": [27] * 5}',
            "out-size": "def out_size(n, kernel, stride=1, padding=0, dilation=1):\n    return 5",
            "input-sizes": "def input_sizes(m, kernel, stride=1, padding=0, dilation=1):\n"
            "    return [2]",
            "field": "def field(layers):\n    return 5, 1, 0",
            "whole-units": "def whole_units(layers, n):\n    return 4",
            "profile": "def profile(net, side, unit):\n    return [1 / side] * side",
            "atrous": "def atrous(layers):\n    return [Layer(3, 1, 1, 1) for layer in layers]",
            "describe": "def describe(layers, channels, side=28):\n"
            '    return {"channels": channels, "parameters": 1000, "field": 23,\n'
            '            "multiply-adds": 98784}',
            "widest": "def widest(layers, budget):\n    return 8",
            "results": 'results = [{"stack": name, "accuracy": 0.5} for name in STACKS]',
        },
        "at_most": {
            "predicted-graded": 0,
            "out-size-graded": 0,
            "field-graded": 0,
            "profile-graded": 0,
            "atrous-graded": 0,
            "describe-graded": 0,
            "experiment-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "functions that return their input",
        "cells": {
            "predicted": "predicted = {}",
            "out-size": "def out_size(n, kernel, stride=1, padding=0, dilation=1):\n    return n",
            "input-sizes": "def input_sizes(m, kernel, stride=1, padding=0, dilation=1):\n"
            "    return [m]",
            "field": "def field(layers):\n    return layers",
            "whole-units": "def whole_units(layers, n):\n    return n",
            "profile": "def profile(net, side, unit):\n    return net",
            "atrous": "def atrous(layers):\n    return list(layers)",
            "describe": "def describe(layers, channels, side=28):\n"
            '    return {"channels": channels, "parameters": channels, "field": layers,\n'
            '            "multiply-adds": side}',
            "widest": "def widest(layers, budget):\n    return budget",
            "experiment": "def experiment(stacks, budget, score, seeds=(0, 1)):\n"
            "    return [stacks, budget, score, seeds]",
        },
        "at_most": {
            "predicted-graded": 0,
            "out-size-graded": 0,
            "field-graded": 0,
            "profile-graded": 0,
            "atrous-graded": 0,
            "describe-graded": 0,
            "experiment-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "a withheld module does the work",
        "cells": {
            "out-size": "from labnotes.convnets import conv_output_size\n\n"
            "def out_size(n, kernel, stride=1, padding=0, dilation=1):\n"
            "    return conv_output_size(n, kernel, stride, padding, dilation)",
            "input-sizes": "from labnotes.convnets.receptive_field import Layer as L, output_size\n\n"
            "def input_sizes(m, *numbers):\n"
            "    return [n for n in range(1, 999) if output_size([L(*numbers)], n) == m]",
            "field": "from labnotes.convnets import Layer as L, receptive_field\n\n"
            "def field(layers):\n"
            "    found = receptive_field([L(*layer) for layer in layers])\n"
            "    return found.size, found.jump, found.start",
        },
        "at_most": {
            "out-size-graded": 0,
            "field-graded": 0,
            "describe-graded": 0,
            "experiment-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "rounded up in the prediction; floor forgotten; gradient in training mode; "
        "a trous with the old padding",
        "cells": {
            "predicted": 'predicted = {"side": [33, 16, 16, 16, 8], "field": [7, 11, 27, 27, 35]}',
            "out-size": SIZE.format(
                **RIGHT_SIZE | {"result": "room / stride + 1 if room >= 0 else 0"}
            ),
            "profile": PROFILE.format(**RIGHT_PROFILE | {"mode": "train"}),
            "atrous": ATROUS.format(
                body="finer.append(Layer(kernel, 1, padding, dilation * jump))\n"
                "        jump *= stride"
            ),
        }
        | NO_TABLE,
        "at_most": {
            "predicted-graded": 1,
            "out-size-graded": 1,
            "field-graded": 2,
            "profile-graded": 0,
            "atrous-graded": 1,
            "describe-graded": 4 / 3,
            "results-graded": 0,
        },
    },
    {
        "name": "dilation left out of the prediction; rounded up instead of down; gradient of the "
        "network's own weights; a trous dilates the layer that strode, too",
        "cells": {
            "predicted": 'predicted = {"side": [32, 15, 15, 15, 7], "field": [7, 11, 19, 19, 27]}',
            "out-size": SIZE.format(
                **RIGHT_SIZE | {"result": "-(-room // stride) + 1 if room >= 0 else 0"}
            ),
            "profile": PROFILE.format(**RIGHT_PROFILE | {"ones": "False"}),
            "atrous": ATROUS.format(
                body="jump *= stride\n"
                "        finer.append(Layer(kernel, 1, padding * jump, dilation * jump))"
            ),
        }
        | NO_TABLE,
        "at_most": {
            "predicted-graded": 1,
            "out-size-graded": 1,
            "profile-graded": 0,
            "atrous-graded": 0,
            "describe-graded": 4 / 3,
            "results-graded": 0,
        },
    },
    {
        "name": "own stride counted in the prediction; off by one; gradient at zeros, where a ReLU "
        "is shut; a trous loses the layer's own dilation",
        "cells": {
            "predicted": 'predicted = {"side": [32, 15, 15, 15, 7], "field": [13, 21, 37, 37, 53]}',
            "out-size": SIZE.format(
                **RIGHT_SIZE | {"result": "room // stride if room >= 0 else 0"}
            ),
            "profile": PROFILE.format(**RIGHT_PROFILE | {"image": "zeros"}),
            "atrous": ATROUS.format(
                body="finer.append(Layer(kernel, 1, padding * jump, jump))\n        jump *= stride"
            ),
        }
        | NO_TABLE,
        "at_most": {
            "predicted-graded": 1,
            "out-size-graded": 1,
            "field-graded": 2,
            "profile-graded": 0,
            "atrous-graded": 1,
            "describe-graded": 4 / 3,
            "results-graded": 0,
        },
    },
    {
        "name": "padding at one end only; no copy of the network",
        "cells": {
            "out-size": SIZE.format(**RIGHT_SIZE | {"pad": "1"}),
            "profile": PROFILE.format(**RIGHT_PROFILE | {"copy": "net.double()"}),
        }
        | NO_TABLE,
        "at_most": {
            "out-size-graded": 1,
            "profile-graded": 2,
            "describe-graded": 4 / 3,
            "results-graded": 0,
        },
    },
    {
        "name": "dilation times kernel; only the smallest image; equal shares for all that is seen",
        "cells": {
            "out-size": SIZE.format(**RIGHT_SIZE | {"span": "dilation * kernel"}),
            "input-sizes": INVERSE.format(result="[least]"),
            "profile": PROFILE.format(**RIGHT_PROFILE | {"change": ".gt(0).double()"}),
        }
        | NO_TABLE,
        "at_most": {
            "out-size-graded": 1,
            "field-graded": 2,
            "profile-graded": 1,
            "describe-graded": 4 / 3,
            "results-graded": 0,
        },
    },
    {
        "name": "a kernel too large is not noticed; images with less than one pixel; whole units by "
        "the left end only",
        "cells": {
            "out-size": SIZE.format(**RIGHT_SIZE | {"result": "room // stride + 1"}),
            "input-sizes": INVERSE.format(result="list(range(least, least + stride))"),
            "whole-units": WHOLE.format(inside="first >= 0"),
        }
        | NO_TABLE,
        "at_most": {"out-size-graded": 1, "field-graded": 2, "results-graded": 0},
    },
    {
        "name": "a layer's own stride counts for its own kernel; normalization and bias not counted",
        "cells": {
            "field": FIELD.format(
                body="jump *= stride\n"
                "        size += dilation * (kernel - 1) * jump\n"
                "        start -= padding * jump"
            ),
            "describe": DESCRIBE.format(**RIGHT_COUNTS | {"rest": "10 * channels", "norm": "0"}),
        }
        | NO_TABLE,
        "at_most": {
            "field-graded": 0,
            "describe-graded": 2 / 3,
            "experiment-graded": 0.5,
            "results-graded": 0,
        },
    },
    {
        "name": "the start not in pixels; multiply-adds of the map below; the best seed for the mean",
        "cells": {
            "field": FIELD.format(
                body="size += dilation * (kernel - 1) * jump\n"
                "        start -= padding\n"
                "        jump *= stride"
            ),
            "describe": DESCRIBE.format(
                **RIGHT_COUNTS | {"before": "", "after": "side = out_size(side, *layer)"}
            ),
            "experiment": EXPERIMENT.format(**RIGHT_ROWS | {"accuracy": "max(scores)"}),
        }
        | NO_TABLE,
        "at_most": {
            "field-graded": 1,
            "describe-graded": 4 / 3,
            "experiment-graded": 0.5,
            "results-graded": 0,
        },
    },
    {
        "name": "dilation left out of the field; multiply-adds as if nothing strode; one seed only",
        "cells": {
            "field": FIELD.format(
                body="size += (kernel - 1) * jump\n"
                "        start -= padding * jump\n"
                "        jump *= stride"
            ),
            "describe": DESCRIBE.format(**RIGHT_COUNTS | {"before": ""}),
            "experiment": EXPERIMENT.format(**RIGHT_ROWS | {"seeds": "seeds[:1]"}),
        }
        | NO_TABLE,
        "at_most": {
            "field-graded": 1,
            "describe-graded": 4 / 3,
            "experiment-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "padding makes the field smaller; over the budget by one channel",
        "cells": {
            "field": FIELD.format(
                body="size += (dilation * (kernel - 1) - 2 * padding) * jump\n"
                "        start -= padding * jump\n"
                "        jump *= stride"
            ),
            "widest": "def widest(layers, budget):\n"
            "    channels = 1\n"
            '    while describe(layers, channels)["parameters"] <= budget:\n'
            "        channels += 1\n"
            "    return channels",
        }
        | NO_TABLE,
        "at_most": {
            "field-graded": 1,
            "describe-graded": 4 / 3,
            "experiment-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "the recursion downwards, run upwards; whole units off by one; equal channels in "
        "place of equal parameters",
        "cells": {
            "field": FIELD.format(
                body="size = (size - 1) * stride + dilation * (kernel - 1) + 1\n"
                "        start -= padding * jump\n"
                "        jump *= stride"
            ),
            "whole-units": WHOLE.format(inside="0 <= first and first + size < n"),
            "experiment": EXPERIMENT.format(**RIGHT_ROWS | {"channels": "8"}),
        }
        | NO_TABLE,
        "at_most": {"field-graded": 1, "experiment-graded": 0, "results-graded": 0},
    },
    {
        "name": "a table typed in, upside down",
        "cells": {
            "results": 'results = [{"stack": name, "accuracy": accuracy} for name, accuracy in\n'
            "           zip(STACKS, (0.9, 0.4, 0.4, 0.9))]"
        },
        "at_most": {"results-graded": 0},
    },
]
