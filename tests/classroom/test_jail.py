"""What a student's program may try against the jail itself, and what the limits count."""

import importlib
import os
import subprocess
import sys
import textwrap
import threading
import time

import nbformat
import psutil
import pytest

from labnotes_classroom import jail
from labnotes_classroom.jail import command

watch = importlib.import_module("labnotes_classroom.jail.watch")  # not the function of that name

LIMITS = jail.Limits(cell=3, cpu=60, wall=240, memory=1024)
pytestmark = pytest.mark.usefixtures("jailed")


def run(*cells: str, limits=LIMITS, **more) -> jail.Ran:
    """The cells in a jail; their ids are "0", "1" ..."""
    made = [nbformat.v4.new_code_cell(text, id=str(i)) for i, text in enumerate(cells)]
    return jail.run(nbformat.v4.new_notebook(cells=made), limits, **more)


def said(ran: jail.Ran, cell: str) -> str:
    return "".join(o.get("text", "") for o in ran.outputs[cell])


def value(ran: jail.Ran, cell: str) -> str:
    return [o["data"]["text/plain"] for o in ran.outputs[cell] if o["output_type"] == "execute_result"][0]  # fmt: skip


@pytest.fixture
def program(tmp_path):
    """Runs a Python program in the jail without a kernel: what it printed, and what ended it."""

    def ended(text: str, limits=LIMITS, **more) -> tuple[str, str]:
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(text))
        found = jail.run_program(path, [], "", limits, **more)
        return found.wrote.decode(), found.problem

    return ended


CALLED = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def called(*words):
    if libc.syscall(*words) < 0:
        return errno.errorcode[ctypes.get_errno()]
    return "ALLOWED"
"""


class TestCalls:
    @pytest.mark.parametrize("flag", [0x20000, *(1 << bit for bit in range(25, 31))], ids=hex)
    def test_a_process_in_a_new_namespace_is_refused(self, program, flag):
        text = (
            CALLED
            + f"""
