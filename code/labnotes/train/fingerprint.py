"""What decides the course of a run, as plain values: two runs with the same may be joined.

A function counts by its code, by what it has taken from around it (closure, defaults, the values
and the file's own functions among the globals that it names); a module by its class, its attributes
and its constants; data by their length and a few samples, or where they have no numbers by their
attributes. What moves in training counts only as being there: weights, random generators, what a
function itself writes to. Each fact has a name, so that a checkpoint that is refused can tell which
one is another.
"""

from __future__ import annotations

import argparse
import dataclasses
import dis
import functools
import hashlib
import inspect
import random
import re
import sys
import types
from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler

from labnotes.train import distributed
from labnotes.train.checkpoint import random_states, set_random_states
from labnotes.train.history import History
from labnotes.train.measure import default_metrics
from labnotes.train.schedules import Rates, length

SAMPLES = 4  # of a data set; of Batches and lists, as many batches' first examples
NUMBERS = 4096  # of a large tensor; entries of a long list
# What moves as it is used: only its class counts.
MOVING = (torch.Generator, random.Random, Iterator, torch.optim.Optimizer, History)
MOVING += (torch.optim.lr_scheduler.LRScheduler, torch.amp.GradScaler)
# Methods that change their object (besides torch's, whose names end with an underscore).
WRITING = """add append appendleft clear extend insert pop popleft remove setdefault update
write""".split()


def settings_of(model, train, valid, optimizer, rates: Rates, loss, metrics, step) -> dict:
    """The settings of a run of :func:`labnotes.train.fit`: names and plain values."""
    _check_shapes(model)
    settings = {"model": _text(model), "processes": distributed.processes()}
    # Wherever a function has them from, the model's tensors are no constants.
    trained = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    settings |= _module("model", model, False, trained | {id(model)})
    if step is not None:
        settings |= facts("step", step, trained)
    else:
        settings |= facts("loss", loss, trained)
        metrics = default_metrics(loss) if metrics is None else metrics
        settings["metrics"] = sorted(metrics)
        for name, metric in metrics.items():
            settings |= facts(f"metric {name}", metric, trained)
    settings |= _optimizer(model, optimizer) | _schedule(rates) | data("", train)
    return settings if valid is None else settings | data("valid ", valid)


def _check_shapes(model: nn.Module) -> None:
    lazy = [name for name, value in model.named_parameters() if is_lazy(value)]
    if lazy:
        raise ValueError(
            f"{lazy[0]} of the model has no shape yet (a lazy layer), so that a saved run could not be "
            "told from another: call the model once on a batch before fit with a checkpoint"
        )


def facts(name: str, value: Any, known: Iterable[int] = ()) -> dict:
    """What `value` is, as names that begin with `name` and plain values.

    `known` has the ids of tensors that are trained, and of objects that count elsewhere.
    """
    return _facts(name, value, set(known))


def _facts(name: str, value: Any, seen: set[int]) -> dict:
    if value is None:
        return {name: None}
    for plain in (bool, int, float, str):
        if isinstance(value, plain):
            return {name: plain(value)}  # NumPy's too, as what a checkpoint can hold
    if isinstance(value, Tensor):
        return {name: _shape(value) if _trained(value, seen) else _digest(value)}
    texts = (complex, bytes, range, Path, torch.dtype, torch.device, torch.memory_format)
    if isinstance(value, texts):
        return {name: str(value)}
    if isinstance(value, MOVING) or type(value).__module__.startswith("numpy.random"):
        return {name: type(value).__qualname__}
    if id(value) in seen:  # a function that calls itself, an object that holds itself
        return {}
    seen.add(id(value))
    if isinstance(value, functools.partial):
        parts = {f"{name}.{i}": each for i, each in enumerate(value.args)}
        parts |= {f"{name}.{key}": each for key, each in value.keywords.items()}
        return _facts(name, value.func, seen) | _all(parts, seen)
    if isinstance(value, types.MethodType):
        return _facts(name, value.__func__, seen) | _facts(f"{name}.self", value.__self__, seen)
    if isinstance(value, types.FunctionType):
        return _function(name, value, seen)
    if isinstance(value, nn.Module):
        return {name: type(value).__qualname__} | _module(name, value, True, seen)
    if isinstance(value, (tuple, list, Mapping, Set)):
        return {name: len(value)} | _contents(name, value, seen)
    if isinstance(value, (type, types.BuiltinFunctionType, types.ModuleType)):
        return {name: getattr(value, "__qualname__", None) or value.__name__}
    if type(value).__module__ == "numpy" and hasattr(value, "dtype"):
        return {name: _digest(torch.as_tensor(value))} if value.dtype != object else {}
    return {name: type(value).__qualname__} | _object(name, value, seen)


