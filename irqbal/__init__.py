"""irqbal keeps a Linux host's interrupts on the right CPUs. This module is all that a policy's
author imports.
"""

from __future__ import annotations

from msgspec import Meta

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Limit, Note, Placement, Record, Steering
from irqbal.model.view import (
    Cpu,
    Device,
    Interface,
    Irq,
    Placed,
    Queue,
    RxQueue,
    Snapshot,
    Thread,
    TxQueue,
)
from irqbal.planner.draft import Claim, Draft
from irqbal.planner.steering import distance
from irqbal.plugins.hookspecs import API_VERSION, Options, hookimpl
from irqbal.wire import Duration, Percent, Words

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
