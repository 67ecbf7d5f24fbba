"""Runs a notebook inside the jail; the only file here that shares a process tree with student code.

``python inside.py LIMITS``: reads a key, a line of its own, and a notebook from its standard input,
executes the code cells, and writes to its standard output a signature in a line and one JSON object:
``{"status": ..., "cell": ..., "outputs": {cell id: [output, ...]}, "stopped": {cell id: words}}``. The
status is "done", or says in words what ended the run; `cell` is the id of the cell that did. The cells
in "stopped" were interrupted at a limit.

Key and notebook come through a pipe, and this process cannot be looked into, so that student code
meets a hidden test no sooner than it runs, and cannot sign a result in this program's name. In the
jail this is process 1, which the others cannot kill.
"""

import asyncio
import ctypes
import glob
import hmac
import json
import os
import resource
import select
import sys
import time

# jsonschema, which nbformat needs, would build a grammar for web addresses: half of the start's time.
sys.modules["rfc3987_syntax"] = None

import nbformat  # noqa: E402
from jupyter_client.manager import AsyncKernelManager  # noqa: E402
from nbclient import NotebookClient  # noqa: E402
from nbclient.exceptions import DeadKernelError  # noqa: E402

GRACE = 5  # seconds in which a cell must heed an interrupt
SLOWER = 3  # so many times longer than CPU time may a cell take on the clock
STEP = 0.2  # seconds between two looks at what a cell has used
MOST = 200  # outputs of one cell
TICKS = os.sysconf("SC_CLK_TCK")


class RunsOn(RuntimeError):
    """A cell did not end when it was interrupted."""


class Client(NotebookClient):
    """nbclient that keeps only so much of what cells show, and ends a cell at its limits."""

    def __init__(self, notebook, limits: dict, channel: int, **options):
        super().__init__(notebook, **options)
        self.limits, self.cut, self.stopped = limits, set(), {}
        self.channel = channel  # to the grader
        self.left = limits["outputs"]  # of what all cells together may still show, letters

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"].startswith("comm"):  # widgets: nobody is there to use them
            return None
        return super().process_message(msg, cell, cell_index)

    def output(self, outs, msg, display_id, cell_index):
        size, ends = len(json.dumps(msg["content"], default=str)), msg["msg_type"]
        # The value of a cell has room of its own: what was printed before it cannot take that away.
        valued = ends in ("execute_result", "error")
        self.kept[valued] += size
        self.left -= 0 if valued else size
        if self.kept[valued] > self.limits["output"] or self.left < 0 or self.count[valued] > MOST:
            self.cut.add(cell_index)
            return None
        self.count[valued] += 1
        return super().output(outs, msg, display_id, cell_index)

    async def execute(self, cell, index: int) -> None:
        """Execute a cell; interrupt it at a limit, and note that."""
        self.kept, self.count = [0, 0], [0, 0]
        self._display_id_map = {}  # a later cell cannot change what an earlier one has shown
        run = asyncio.ensure_future(self.async_execute_cell(cell, index))
        meter = Meter()
        while not (await asyncio.wait({run}, timeout=STEP))[0]:
            if not is_read(self.channel):
                # The grader was killed while bubblewrap was starting, which then ends no jail.
                os._exit(1)
            if cell.id in self.stopped:
                if meter.over(GRACE, SLOWER * GRACE):
                    raise RunsOn
            elif over := meter.over(self.limits["seconds"], SLOWER * self.limits["seconds"]):
                self.stopped[cell.id] = over
                await self.km.interrupt_kernel()
                meter = Meter()
        run.result()

    async def run(self, outputs: dict) -> tuple[str, str]:
        async with self.async_setup_kernel():
            for index, cell in enumerate(self.nb.cells):
                if cell.cell_type != "code":
                    continue
                try:
                    await self.execute(cell, index)
                except RunsOn:
                    return f"a cell ran on after {self.stopped[cell.id]} and an interrupt", cell.id
                except DeadKernelError:
                    return "the notebook's process ended itself or was ended", cell.id
                finally:
                    outputs[cell.id] = shown(cell, index in self.cut)
        return "done", ""


