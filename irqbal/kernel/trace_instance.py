"""The instance of tracefs that is irqbal's own: made, locked, and removed again for certain
(Documentation/trace/ftrace.rst, Instances).

Everything is in `instances/irqbal`, except for two synthetic events, which all instances share.
Nothing else in tracefs is changed: `synthetic_events` is never truncated, since that would remove
the events of other programs. The instance has a ring buffer for each CPU; its size is reduced from
1.4 MB as soon as the instance exists.

A killed process leaves its triggers behind, and each of their events then costs more:
`OwnInstance.remove` removes them, and every program that traces calls it when it starts. A lock on
the folder `instances` tells what was left from what another irqbal uses at present; it ends with
its process.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from irqbal.errors import HostError
from irqbal.kernel.files import names, text_or

PLACES = ("sys/kernel/tracing", "sys/kernel/debug/tracing")
INSTANCE = "irqbal"
SYNTHETIC = ("irqbal_handler", "irqbal_softirq")
"""irqbal's synthetic events."""
_LINKED = (
    "irq/softirq_exit",
    "irq/softirq_entry",
    "irq/irq_handler_exit",
    "irq/irq_handler_entry",
    *(f"synthetic/{name}" for name in SYNTHETIC),
)
"""Events whose triggers refer to each other's variables, in the order in which they can be removed.
All other triggers go with the instance.
"""
_TRIES = 20
_PAUSE = 0.05
"""Attempts to remove what is busy, and seconds between them: the kernel releases a removed trigger
only after a grace period.
"""
_LOCK_TRIES = 80
"""Attempts to lock, with the same pause: the daemon's own window takes a second."""
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ArmedInstance:
    """The instance while it exists. Its methods raise HostError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def set_trigger(self, event: str, trigger: str) -> None:
        """Add a trigger to an event (`irq/softirq_entry`)."""
        _append(self._folder / "events" / event / "trigger", trigger)

    def has_event(self, event: str) -> bool:
        """Whether this kernel has the event."""
        return (self._folder / "events" / event / "trigger").exists()

    def histogram(self, event: str) -> str:
        """The histograms of an event; bytes that are not UTF-8 become escapes."""
        path = self._folder / "events" / event / "hist"
        try:
            return path.read_bytes().decode("utf-8", "backslashreplace")
        except OSError as error:
            raise _told(error) from error


class OwnInstance:
    """Irqbal's instance below this root. Only one thread at a time may use it."""

    def __init__(self, root: Path) -> None:
        self._places = [root / place for place in PLACES]

    @contextlib.contextmanager
    def made(self, synthetic: dict[str, str] | None = None) -> Iterator[ArmedInstance]:
        """The instance with these synthetic events (name -> fields). It is removed at the end in
        any case, unless the process is killed. Raises HostError, with the reason.
        """
        base = self._base()
        if base is None:
            raise HostError(
                f"there is no tracefs at {' or '.join(map(str, self._places))}: not "
                "mounted, or no permission; as root, `mount -t tracefs tracefs /sys/kernel/tracing`"
            )
        with _locked(base):
            _remove_all(base)
            try:
                yield _make(base, synthetic or {})
            finally:
                _remove_all(base)

    def remove(self) -> bool:
        """Remove what a killed process left behind. Returns whether there was something. Raises
        HostError if something is left.
        """
        base = self._base()
        if base is None or not _has_left(base):
            return False
        with _locked(base):
            _remove_all(base)
        return True

    def _base(self) -> Path | None:
        """The first tracefs that can be entered; every tracefs has a folder `instances`."""
        return next(
            (place for place in self._places if os.access(place / "instances", os.X_OK)), None
        )


def dropped(histogram: str) -> int:
    """Events for which the histograms had no room."""
    return sum(map(int, re.findall(r"^\s*Dropped: (\d+)", histogram, re.MULTILINE)))


@contextlib.contextmanager
def _locked(base: Path) -> Iterator[None]:
    """Nobody else uses the instance meanwhile."""
    try:
        folder = os.open(base / "instances", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _told(error) from error
    try:
        for left in reversed(range(_LOCK_TRIES)):
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not left:
                    raise HostError(
                        "another irqbal traces at present (`irqbal verify --isolation`, "
                        "`irqbal measure`, or `cost: measured`); try again when it is done"
                    ) from None
            time.sleep(_PAUSE)
        yield
    finally:
        os.close(folder)


def _make(base: Path, synthetic: dict[str, str]) -> ArmedInstance:
    folder = base / "instances" / INSTANCE
    try:
        folder.mkdir()
    except OSError as error:
        raise _told(error) from error
    with contextlib.suppress(HostError):
        _append(folder / "buffer_size_kb", "4")
    for name, fields in synthetic.items():
        _append(base / "synthetic_events", f"{name} {fields}")
    return ArmedInstance(folder)


def _has_left(base: Path) -> bool:
    return INSTANCE in names(base / "instances") or bool(_synthetic_left(base))


def _synthetic_left(base: Path) -> list[str]:
    lines = text_or(base / "synthetic_events").splitlines()
    there = {line.split()[0] for line in lines if line.strip()}
    return [name for name in SYNTHETIC if name in there]


def _remove_all(base: Path) -> None:
    """Remove the triggers, then the instance, then the synthetic events; a signal that would end
    the process waits until this is done. Raises HostError.
    """
    held = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        _remove(base)
    except OSError as error:
        raise HostError(f"tracing could not be removed: {_sentence(error)}") from error
    except HostError as error:
        raise HostError(f"tracing could not be removed: {error}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _remove(base: Path) -> None:
    instance = base / "instances" / INSTANCE
    if INSTANCE in names(base / "instances"):
        for event in _LINKED:
            # Truncating this file removes all triggers of this event in this instance.
            with contextlib.suppress(FileNotFoundError):
                os.close(
                    os.open(
                        instance / "events" / event / "trigger",
                        os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC,
                    )
                )
        _retry_while_busy(instance.rmdir)
    for name in _synthetic_left(base):
        _retry_while_busy(lambda name=name: _write(base / "synthetic_events", f"!{name}"))  # type: ignore[misc]


def _retry_while_busy(remove: Callable[[], None]) -> None:
    """Call `remove` until it is not refused with EBUSY, for a second at most. Raises OSError."""
    for left in reversed(range(_TRIES)):
        try:
            return remove()
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EBUSY or not left:
                raise
        time.sleep(_PAUSE)
    return None


def _append(path: Path, text: str) -> None:
    """Write one line without truncating. Raises HostError."""
    try:
        _write(path, text)
    except OSError as error:
        raise _told(error) from error


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        os.write(descriptor, f"{text}\n".encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)


def _told(error: OSError) -> HostError:
    return HostError(_sentence(error))


def _sentence(error: OSError) -> str:
    """The error with its probable cause."""
    what = f"{error.filename}: {error.strerror}"
    if error.errno == errno.ENOENT:
        return (
            f"{what}; this kernel has no histogram triggers or no synthetic events "
            "(CONFIG_HIST_TRIGGERS, CONFIG_SYNTH_EVENTS)"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{what}; tracing needs root and a writable tracefs (lockdown and containers forbid it)"
        )
    if error.errno == errno.EINVAL:
        return f"{what}; these triggers need Linux 5.14 or later"
    return what
