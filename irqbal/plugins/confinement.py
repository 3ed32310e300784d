"""Giving up root for good: another user, no capabilities, no new privileges, no network, small
resource limits, few files and few system calls.

Each step is a Linux interface (prctl(2), capabilities(7), namespaces(7), landlock(7), seccomp(2))
called through ctypes, which spares the policy host a library. A process that is not root keeps its
user, and takes only the steps that need no privilege.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib.util
import os
import pwd
import resource
import signal
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from irqbal.plugins import bounds, landlock, namespaces, system_calls

USERS = {
    "planner": ("irqbal-planner", "nobody"),
    "policies": ("irqbal-policy", "nobody"),
    "observers": ("irqbal-observer", "nobody"),
}
"""The user of each kind of host: the first of these that exists."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
"""Options of prctl(2), from linux/prctl.h."""

_SYSTEM_FILES = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/null",
    "/dev/urandom",
    "/dev/zero",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
)
"""What Python, shared libraries and numerical packages read when they are imported."""
_NETWORK_FILES = (
    "/etc",
    "/usr/share",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
)
"""What observers read besides, to find hosts and to check their certificates."""

_NICE = 5
"""How much a stranger's process yields to others (nice(2)): the planner must not wait for it."""

_libc = ctypes.CDLL(None, use_errno=True)


def lower_limit(which: int, value: int) -> None:
    """Set a limit to this value, or leave it at what is less already."""
    hard = resource.getrlimit(which)[1]
    most = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (most, most))


def confine(kind: str, packages: Iterable[str] = ()) -> None:
    """Confine this process, a host of this kind. Observers keep the network, since they may call
    webhooks. `packages` are the top-level packages that will be imported afterwards, also from
    folders that only root can reach.

    Raises OSError if root could not be given up.
    """
    network = kind == "observers"
    editable = _find_editable(["irqbal", *packages])
    kept: list[int] = []
    if os.geteuid() == 0:
        private = [Path(entry) for entry in sys.path if entry and _is_private(Path(entry))]
        if not namespaces.enter(network, private):
            kept = _keep_imports_readable(private)
    files = landlock.ReadableFiles(_readable(network, editable), editable.folders, kept)
    # Without mounts of its own, a host imports through /proc/self/fd, which only a process may use
    # that can be dumped. Landlock then keeps others of its user away.
    if kind != "planner" and os.geteuid() == 0:
        os.nice(_NICE)
    drop_root(kind, dumpable=bool(kept) and landlock.version() > 0)
    limits = [
        (resource.RLIMIT_AS, bounds.HOST_MEMORY),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ]
    for which, value in limits:
        lower_limit(which, value)
    files.restrict(network)
    system_calls.restrict(network)


def _readable(network: bool, editable: _Editable) -> list[str]:
    """The files and folders that the process may read."""
    path = [entry for entry in sys.path if entry not in editable.folders]
    system = [*_SYSTEM_FILES, *(_NETWORK_FILES if network else ())]
    return [*path, *editable.packages, *system]


def drop_root(kind: str, dumpable: bool = False) -> None:
    """Become the user of this kind of host for good, without capabilities and new privileges.
    Unless `dumpable`, other processes of that user can neither trace this one nor look into it. The
    kernel kills the process when its parent ends.

    Raises OSError if root could not be given up.
    """
    if os.geteuid() == 0:
        for capability in range(64):
            if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                break
        user = _unprivileged_user(kind)
        os.setgroups([])
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, int(dumpable))
    # A change of user clears this one.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _unprivileged_user(kind: str) -> pwd.struct_passwd:
    names = USERS[kind]
    for name in names:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise OSError(
        errno.ENOENT, f"none of the users {', '.join(names)} exists: policies would run as root"
    )


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option}: {os.strerror(code)}")


class _Editable(msgspec.Struct, frozen=True):
    """Where packages lie that are found through no folder of sys.path: the packages themselves, and
    the folders that hold them.
    """

    packages: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def _find_editable(packages: Iterable[str]) -> _Editable:
    """Find packages of editable installs, whose finders may not be able to read once root is
    dropped, and add the folders that hold them to sys.path. Imports nothing.
    """
    found: list[str] = []
    folders: list[str] = []
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
                folders.append(folder)
            if folder in folders:
                found.append(locations[0])
    return _Editable(tuple(found), tuple(folders))


def _is_private(folder: Path) -> bool:
    """Whether some users may not list this folder, or not enter one above it."""
    if not folder.is_dir():
        return False
    mode = folder.resolve().stat().st_mode
    listed = mode & (stat.S_IXOTH | stat.S_IROTH) == stat.S_IXOTH | stat.S_IROTH
    return not listed or namespaces.private_parent(folder) is not None


def _keep_imports_readable(private: Iterable[Path]) -> list[int]:
    """Open these folders of sys.path, and import through their descriptors (/proc/self/fd) from now
    on. Returns the descriptors.
    """
    opened = {str(folder): os.open(folder, os.O_PATH | os.O_DIRECTORY) for folder in private}
    through = {entry: f"/proc/self/fd/{descriptor}" for entry, descriptor in opened.items()}
    sys.path[:] = [through.get(entry, entry) for entry in sys.path]
    # Packages that are imported already have stored where to look for their other modules.
    for module in list(sys.modules.values()):
        paths = getattr(module, "__path__", None)
        if isinstance(paths, list):
            paths[:] = [_through(path, through) for path in paths]
    sys.path_importer_cache.clear()
    return list(opened.values())


def _through(path: str, through: dict[str, str]) -> str:
    """The same path, with its longest opened parent replaced by that one's descriptor."""
    for entry in sorted(through, key=len, reverse=True):
        if path.startswith(entry.rstrip("/") + "/"):
            return through[entry] + path.removeprefix(entry.rstrip("/"))
    return path