number = {{"x86_64": 56, "aarch64": 220}}[os.uname().machine]
print(called(number, {flag} | 17, 0, 0, 0, 0), called(435, 0, 0))
if os.fork() == 0:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
        )
        assert program(text) == ("EPERM ENOSYS\n7\n", "")

    def test_threads_and_processes_are_as_ever(self, program):
        text = """
import concurrent.futures, multiprocessing, subprocess, threading
print(subprocess.run(["echo", "a"], capture_output=True, text=True).stdout)
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    print(*pool.map(abs, [-1, -2]))
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(*pool.map(abs, [-3, -4]))
"""
        assert program(text)[0].split() == ["a", "1", "2", "3", "4"]

    def test_a_lease_on_a_file_that_all_share_is_refused(self, program):
        text = """
import fcntl, os
with open(os.__file__) as file:
    print(fcntl.fcntl(file, fcntl.F_GETLEASE) == fcntl.F_UNLCK)
    for kind in (fcntl.F_RDLCK, fcntl.F_WRLCK):
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, kind)
            print("HELD")
        except PermissionError:
            print("refused")
"""
        assert program(text)[0].split() == ["True", "refused", "refused"]

    def test_limits_and_processors_of_the_grader_cannot_be_changed(self, program):
        # Not process 1's limits, either: the call is refused before it says whose.
        text = """
import os, resource
for change in (lambda: os.sched_setaffinity(0, range(os.cpu_count())),
               lambda: resource.prlimit(os.getppid() or 1, resource.RLIMIT_CPU, (1, 1))):
    try:
        change()
        print("CHANGED")
    except PermissionError:
        print("refused")
print(len(os.sched_getaffinity(0)), resource.getrlimit(resource.RLIMIT_CORE) is not None)
"""
        one = {min(os.sched_getaffinity(0))}
        assert program(text, cpus=one)[0].split() == ["refused", "refused", "1", "True"]
        assert len(os.sched_getaffinity(0)) == len(os.sched_getaffinity(os.getpid()))

    def test_sockets_that_do_not_end_where_the_jails_network_ends_are_refused(self, program):
        text = """
import socket
for family in (socket.AF_VSOCK, socket.AF_ALG, socket.AF_PACKET, socket.AF_CAN, 31, 44):
    try:
        socket.socket(family, socket.SOCK_STREAM)
        print("OPENED", family)
    except PermissionError:
        print("refused")
print(*[socket.socket(f).family.name for f in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)])
"""
        assert program(text)[0].split() == [*["refused"] * 6, "AF_UNIX", "AF_INET", "AF_INET6"]

    def test_kinds_of_sockets_that_a_notebook_has_no_use_for_are_refused(self, program):
        """Their modules are loaded when the first one is made."""
        text = """
import errno, socket
for family in range(50):
    try:
        socket.socket(family, socket.SOCK_DGRAM)
        print("opened", family)
    except OSError as error:
        if error.errno != errno.EPERM:
            print("REACHED THE KERNEL", family)
"""
        found = {line for line in program(text)[0].splitlines() if line}
        assert found == {f"opened {family}" for family in (1, 2, 10, 16)}

    def test_memory_that_no_process_shows_cannot_be_had(self, program):
        """Shared memory without a file, and pages that a pipe holds, stay when nobody maps them."""
        text = (
            CALLED
            + """
import mmap
for kind in (mmap.MAP_SHARED, 3):  # 3: MAP_SHARED_VALIDATE
    try:
        mmap.mmap(-1, 1 << 20, flags=kind | mmap.MAP_ANONYMOUS)
        print("SHARED")
    except PermissionError:
        print("refused")
with open("/dev/zero", "r+b", 0) as zero:
    print(zero.read(3) == bytes(3))
    try:
        mmap.mmap(zero.fileno(), 1 << 20)
        print("MAPPED")
    except OSError:
        print("refused")
held, (_, write) = ctypes.create_string_buffer(8), os.pipe()
place = (ctypes.c_void_p * 2)(ctypes.addressof(held), 8)
print(called({"x86_64": 278, "aarch64": 75}[os.uname().machine], write, place, 1, 0))
"""
        )
        assert program(text)[0].split() == ["refused", "refused", "True", "refused", "EPERM"]

    def test_memory_that_processes_share_by_a_file_is_as_ever(self, program):
        text = """
import multiprocessing, multiprocessing.shared_memory
def add(array):
    array[0] += 1
array = multiprocessing.Array("d", 3)
one = multiprocessing.get_context("fork").Process(target=add, args=(array,))
one.start(), one.join()
print(array[0])
block = multiprocessing.shared_memory.SharedMemory(create=True, size=10)
block.unlink()
import torch
print(torch.zeros(3).share_memory_().is_shared())
"""
        assert program(text, jail.Limits())[0].split() == ["1.0", "True"]

    def test_nothing_of_the_kernels_can_be_set(self, program):
        """Where the teacher is root, the student is, too, for the files of the kernel."""
        text = """
import os
print(bool(os.statvfs("/proc").f_flag & os.ST_RDONLY))
for folder, _, names in os.walk("/proc"):
    if folder == "/proc":
        _[:] = [name for name in _ if not name.isdigit() and "self" not in name]
    for name in names:
        if os.access(os.path.join(folder, name), os.W_OK):
            print("CAN BE SET", os.path.join(folder, name))
"""
        assert program(text)[0] == "True\n"

    def test_a_python_that_was_called_by_a_winding_way_is_found(self, program, monkeypatch):
        folder, _, name = sys.executable.rpartition("/")
        winding = f"{folder}/../{os.path.basename(folder)}/{name}"
        monkeypatch.setattr(jail.sys, "executable", winding)
        assert program("print('ran')") == ("ran\n", "")

    def test_three_descriptors_reach_what_runs_inside(self, program):
        text = """
import os
for number in os.listdir("/proc/self/fd"):
    try:
        print(number, os.readlink(f"/proc/self/fd/{number}").split(":")[0])
    except OSError:
        pass  # of the folder itself
"""
        with open(os.devnull) as open_here:
            os.set_inheritable(open_here.fileno(), True)
            found = sorted(program(text)[0].splitlines())
        assert found == ["0 pipe", "1 pipe", "2 /dev/null"]

    def test_no_descriptor_but_the_three_reaches_the_kernel(self):
        """What it has open more is its own: sockets, its history, the place of random numbers."""
        look = (
            "import os, subprocess, sys\n"
            "for number in os.listdir('/proc/self/fd'):\n"
            "    try:\n        print(number, os.readlink(f'/proc/self/fd/{number}'))\n"
            "    except OSError:\n        pass\n"
        )
        for line in said(run(look), "0").splitlines():
            number, where = line.split(" ", 1)
            if int(number) > 2:
                assert where.startswith(("socket:", "anon_inode:", "pipe:", "/home/student/", "/dev/")), line  # fmt: skip
            elif int(number):
                assert where == "/dev/null" or where.startswith("pipe:"), line


