"""Namespaces of its own for a policy host that begins as root (namespaces(7)): nobody else's
processes, shared memory, network and mounts.

A container may forbid each of them. None is a condition for what docs/security.md promises.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWNET = 0x00020000, 0x08000000, 0x40000000
"""From linux/sched.h."""
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 32, 4096, 16384, 1 << 18
"""From linux/mount.h."""

_libc = ctypes.CDLL(None, use_errno=True)


def enter(network: bool, folders: Iterable[Path]) -> bool:
    """Enter namespaces of this process's own; with `network`, stay in the host's. Returns whether
    it has mounts of its own: then these folders can be read by everybody, whoever may enter the
    folders above them, and nothing else there.
    """
    _libc.unshare(_CLONE_NEWIPC)
    if not network:
        _libc.unshare(_CLONE_NEWNET)
    if _libc.unshare(_CLONE_NEWNS) != 0:
        return False
    try:
        _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
        if os.getpid() == 1:
            with contextlib.suppress(OSError):
                # This PID namespace's own: it shows this process alone.
                _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        _uncover(folders)
    except OSError:
        return False
    return True


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    if _libc.mount(*words, ctypes.c_ulong(flags), os.fsencode(data) if data else None) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"mount {target}: {os.strerror(code)}")


def private_parent(folder: Path) -> Path | None:
    """The topmost folder above that not everybody may enter; None if there is none."""
    for parent in reversed(folder.resolve().parents):
        if not parent.stat().st_mode & stat.S_IXOTH:
            return parent
    return None


def _uncover(folders: Iterable[Path]) -> None:
    """Cover each private folder above these with an empty one, in which only these are seen."""
    covered: dict[Path, dict[Path, int]] = {}
    for folder in folders:
        real = folder.resolve()
        above = private_parent(real)
        if above is not None:
            covered.setdefault(above, {})[real] = os.open(real, os.O_PATH | os.O_CLOEXEC)
    umask = os.umask(0o022)
    try:
        for above, opened in covered.items():
            _mount("tmpfs", str(above), "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755,size=1m")
            for folder, descriptor in sorted(opened.items()):
                if not folder.exists():
                    folder.mkdir(parents=True)
                    _mount(f"/proc/self/fd/{descriptor}", str(folder), None, _MS_BIND | _MS_REC)
            _mount(None, str(above), None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY)
    finally:
        os.umask(umask)
        for opened in covered.values():
            for descriptor in opened.values():
                os.close(descriptor)