class Meter:
    """What the processes of the jail have used since the meter was made."""

    def __init__(self):
        self.started, (self.computed, self.before) = time.monotonic(), processors()
        self.waited = 0.0

    def over(self, computing: float, clock: float) -> str:
        """Which of two limits in seconds is passed, in words; "" if none.

        On the clock no more counts than the time in which nobody waited for a processor: a machine that
        has too much to do takes none of a cell's time. Of those that wait together the longest counts.
        Beyond ten times the limit that is no excuse.
        """
        computed, now = processors()
        self.waited += max((s - self.before.get(p, 0.0) for p, s in now.items()), default=0.0)
        self.before = now
        if computed - self.computed > computing:
            return f"{computing} s of computing"
        passed = time.monotonic() - self.started
        if passed - self.waited > clock or passed > 10 * clock:
            return f"{clock} s on the clock"
        return ""


def processors() -> tuple[float, dict[str, float]]:
    """CPU time that all other processes of the jail have had, and by process the time for which it
    waited for a processor; seconds. Without a jail others on this machine are none of ours: there 0."""
    computed, waited = 0, {}
    for folder in glob.glob("/proc/[0-9]*") if os.getpid() == 1 else ():
        mine = folder == "/proc/1"  # what passes on their outputs counts for nobody
        try:
            with open(f"{folder}/stat", "rb") as file:
                numbers = file.read().rpartition(b")")[2].split()
            computed += sum(int(n) for n in numbers[13 if mine else 11 : 15])
            with open(f"{folder}/schedstat", "rb") as file:
                waited[folder] = 0 if mine else int(file.read().split()[1]) / 1e9
        except OSError:  # it has ended meanwhile, or this kernel does not count it
            continue
    return computed / TICKS, waited


def shown(cell, cut: bool) -> list:
    note = {"output_type": "stream", "name": "stdout", "text": "\n[more was printed: cut here]\n"}
    return [*cell.get("outputs", []), *([note] if cut else [])]


def is_read(channel: int) -> bool:
    """Whether anybody is left to read what is written there."""
    look = select.poll()
    look.register(channel, 0)  # the end of the reader is told unasked
    return not look.poll(0)


def close_to_others() -> None:
    """Let no process of the same user read this one's memory or files (Linux)."""
    if hasattr(ctypes.CDLL(None), "prctl"):
        PR_SET_DUMPABLE = 4
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def signed(key: str, text: str) -> str:
    """The text after a line that only who has the key can write; `key` ends its own line, too."""
    return f"{hmac.new(key.strip().encode(), text.encode(), 'sha256').hexdigest()}\n{text}"


def main() -> None:
    close_to_others()
    os.closerange(3, 1 << 12)  # nothing but these three is a kernel's to inherit
    limits = json.loads(sys.argv[1])
    key = sys.stdin.readline()
    notebook = nbformat.reads(sys.stdin.read(), 4)
    channel = os.dup(1)  # not inherited: nothing but this program writes to the grader
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    for name, most in limits["resources"].items():
        if hasattr(resource, f"RLIMIT_{name}"):  # macOS, without a jail, has not all
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    client = Client(
        notebook,
        limits,
        channel,
        timeout=None,  # our own: of CPU time
        iopub_timeout=30,  # on a machine that has too much to do, outputs come late
        startup_timeout=120,
        allow_errors=True,
        kernel_name="python3",
        km=AsyncKernelManager(kernel_name="python3"),
    )
    outputs: dict[str, list] = {}
    status, cell = asyncio.run(client.run(outputs))
    found = {"status": status, "cell": cell, "outputs": outputs, "stopped": client.stopped}
    with os.fdopen(channel, "w") as file:
        file.write(signed(key, json.dumps(found)))
    os._exit(0)  # whatever still runs ends with the jail


if __name__ == "__main__":
    main()
