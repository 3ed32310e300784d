"""Everything irqbal raises on purpose.

IrqbalError                  base; its text is a sentence for a person
├── ConfigError              the YAML is wrong; carries every problem that could be told at once
├── PluginError              an installed policy cannot be used; names its distribution
├── HostError                the kernel could not be read
│   └── GoneError            the file vanished or was replaced under us: look again
├── JournalError             an original value could not be saved, so nothing was written
├── HistoryError             the history cannot be opened
├── HostBusyError            the kernel's thread is busy; the request was withdrawn
├── LockError                another irqbal, or irqbalance, already runs here
└── PolicyHostError          the policy child could not be started at all
"""

from __future__ import annotations

from collections.abc import Sequence


class IrqbalError(Exception):
    """Base of all errors that irqbal raises on purpose."""


class ConfigError(IrqbalError):
    """The configuration was refused whole; `problems` are lines `file:line: key: what is wrong`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class PluginError(IrqbalError):
    """An installed policy cannot be used; the text names its distribution and what to do."""


class HostError(IrqbalError):
    """The kernel, or the tree given as root, could not be read."""


class GoneError(HostError):
    """A file vanished or was replaced while it was read: the IRQ was freed or bound again."""


class JournalError(IrqbalError):
    """An original value could not be put on disk; the write that it protects was not made."""


class HistoryError(IrqbalError):
    """The history cannot be opened; the text says what to do."""


class HostBusyError(IrqbalError):
    """The daemon's kernel thread was busy for too long; the request was withdrawn, nothing was
    changed.
    """


class LockError(IrqbalError):
    """Another balancer already works on this host."""


class PolicyHostError(IrqbalError):
    """The child that runs policies could not be started."""