def _all(parts: dict[str, Any], seen: set[int]) -> dict:
    found = {}
    for name, part in parts.items():
        found |= _facts(name, part, seen)
    return found


def _contents(name: str, value: tuple | list | Mapping | Set, seen: set[int]) -> dict:
    """What is in a list or the like: entry by entry, or where there are many as one fact."""
    if isinstance(value, Set):  # in no order
        found = sorted(str(_facts("", each, seen)) for each in value)
        return {f"{name} content": _hash(repr(found))}
    pairs = list(value.items() if isinstance(value, Mapping) else enumerate(value))
    some = [pairs[i] for i in _places(len(pairs), NUMBERS)]
    found = _all({f"{name}.{_less_addresses(str(key))}": each for key, each in some}, seen)
    return found if len(value) <= 32 else {f"{name} content": _hash(repr(found))}


def _function(name: str, function: types.FunctionType, seen: set[int]) -> dict:
    """Its name, its code, and the values that it has from elsewhere."""
    found = {name: function.__name__}
    if (function.__module__ or "").split(".")[0] == "torch":  # its code is torch's affair
        return found
    found[f"{name} code"] = _code(function.__code__)
    steps = list(_instructions(function.__code__))
    written = _written(steps)
    outside = inspect.getclosurevars(function).nonlocals | _globals(function, steps)
    values = {key: value for key, value in outside.items() if key not in written}
    values |= dict(enumerate(function.__defaults__ or ())) | (function.__kwdefaults__ or {})
    return found | _all({f"{name}.{key}": value for key, value in values.items()}, seen)


