"""System calls that are refused in the jail, as a filter for the kernel (seccomp, classic BPF).

What is refused has no use in a notebook and could get around the limits: memory that no process
shows as its own (``memfd_create``, System V shared memory, pages held by a pipe), mounting, which a new
namespace would allow, other processes' memory, descriptors and limits, the share of the processors that the grader
gave, what a user has only a few of (watches on files), and a few ways into the kernel that have
often had holes. Of some calls only some uses are refused: a process or thread in a new namespace; a
lease on a file or folder (who has one can hold up all who open it, and the files of Python are shared);
another process's limits; memory that processes share and that no file holds, for it stays after its
owner has let go of the pages and no process shows them; sockets of other kinds than a notebook needs,
for not all of them end where the jail's network ends (``AF_VSOCK``: a virtual machine's host), and the
first use of a rare kind loads its module into the kernel.

The numbers are Linux's own (``include/uapi/asm-generic/unistd.h`` for aarch64,
``arch/x86/entry/syscalls/syscall_64.tbl``); the format is that of ``Documentation/userspace-api/
seccomp_filter.rst``.
"""

from __future__ import annotations

import platform
import struct

#: By processor: the kernel's number for it, and the numbers of the system calls.
MACHINES = {
    "x86_64": (0xC000003E, {
        "memfd_create": 319, "memfd_secret": 447, "shmget": 29, "msgget": 68, "io_uring_setup": 425,
        "bpf": 321, "userfaultfd": 323, "perf_event_open": 298, "add_key": 248, "request_key": 249,
        "keyctl": 250, "unshare": 272, "setns": 308, "mount": 165, "open_tree": 428,
        "move_mount": 429, "fsopen": 430, "fsmount": 432, "mount_setattr": 442,
        "inotify_init": 253, "inotify_init1": 294, "semget": 64, "mq_open": 240, "io_setup": 206, "syslog": 103, "fanotify_init": 300,
        "open_by_handle_at": 304, "kcmp": 312, "process_madvise": 440, "sched_setaffinity": 203,
        "vmsplice": 278, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "pidfd_getfd": 438,
    }),
    "aarch64": (0xC00000B7, {
        "memfd_create": 279, "memfd_secret": 447, "shmget": 194, "msgget": 186, "io_uring_setup": 425,
        "bpf": 280, "userfaultfd": 282, "perf_event_open": 241, "add_key": 217, "request_key": 218,
        "keyctl": 219, "unshare": 97, "setns": 268, "mount": 40, "open_tree": 428,
        "move_mount": 429, "fsopen": 430, "fsmount": 432, "mount_setattr": 442,
        "inotify_init1": 26, "semget": 190, "mq_open": 180, "io_setup": 0, "syslog": 116, "fanotify_init": 262,
        "open_by_handle_at": 265, "kcmp": 272, "process_madvise": 440, "sched_setaffinity": 122,
        "vmsplice": 75, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "pidfd_getfd": 438,
    }),
}  # fmt: skip
#: By processor: the calls of which only some uses are refused, and ``clone3``, which hides its flags
#: in memory. It "is not implemented": the C library then uses ``clone``.
PARTLY = {
    "x86_64": {"clone": 56, "fcntl": 72, "prlimit64": 302, "socket": 41, "mmap": 9, "clone3": 435},
    "aarch64": {
        "clone": 220,
        "fcntl": 25,
        "prlimit64": 261,
        "socket": 198,
        "mmap": 222,
        "clone3": 435,
    },
}
NEW_NAMESPACES = 0x7E020000  # all flags CLONE_NEW... that `clone` knows
LEASES = (1024, 1040)  # F_SETLEASE, and F_SETDELEG of Linux 6.19
FAMILIES = (1, 2, 10, 16)  # sockets that there are: AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
SHARED = 0x21  # MAP_SHARED (or MAP_SHARED_VALIDATE) with MAP_ANONYMOUS
LOAD, EQUAL, ANY_OF, AT_LEAST, AND, RETURN = 0x20, 0x15, 0x45, 0x35, 0x54, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050001, 0x80000000  # REFUSE: the call fails with EPERM
MISSING = 0x00050000 | 38  # it fails with ENOSYS
# Where they stand in what the filter reads; the last three are arguments.
NUMBER, PROCESSOR, FIRST, SECOND, FOURTH = 0, 4, 16, 24, 40
X32 = 0x40000000  # from here on: the calls of another ABI


def program(machine: str = "") -> bytes:
    """The filter for a processor, this one's unless named.

    Raises
    ------
    KeyError
        If its numbers are not known here.
    """
    architecture, calls = MACHINES[machine or platform.machine()]
    partly = PARTLY[machine or platform.machine()]
    lines = [
        (LOAD, 0, 0, PROCESSOR),
        (EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, KILL),  # calls in another processor's numbering would get around the rest
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, X32),
        (RETURN, 0, 0, REFUSE),
        (EQUAL, 0, 1, partly["clone3"]),
        (RETURN, 0, 0, MISSING),
        *_decided_by(partly["clone"], FIRST, [(ANY_OF, NEW_NAMESPACES)]),
        *_decided_by(partly["fcntl"], SECOND, [(EQUAL, kind) for kind in LEASES]),
        *_decided_by(partly["mmap"], FOURTH, [(AND, SHARED), (EQUAL, SHARED)]),
        *_decided_by(partly["socket"], FIRST, [(EQUAL, kind) for kind in FAMILIES], ALLOW),
        *_decided_by(partly["prlimit64"], FIRST, [(EQUAL, 0)], ALLOW),  # 0: the caller's own
    ]
    for left, number in zip(range(len(calls), 0, -1), calls.values()):
        lines.append((EQUAL, left, 0, number))  # jump over the rest and ALLOW
    lines += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _decided_by(number: int, argument: int, tests: list[tuple], then: int = REFUSE) -> list[tuple]:
    """An argument of the call `number` decides: `then` if one of the tests holds, else the opposite."""
    lines = [(LOAD, 0, 0, argument)]
    for left, (test, value) in zip(range(len(tests), 0, -1), tests):
        lines.append((test, 0 if test == AND else left, 0, value))  # jump over the rest and one
    lines += [(RETURN, 0, 0, ALLOW if then == REFUSE else REFUSE), (RETURN, 0, 0, then)]
    return [(EQUAL, 0, len(lines), number), *lines]
