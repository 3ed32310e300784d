"""Watching what a policy touches while one of its hooks runs: files, the network, programs,
threads, the clock, and standard output.
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

Report = Callable[[str, str], None]
"""Called with the code and the text of a finding."""

_STDLIB = sysconfig.get_path("stdlib")
_OURS = os.path.dirname(__file__)  # noqa: PTH120 - pathlib calls os.stat, which is watched
_EVENTS = {
    "network": {"socket.": "uses the network"},
    "thread": {"_thread.start": "starts a thread"},
    "program": {
        "subprocess.Popen": "starts a program",
        "os.system": "starts a program",
        "os.exec": "starts a program",
        "os.posix_spawn": "starts a program",
        "os.fork": "starts a process",
        "os.kill": "signals a process",
        "ctypes.": "calls C functions",
    },
    "file": {
        "open": "opens a file",
        "os.listdir": "lists a folder",
        "os.scandir": "lists a folder",
        "shutil.": "changes files",
        "tempfile.": "makes a temporary file",
        "mmap.": "maps memory",
        "sqlite3.": "opens a database",
    },
}
"""Audit events that no policy may cause, by the finding's code: how their names begin, and the verb
of the finding.
"""
_FILE_CALLS = (
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
_EVENTS["file"] |= {f"os.{name}": f"calls os.{name}" for name in _FILE_CALLS}
_WATCHED = {
    beginning: (code, verb) for code, verbs in _EVENTS.items() for beginning, verb in verbs.items()
}
_NUMERIC_CLOCKS = (
    "time",
    "monotonic",
    "perf_counter",
    "process_time",
    "thread_time",
    "clock_gettime",
)
_CLOCKS = (
    *_NUMERIC_CLOCKS,
    *(f"{name}_ns" for name in _NUMERIC_CLOCKS),
    "localtime",
    "gmtime",
    "ctime",
    "sleep",
)
# Functions of os that look at the host, and raise no audit event.
_OS_QUERIES = (
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
    """Reports what code does inside `watching`. It is created once in a process, before the policy
    is imported, and stays: an audit hook cannot be removed.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._on = False
        self._hook = ""
        self._replace_clocks()
        sys.addaudithook(self._audit)

    @contextmanager
    def watching(self, hook: str) -> Iterator[None]:
        """Report what the code in this context touches and prints, as done by this hook."""
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
                self._report(
                    "prints",
                    f"{hook} prints {text!r}: to tell people something, yield an irqbal.Note",
                )

    def threads(self) -> bool:
        """Report threads that the policy left running. Returns whether there are any."""
        others = [
            thread for thread in threading.enumerate() if thread is not threading.main_thread()
        ]
        if others:
            self._report(
                "thread", f"it leaves {len(others)} threads behind, such as {others[0].name}"
            )
        return bool(others)

    def _report_access(self, code: str, what: str) -> None:
        self._on = False
        try:
            self._report(code, f"{self._hook} {what}{_where()}")
        finally:
            self._on = True

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._on:
            return
        known = next(
            (known for beginning, known in _WATCHED.items() if event.startswith(beginning)), None
        )
        if known is None or (event == "open" and _is_import()):
            return
        code, verb = known
        target = (
            f" {arguments[0]!r:.80}"
            if event in ("open", "os.listdir", "os.scandir", "os.remove")
            else ""
        )
        self._report_access(code, f"{verb}{target}")
        # In the policy host the call fails, too.
        raise PermissionError(f"a policy {verb}: {event}")

    def _replace_clocks(self) -> None:
        """Replace the functions that read a clock or look at the host without an audit event."""
        for name in _CLOCKS:
            if hasattr(time, name):
                setattr(
                    time, name, self._watched(getattr(time, name), "clock", f"calls time.{name}")
                )
        for name in _OS_QUERIES:
            setattr(os, name, self._watched(getattr(os, name), "file", f"calls os.{name}"))
        start = self._watched(_thread.start_new_thread, "thread", "starts a thread")
        threading._start_new_thread = start  # type: ignore[attr-defined]
        report_datetime = self._watched(lambda: None, "clock", "asks datetime for the time")

        class WatchedDatetime(datetime.datetime):
            @classmethod
            def now(cls, tz: datetime.tzinfo | None = None) -> WatchedDatetime:
                report_datetime()
                return super().now(tz)

            @classmethod
            def utcnow(cls) -> WatchedDatetime:
                report_datetime()
                return super().utcnow()

            @classmethod
            def today(cls) -> WatchedDatetime:
                report_datetime()
                return super().today()

        datetime.datetime = WatchedDatetime  # type: ignore[misc]

    def _watched(self, function: Callable[..., Any], code: str, what: str) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            if self._on and not _is_import():
                self._report_access(code, what)
            return function(*arguments, **named)

        return called


def _is_import() -> bool:
    """Whether Python is importing a module, which a hook may do."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _where() -> str:
    """The innermost file and line that are neither the standard library's nor irqbal.testing's."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((_STDLIB, _OURS, "<frozen")) or "site-packages" in file.removeprefix(
            _OURS
        ):
            return f" ({file}:{frame.f_lineno})"
        frame = frame.f_back  # type: ignore[assignment]
    return ""
