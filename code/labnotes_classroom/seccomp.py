"""System calls that are refused in the jail, as a filter for the kernel (seccomp, classic BPF).

What is refused has no use in a notebook and could get around the limits: memory that no process
shows as its own (``memfd_create``, System V shared memory), mounting, which a new namespace would
allow, other processes' memory and descriptors, and a few ways into the kernel that have often had
holes.

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
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "pidfd_getfd": 438,
    }),
    "aarch64": (0xC00000B7, {
        "memfd_create": 279, "memfd_secret": 447, "shmget": 194, "msgget": 186, "io_uring_setup": 425,
        "bpf": 280, "userfaultfd": 282, "perf_event_open": 241, "add_key": 217, "request_key": 218,
        "keyctl": 219, "unshare": 97, "setns": 268, "mount": 40, "open_tree": 428,
        "move_mount": 429, "fsopen": 430, "fsmount": 432, "mount_setattr": 442,
        "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "pidfd_getfd": 438,
    }),
}  # fmt: skip
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050001, 0x80000000  # REFUSE: the call fails with EPERM
NUMBER, PROCESSOR = 0, 4  # where they stand in what the filter reads
X32 = 0x40000000  # from here on: the calls of another ABI


def program(machine: str = "") -> bytes:
    """The filter for a processor, this one's unless named.

    Raises
    ------
    KeyError
        If its numbers are not known here.
    """
    architecture, calls = MACHINES[machine or platform.machine()]
    lines = [
        (LOAD, 0, 0, PROCESSOR),
        (EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, KILL),  # calls in another processor's numbering would get around the rest
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, len(calls) + 1, 0, X32),
    ]
    for left, number in zip(range(len(calls), 0, -1), calls.values()):
        lines.append((EQUAL, left, 0, number))  # jump over the rest and ALLOW
    lines += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