class TestLimits:
    def test_sockets_that_hold_memory_of_the_kernel_are_counted(self, program):
        text = """
import signal, socket
held = [socket.socketpair() for _ in range(150)]
print("held", flush=True)
signal.pause()
"""
        assert program(text) == ("held\n", "it opened more than 256 sockets and terminals")

    def test_sockets_on_their_way_are_counted_too(self, program):
        text = """
import array, signal, socket
left, right = socket.socketpair()
for _ in range(150):
    pair = socket.socketpair()
    words = array.array("i", [one.fileno() for one in pair])
    left.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, words)])
    [one.close() for one in pair]
signal.pause()
"""
        assert program(text)[1] == "it opened more than 256 sockets and terminals"

    def test_terminals_of_which_the_machine_has_few_are_counted_too(self, program):
        text = """
import os, signal
held = [os.open("/dev/ptmx", os.O_RDWR) for _ in range(300)]
signal.pause()
"""
        assert program(text)[1] == "it opened more than 256 sockets and terminals"

    def test_what_waits_in_sockets_is_memory(self, program):
        text = """
import signal, socket
server = socket.create_server(("127.0.0.1", 0))
held = []
for _ in range(40):
    held += [socket.create_connection(server.getsockname()), server.accept()[0]]
for one in held:
    one.setblocking(False)
    try:
        while True:
            one.send(bytes(1 << 16))
    except BlockingIOError:
        pass
signal.pause()
"""
        assert (
            program(text, jail.Limits(memory=30, wall=20))[1]
            == "it used more than 30 MiB of memory"
        )

    def test_threads_count_as_processes(self, program):
        """The kernel does not limit their number where the teacher is root."""
        text = """
import signal, threading
threading.stack_size(1 << 16)
for _ in range(300):
    threading.Thread(target=signal.pause, daemon=True).start()
signal.pause()
"""
        assert (
            program(text, jail.Limits(wall=20))[1]
            == "it started more than 128 processes and threads"
        )

    def test_a_name_of_a_process_can_be_any_bytes(self, program):
        text = """
import ctypes, time
ctypes.CDLL(None).prctl(15, b"\\xff\\xfe", 0, 0, 0)
time.sleep(0.5)
print("ran")
"""
        assert program(text) == ("ran\n", "")

    def test_the_last_memory_of_the_machine_is_left_to_it(self, tmp_path):
        path = tmp_path / "sleeps.py"
        path.write_text("import signal\nsignal.pause()")
        ended = jail.run_program(path, [], "", jail.Limits(spare=1 << 40))
        assert ended.problem.startswith("the machine had less than") and ended.crowded

    def test_what_no_size_of_memory_limits_is_small(self):
        ran = run("print(open('/proc/self/limits').read())")
        limits = {line[:26].strip(): line[26:].split()[:2] for line in said(ran, "0").splitlines()}
        assert limits["Max locked memory"] == ["65536", "65536"]
        assert limits["Max nice priority"] == limits["Max realtime priority"] == ["0", "0"]

    def test_files_without_a_byte_are_counted(self, program):
        text = """
import os, signal
for number in range(3000):
    os.mkdir(f"/dev/shm/{number}")
signal.pause()
"""
        limits = jail.Limits(files=2000)
        assert program(text, limits)[1] == "it made more than 2000 files"
        assert program("open('one', 'w')", limits)[1] == ""

    def test_tables_of_memory_that_is_only_read_are_counted(self, program):
        text = """
import mmap, signal
space = mmap.mmap(-1, 1 << 40, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
for place in range(0, 1 << 40, 1 << 21):
    space[place]
signal.pause()
"""
        limits = jail.Limits(memory=200)
        assert program(text, limits)[1] == "it used more than 200 MiB of memory"

    def test_all_its_processes_compute_on_one_account(self, program):
        text = """
import os, signal
for _ in range(3):
    if os.fork() == 0:
        while True: pass
signal.pause()
"""
        found = program(text, jail.Limits(cpu=2))
        assert found == ("", "it computed for more than 2 s")

    def test_what_sleeps_is_ended_by_the_clock_and_that_is_known(self, tmp_path):
        path = tmp_path / "sleeps.py"
        path.write_text("import signal\nsignal.pause()")
        ended = jail.run_program(path, [], "", jail.Limits(wall=2))
        assert (ended.problem, ended.late) == ("it ran longer than 2 s", True)
        assert ended.cpu < 2

    def test_it_ends_at_any_moment_of_its_start(self, tmp_path, monkeypatch):
        """Also when bubblewrap is just making its child, which waits for it and does not see its end."""
        stop, path = threading.Event(), tmp_path / "endless.py"
        stop.set()
        path.write_text("while True: pass")
        monkeypatch.setattr(watch, "LOOKS", 0)
        moments = iter(range(120))

        def looks(pid, jailed):
            time.sleep(next(moments) % 40 * 3e-4)
            return watch.Use()

        monkeypatch.setattr(watch, "usage", looks)
        for _ in range(120):
            ended = jail.run_program(path, [], "", jail.Limits(), (), stop)
            assert ended.problem == "the grading was stopped" and ended.seconds < watch.LAST

    def test_an_output_that_is_held_open_holds_nobody_up(self, monkeypatch):
        monkeypatch.setattr(watch, "LAST", 0.1)
        words = ["sh", "-c", "echo started; (setsid sleep 613 &); sleep 0.2"]
        found = []
        one = threading.Thread(target=lambda: found.append(watch.watch(words, "", jail.Limits())))
        one.start()
        one.join(60)
        for process in psutil.process_iter(["cmdline"]):
            if process.info["cmdline"] == ["sleep", "613"]:
                process.kill()
        assert found and found[0].wrote == b"started\n" and not found[0].problem

    def test_processes_that_wait_for_each_other_do_not_stop_the_clock(self):
        """All wake at the same moment: together they wait for far more time than passes."""
        mine = {number: 0.0 for number in range(100)}
        waited = watch.Waited()
        for second in range(1, 6):
            for number in mine:
                mine[number] += number * 1e-4
            assert waited.until(dict(mine)) == pytest.approx(second * 99e-4)
        assert waited.until({7: mine[7] + 2.5, 500: 0.1}) == pytest.approx(5 * 99e-4 + 2.5)
        assert waited.until({}) == pytest.approx(5 * 99e-4 + 2.5)


