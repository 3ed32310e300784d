"""The queries and bodies of requests. The descriptions become docs/api.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from irqbal.cpuset import CpuSet
from irqbal.findings.finding import FindingCode
from irqbal.history.samples import DecisionKind
from irqbal.history.store import What
from irqbal.wire import Duration, When

DECISION_KINDS: tuple[str, ...] = get_args(DecisionKind)
"""The values of the parameter `kind` of decisions."""


class IrqQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A filter of IRQs."""

    device: Annotated[
        str | None,
        Meta(description="only those of this device: its address, driver, interface or disk"),
    ] = None
    policy: Annotated[
        str | None, Meta(description="only those that this policy placed (`override`: a person)")
    ] = None
    movable: Annotated[
        bool | None, Meta(description="only those that can, or cannot, be moved")
    ] = None
    cpu: Annotated[
        Annotated[int, Meta(ge=0, le=1 << 20)] | None,
        Meta(description="only those delivered to this CPU"),
    ] = None


class ExplainQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which plan explains."""

    now: Annotated[
        bool, Meta(description="by a new plan, instead of the one that placed the IRQ")
    ] = False


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time span, and the length of its steps."""

    start: Annotated[When | None, Meta(description="begin; 24 h before the end, unless given")] = (
        None
    )
    end: Annotated[When | None, Meta(description="end; now, unless given")] = None
    step: Annotated[
        Duration | None,
        Meta(description="length of a step; a 300th of the time span, unless given"),
    ] = None
    by: Annotated[
        Literal["cpu", "irq", "device", "kind"],
        Meta(
            description="one line for each CPU, IRQ or device, or by kind (hard interrupts and "
            "softirqs, or NET_RX, TIMER …)"
        ),
    ] = "cpu"
    what: Annotated[
        What,
        Meta(
            description="what is counted: `interrupts`, `load` (microseconds of CPU time), "
            "`softirqs`, `squeezes` (softirqs out of budget) or `drops` (packets)"
        ),
    ] = "interrupts"
    cpu: Annotated[
        Annotated[int, Meta(ge=0, le=1 << 20)] | None, Meta(description="of this CPU alone")
    ] = None


SHOWN: tuple[str, ...] = get_args(What)
"""The values of the parameter `what` of the history's routes."""


class DecisionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A filter of decisions."""

    start: Annotated[When | None, Meta(description="begin; 24 h before the end, unless given")] = (
        None
    )
    end: Annotated[When | None, Meta(description="end; now, unless given")] = None
    irq: Annotated[
        str | None, Meta(description="only those about this IRQ: a number or a name")
    ] = None
    kind: Annotated[
        DecisionKind | None,
        Meta(description="only those of this kind"),
    ] = None
    policy: Annotated[str | None, Meta(description="only those of this policy")] = None
    search: Annotated[str | None, Meta(description="only those that contain this text")] = None
    limit: Annotated[int, Meta(ge=1, le=10_000, description="return at most this many")] = 1000


FINDING_CODES: tuple[str, ...] = get_args(FindingCode)
"""The values of the parameter `code` of a fleet's findings."""


class FindingQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A filter of findings."""

    code: Annotated[
        FindingCode | None,
        Meta(
            description="only those of this kind, such as `remote-queue` (interrupts handled off "
            "the NIC's NUMA node) or `isolated` (fires on isolated CPUs)"
        ),
    ] = None
    host: Annotated[
        str | None, Meta(description="only those of hosts whose name contains this text")
    ] = None
    limit: Annotated[int, Meta(ge=1, le=100_000, description="return at most this many")] = 10_000


class PauseQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"length": "for"}):
    """The length of a pause; the body may give it instead."""

    length: Annotated[
        Duration | None, Meta(description="resume after this time; until resumed, unless given")
    ] = None


class LegacyWindow(msgspec.Struct, frozen=True):
    """A time span, as irq_manager's clients send it."""

    start_dt: Annotated[When | None, Meta(description="begin")] = None
    end_dt: Annotated[When | None, Meta(description="end")] = None


PRINTABLE = "^(?!.*[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029])"
"""A pattern without control characters: logs and terminals show this text."""
MAX_YAML = 200_000
"""Characters of a configuration to plan with: parsing more would take seconds."""
MOST_POLICIES = 100
"""Policies of a configuration to plan with: each may start a process."""


class OverrideBody(msgspec.Struct, frozen=True):
    """The CPUs for one IRQ, for how long, and why."""

    cpus: Annotated[CpuSet, Meta(description="the CPUs to deliver the IRQ to, all of them online")]
    expires_in: Annotated[
        Duration | None, Meta(description="clear it after this time; null: never")
    ] = None
    reason: Annotated[
        str,
        Meta(
            max_length=1000,
            pattern=PRINTABLE,
            description="why, in one line, for the log and the decisions",
        ),
    ] = ""


PolicyItem = str | dict[str, dict[str, Any] | None]


class PlanBody(msgspec.Struct, frozen=True):
    """The policies to plan with: a list, or YAML text with a `policies:` section. Neither: the
    enabled ones.
    """

    policies: Annotated[
        Annotated[list[PolicyItem], Meta(max_length=MOST_POLICIES)] | None,
        Meta(description="as in the YAML: a name, or a name with options"),
    ] = None
    yaml: Annotated[
        Annotated[str, Meta(max_length=MAX_YAML)] | None, Meta(description="the same as YAML text")
    ] = None


class TrialBody(msgspec.Struct, frozen=True):
    """What to compare, and for how long. Side A are the masks from before irqbal, side B the
    present ones, unless policies are given for them.
    """

    policies: Annotated[
        Annotated[str, Meta(max_length=MAX_YAML)] | None,
        Meta(description="side B: YAML text with a `policies:` section"),
    ] = None
    against: Annotated[
        Annotated[str, Meta(max_length=MAX_YAML)] | None,
        Meta(description="side A: YAML text with a `policies:` section"),
    ] = None
    window: Annotated[
        Duration | None, Meta(description="length of a window, 1s to 1h; 60s, unless given")
    ] = None
    windows: Annotated[
        int, Meta(ge=2, le=2000, multiple_of=2, description="number of windows, an even one")
    ] = 40
    settle: Annotated[
        Duration | None,
        Meta(description="time before each window that is left out, up to 10m; 5s, unless given"),
    ] = None
    command: Annotated[
        bool,
        Meta(
            description="the verdict is about a number that the client gives for each window (see "
            "`beat_trial`), instead of the busiest CPU's time in interrupts"
        ),
    ] = False
    more_is_better: Annotated[
        bool, Meta(description="a larger number is better, as requests a second are")
    ] = False


class TrialBeat(msgspec.Struct, frozen=True):
    """The client is still there. With `window`, what its command printed in that window."""

    window: Annotated[
        Annotated[int, Meta(ge=0, le=2000)] | None, Meta(description="the window, from 0")
    ] = None
    number: Annotated[float | None, Meta(description="the number; null: the command gave none")] = (
        None
    )


class PauseBody(msgspec.Struct, frozen=True, rename={"length": "for"}):
    """The length of a pause."""

    length: Annotated[
        Duration | None, Meta(description="resume after this time; until resumed, unless given")
    ] = None
