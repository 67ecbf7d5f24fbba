"""What a record's key holds of the package: all that its cells can reach, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from labnotes_site.record.reached import Reached

ROOT = Path(__file__).parents[2]
FILES = {
    "__init__.py": "VERSION = 1\n",
    "tools.py": """
import math
from functools import cache
from labnotes import deep

FACTOR = 2
UNUSED = 3
try:
    from labnotes.other import late
except ImportError:
    late = None
def double(x):
    return FACTOR * x
def through_a_module(x):
    return deep.inner.root(x)
def through_a_condition(x):
    return late(x)
def imports_itself(x):
    from labnotes.other import hidden
    return hidden(x)
def hands_on(x):
    return x(deep.inner)
class Base:
    pass
class Child(Base):
    def method(self):
        return double(1)
@cache
def remembered():
    return FACTOR
@print
def announced():
    return unused()
def unused():
    return UNUSED
""",
    "other.py": "def late(x):\n    return x\ndef hidden(x):\n    return x\ndef alone(x):\n    return x\n",
    "deep/__init__.py": "",
    "deep/inner.py": "def root(x):\n    return x\ndef leaf(x):\n    return x\n",
    "lazily/__init__.py": """from labnotes.lazy import lazy
__all__ = lazy(__name__, {"one": ["first"], "two": ["second"]})
""",
    "lazily/one.py": "from labnotes.tools import double\ndef first():\n    return double(1)\n",
    "lazily/two.py": "def second():\n    return 2\n",
    "lazy.py": "def lazy(package, names):\n    return []\n",
}
#: Loading tools.py runs this, whatever is asked of it.
LOADED = {"UNUSED", "unused"}


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("code")
    for name, text in FILES.items():
        file = root / "labnotes" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


@pytest.mark.parametrize(
    "cells, module, expected",
    [
        (["from labnotes.tools import double"], "tools", {"double", "FACTOR"}),
        (["from labnotes import tools", "tools.double(2)"], "tools", {"double", "FACTOR"}),
        (["import labnotes.tools as t", "t.remembered()"], "tools", {"remembered", "FACTOR"}),
        (["import labnotes.tools", "labnotes.tools.double"], "tools", {"double", "FACTOR"}),
        (["from labnotes.tools import Child"], "tools", {"Child", "Base", "double", "FACTOR"}),
        (["from labnotes.tools import through_a_module as f"], "deep.inner", {"root"}),
        (["from labnotes.tools import hands_on"], "deep.inner", {"*", "root", "leaf"}),
        (["from labnotes.tools import imports_itself"], "other", {"hidden", "late"}),
        (["%matplotlib inline", "from labnotes.tools import through_a_condition"], "other", {"late"}),
        (["from labnotes.lazily import first"], "lazily.one", {"first"}),
        (["from labnotes.lazily import first"], "tools", {"double", "FACTOR"}),
        (["from labnotes import lazily", "lazily.second()"], "lazily.two", {"second"}),
        (["from labnotes import lazily", "getattr(lazily, name)()"], "lazily.one", {"first"}),
        (["from labnotes.other import made_elsewhere"], "other", {
            "made_elsewhere", "*", "late", "hidden", "alone"}),
    ],
)  # fmt: skip
def test_names_lead_from_a_cell_through_the_package(package, cells, module, expected):
    found = Reached(cells, package).found[f"labnotes.{module}"]
    assert found - (LOADED - expected) == expected


def test_what_is_not_asked_for_is_not_reached(package):
    reached = Reached(["from labnotes.lazily import second"], package)
    assert "labnotes.lazily.one" not in reached.found
    text = Reached(["from labnotes.tools import double"], package).texts()["labnotes.tools"]
    assert "def double" in text and "FACTOR = 2" in text and "@print" in text
    assert "Child" not in text and "remembered" not in text


RUN = """
import json, sys
called = set()
def note(frame, event, _):
    name = frame.f_globals.get("__name__") or ""
    if event == "call" and name.startswith("labnotes."):
        called.add((name, frame.f_code.co_qualname.split(".")[0]))
cells = json.load(sys.stdin)
sys.setprofile(note)
exec("\\n".join(cells), {"__name__": "__main__"})
sys.setprofile(None)
print(json.dumps(sorted(called)))
"""
CODE = {
    "training": """
import torch
from torch import nn
from labnotes import runtime
from labnotes.data import Batches, digits
from labnotes.train import cosine, fit
data = digits()
train = Batches(data.train.images, data.train.labels, 64)
test = Batches(data.test.images, data.test.labels, 64, shuffle=False)
net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
fit(net, train, test, epochs=1, schedule=cosine(warmup=3), clip_norm=1.0, checkpoint="run.pt",
    optimizer=lambda p: torch.optim.SGD(p, lr=0.1), progress=False)
""",
    "networks by name": """
import torch
from labnotes import convnets
from labnotes.convnets import cost
for builder in ("lenet", "resnet_small", "googlenet_small"):
    net = getattr(convnets, builder)()
    net(torch.zeros(2, 1, 28, 28))
    cost(net, (1, 28, 28))
""",
    "a metric": """
import torch
from labnotes.metrics import bleu, mean_average_precision
bleu("a b c d".split(), ["a b c e".split()])
boxes = {"boxes": torch.tensor([[0.0, 0, 1, 1]]), "labels": torch.tensor([0])}
mean_average_precision([boxes | {"scores": torch.tensor([1.0])}], [boxes])
""",
}


@pytest.mark.parametrize("name", CODE)
def test_every_function_that_a_run_calls_is_reached(name, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps([CODE[name]]), capture_output=True, text=True, cwd=tmp_path, timeout=600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    reached = Reached([CODE[name]], ROOT / "code")
    called = {tuple(pair) for pair in json.loads(done.stdout.splitlines()[-1])}
    # A module's own code, what dataclasses make, how a lazy package finds its names, and where
    # memory comes from, which no key counts.
    aside = ("labnotes.lazy", "labnotes.heap")
    called = {(m, n) for m, n in called if n[0] not in "<_" and m not in aside}
    assert len(called) > 5
    missing = [
        (module, function)
        for module, function in called
        if function not in reached.found[module]
        and f"def {function}(" not in reached.texts().get(module, "")
    ]
    assert missing == []
