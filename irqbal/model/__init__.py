"""What irqbal knows of a host and means to do with it: frozen structs, no behaviour beyond
look-ups.

Times are seconds on the monotonic clock unless a name says `wall`; loads are seconds of CPU per
second (1.0 is one CPU kept busy); rates are events per second.
"""

from __future__ import annotations

from irqbal.model.plan import (
    Cause,
    DefaultMove,
    Direction,
    Failure,
    Kept,
    Limit,
    Move,
    Note,
    Outcome,
    Placement,
    Plan,
    Record,
    Refusal,
    Result,
    Steering,
    SteeringMove,
    Step,
    imbalance,
    steering_identity,
    steering_of,
)
from irqbal.model.view import (
    ALL_CPUS,
    Cpu,
    Device,
    Interface,
    Irq,
    Override,
    Placed,
    Queue,
    QueueKind,
    RxQueue,
    Snapshot,
    Thread,
    TxQueue,
)

__all__ = [
    "ALL_CPUS",
    "Cause",
    "Cpu",
    "DefaultMove",
    "Device",
    "Direction",
    "Failure",
    "Interface",
    "Irq",
    "Kept",
    "Limit",
    "Move",
    "Note",
    "Outcome",
    "Override",
    "Placed",
    "Placement",
    "Plan",
    "Queue",
    "QueueKind",
    "Record",
    "Refusal",
    "Result",
    "RxQueue",
    "Snapshot",
    "Steering",
    "SteeringMove",
    "Step",
    "Thread",
    "TxQueue",
    "imbalance",
    "steering_identity",
    "steering_of",
]
