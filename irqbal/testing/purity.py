"""What a policy touches while one of its hooks runs: files, the network, programs, threads, the
clock, and what is printed.
"""

from __future__ import annotations

import _thread
import datetime
import os
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Tell = Callable[[str, str], None]

_STDLIB = sysconfig.get_path("stdlib")
_OURS = os.path.dirname(__file__)  # noqa: PTH120 - pathlib would be seen by the watch itself
_EVENTS = {
    "socket.": ("network", "uses the network"),
    "subprocess.Popen": ("program", "starts a program"),
    "os.system": ("program", "starts a program"),
    "os.exec": ("program", "starts a program"),
    "os.posix_spawn": ("program", "starts a program"),
    "os.fork": ("program", "starts a process"),
    "os.kill": ("program", "signals a process"),
    "_thread.start": ("thread", "starts a thread"),
    "ctypes.": ("program", "calls C functions"),
    "open": ("file", "opens a file"),
    "os.listdir": ("file", "lists a folder"),
    "os.scandir": ("file", "lists a folder"),
    "shutil.": ("file", "changes files"),
    "tempfile.": ("file", "makes a temporary file"),
    "mmap.": ("file", "maps memory"),
    "sqlite3.": ("file", "opens a database"),
}
"""Audit events (their beginnings) that no policy may cause: the code of the finding, and the
verb.
"""
_CHANGES = (
    "remove",
    "rename",
    "mkdir",
    "rmdir",
    "chmod",
    "chown",
    "link",
    "symlink",
    "truncate",
    "utime",
    "setxattr",
    "putenv",
)
_EVENTS |= {f"os.{name}": ("file", f"calls os.{name}") for name in _CHANGES}
_TICKING = ("time", "monotonic", "perf_counter", "process_time", "thread_time", "clock_gettime")
_CLOCKS = (*_TICKING, *(f"{name}_ns" for name in _TICKING), "localtime", "gmtime", "ctime", "sleep")
# These raise no audit event.
_LOOKS = (
    "stat",
    "lstat",
    "access",
    "readlink",
    "getloadavg",
    "cpu_count",
    "sched_getaffinity",
    "uname",
    "urandom",
    "getenv",
)


class PurityWatch:
    """Installed once in a process, before the policy is imported; it reports what happens inside
    `watching`.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._on = False
        self._hook = ""
        self._replace_clocks()
        sys.addaudithook(self._audit)

    @contextmanager
    def watching(self, hook: str) -> Iterator[None]:
        """Report what is touched in here as done by this hook, and what it prints."""
        self._hook = hook
        sys.stdout.flush()
        before = os.fstat(1).st_size
        self._on = True
        try:
            yield
        finally:
            self._on = False
            sys.stdout.flush()
            sys.stderr.flush()
            if os.fstat(1).st_size > before:
                text = os.pread(1, 60, before).decode(errors="replace").split("\n")[0]
                self._tell(
                    "prints",
                    f"{hook} prints {text!r}: what a person should know is said with irqbal.Note",
                )

    def threads(self) -> bool:
        """Report threads that are still there; whether there are any."""
        others = [
            thread for thread in threading.enumerate() if thread is not threading.main_thread()
        ]
        if others:
            self._tell(
                "thread", f"it leaves {len(others)} threads behind, such as {others[0].name}"
            )
        return bool(others)

    def _say(self, code: str, what: str) -> None:
        self._on = False
        try:
            self._tell(code, f"{self._hook} {what}{_where()}")
        finally:
            self._on = True

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._on:
            return
        found = next(
            (known for beginning, known in _EVENTS.items() if event.startswith(beginning)), None
        )
        if found is None or (event == "open" and _is_import()):
            return
        code, verb = found
        shown = (
            f" {arguments[0]!r:.80}"
            if event in ("open", "os.listdir", "os.scandir", "os.remove")
            else ""
        )
        self._say(code, f"{verb}{shown}")
        # The daemon would not let it happen either.
        raise PermissionError(f"a policy {verb}: {event}")

    def _replace_clocks(self) -> None:
        """Everything that tells the time or looks at the host without an audit event."""
        for name in _CLOCKS:
            if hasattr(time, name):
                setattr(time, name, self._seen(getattr(time, name), "clock", f"calls time.{name}"))
        for name in _LOOKS:
            setattr(os, name, self._seen(getattr(os, name), "file", f"calls os.{name}"))
        start = self._seen(_thread.start_new_thread, "thread", "starts a thread")
        threading._start_new_thread = start  # type: ignore[attr-defined]
        say = self._seen(lambda: None, "clock", "asks datetime for the time")

        class Now(datetime.datetime):
            @classmethod
            def now(cls, tz: datetime.tzinfo | None = None) -> Now:
                say()
                return super().now(tz)

            @classmethod
            def utcnow(cls) -> Now:
                say()
                return super().utcnow()

            @classmethod
            def today(cls) -> Now:
                say()
                return super().today()

        datetime.datetime = Now  # type: ignore[misc]

    def _seen(self, function: Callable[..., Any], code: str, what: str) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            if self._on and not _is_import():
                self._say(code, what)
            return function(*arguments, **named)

        return called


def _is_import() -> bool:
    """Whether Python is reading a module: an import inside a function is no offence."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _where() -> str:
    """The innermost line that is neither Python's nor irqbal's own."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((_STDLIB, _OURS, "<frozen")) or "site-packages" in file.removeprefix(
            _OURS
        ):
            return f" ({file}:{frame.f_lineno})"
        frame = frame.f_back  # type: ignore[assignment]
    return ""
