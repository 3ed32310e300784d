"""The system calls that a policy host may make, as a seccomp filter (seccomp(2)).

What is not listed answers EPERM: signals, new processes and threads, files that are created, SysV
and POSIX IPC, other processes' memory, descriptors and limits. Numbers are those of
asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64, riscv64).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping

Numbers = tuple[int | None, int | None]
"""On x86_64, and on aarch64 and riscv64; None: there is no such call."""

ALLOWED: Mapping[str, Numbers] = {
    # Reading and writing what is open, and finding files.
    "read": (0, 63),
    "write": (1, 64),
    "lseek": (8, 62),
    "close": (3, 57),
    "fstat": (5, 80),
    "newfstatat": (262, 79),
    "stat": (4, None),
    "lstat": (6, None),
    "statx": (332, 291),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "readv": (19, 65),
    "writev": (20, 66),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "fadvise64": (221, 223),
    "umask": (95, 166),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getcwd": (79, 17),
    "getdents": (78, None),
    "getdents64": (217, 61),
    "close_range": (436, 436),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "pipe": (22, None),
    "pipe2": (293, 59),
    "eventfd2": (290, 19),
    # Memory.
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "brk": (12, 214),
    "madvise": (28, 233),
    "msync": (26, 227),
    "mincore": (27, 232),
    "membarrier": (324, 283),
    "riscv_flush_icache": (None, 259),
    # Waiting, and the time.
    "futex": (202, 98),
    "poll": (7, None),
    "ppoll": (271, 73),
    "select": (23, None),
    "pselect6": (270, 72),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_wait": (232, None),
    "epoll_pwait": (281, 22),
    "sched_yield": (24, 124),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "times": (100, 153),
    "getrusage": (98, 165),
    # This process itself.
    "exit": (60, 93),
    "exit_group": (231, 94),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "arch_prctl": (158, None),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getppid": (110, 173),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getresuid": (118, 148),
    "getresgid": (120, 150),
    "getgroups": (115, 158),
    "getrlimit": (97, 163),
    "getcpu": (309, 168),
    "sched_getaffinity": (204, 123),
    "uname": (63, 160),
    "sysinfo": (99, 179),
    "getrandom": (318, 278),
    # The channel to the daemon.
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "shutdown": (48, 210),
    "getsockopt": (55, 209),
    "getsockname": (51, 204),
    "getpeername": (52, 205),
}
NETWORK: Mapping[str, Numbers] = {
    "connect": (42, 203),
    "bind": (49, 200),
    "setsockopt": (54, 208),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "recvmsg": (47, 212),
    "recvmmsg": (299, 243),
}
"""What observers may call besides, whose work may be a webhook."""

_O_CREAT, _O_TMPFILE = 0o100, 0o20000000
"""The flags of open(2) that create a file, from asm-generic/fcntl.h."""

OPENING: Mapping[str, tuple[Numbers, int]] = {
    "openat": ((257, 56), 2),
    "open": ((2, None), 1),
}
"""Calls whose argument of this position must hold neither of those flags."""

ONLY: Mapping[str, tuple[Numbers, int, tuple[int, ...]]] = {
    # Descriptors and their flags: no locks, no leases, and no signals to other processes.
    "fcntl": ((72, 25), 1, (0, 1, 2, 3, 4, 1030)),
    # Whether it is a terminal, its size, close-on-exec, not blocking, bytes that wait.
    "ioctl": ((16, 29), 1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)),
    # Its own limits.
    "prlimit64": ((302, 261), 0, (0,)),
}
"""Calls whose argument of this position must be one of these values."""
FAMILIES = ((41, 198), 0, (1, 2, 10))
"""socket(2), for observers: the families Unix, IPv4 and IPv6."""

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "riscv64": 0xC00000F3}
"""AUDIT_ARCH_… of linux/audit.h."""
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_LOAD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE = 0x00050000 | errno.EPERM

Instruction = tuple[int, int, int, int]


def program(machine: str, network: bool) -> list[Instruction]:
    """The filter for this machine, as instructions of linux/filter.h; empty for a machine whose
    numbers are not listed.
    """
    if machine not in _ARCHITECTURES:
        return []
    at = 0 if machine == "x86_64" else 1
    code = [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
    ]
    for numbers in ({**ALLOWED, **NETWORK} if network else ALLOWED).values():
        if numbers[at] is not None:
            code += [(_JUMP_EQUAL, 0, 1, numbers[at] or 0), (_RETURN, 0, 0, _ALLOW)]
    for numbers, position in OPENING.values():
        if numbers[at] is not None:
            code += [
                (_JUMP_EQUAL, 0, 4, numbers[at] or 0),
                _load(position),
                (_JUMP_SET, 1, 0, _O_CREAT | _O_TMPFILE),
                (_RETURN, 0, 0, _ALLOW),
                (_RETURN, 0, 0, _REFUSE),
            ]
    for numbers, position, values in (*ONLY.values(), *((FAMILIES,) if network else ())):
        code.append((_JUMP_EQUAL, 0, 2 * len(values) + 2, numbers[at] or 0))
        code.append(_load(position))
        for value in values:
            code += [(_JUMP_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
        code.append((_RETURN, 0, 0, _REFUSE))
    return [*code, (_RETURN, 0, 0, _REFUSE)]


def _load(position: int) -> Instruction:
    """Load the lower half of an argument: struct seccomp_data of linux/seccomp.h."""
    return (_LOAD, 0, 0, 16 + 8 * position)


def restrict(network: bool) -> None:
    """Put the filter in force for this process, for good. Raises OSError if the kernel refuses it;
    a kernel without seccomp has no filter.
    """
    code = program(platform.machine(), network)
    if not code:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    data = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in code))
    header = struct.pack("HxxxxxxP", len(code), ctypes.addressof(data))
    if (
        libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(header), 0, 0) != 0
        and ctypes.get_errno() != errno.EINVAL
    ):
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")
