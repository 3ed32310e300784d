"""irqbal keeps a Linux host's interrupts on the right CPUs. This module is all that a policy's
author imports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Meta

from irqbal.cpuset import CpuSet
from irqbal.model.draft import Claim, Draft, distance
from irqbal.model.plan import Limit, Note, Placement, Record, Steering
from irqbal.model.policy import API_VERSION, Needs, Options
from irqbal.model.queues import Queue
from irqbal.model.view import (
    Cpu,
    Device,
    Interface,
    Irq,
    Placed,
    RxQueue,
    Snapshot,
    Thread,
    TxQueue,
)
from irqbal.wire import Duration, Percent, Words

if TYPE_CHECKING:
    from irqbal.plugins.hookspecs import hookimpl

__all__ = [
    "API_VERSION",
    "Claim",
    "Cpu",
    "CpuSet",
    "Device",
    "Draft",
    "Duration",
    "Interface",
    "Irq",
    "Limit",
    "Meta",
    "Needs",
    "Note",
    "Options",
    "Percent",
    "Placed",
    "Placement",
    "Queue",
    "Record",
    "RxQueue",
    "Snapshot",
    "Steering",
    "Thread",
    "TxQueue",
    "Words",
    "distance",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    """`hookimpl` needs pluggy, which nothing but a policy needs: it is imported when it is used."""
    if name == "hookimpl":
        from irqbal.plugins.hookspecs import hookimpl

        return hookimpl
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
