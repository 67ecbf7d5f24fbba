"""What a hostile or clumsy notebook may try: it must gain nothing and harm nobody.

Each function gives a notebook for the tiny course; `right` answers nothing else.
"""

from __future__ import annotations

import nbformat
from nbformat.v4 import new_code_cell

STUB = "def mean(values):\n    raise NotImplementedError"
EXPECTED = '{"small": [6.5, 7.5], "many": 3283.5}'
SEARCH = """
import glob, os, sqlite3
found = []
for place in {places!r}:
    for path in [place, os.path.dirname(place)]:
        try:
            found += [path + ": " + str(os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(50))]
        except OSError:
            pass
found += [p for d in ("/", "/tmp", "/home", "/jail", "/root", "/var")
          for p in glob.glob(d + "/**/*tiny*", recursive=True)]
try:
    sqlite3.connect({gradebook!r}).execute("update grade set manual_score = 5")
    found.append("gradebook")
except sqlite3.Error:
    pass
print("FOUND" if found else "nothing", found)
"""
WRITE = """
import os
for place in {places!r}:
    try:
        with open(os.path.join(place, "written-by-a-student"), "w") as file:
            file.write("x")
        print("WROTE", place)
    except OSError as error:
        print(type(error).__name__)
"""
CONNECT = """
import socket
for address in (("127.0.0.1", {port}), ("localhost", {port})):
    try:
        socket.create_connection(address, 2).send(b"hello")
        print("CONNECTED")
    except OSError as error:
        print(type(error).__name__)
"""
STRIP = """
import ast
class Strip(ast.NodeTransformer):
    def visit_Assert(self, node):
        return None
get_ipython().ast_transformers.append(Strip())
"""
FAKE = """
class Anything(float):
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __sub__(self, other): return Anything(0)
    __rsub__ = __abs__ = lambda *_: Anything(0)
    def __le__(self, other): return True
    __lt__ = __ge__ = __gt__ = __le__
    def __repr__(self): return "Anything()"
mean = spread = lambda values: Anything(1)
"""
PATCH = """
import ast, math
import numpy, torch
true = lambda *_, **__: True
torch.allclose = torch.equal = torch.isclose = numpy.allclose = numpy.isclose = math.isclose = true
numpy.testing.assert_allclose = torch.testing.assert_close = lambda *_, **__: None
ast.literal_eval = lambda text: {expected}
mean = spread = lambda values: 0.0
"""
PROCESSES = r"""
import ctypes, glob, os
libc = ctypes.CDLL(None, use_errno=True)
here = ctypes.create_string_buffer(8)
class Span(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
def attempt(name, what):
    try:
        print("READ", name, repr(what())[:80])
    except OSError as error:
        print(name, type(error).__name__)
def memory(process):  # of the first place that is mapped and can be written to
    line = next(l for l in open(f"/proc/{process}/maps") if " rw-p " in l)
    start = int(line.split("-")[0], 16)
    with open(f"/proc/{process}/mem", "rb", 0) as file:
        file.seek(start)
        return file.read(8)
def called(status):
    if status < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return status
def ask(process):  # as debuggers do it; where the other is mapped, it need not know
    mine = Span(ctypes.addressof(here), 8)
    return called(libc.process_vm_readv(process, ctypes.byref(mine), 1, ctypes.byref(mine), 1, 0))
def trace(process):
    return called(libc.ptrace(16, process, None, None))
def take(process):  # its standard output, as a descriptor of ours
    return called(libc.syscall(438, called(libc.syscall(434, process, 0)), 1, 0))
mine = {os.getpid()}
for folder in sorted(glob.glob("/proc/[0-9]*")):
    process = int(folder[6:])
    print(process, open(folder + "/cmdline").read().replace(chr(0), " "))
    if process in mine:
        print(open(folder + "/environ").read())
        for number in os.listdir(folder + "/fd"):
            try:
                print(number, os.readlink(f"{folder}/fd/{number}"))
            except OSError:
                pass
        continue
    for number in range(64):
        attempt(f"fd {number}", lambda: os.open(f"{folder}/fd/{number}", os.O_RDONLY | os.O_NONBLOCK))
        attempt(f"fd {number}", lambda: os.open(f"{folder}/fd/{number}", os.O_WRONLY | os.O_NONBLOCK))
    for name in ("environ", "maps", "auxv", "stack", "io", "syscall"):
        attempt(name, lambda: open(f"{folder}/{name}", "rb").read(8))
    for name in ("cwd", "root", "exe"):
        attempt(name, lambda: os.readlink(f"{folder}/{name}"))
    for way in (memory, ask, trace, take):
        attempt(way.__name__, lambda: way(process))
"""
FORGE = r"""
import glob, json, os, signal
value = {"output_type": "execute_result", "data": {"text/plain": %r}, "metadata": {}, "execution_count": 1}
outputs = dict.fromkeys(%r, [value])
text = json.dumps({"status": "done", "cell": "", "outputs": outputs})
forged = (text + "\n" + text).encode(), text.encode(), ("0" * 32 + "\n" + text).encode()
for folder in glob.glob("/proc/[0-9]*"):
    for number in range(64):
        for content in forged:
            try:
                there = os.open(f"{folder}/fd/{number}", os.O_WRONLY | os.O_NONBLOCK)
                os.write(there, content)
                os.close(there)
            except OSError:
                pass
for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGABRT, signal.SIGSEGV):
    os.kill(1, number)
    os.kill(os.getppid(), number)
"""
LEASES = """
import fcntl, glob, os
for path in [os.__file__, *glob.glob(os.path.dirname(os.__file__) + "/__pycache__/*.pyc")]:
    with open(path) as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            print("REACHED", path)
        except OSError as error:
            print(type(error).__name__)
            break
"""
SPINNERS = "import os\nfor _ in range(24):\n    if os.fork() == 0:\n        while True: pass"
SOCKETS = """
import os, socket, time
if os.fork() == 0 or os.fork() == 0:
    held = [socket.socketpair() for _ in range(150)]
    for left, right in held:
        left.setblocking(False)
        try:
            while left.send(bytes(10**5)): pass
        except OSError:
            pass
    time.sleep(1000)
time.sleep(1000)
"""
FILES = "import os\nfor number in range(3_000_000):\n    os.mkdir(f'/tmp/{number}')"
TABLES = """
import mmap
space = mmap.mmap(-1, 1 << 46, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
for place in range(0, 1 << 46, 1 << 21):
    space[place]
"""
HALF = r"""
import json
get_ipython().kernel.session.pack = lambda thing: json.dumps(thing, default=str).encode()
print("\ud83d")
raise ValueError("\ud83d")
"""
ESCAPE = '<script>alert(1)</script><img src=x onerror="alert(2)"> [x](javascript:alert(3)) ![](http://example.org/p.png)'


