"""Runs variants of one notebook in one jail: what they share once, then each in a process of its own.

``python forked.py`` reads ``{"cells": [[id, source], ...], "variants": [{"cells": {id: source},
"last": id}, ...]}`` and writes ``{"base": outputs, "variants": [outputs, ...]}``, where outputs are
``{cell id: [output, ...]}``, an output the result of a cell's last expression or its error, as a kernel
gives them. A variant has the notebook's cells, some with another source, up to `last`.

The base process runs the cells as they are. Before the first cell that a variant changes it forks: the
child has all that the cells before have made, and nothing that it does reaches the base or another.
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


def run_variant(shell: InteractiveShell, cells: list, variant: dict) -> dict:
    """The outputs of the cells that remain, in a process that ends with them."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            os.chdir(tempfile.mkdtemp())
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


def main() -> None:
    asked = json.load(sys.stdin)
    cells, variants = asked["cells"], asked["variants"]
    signal.signal(signal.SIGPROF, signal.default_int_handler)
    shell = InteractiveShell.instance()
    base, outputs, later = {}, [None] * len(variants), set(range(len(variants)))
    for place, (name, source) in enumerate(cells):
        for number in sorted(n for n in later if name in variants[n]["cells"]):
            outputs[number] = base | run_variant(shell, cells[place:], variants[number])
            later.remove(number)
        base[name] = run(shell, source)
    json.dump({"base": base, "variants": outputs}, sys.stdout)


if __name__ == "__main__":
    main()
