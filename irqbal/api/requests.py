"""What the API is asked: queries and bodies."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from irqbal.cpuset import CpuSet
from irqbal.history.samples import DecisionKind
from irqbal.wire import Duration, When


class IrqQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which IRQs."""

    device: Annotated[
        str | None, Meta(description="of this device: its address, driver, interface or disk")
    ] = None
    policy: Annotated[
        str | None, Meta(description="placed by this policy (`override`: by a person)")
    ] = None
    movable: Annotated[
        bool | None, Meta(description="only those that can, or cannot, be moved")
    ] = None
    cpu: Annotated[
        Annotated[int, Meta(ge=0, le=1 << 20)] | None,
        Meta(description="only those delivered to this CPU"),
    ] = None


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stretch of time, and the length of its steps."""

    start: Annotated[When | None, Meta(description="from then on; 24 h ago, unless given")] = None
    end: Annotated[When | None, Meta(description="until then; now, unless given")] = None
    step: Annotated[
        Duration | None, Meta(description="length of a step; a 300th of the time, unless given")
    ] = None
    by: Annotated[Literal["cpu", "irq"], Meta(description="a line a CPU, or a line an IRQ")] = "cpu"


DECISION_KINDS: tuple[str, ...] = get_args(DecisionKind)
"""The values of the parameter `kind` of decisions."""


class DecisionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which decisions, the newest first."""

    start: Annotated[When | None, Meta(description="from then on; 24 h ago, unless given")] = None
    end: Annotated[When | None, Meta(description="until then; now, unless given")] = None
    irq: Annotated[str | None, Meta(description="of this IRQ: a number or a name")] = None
    kind: Annotated[
        DecisionKind | None,
        Meta(description="only of this kind"),
    ] = None
    policy: Annotated[str | None, Meta(description="only of this policy")] = None
    search: Annotated[str | None, Meta(description="only those that hold this text")] = None
    limit: Annotated[int, Meta(ge=1, le=10_000, description="at most so many")] = 1000


FindingCode = Literal[
    "remote-queue", "isolated", "isolated-thread", "shared-core", "beside-disk", "queue-count"
]


class FindingQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which findings."""

    code: Annotated[
        FindingCode | None,
        Meta(
            description="only of this kind: `remote-queue`: handled off its NIC's node; "
            "`isolated`: fires on isolated CPUs; and so on"
        ),
    ] = None
    host: Annotated[str | None, Meta(description="only of hosts whose name holds this text")] = None
    limit: Annotated[int, Meta(ge=1, le=100_000, description="at most so many")] = 10_000


class PauseQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"length": "for"}):
    """For how long; the body may say it too."""

    length: Annotated[Duration | None, Meta(description="resume by itself after so long")] = None


class LegacyWindow(msgspec.Struct, frozen=True):
    """A stretch of time; both or neither, as irq_manager had it."""

    start_dt: Annotated[When | None, Meta(description="from then on")] = None
    end_dt: Annotated[When | None, Meta(description="until then")] = None


PRINTABLE = "^(?!.*[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029])"
"""No control characters: logs and terminals show what people wrote."""
MAX_YAML = 200_000
"""Characters of a configuration to plan with …"""
MOST_POLICIES = 100
"""… and how many policies it may name."""


class OverrideBody(msgspec.Struct, frozen=True):
    """Where one IRQ shall be."""

    cpus: Annotated[CpuSet, Meta(description="the CPUs that the IRQ shall use, all of them online")]
    expires_in: Annotated[
        Duration | None, Meta(description="for how long; null: until it is removed")
    ] = None
    reason: Annotated[
        str,
        Meta(max_length=1000, pattern=PRINTABLE, description="why, for the decisions; one line"),
    ] = ""


PolicyItem = str | dict[str, dict[str, Any] | None]


class PlanBody(msgspec.Struct, frozen=True):
    """Other policies to plan with: as a list, or as YAML text with a `policies:` section. Neither:
    the present ones.
    """

    policies: Annotated[
        Annotated[list[PolicyItem], Meta(max_length=MOST_POLICIES)] | None,
        Meta(description="as in the YAML: a name, or a name with options"),
    ] = None
    yaml: Annotated[
        Annotated[str, Meta(max_length=MAX_YAML)] | None, Meta(description="the same as YAML text")
    ] = None


class PauseBody(msgspec.Struct, frozen=True, rename={"length": "for"}):
    """For how long."""

    length: Annotated[Duration | None, Meta(description="resume by itself after so long")] = None