def hostile(course, released, answered, port: int) -> dict[str, tuple[nbformat.NotebookNode, str]]:
    """Name -> (notebook, the status that it must get)."""
    root = str(course.root)
    secret = [
        str(course.notebook("source", "tiny")), str(course.notebook("solution", "tiny")),
        f"{root}/reference/tiny.json", f"{root}/submitted", f"{root}/gradebook.db", root,
    ]  # fmt: skip

    def code(text: str, **more: str):
        return answered(course, mean=text, **more)

    def extra(text: str, **answers: str):
        """The text in a cell before all others, and one after them."""
        notebook = answered(course, mean=STUB, **answers)
        notebook.cells.insert(0, new_code_cell(text))
        notebook.cells.append(new_code_cell(text))
        return notebook

    deleted = code("def mean(values):\n    return 0.5")
    deleted.cells = [c for c in deleted.cells if c.metadata.get("nbgrader", {}).get("solution")]
    edited = code(STUB)
    for cell in edited.cells:
        if cell.metadata.get("nbgrader", {}).get("grade") and cell.cell_type == "code":
            cell.source = EXPECTED
            cell.metadata.nbgrader.update(points=50, locked=False)
    doubled = code(STUB)
    graded = next(c for c in doubled.cells if c.id == "mean-graded")
    doubled.cells.append(nbformat.from_dict({**graded, "id": "again", "source": EXPECTED}))
    printed = extra(f"print('{EXPECTED}')\n{EXPECTED}")
    printed.cells.append(new_code_cell(EXPECTED, metadata=graded.metadata))
    old = code(STUB)
    for cell in old.cells:
        if cell.cell_type == "code":
            cell.outputs = [
                nbformat.v4.new_output(
                    "execute_result", {"text/plain": EXPECTED}, execution_count=1
                )
            ]
    wait, failed = "needs a person", "failed to run"
    return {
        "endless-loop": (code("while True:\n    pass"), wait),
        "loop-that-heeds-no-interrupt": (
            code("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True:\n    pass"),
            failed,
        ),
        "os-exit": (code("import os\nos._exit(0)"), failed),
        "kills-its-parent": (code("import os\nos.kill(os.getppid(), 9)"), wait),
        "interrupts-its-parent": (code("import os\nos.kill(os.getppid(), 2)"), failed),
        "forges-a-result": (code(FORGE % (EXPECTED, [c.id for c in released(course).cells])), None),
        "prints-half-a-character": (extra(HALF), wait),
        "answers-with-a-number-of-400-digits": (
            code("def mean(values):\n    return 10**400", spread="spread = mean"), wait,
        ),
        "endless-print": (code("while True:\n    print('x' * 1000)"), wait),
        "prints-50-mb": (code("print('x' * 50_000_000)"), wait),
        "memory-bomb": (code("held = []\nwhile True:\n    held.append(bytearray(10**8))"), None),
        "shared-memory-bomb": (
            code(
                "import mmap\nheld = []\nwhile True:\n    held.append(mmap.mmap(-1, 10**8))\n"
                "    held[-1].write(bytes(10**8))"
            ),
            None,
        ),
        "hidden-memory-bomb": (
            code(
                "import os\nheld = []\nfor _ in range(90):\n    held.append(os.memfd_create('x'))\n"
                "    os.write(held[-1], bytes(2 * 10**8))"
            ),
            wait,
        ),
        "new-namespaces": (
            extra(
                "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
                "ok = [libc.unshare(0x10000000 | 0x00020000), "
                "libc.mount(b'x', b'/home/student', b'tmpfs', 0, None)]\n"
                "import os\nclone = {'x86_64': 56, 'aarch64': 220}[os.uname().machine]\n"
                "ok.append(-1 if libc.syscall(clone, 0x10000000 | 17, 0, 0, 0, 0) < 0 else 0)\n"
                "print('REACHED ' if 0 in ok else 'refused', ok)"
            ),
            wait,
        ),
        "takes-leases": (extra(LEASES), wait),
        "24-spinners": (code(SPINNERS), None),
        "socket-pairs": (code(SOCKETS), None),
        "three-million-folders": (code(FILES), None),
        "tables-of-memory": (code(TABLES), None),
        "fork-bomb": (code("import os\nwhile True:\n    os.fork()"), None),
        "fills-the-disk": (
            code("with open('big', 'wb') as file:\n    while True:\n        file.write(bytes(10**7))"),
            wait,
        ),
        "deleted-cells": (deleted, wait),
        "edited-tests": (edited, wait),
        "doubled-test": (doubled, wait),
        "stripped-asserts": (extra(STRIP), wait),
        "fake-float": (code(FAKE, spread="pass"), wait),
        "patched-libraries": (code(PATCH.replace("{expected}", EXPECTED), spread="pass"), None),
        "prints-what-is-expected": (printed, wait),
        "old-outputs": (old, wait),
        "reads-what-is-not-its-own": (
            extra(SEARCH.format(places=secret, gradebook=f"{root}/gradebook.db")),
            wait,
        ),
        "looks-into-all-processes": (extra(PROCESSES), wait),
        "writes-outside": (
            extra(WRITE.format(places=[root, "/", "/usr", "/etc", "/dev", "/jail", "/proc"])),
            wait,
        ),
        "opens-a-connection": (extra(CONNECT.format(port=port)), wait),
        "imports-what-is-withheld": (
            code("from statistics import mean", spread="from labnotes.metrics import bleu as spread"),
            wait,
        ),
        "does-nothing": (answered(course, why=""), "graded"),
    }  # fmt: skip
