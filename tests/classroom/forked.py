"""Runs variants of one notebook in one jail: what they share once, then each in a process of its own.

``python forked.py`` reads ``{"cells": [[id, source], ...], "once": [id, ...], "variants": [{"cells":
{id: source}, "last": id}, ...]}`` and writes ``{"base": outputs, "variants": [outputs, ...]}``, where outputs are
``{cell id: [output, ...]}``, an output the result of a cell's last expression or its error, as a kernel
gives them. A variant has the notebook's cells, some with another source, up to `last`.

The base process runs the cells as they are, as far as a variant needs them. Before the first cell that
a variant changes it forks: the child has all that the cells before have made, and nothing that it does
reaches the base or another. Where a long cell of `once` follows, which uses no answer, it forks after
that: the child begins with the names that there were before its first cell, and those that the long one
made.
"""

import json
import os
import signal
import sys
import tempfile

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

SECONDS = int(sys.argv[1])  # CPU time of one cell; then it is interrupted


def run(shell: InteractiveShell, source: str) -> list[dict]:
    """Execute a cell and give its result or its error."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    with capture_output():
        result = shell.run_cell(source)
    signal.setitimer(signal.ITIMER_PROF, 0)
    error = result.error_before_exec or result.error_in_exec
    if error is not None:
        return [{"output_type": "error", "ename": type(error).__name__, "evalue": str(error)}]
    if result.result is None:
        return []
    with capture_output():
        data, _ = shell.display_formatter.format(result.result)
    return [{"output_type": "execute_result", "data": data}]


def run_variant(shell: InteractiveShell, names: dict, cells: list, variant: dict) -> dict:
    """The outputs of the cells that remain, in a process that begins with `names` and ends with them."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            os.chdir(tempfile.mkdtemp())
            shell.user_ns.clear()
            shell.user_ns.update(names)
            outputs = {}
            for name, source in cells:
                outputs[name] = run(shell, variant["cells"].get(name, source))
                if name == variant["last"]:
                    break
            with os.fdopen(write, "w") as file:
                json.dump(outputs, file)
        finally:
            os._exit(0)  # an error leaves the pipe without a result: seen below
    os.close(write)
    with os.fdopen(read) as file:
        text = file.read()
    os.waitpid(child, 0)
    return json.loads(text)


def places(cells: list, once: list, variant: dict) -> tuple[int, int]:
    """The first cell that a variant changes; and the one before which it leaves the base."""
    order = [name for name, _ in cells]
    first = min(order.index(name) for name in variant["cells"])
    needed = [order.index(name) for name in once]
    needed = [i for i in needed if first <= i < order.index(variant["last"])]
    return first, max(needed, default=first - 1) + 1


def main() -> None:
    asked = json.load(sys.stdin)
    cells, once, variants = asked["cells"], asked["once"], asked["variants"]
    signal.signal(signal.SIGPROF, signal.default_int_handler)
    import torch._dynamo  # noqa: F401  # An optimizer imports it, for a second: once, not in each child.

    shell = InteractiveShell.instance()
    base, before, made, outputs = {}, [], {}, [None] * len(variants)
    last = max(places(cells, once, variant)[1] for variant in variants)
    for place, (name, source) in enumerate(cells[: last + 1]):
        before.append((dict(shell.user_ns), dict(base)))
        for number, variant in enumerate(variants):
            first, leaves = places(cells, once, variant)
            if leaves == place:
                names, done = before[first]
                rest = [cell for cell in cells[first:] if cell[0] not in once]
                outputs[number] = done | run_variant(shell, names | made, rest, variant)
        if place == last:
            break
        base[name] = run(shell, source)
        if name in once:
            made |= {k: v for k, v in shell.user_ns.items() if before[-1][0].get(k) is not v}
    json.dump({"base": base, "variants": outputs}, sys.stdout)


if __name__ == "__main__":
    main()
