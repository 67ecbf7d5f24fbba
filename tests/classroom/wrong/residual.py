"""Wrong answers to the assignment residual, and the most they may get.

A submission holds several mistakes where they do not touch each other; its name lists them. Most
leave the table of the experiment empty, so that nothing is trained.
"""

ZERO_PAD = """
def zero_pad(x, channels, stride):
    {skip}
    more = channels - x.shape[1]
    return F.pad(x, (0, 0, 0, 0, {sides}))
"""
RIGHT_PAD = {"skip": "x = x[:, :, ::stride, ::stride]", "sides": "0, more"}

SHORTCUT = """
def make_shortcut(kind, in_channels, channels, stride):
    if kind == "none":
        return None
    if {same}:
        return nn.Identity()
    if kind == "A":
        return ZeroPad(channels, stride)
    return nn.Sequential({projection})
"""
RIGHT_SHORTCUT = {
    "same": "stride == 1 and in_channels == channels",
    "projection": "nn.Conv2d(in_channels, channels, 1, stride, bias=False), "
    "nn.BatchNorm2d(channels)",
}

BLOCK = """
class BasicBlock(nn.Module):
    def __init__(self, in_channels, channels, stride=1, shortcut="B"):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, {first}, padding=1, bias={bias})
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, {second}, padding=1, bias={bias})
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = make_shortcut(shortcut, in_channels, channels, stride)

    def forward(self, x):
        out = self.{norm}(self.conv1(x)){middle}
        out = self.bn2(self.conv2(out))
        way = {way}
        return {end}
"""
RIGHT_BLOCK = {
    "first": "stride",
    "second": "1",
    "bias": "False",
    "norm": "bn1",
    "middle": ".relu()",
    "way": "0 if self.downsample is None else self.downsample(x)",
    "end": "(out + way).relu()",
}

NETWORK = """
class ResNet(nn.Module):
    def __init__(self, widths, blocks, classes=10, in_channels=1, shortcut="A"):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages, inside = [f"layer{{n + {start}}}" for n in range(len(widths))], widths[0]
        for name, channels, count in zip(self.stages, widths, blocks):
            first = BasicBlock(inside, channels, {stride}, shortcut)
            rest = [BasicBlock(channels, channels, 1, shortcut) for _ in range(count - 1)]
            setattr(self, name, nn.Sequential(first, *rest))
            inside = channels
        self.fc = nn.Linear(inside, classes)

    def forward(self, x):
        x = self.bn1(self.conv1(x)){stem}
        for name in self.stages:
            x = getattr(self, name)(x)
        return self.fc(x.{pool}((2, 3)))
"""
RIGHT_NETWORK = {
    "start": "1",
    "stride": "1 if name == self.stages[0] else 2",
    "stem": ".relu()",
    "pool": "mean",
}

GROW = """
def grow(shallow, deep):
    copied = shallow.state_dict()
    deep.load_state_dict(copied, strict=False)
    with torch.no_grad():
        for name, values in deep.state_dict().items():
            if name not in copied and ({which}):
                values.zero_()
    return deep
"""

NORM = """
def gradient_norm(net, images, labels):
    net.{mode}()
    F.cross_entropy(net(images), labels{reduction}).backward()
    found = net.conv1.weight.grad.{norm}.item()
    {clear}
    return found
"""
RIGHT_NORM = {
    "mode": "train",
    "reduction": "",
    "norm": "norm()",
    "clear": "net.zero_grad()",
}

ROW = """
def row(name, build, train, probe, seeds=(0, 1)):
    norms, losses = [], []
    {once}
    for seed in seeds:
        {each}
        net = build()
        {before}
        steps = train(net, seed)
        losses.append({loss})
        {after}
    return {{"network": name, "parameters": sum(p.numel() for p in net.parameters()),
            "gradient norm": sum(norms) / len(norms), "training loss": {mean},
            "seeds apart": max(losses) - min(losses)}}
"""
RIGHT_ROW = {
    "once": "",
    "each": "torch.manual_seed(seed)",
    "before": "norms.append(gradient_norm(net, *probe))",
    "loss": "sum(steps[-10:]) / 10",
    "after": "",
    "mean": "sum(losses) / len(losses)",
}

NO_TABLE = {"results": "results = []"}