def _globals(function: types.FunctionType, steps: list[dis.Instruction]) -> dict[str, Any]:
    """The globals that a function names, as far as they are its settings."""
    named = [step.argval for step in steps if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    space = function.__globals__
    return {key: space[key] for key in named if key in space and _is_setting(space[key], function)}


def _is_setting(value: Any, function: types.FunctionType) -> bool:
    """Whether a global is more to a function than a name in its code.

    Of other files functions, classes and modules are not. What a library has in its own files
    (caches, registers) or makes (figures, loggers) is its affair.
    """
    if isinstance(value, types.FunctionType):
        return value.__module__ == function.__module__
    if isinstance(value, (bool, int, float, str, tuple, Tensor)):
        return True
    file = function.__globals__.get("__name__") or ""  # of a decorator's, where that stands
    if file.split(".")[0] == "labnotes" or _is_library(file) or isinstance(value, (type, *MOVING)):
        return False
    kinds = (complex, bytes, range, Path, list, Mapping, Set, nn.Module, functools.partial)
    kinds += (types.MethodType, types.SimpleNamespace, argparse.Namespace)
    table = type(value).__module__ == "numpy" and hasattr(value, "dtype")
    return isinstance(value, kinds) or table or not _is_library(type(value).__module__)


def _is_library(module: str) -> bool:
    name = module.split(".")[0]
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return name in sys.stdlib_module_names or "site-packages" in Path(file).parts


def _instructions(code: types.CodeType) -> Iterator[dis.Instruction]:
    """What the code does step by step, with the functions that are written in it."""
    yield from dis.get_instructions(code)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _instructions(inner)


def _written(steps: list[dis.Instruction]) -> set[str]:
    """Names of what code changes: a list that a step appends to is a record, and no setting."""
    found = {s.argval for s in steps if s.opname in ("STORE_GLOBAL", "STORE_DEREF")}
    for one, two, three in zip(steps, islice(steps, 1, None), islice(steps, 2, None)):
        if one.opname in ("LOAD_GLOBAL", "LOAD_DEREF") and (
            (two.opname in ("LOAD_METHOD", "LOAD_ATTR") and _writes(two.argval))  # x.append(y)
            or two.opname == "STORE_ATTR"  # x.y = z
            or (two.opname == "COPY" and three.opname == "LOAD_ATTR")  # x.y += z
            or (two.opname.startswith("LOAD_") and three.opname in ("STORE_SUBSCR", "COPY"))  # x[y]
        ):
            found.add(one.argval)
    return found


def _writes(method: str) -> bool:
    return method in WRITING or (method.endswith("_") and not method.endswith("__"))


def _code(code: types.CodeType) -> str:
    """A hash of what the code does: not of its place, its comments or its docstring."""
    constants = [_constant(c) for c in code.co_consts]
    if _documented(code):
        constants[0] = repr(None)  # which stands there where a function has no docstring
    return _hash(repr((code.co_code, constants, code.co_names, code.co_varnames)))


def _constant(value: Any) -> str:
    if isinstance(value, frozenset):  # of `x in {"a", "b"}`, in another order in each process
        return f"set {sorted(map(repr, value))}"
    return _code(value) if isinstance(value, types.CodeType) else repr(value)


def _documented(code: types.CodeType) -> bool:
    """Whether the first constant is a docstring, as a flag says from Python 3.14 on.

    Before, a docstring or None stands first in a function, but not in a comprehension.
    """
    if sys.version_info >= (3, 14):
        return bool(code.co_flags & inspect.CO_HAS_DOCSTRING)
    named = not code.co_name.startswith("<")
    return named and bool(code.co_consts) and isinstance(code.co_consts[0], str)


def _object(name: str, value: Any, seen: set[int]) -> dict:
    """The public attributes of an object; where it can be called, its code."""
    public = {
        f"{name}.{key}": each
        for key, each in getattr(value, "__dict__", {}).items()
        if not key.startswith("_")
        and key != "data_source"  # of a sampler: the data, of which a few samples do
        and not (key == "epoch" and hasattr(value, "set_epoch"))  # which `fit` sets
        and not isinstance(each, MOVING)
    }
    if isinstance(value, RandomSampler):
        public[f"{name}.num_samples"] = value.num_samples  # which it keeps as a private one
    call = inspect.getattr_static(type(value), "__call__", None)
    if isinstance(call, types.FunctionType):
        public[f"{name}()"] = call
    return _all(public, seen)


def _module(name: str, module: nn.Module, values: bool, seen: set[int]) -> dict:
    """Shapes and attributes of a module's parts; with `values`, also what is constant in them.

    Constant are the tensors of a part that has nothing to train, such as the class weights of a
    loss. (What is trained changes, and a checkpoint brings it back.)
    """
    moving = (_NormBase, _SpectralNorm)  # have statistics that move, whatever is trained
    found = {}
    plain = (
        bool,
        int,
        float,
        str,
        functools.partial,
        types.FunctionType,
        types.BuiltinFunctionType,
    )
    for path, part in module.named_modules():
        prefix = f"{name}.{path}" if path else name
        trains = any(p.requires_grad for p in part.parameters()) or isinstance(part, moving)
        own = [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]
        for key, tensor in own:
            constant = values and not trains and not _trained(tensor, seen)
            found[f"{prefix}.{key}"] = _digest(tensor) if constant else _shape(tensor)
        for key, value in vars(part).items():
            if key.startswith("_") or key == "training":
                continue
            if isinstance(value, plain):
                found |= _facts(f"{prefix}.{key}", value, seen)
            elif isinstance(value, (tuple, list)) and all(
                isinstance(each, (bool, int, float, str)) for each in value
            ):
                found[f"{prefix}.{key}"] = list(value)
    return found


def _trained(tensor: Tensor, seen: set[int]) -> bool:
    return tensor.requires_grad or id(tensor) in seen


def _optimizer(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
    found = {"optimizer": type(optimizer).__name__}
    names = {id(p): name for name, p in model.named_parameters()}
    for i, group in enumerate(optimizer.param_groups):
        prefix = f"group {i} " if len(optimizer.param_groups) > 1 else ""
        held = [names.get(id(p), "(of the loss)") for p in group["params"]]
        found[f"{prefix}parameters"] = f"{len(held)}, {held[0]} to {held[-1]} ({_hash(str(held))})"
        found |= {
            f"{prefix}{name}": value if not isinstance(value, Tensor) else value.tolist()
            for name, value in group.items()
            if name not in ("params", "foreach", "fused", "capturable", "differentiable")
        }
    return found


def _schedule(rates: Rates) -> dict:
    if rates.schedule is None:
        return {"schedule": None}
    steps = range(0, rates.total, -(-rates.total // 10_000))
    factors = [f"{rates.factor(step):.9g}" for step in steps]
    told = f"{factors[0]} to {factors[-1]} ({_hash(' '.join(factors))})"
    return {"steps in all": rates.total, "schedule": told}


def data(name: str, batches: Iterable) -> dict:
    """Facts about minibatches. Random generators are afterwards where they were."""
    from labnotes.data.batches import Batches

    found = {f"{name}batches in an epoch": length(batches)}
    before = random_states()
    try:
        if isinstance(batches, Batches):
            found |= _batches(name, batches)
        elif isinstance(batches, DataLoader):
            found |= _loader(name, batches)
        elif isinstance(batches, IterableDataset):  # has a __getitem__, which only raises
            found |= facts(f"{name}data", batches)
        elif hasattr(batches, "__getitem__") and length(batches):
            found[f"{name}data"] = _sampled(batches)
        else:
            found |= facts(f"{name}data", batches)  # its attributes
    finally:
        set_random_states(before)
    return found


def _batches(name: str, batches) -> dict:
    found = {f"{name}data seed": batches.seed}
    for key in ("batch_size", "shuffle", "drop_last"):
        found[f"{name}{key}"] = getattr(batches, key)
    for key, value in batches.statistics.items():
        found[f"{name}{key}"] = value
    found |= facts(f"{name}augment", batches.augment)
    some = _places(len(batches.labels), 16 * SAMPLES)
    found[f"{name}data"] = _shown(batches.images, batches.images[some], batches.labels[some])
    return found


def _loader(name: str, loader: DataLoader) -> dict:
    found = {f"{name}batch_size": loader.batch_size, f"{name}drop_last": loader.drop_last}
    for key in ("dataset", "sampler", "batch_sampler", "collate_fn"):
        value = getattr(loader, key)
        found[f"{name}{key}"] = getattr(value, "__qualname__", type(value).__qualname__)
    usual, known = type(loader.sampler) in (RandomSampler, SequentialSampler), {id(loader.dataset)}
    if usual:
        found[f"{name}replacement"] = getattr(loader.sampler, "replacement", None)
        found[f"{name}num_samples"] = getattr(loader.sampler, "num_samples", None)
    else:
        found |= facts(f"{name}sampler", loader.sampler, known)
    if loader.batch_size is None and loader.batch_sampler is not None:  # not made by the loader
        found |= facts(f"{name}batch_sampler", loader.batch_sampler, known)
        usual = False
    found |= facts(f"{name}collate_fn", loader.collate_fn)
    return found | _examples(name, loader, usual)


def _examples(name: str, loader: DataLoader, usual: bool) -> dict:
    """What the data set of a loader holds; with a `usual` sampler its examples have numbers."""
    if isinstance(loader.dataset, IterableDataset):
        workers = {f"{name}workers": loader.num_workers}  # each may give a part of it
        return facts(f"{name}dataset", loader.dataset) | workers
    if not (usual or _numbered(loader.dataset)):
        return facts(f"{name}dataset", loader.dataset)
    first, again = (_sampled(loader.dataset, seed) for seed in (0, 1))
    # What draws random numbers gives others with other worker processes.
    workers = {f"{name}workers": loader.num_workers} if first != again else {}
    return {f"{name}data": first} | workers


def _numbered(dataset: Any) -> bool:
    """Whether examples have the numbers 0 to n - 1: a sampler may draw names of another kind."""
    try:
        dataset[len(dataset) - 1], dataset[0]
    except Exception:  # whatever a data set raises for a name that it has not
        return False
    return True


def _sampled(examples, seed: int = 0) -> str:
    """Length and a hash of a few examples; what is random in them is drawn from `seed`."""
    from labnotes import runtime

    runtime.seed_everything(seed)
    n = len(examples)
    return f"{n} ({_hash(*[_content(examples[i]) for i in _places(n, SAMPLES)])})"


def _places(n: int, most: int) -> list[int]:
    """At most so many numbers below `n`, evenly spaced, the first and the last among them."""
    some = min(n, most)
    return [i * (n - 1) // max(1, some - 1) for i in range(some)]


def _content(value: Any) -> str:
    """The content of an example or batch as text: hashes of its tensors, in its structure."""
    if isinstance(value, PackedSequence):
        return _digest(value.data)
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_content, value))})"
    if isinstance(value, Mapping):
        return str({key: _content(each) for key, each in value.items()})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _content(vars(value)) if hasattr(value, "__dict__") else type(value).__name__
    if isinstance(value, Tensor):
        return _digest(value)
    if hasattr(value, "__array__"):  # NumPy's, or a picture
        return _digest(torch.as_tensor(value.__array__().copy()))
    return repr(value) if isinstance(value, (str, int, float, bytes)) else type(value).__name__


def _digest(tensor: Tensor) -> str:
    """Type, shape and a hash of a tensor: of all its numbers, or of some where there are many."""
    some = tensor.detach()
    if some.numel() > NUMBERS:  # picked where they lie: windows of a text are a view many times it
        places = torch.as_tensor(_places(some.numel(), NUMBERS), device=some.device)
        some = some[torch.unravel_index(places, some.shape)]
    flat = some.reshape(-1)
    content = flat.cpu().contiguous().view(torch.uint8) if flat.numel() else flat
    return f"{_shape(tensor)} {_hash(content.numpy().tobytes() if flat.numel() else '')}"


def _shown(whole: Tensor, *some: Tensor) -> str:
    return f"{len(whole)} ({_hash(*map(_digest, some))})"


def _shape(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _hash(*parts: str | bytes) -> str:
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part if isinstance(part, bytes) else part.encode())
    return sha.hexdigest()[:8]


def _text(module: nn.Module) -> str:
    """The module as torch prints it, less addresses in memory."""
    return _less_addresses(repr(module))


def _less_addresses(text: str) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", text)
