"""Runs a notebook inside the jail; the only file here that shares a process tree with student code.

``python inside.py LIMITS``: reads a token, a line of its own, and a notebook from its standard input,
executes the code cells, and writes to its standard output the token in a line and one JSON object:
``{"status": ..., "cell": ..., "outputs": {cell id: [output, ...]}}``. The status is "done", or says in
words what ended the run; `cell` is the id of the cell that did.

Token and notebook come through a pipe, and this process cannot be looked into, so that student code
meets a hidden test no sooner than it runs, and cannot write a result in this program's name. In the
jail this is process 1, which the others cannot kill.
"""

import asyncio
import ctypes
import json
import os
import resource
import sys
import time

# jsonschema, which nbformat needs, would build a grammar for web addresses: half of the start's time.
sys.modules["rfc3987_syntax"] = None

import nbformat  # noqa: E402
from jupyter_client.manager import AsyncKernelManager  # noqa: E402
from nbclient import NotebookClient  # noqa: E402
from nbclient.exceptions import DeadKernelError  # noqa: E402

GRACE = 5  # seconds in which a cell must heed an interrupt


class Client(NotebookClient):
    """nbclient that keeps only so much of what a cell prints, and does not wait for ever."""

    def __init__(self, notebook, most: int, **options):
        super().__init__(notebook, **options)
        self.most, self.kept, self.cut = most, 0, set()

    def output(self, outs, msg, display_id, cell_index):
        content = msg["content"]
        self.kept += len(json.dumps(content, default=str))
        if self.kept > self.most:
            self.cut.add(cell_index)
            return None
        return super().output(outs, msg, display_id, cell_index)

    async def run(self, seconds: int, outputs: dict) -> tuple[str, str]:
        async with self.async_setup_kernel():
            for index, cell in enumerate(self.nb.cells):
                if cell.cell_type != "code":
                    continue
                self.kept, started = 0, time.monotonic()
                try:
                    run = self.async_execute_cell(cell, index)
                    await asyncio.wait_for(run, seconds + GRACE)
                except (asyncio.TimeoutError, DeadKernelError):
                    if time.monotonic() - started >= seconds + GRACE:
                        return f"a cell ran on after {seconds} s and an interrupt", cell.id
                    return "the notebook's process ended itself or was ended", cell.id
                finally:
                    outputs[cell.id] = shown(cell, index in self.cut)
        return "done", ""


def shown(cell, cut: bool) -> list:
    note = {"output_type": "stream", "name": "stdout", "text": "\n[more was printed: cut here]\n"}
    return [*cell.outputs, *([note] if cut else [])]


def close_to_others() -> None:
    """Let no process of the same user read this one's memory or files (Linux)."""
    if hasattr(ctypes.CDLL(None), "prctl"):
        PR_SET_DUMPABLE = 4
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def main() -> None:
    close_to_others()
    limits = json.loads(sys.argv[1])
    token = sys.stdin.readline()
    notebook = nbformat.reads(sys.stdin.read(), 4)
    channel = os.dup(1)  # not inherited: nothing but this program writes to the grader
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    for name in ("DATA", "NPROC", "FSIZE", "CPU", "NOFILE"):
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limits[name], limits[name]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    client = Client(
        notebook,
        most=limits["output"],
        timeout=limits["seconds"],
        interrupt_on_timeout=True,
        allow_errors=True,
        kernel_name="python3",
        km=AsyncKernelManager(kernel_name="python3"),
    )
    outputs: dict[str, list] = {}
    status, cell = asyncio.run(client.run(limits["seconds"], outputs))
    with os.fdopen(channel, "w") as file:
        file.write(token)
        json.dump({"status": status, "cell": cell, "outputs": outputs}, file)
    os._exit(0)  # whatever still runs ends with the jail


if __name__ == "__main__":
    main()
