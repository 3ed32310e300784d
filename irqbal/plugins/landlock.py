"""Which files a policy host may read, by Landlock (landlock(7), Linux 5.13 and later).

It also keeps the process from tracing others and from reading their memory, and from 6.12 on from
signalling them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Mapping

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""Numbers of the three system calls, the same on every machine."""
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""The number of rights to files by the version of the interface from which they exist."""
_NETWORK_VERSION, _TCP = 4, 0b11
"""Binding and connecting TCP sockets."""
_SCOPE_VERSION, _SCOPES = 6, 0b11
"""Abstract Unix sockets and signals of processes outside."""


class ReadableFiles:
    """The files and folders that may be read, opened now: later the process may not reach them."""

    def __init__(
        self, paths: Iterable[str], listed: Iterable[str] = (), opened: Iterable[int] = ()
    ) -> None:
        """Below `listed`, folders may be listed and nothing be read. `opened` are descriptors of
        further folders, which stay open.
        """
        self._own = _opened(paths)
        self._listed = _opened(listed)
        self._kept = list(opened)

    def restrict(self, network: bool) -> bool:
        """Let this process read these files, write and make none, and (unless `network`) use no
        TCP. Returns False if the kernel has no Landlock.
        """
        try:
            rules = dict.fromkeys((*self._own, *self._kept), _READ_FILE | _READ_DIR)
            rules |= dict.fromkeys(self._listed, _READ_DIR)
            return _restrict(rules, network)
        finally:
            for descriptor in (*self._own, *self._listed):
                os.close(descriptor)
            self._own.clear()
            self._listed.clear()


def _opened(paths: Iterable[str]) -> list[int]:
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            found.append(os.open(path, os.O_PATH | os.O_CLOEXEC))
    return found


def version() -> int:
    """The kernel's version of the interface; 0: it has none."""
    return max(0, int(_libc().syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _restrict(rules: Mapping[int, int], network: bool) -> bool:
    """Put rules in force: rights by descriptor. False if the kernel has no Landlock."""
    have = version()
    if not have:
        return False
    count = max(count for since, count in _FILE_RIGHTS.items() if since <= have)
    tcp = 0 if network else _TCP
    fields = [(1 << count) - 1]
    if have >= _NETWORK_VERSION:
        fields.append(tcp)
    if have >= _SCOPE_VERSION:
        fields.append(_SCOPES)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _call(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for descriptor, rights in rules.items():
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            rule = struct.pack("=Qi", rights if is_folder else _READ_FILE, descriptor)
            _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _call(number: int, *arguments: int | bytes) -> int:
    found = int(_libc().syscall(number, *arguments))
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"landlock: {os.strerror(code)}")
    return found