SYSTEMD = """#!/bin/sh
echo "$@" >> {log}
while [ "$1" != "--" ]; do shift; done
shift
{more}exec "$@"
"""


class TestGroup:
    """A cgroup of its own through systemd, where that works; here in the place of systemd a script."""

    @pytest.fixture
    def systemd(self, tmp_path, monkeypatch):
        def install(more: str):
            path = tmp_path / "bin/systemd-run"
            path.parent.mkdir()
            path.write_text(SYSTEMD.format(log=tmp_path / "log", more=more))
            path.chmod(0o755)
            monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
            monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/of-the-teacher")
            command.scope.cache_clear()
            return tmp_path / "log"

        yield install
        command.scope.cache_clear()

    def test_it_stands_before_the_jail_with_the_limits(self, systemd, program):
        log = systemd("")
        assert program("print('ran')", jail.Limits(memory=777, processes=99)) == ("ran\n", "")
        trial, real = log.read_text().splitlines()
        for text in (trial, real):
            assert "--property=MemoryMax=777M" in text and "--property=TasksMax=99" in text
        assert "/usr/bin/env -i" in real and "bwrap" in real.split("-i ")[1]
        assert "by a cgroup and" in jail.describe()

    def test_it_is_done_without_where_it_does_not_work(self, systemd, program):
        log = systemd("exit 1\n")
        assert program("print('ran')") == ("ran\n", "")
        assert len(log.read_text().splitlines()) == 1, "no more than the trial"
        assert "no cgroup of your own" in jail.describe()


