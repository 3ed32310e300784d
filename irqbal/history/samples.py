"""What is recorded: samples of counts over an interval, states of IRQs when they change, and
decisions. Pure.

A count belongs to a series: a kind, a name and a CPU. Names of kind `irq` are identities (device,
vector and action): a number that is handed on to another IRQ does not mix the two. Values are
differences over the sample's interval, never totals.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

Kind = Literal["irq", "row", "softirq", "softnet", "time"]
"""irq: interrupts of one IRQ; row: a named row of /proc/interrupts (LOC, RES …); softirq: by name;
softnet: processed, dropped and time_squeeze; time: microseconds in `irq` and `softirq`.
"""


class Series(NamedTuple):
    """One line of counts. `cpu` is -1 where a row has but one column (ERR, MIS)."""

    kind: Kind
    name: str
    cpu: int


class IrqState(msgspec.Struct, frozen=True):
    """An IRQ as it is from this sample on: recorded when anything of it changed, and once at the
    start of each run.

    `gone`: it was freed. CPU sets are lists.
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
    """What happened in one interval.

    `sequence` counts without gaps in one store; `boot` is the kernel's boot id; `wall` the
    interval's end (seconds since the epoch), `seconds` its length on the monotonic clock. A gap
    (daemon down, reboot) is a sample that is missing, not one of zeros.
    """

    sequence: int
    boot: str
    wall: float
    seconds: float
    values: dict[Series, int]
    states: tuple[IrqState, ...] = ()


DecisionKind = Literal[
    "move", "steering", "default", "refusal", "drift", "failure", "override", "action"
]


class Decision(msgspec.Struct, frozen=True):
    """Something irqbal, a policy or a person decided, with its reason. `before` and `after` are CPU
    lists or settings as text.

    `sequence` shares its numbers with the samples'; `who` is a person, for overrides and actions.
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


class Point(msgspec.Struct, frozen=True):
    """One step of a series that was read back: its start, the seconds of it that samples cover, and
    what was counted in them, by the key of the line (a CPU, or an IRQ's identity). Steps that no
    sample covers are left out.
    """

    start: float
    seconds: float
    counts: dict[str, int]