#: answer cell -> code instead of the solution's cell (the whole cell), and what the compare cells
#: may give at most
WRONG = [
    {
        "name": "all zeros",
        "cells": {
            "predicted": 'predicted = {name: {"parameters": 0, "shape": (0, 0, 0)}\n'
            '             for name in ("same", "A", "B")}',
            "zero-pad": "def zero_pad(x, channels, stride):\n"
            "    half = x[:, :, ::stride, ::stride]\n"
            "    return torch.zeros(len(x), channels, *half.shape[2:])",
            "make-shortcut": "class Zero(nn.Module):\n"
            "    def forward(self, x):\n"
            "        return 0 * x\n\n"
            "def make_shortcut(kind, in_channels, channels, stride):\n"
            "    return Zero()",
            "block": "class BasicBlock(nn.Module):\n"
            "    def __init__(self, in_channels, channels, stride=1, shortcut='B'):\n"
            "        super().__init__()\n"
            "        self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)\n"
            "        self.channels, self.stride = channels, stride\n\n"
            "    def forward(self, x):\n"
            "        half = x[:, :, ::self.stride, ::self.stride]\n"
            "        return torch.zeros(len(x), self.channels, *half.shape[2:])",
            "network": "class ResNet(nn.Module):\n"
            "    def __init__(self, widths, blocks, classes=10, in_channels=1, shortcut='A'):\n"
            "        super().__init__()\n"
            "        self.classes = classes\n\n"
            "    def forward(self, x):\n"
            "        return torch.zeros(len(x), self.classes)",
            "grow": "def grow(shallow, deep):\n"
            "    for values in deep.state_dict().values():\n"
            "        values.zero_()\n"
            "    return deep",
            "gradient-norm": "def gradient_norm(net, images, labels):\n    return 0.0",
            "row": "def row(name, build, train, probe, seeds=(0, 1)):\n"
            '    return {"network": name, "parameters": 0, "gradient norm": 0.0,\n'
            '            "training loss": 0.0, "seeds apart": 0.0}',
        },
        "at_most": {
            "predicted-graded": 0,
            "shortcut-graded": 0,
            "block-graded": 0,
            "network-graded": 0,
            "grow-graded": 0,
            "row-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "constants, and functions that return their input",
        "cells": {
            "predicted": 'predicted = {name: {"parameters": 32_544, "shape": (48, 8, 8)}\n'
            '             for name in ("same", "A", "B")}',
            "zero-pad": "def zero_pad(x, channels, stride):\n    return x",
            "make-shortcut": "def make_shortcut(kind, in_channels, channels, stride):\n"
            '    return None if kind == "none" else nn.Identity()',
            "block": "class BasicBlock(nn.Identity):\n    pass",
            "network": "class ResNet(nn.Identity):\n    pass",
            "grow": "def grow(shallow, deep):\n    return deep",
            "gradient-norm": "def gradient_norm(net, images, labels):\n    return 1.0",
            "row": "def row(name, build, train, probe, seeds=(0, 1)):\n"
            '    return {"network": name, "parameters": 1, "gradient norm": 1.0,\n'
            '            "training loss": 1.0, "seeds apart": 1.0}',
            "results": 'results = [{"parameters": 116_738, "training loss": 1.0}] * 4',
        },
        "at_most": {
            "predicted-graded": 0,
            "shortcut-graded": 1,
            "block-graded": 0,
            "network-graded": 0,
            "grow-graded": 0,
            "row-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "withheld modules do the work",
        "cells": {
            "make-shortcut": "from labnotes.convnets.resnet import make_shortcut",
            "block": "from torchvision.models.resnet import BasicBlock",
            "network": "from labnotes.convnets.resnet import CifarResNet\n\n"
            "class ResNet(CifarResNet):\n"
            "    def __init__(self, widths, blocks, classes=10, in_channels=1, shortcut='A'):\n"
            "        super().__init__(blocks[0], shortcut, classes, in_channels, widths[0])",
        },
        "at_most": {
            "shortcut-graded": 1,
            "block-graded": 0,
            "network-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "biases counted in the prediction; zeros in front; a projection in every block; "
        "only the scale of extra blocks at zero; a norm in evaluation mode",
        "cells": {
            "predicted": "predicted = {\n"
            '    "same": {"parameters": 10_512, "shape": (24, 15, 15)},\n'
            '    "A": {"parameters": 31_392, "shape": (48, 8, 8)},\n'
            '    "B": {"parameters": 32_688, "shape": (48, 8, 8)},\n'
            "}",
            "zero-pad": ZERO_PAD.format(**RIGHT_PAD | {"sides": "more, 0"}),
            "make-shortcut": SHORTCUT.format(
                **RIGHT_SHORTCUT
                | {"same": 'kind == "A" and stride == 1 and in_channels == channels'}
            ),
            "grow": GROW.format(which='name.endswith("bn2.weight")'),
            "gradient-norm": NORM.format(**RIGHT_NORM | {"mode": "eval"}),
        }
        | NO_TABLE,
        "at_most": {
            "predicted-graded": 1,
            "shortcut-graded": 1,
            "block-graded": 2,
            "network-graded": 0,
            "grow-graded": 1,
            "row-graded": 1,
            "results-graded": 0,
        },
    },
    {
        "name": "sizes halved and rounded down in the prediction; average pooling in place of "
        "skipping; a projection without normalization; extra blocks with kernels of zero; "
        "gradients that pile up",
        "cells": {
            "predicted": "predicted = {\n"
            '    "same": {"parameters": 10_464, "shape": (24, 15, 15)},\n'
            '    "A": {"parameters": 31_296, "shape": (48, 7, 7)},\n'
            '    "B": {"parameters": 32_544, "shape": (48, 7, 7)},\n'
            "}",
            "zero-pad": ZERO_PAD.format(
                **RIGHT_PAD | {"skip": "x = F.avg_pool2d(x, stride, ceil_mode=True)"}
            ),
            "make-shortcut": SHORTCUT.format(
                **RIGHT_SHORTCUT
                | {"projection": "nn.Conv2d(in_channels, channels, 1, stride, bias=False)"}
            ),
            "grow": GROW.format(which='name.endswith("conv2.weight")'),
            "gradient-norm": NORM.format(**RIGHT_NORM | {"clear": ""}),
        }
        | NO_TABLE,
        "at_most": {
            "predicted-graded": 1,
            "shortcut-graded": 1,
            "block-graded": 2,
            "network-graded": 0,
            "grow-graded": 1,
            "row-graded": 1.5,
            "results-graded": 0,
        },
    },
    {
        "name": "the ReLU before the sum; nothing done about extra blocks; the largest entry for a "
        "norm; the last loss only",
        "cells": {
            "block": BLOCK.format(**RIGHT_BLOCK | {"end": "out.relu() + way"}),
            "grow": GROW.format(which="False"),
            "gradient-norm": NORM.format(**RIGHT_NORM | {"norm": "abs().max()"}),
            "row": ROW.format(**RIGHT_ROW | {"loss": "steps[-1]"}),
        }
        | NO_TABLE,
        "at_most": {
            "block-graded": 1,
            "network-graded": 1,
            "grow-graded": 1,
            "row-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "no ReLU after the sum; the shallow network given back; "
        "the sum of the losses of a batch; the mean of all losses",
        "cells": {
            "block": BLOCK.format(**RIGHT_BLOCK | {"end": "out + way"}),
            "grow": "def grow(shallow, deep):\n    return shallow",
            "gradient-norm": NORM.format(**RIGHT_NORM | {"reduction": ", reduction='sum'"}),
            "row": ROW.format(**RIGHT_ROW | {"loss": "sum(steps) / len(steps)"}),
        }
        | NO_TABLE,
        "at_most": {
            "block-graded": 0,
            "network-graded": 1,
            "grow-graded": 0,
            "row-graded": 0,
            "results-graded": 0,
        },
    },
    {
        "name": "the stride in the second convolution; the stages counted from 0; one seed for all; "
        "the gradient after training",
        "cells": {
            "block": BLOCK.format(**RIGHT_BLOCK | {"first": "1", "second": "stride"}),
            "network": NETWORK.format(**RIGHT_NETWORK | {"start": "0"}),
            "row": ROW.format(
                **RIGHT_ROW
                | {
                    "once": "torch.manual_seed(seeds[0])",
                    "each": "pass",
                    "before": "",
                    "after": "norms.append(gradient_norm(net, *probe))",
                }
            ),
        }
        | NO_TABLE,
        "at_most": {
            "block-graded": 2,
            "network-graded": 0,
            "row-graded": 0.5,
            "results-graded": 0,
        },
    },
    {
        "name": "one normalization for both convolutions; the first stage strides, too; the best "
        "seed for the mean",
        "cells": {
            "block": BLOCK.format(**RIGHT_BLOCK | {"norm": "bn2"}),
            "network": NETWORK.format(**RIGHT_NETWORK | {"stride": "2"}),
            "row": ROW.format(**RIGHT_ROW | {"mean": "min(losses)"}),
        }
        | NO_TABLE,
        "at_most": {
            "block-graded": 0,
            "network-graded": 0,
            "row-graded": 1.5,
            "results-graded": 0,
        },
    },
    {
        "name": "no ReLU between the convolutions; the maximum in place of the mean",
        "cells": {
            "block": BLOCK.format(**RIGHT_BLOCK | {"middle": ""}),
            "network": NETWORK.format(**RIGHT_NETWORK | {"pool": "amax"}),
        }
        | NO_TABLE,
        "at_most": {"block-graded": 0, "network-graded": 1, "results-graded": 0},
    },
    {
        "name": "convolutions with biases; no ReLU behind the first convolution",
        "cells": {
            "block": BLOCK.format(**RIGHT_BLOCK | {"bias": "True"}),
            "network": NETWORK.format(**RIGHT_NETWORK | {"stem": ""}),
        }
        | NO_TABLE,
        "at_most": {"block-graded": 0, "network-graded": 0, "results-graded": 0},
    },
    {
        "name": "the shortcut is dropped: F(x) for H(x)",
        "cells": {"block": BLOCK.format(**RIGHT_BLOCK | {"way": "0"})},
        "at_most": {"block-graded": 1, "network-graded": 1, "results-graded": 0.5},
    },
    {
        "name": "a table typed in: projections for the residual networks, and every row alike",
        "cells": {
            "results": 'results = [{"parameters": n, "training loss": 1.2}\n'
            "           for n in (19_074, 116_738, 19_842, 117_506)]"
        },
        "at_most": {"results-graded": 0},
    },
]
