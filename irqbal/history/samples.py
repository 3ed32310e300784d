"""What is recorded: samples of counts over an interval, states of IRQs when they change, and
decisions.

A count belongs to a series: a kind, a name and a CPU. Names of kind `irq` are identities (device,
vector and action), so that an IRQ which gets another one's number is not mixed up with it. Values
are differences over the sample's interval, never totals.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

Kind = Literal["irq", "load", "row", "softirq", "softnet", "time"]
"""irq: interrupts of one IRQ; load: microseconds of CPU time that they took, by the costs learnt
until then (none while no time in interrupts is visible); row: a named row of /proc/interrupts (LOC,
RES …); softirq: softirqs by name (NET_RX …); softnet: `processed`, `dropped` and `time_squeeze`;
time: microseconds of CPU time in `irq` and `softirq`.
"""


Clock = Literal["", "doubtful", "wrong"]
"""Whether the time of a record is believed: yes; not yet (the clock jumped shortly before); no (it
jumped back later).
"""


class Series(NamedTuple):
    """What a count belongs to. `cpu` is -1 for rows with a single column (ERR, MIS)."""

    kind: Kind
    name: str
    cpu: int


class IrqState(msgspec.Struct, frozen=True):
    """An IRQ as it is from this sample on. Recorded when anything of it changed, and at each start
    of the daemon.

    `affinity` and `effective` are CPU lists. `gone`: the IRQ was freed.
    """

    identity: str
    number: int
    action: str
    device: str = ""
    queue: str = ""
    affinity: str = ""
    effective: str = ""
    gone: bool = False


class Sample(msgspec.Struct, frozen=True):
    """What was counted in one interval.

    `sequence` counts without gaps in one store. `boot` is the kernel's boot id. `wall` is the
    interval's end in seconds since the epoch, `seconds` its length on the monotonic clock. While
    the daemon is down there are no samples, rather than samples of zeros. Samples of a wrong
    `clock` are kept as they are, and in no series.
    """

    sequence: int
    boot: str
    wall: float
    seconds: float
    values: dict[Series, int]
    states: tuple[IrqState, ...] = ()
    clock: Clock = ""


DecisionKind = Literal[
    "move", "steering", "default", "refusal", "drift", "failure", "override", "action"
]
"""move: an IRQ's affinity; steering: XPS, RPS or RFS of a queue; default: default_smp_affinity;
refusal: something that was requested and not done; drift: another program changed a mask; failure:
of a policy; override: set or cleared by a user; action: pause, resume, restore and the like.
"""


class Decision(msgspec.Struct, frozen=True):
    """What irqbal, a policy or a user decided, with its reason; or what was observed instead
    (drift, a failure).

    `sequence` is unique among samples and decisions of a store. `wall` is seconds since the epoch.
    `before` and `after` are CPU lists, or settings as text. `who` is the user, for overrides and
    actions. `done`: whether the kernel took what was decided (False in a dry run, and if it
    refused); None where there was nothing to do, as with drift. `cause` is what the cycle was run
    for (`start`, `tick`, `reload`, `hotplug` …).
    """

    sequence: int
    boot: str
    wall: float
    cycle: int
    kind: DecisionKind
    identity: str = ""
    irq: int | None = None
    name: str = ""
    policy: str = ""
    code: str = ""
    before: str = ""
    after: str = ""
    result: str = ""
    reason: str = ""
    who: str = ""
    done: bool | None = None
    clock: Clock = ""
    cause: str = ""


class Point(msgspec.Struct, frozen=True):
    """One step of a series: its start (seconds since the epoch), the seconds of it that samples
    cover, and what was counted in them by line (a CPU, or an IRQ's identity). Steps that no sample
    covers are left out.
    """

    start: float
    seconds: float
    counts: dict[str, int]