class TestCells:
    def test_a_cell_counts_its_own_computing_and_not_the_neighbours(self):
        """Six others on its processor: it needs more than its seconds on the clock, not of CPU time."""
        one = min(os.sched_getaffinity(0))
        spin = [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{one}}})\nwhile True: pass"]  # fmt: skip
        others = [subprocess.Popen(spin) for _ in range(6)]
        limits = jail.Limits(cell=2, cpu=60, wall=240)
        try:
            start = "import time\nwall, cpu = time.time(), time.process_time()"
            busy = "while time.process_time() - cpu < 1.2:\n    pass\ntime.time() - wall"
            ran = run(start, busy, limits=limits, cpus={one})
        finally:
            for other in others:
                other.kill()
                other.wait()
        assert ran.done and ran.stopped == {}, ran
        assert float(value(ran, "1")) > 2, "longer than the limit, on the clock"

    def test_a_cell_that_was_stopped_is_named_with_its_time(self):
        ran = run("while True:\n    pass", "import signal\nsignal.pause()", "1 + 1",
                  limits=jail.Limits(cell=1, cpu=60, wall=240))  # fmt: skip
        assert ran.done and value(ran, "2") == "2"
        assert ran.stopped == {"0": "1 s of computing", "1": "3 s on the clock"}
        assert ran.late, "the second might have waited for others"

    def test_processes_that_a_cell_starts_compute_on_its_account(self):
        fork = "import os, signal\nfor _ in range(4):\n    if os.fork() == 0:\n        while True: pass\nsignal.pause()"
        ran = run(fork, limits=jail.Limits(cell=1, cpu=30, wall=240))
        assert ran.stopped == {"0": "1 s of computing"} and ran.cpu < 15

    def test_the_value_of_a_cell_has_room_whatever_it_printed_before(self):
        ran = run("print('x' * 1_000_000)\n6.5", "for _ in range(1000):\n    display(1)\n7.5")
        assert (value(ran, "0"), value(ran, "1")) == ("6.5", "7.5")
        assert len(ran.outputs["1"]) < 300 and "cut here" in said(ran, "1")

    def test_a_later_cell_changes_nothing_of_what_an_earlier_one_showed(self):
        ran = run("there = display('before', display_id='x')\nNone",
                  "from IPython.display import update_display\nupdate_display('secret', display_id='x')")  # fmt: skip
        assert "before" in str(ran.outputs["0"]) and "secret" not in str(ran.outputs)

    def test_a_figure_is_shown(self):
        ran = run("import matplotlib.pyplot as plt\nplt.plot([1, 2]);", limits=jail.Limits())
        assert [o for o in ran.outputs["0"] if "image/png" in o.get("data", {})], ran
