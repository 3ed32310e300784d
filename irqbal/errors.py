"""The errors that irqbal raises on purpose; each text is a sentence for the user.

IrqbalError                  base
├── ConfigError              the configuration is invalid; lists every problem found
├── PluginError              an installed policy cannot be used; names its distribution
├── HostError                the kernel's files could not be read
│   └── GoneError            a file vanished or was replaced while it was read: read again
├── StateFileError           a file of the state or run folder could not be read or written
├── HistoryError             the history cannot be opened or read
├── HostBusyError            the kernel thread is busy; the request was withdrawn
├── LockError                another irqbal, or irqbalance, already runs on this host
└── PolicyHostError          the process that runs policies could not be started
"""

from __future__ import annotations

from collections.abc import Sequence


class IrqbalError(Exception):
    """Base of all errors that irqbal raises on purpose."""


class ConfigError(IrqbalError):
    """The configuration is invalid; `problems` are lines `file:line: key: what is wrong`.
    `readable` is what could be read of it (a `Config`), so that its policies' options can be
    checked too; None if nothing could.
    """

    def __init__(self, problems: Sequence[str], readable: object = None) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
        self.readable = readable


class PluginError(IrqbalError):
    """An installed policy cannot be used; the text names its distribution and what to do."""


class HostError(IrqbalError):
    """The kernel's files, or those of the tree given as root, could not be read."""


class GoneError(HostError):
    """A file vanished or was replaced while it was read: the IRQ was freed or set up again."""


class StateFileError(IrqbalError):
    """A file of the state or run folder could not be read or written. If it was to hold an original
    value, the mask that the value belongs to was not written.
    """


class HistoryError(IrqbalError):
    """The history cannot be opened or read; the text says what to do."""


class HostBusyError(IrqbalError):
    """The daemon's kernel thread was busy for too long; the request was withdrawn, nothing was
    changed.
    """


class LockError(IrqbalError):
    """Another irqbal, or irqbalance, already runs on this host."""


class PolicyHostError(IrqbalError):
    """The process that runs policies could not be started."""
