"""Giving up root for good: another user, no capabilities, no new privileges, no network, small
resource limits, few system calls.

Each step is a Linux interface (prctl(2), capabilities(7), seccomp(2), namespaces(7)) called through
ctypes, which spares the policy host a library. A process that is not root keeps its user, and takes
only the steps that need no privilege.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib.util
import os
import platform
import pwd
import resource
import signal
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

from irqbal.plugins import bounds

USERS = ("irqbal-policy", "nobody")
"""The user that policies run as: the first of these that exists."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = (
    1,
    4,
    24,
    38,
    22,
)
"""Options of prctl(2), from linux/prctl.h."""
_CLONE_NEWNET = 0x40000000
"""A network namespace of its own, from linux/sched.h."""

# The denied system calls: socket, ptrace, process_vm_readv, process_vm_writev, kill, tkill, tgkill,
# execve, execveat, io_uring_setup, bpf, perf_event_open, unshare, setns, add_key, keyctl,
# userfaultfd, pidfd_send_signal. Each machine has its AUDIT_ARCH value (linux/audit.h) and its own
# numbers (asm/unistd.h).
_DENIED: dict[str, tuple[int, tuple[int, ...]]] = {
    "x86_64": (
        0xC000003E,
        (41, 101, 310, 311, 62, 200, 234, 59, 322, 425, 321, 298, 272, 308, 248, 250, 323, 424),
    ),
    "aarch64": (
        0xC00000B7,
        (198, 117, 270, 271, 129, 130, 131, 221, 281, 425, 280, 241, 97, 268, 217, 219, 282, 424),
    ),
    "riscv64": (
        0xC00000F3,
        (198, 117, 270, 271, 129, 130, 131, 221, 281, 425, 280, 241, 97, 268, 217, 219, 282, 424),
    ),
}
_SOCKET = {"x86_64": 41, "aarch64": 198, "riscv64": 198}

_libc = ctypes.CDLL(None, use_errno=True)


def confine(network: bool = False, packages: Iterable[str] = ()) -> None:
    """Confine this process. Observers keep the `network`, since they may call webhooks; policies
    have none. `packages` are the top-level packages that will be imported afterwards, also from
    folders that only root can read.

    Raises OSError if root could not be given up.
    """
    _add_package_folders(packages)
    _keep_imports_readable()
    drop_root(network)
    limits = [
        (resource.RLIMIT_AS, bounds.HOST_MEMORY),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_NPROC, 0),
    ]
    for which, value in limits:
        resource.setrlimit(which, (value, value))
    _filter_system_calls(network)


def drop_root(network: bool = False) -> None:
    """Become another user for good, without capabilities, new privileges or (unless `network`) the
    network. The kernel kills the process when its parent dies.

    Raises OSError if root could not be given up.
    """
    if os.geteuid() == 0:
        if not network:
            _libc.unshare(_CLONE_NEWNET)
        for capability in range(64):
            if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                break
        user = _unprivileged_user()
        os.setgroups([])
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # A change of user clears this flag, and then the process cannot use its own /proc/self/fd, from
    # which it may import.
    _prctl(_PR_SET_DUMPABLE, 1)
    # A change of user clears this one too.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _unprivileged_user() -> pwd.struct_passwd:
    for name in USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise OSError(
        errno.ENOENT, f"none of the users {', '.join(USERS)} exists: policies would run as root"
    )


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option}: {os.strerror(code)}")


def _add_package_folders(packages: Iterable[str]) -> None:
    """Add to sys.path the folders of packages that are found otherwise, as in editable installs,
    whose finders may not be able to read once root is dropped. Imports nothing.
    """
    for package in packages:
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            continue
        if spec is None:
            continue
        locations = [*(spec.submodule_search_locations or ()), spec.origin]
        if locations[0]:
            folder = str(Path(locations[0]).parent)
            if folder not in sys.path:
                sys.path.append(folder)


def _keep_imports_readable() -> None:
    """Open the folders of sys.path that other users cannot read, and import through their
    descriptors (/proc/self/fd) from now on.
    """
    opened: dict[str, str] = {}
    for entry in sys.path:
        folder = Path(entry)
        if entry and folder.is_dir() and not _is_public(folder):
            opened[entry] = f"/proc/self/fd/{os.open(folder, os.O_PATH | os.O_DIRECTORY)}"
    sys.path[:] = [opened.get(entry, entry) for entry in sys.path]
    # Packages that are imported already have stored where to look for their other modules.
    for module in list(sys.modules.values()):
        paths = getattr(module, "__path__", None)
        if isinstance(paths, list):
            paths[:] = [_through(path, opened) for path in paths]
    sys.path_importer_cache.clear()


def _through(path: str, opened: dict[str, str]) -> str:
    """The same path, with its longest opened parent replaced by that one's descriptor."""
    for entry in sorted(opened, key=len, reverse=True):
        if path.startswith(entry.rstrip("/") + "/"):
            return opened[entry] + path.removeprefix(entry.rstrip("/"))
    return path


def _is_public(folder: Path) -> bool:
    """Whether every user may list this folder and enter all of its parents."""
    real = folder.resolve()
    above = all(parent.stat().st_mode & stat.S_IXOTH for parent in real.parents)
    return (
        above and real.stat().st_mode & (stat.S_IXOTH | stat.S_IROTH) == stat.S_IXOTH | stat.S_IROTH
    )


def _filter_system_calls(network: bool) -> None:
    """Install a seccomp filter that answers EPERM to the denied system calls. On a processor whose
    numbers are not listed above there is no filter; the other steps still hold.
    """
    machine = platform.machine()
    if machine not in _DENIED:
        return
    arch, denied = _DENIED[machine]
    if network:
        denied = tuple(number for number in denied if number != _SOCKET[machine])
    load, jump_eq, jump_ge, ret = 0x20, 0x15, 0x35, 0x06
    allow, deny, kill = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
    program = [(load, 0, 0, 4), (jump_eq, 1, 0, arch), (ret, 0, 0, kill), (load, 0, 0, 0)]
    checks = len(denied) + (machine == "x86_64")
    left = checks
    if machine == "x86_64":  # x32 calls have other numbers, from this bit up
        program.append((jump_ge, left, 0, 0x40000000))
        left -= 1
    for number in denied:
        program.append((jump_eq, left, 0, number))
        left -= 1
    program += [(ret, 0, 0, allow), (ret, 0, 0, deny)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    if (
        _libc.prctl(_PR_SET_SECCOMP, 2, ctypes.c_char_p(header), 0, 0) != 0
        and ctypes.get_errno() != errno.EINVAL
    ):
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")
