"""What the API answers: the wire types that the daemon, the client, the dashboard and strangers
share.

Moments are ISO 8601 in UTC, lengths of time `2h`, CPU sets `0-3,8`; rates are interrupts a second,
loads seconds of CPU a second. Fields may be added in a minor version and are never taken away:
whoever reads ignores those that he does not know.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from irqbal.api.fleet_responses import FindingView as FindingView
from irqbal.api.fleet_responses import HostView as HostView
from irqbal.cpuset import CpuSet
from irqbal.model.plan import Failure, Kept, Step
from irqbal.wire import Duration, Moment

BEFORE_AFTER = {"before": "from", "after": "to"}


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a request was refused: `code` for machines, `message` for people."""

    code: str
    message: str
    candidates: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every answer that is an error."""

    error: Problem


class MoveView(msgspec.Struct, frozen=True, rename=BEFORE_AFTER):
    """One mask that was, or is to be, written, and what the kernel made of it."""

    irq: int
    identity: str
    name: str
    before: CpuSet
    after: CpuSet
    policy: str
    reason: str
    cause: str
    result: str = ""
    code: str = ""
    detail: str = ""
    found: str = ""


class SteeringView(msgspec.Struct, frozen=True, rename=BEFORE_AFTER):
    """One XPS, RPS or RFS setting; values are text as in the kernel's file."""

    interface: str
    setting: str
    queue: int
    before: str
    after: str
    policy: str
    reason: str
    result: str = ""
    detail: str = ""


class DefaultView(msgspec.Struct, frozen=True, rename=BEFORE_AFTER):
    """A new `default_smp_affinity`."""

    before: CpuSet
    after: CpuSet
    policy: str
    reason: str
    result: str = ""


class RefusalView(msgspec.Struct, frozen=True):
    """Something that was asked for and not done."""

    irq: int | None
    name: str
    policy: str
    code: str
    reason: str
    advice: str = ""


class NoteView(msgspec.Struct, frozen=True):
    """What a policy wants a person to know."""

    policy: str
    text: str
    irq: int | None = None
    advice: str = ""


class Cycle(msgspec.Struct, frozen=True):
    """All that one cycle did. `seconds` is how long it took; `imbalance` the busiest CPU's load
    over the lower bound.
    """

    cycle: int
    at: Moment
    seconds: float
    cause: str
    dry_run: bool
    imbalance: float
    busiest: float
    right: int
    moves: tuple[MoveView, ...] = ()
    steering: tuple[SteeringView, ...] = ()
    default: DefaultView | None = None
    refused: tuple[RefusalView, ...] = ()
    drifted: tuple[int, ...] = ()
    notes: tuple[NoteView, ...] = ()
    failures: tuple[Failure, ...] = ()
    problem: str = ""


class PlanAnswer(msgspec.Struct, frozen=True):
    """A plan: the cycle's, and the IRQs that are right already."""

    cycle: Cycle
    kept: tuple[Kept, ...] = ()


class Summary(msgspec.Struct, frozen=True):
    """The last cycle in numbers."""

    cycle: int
    at: Moment
    seconds: float
    cause: str
    moves: int
    right: int
    refused: int
    drifted: int
    failures: int
    imbalance: float
    busiest: float
    problem: str = ""


class HistoryState(msgspec.Struct, frozen=True):
    """How the history fares: what waits in memory, was lost for want of room, and waits to be
    shipped to MongoDB.
    """

    enabled: bool
    waiting: int = 0
    dropped: int = 0
    outbox: int = 0


class Status(msgspec.Struct, frozen=True):
    """The daemon in a few lines."""

    host: str
    version: str
    api: str
    state: Annotated[
        str,
        Meta(
            description="starting, balancing, paused, dry run, not balancing; of a central server "
            "also silent, unknown"
        ),
    ]
    paused: bool
    paused_until: Moment | None
    dry_run: bool
    started: Moment
    interval: Duration
    cpus: int
    irqs: int
    overrides: int
    policies: tuple[str, ...]
    aside: tuple[Failure, ...]
    history: HistoryState
    last: Summary | None
    central: Annotated[
        bool,
        Meta(
            description="whether a central server says this, which can change nothing on the host"
        ),
    ] = False
    simulated: Annotated[
        str, Meta(description="the specification of a host that is made up; empty on a real one")
    ] = ""


class CpuView(msgspec.Struct, frozen=True):
    """One CPU. `load` is irq and softirq time together; `rate` and `irqs` count what is delivered
    here.
    """

    number: int
    node: int
    package: int
    core: int
    l3: int
    siblings: CpuSet
    capacity: int
    online: bool
    isolated: str
    irq_time: float
    softirq_time: float
    load: float
    rate: float
    irqs: int


class TxView(msgspec.Struct, frozen=True):
    """A transmit queue's XPS CPUs; null where the driver has no XPS."""

    xps: CpuSet | None
    by_rxqs: bool = False


class RxView(msgspec.Struct, frozen=True):
    """A receive queue's RPS CPUs and RFS flow-table entries; null where the kernel has none."""

    rps: CpuSet | None
    flows: int | None


class InterfaceView(msgspec.Struct, frozen=True):
    """A network interface with its queues' settings."""

    name: str
    up: bool
    tx: tuple[TxView, ...] = ()
    rx: tuple[RxView, ...] = ()


class DeviceView(msgspec.Struct, frozen=True):
    """A PCI device and what hangs below it. `node` is -1 where the kernel does not know it."""

    address: str
    driver: str
    node: int
    local_cpus: CpuSet
    interfaces: tuple[InterfaceView, ...]
    disks: tuple[str, ...]
    irqs: tuple[int, ...]
    rate: float
    load: float


class QueueView(msgspec.Struct, frozen=True):
    """What an IRQ serves."""

    name: str
    index: int
    kind: str
    active: bool


class OverrideView(msgspec.Struct, frozen=True):
    """A person's placement of one IRQ; `irq` is null while no such IRQ exists."""

    identity: str
    irq: int | None
    name: str
    cpus: CpuSet
    reason: str
    who: str
    expires: Moment | None


class IrqView(msgspec.Struct, frozen=True):
    """One IRQ. `policy` and `reason` say who placed it and why; `local`: its interrupts are handled
    on its device's node.
    """

    number: int
    identity: str
    name: str
    chip: str
    vector: int | None
    device: str | None
    queue: QueueView | None
    node: int
    generation: int
    movable: bool
    unmovable: str
    affinity: CpuSet
    effective: CpuSet
    hint: CpuSet
    rate: float
    load: float
    local: bool
    policy: str
    reason: str
    placed_ago: Duration | None
    override: bool
    total: int | None


class Explanation(msgspec.Struct, frozen=True):
    """Why an IRQ is where it is: limits, claims and refusals in order."""

    irq: IrqView
    steps: tuple[Step, ...]
    override: OverrideView | None


class PolicyView(msgspec.Struct, frozen=True):
    """An installed policy. `options` is what the YAML says; `schema` the JSON schema of what it may
    say (null: not loaded).
    """

    name: str
    distributions: tuple[str, ...]
    enabled: bool
    about: str
    options: Any
    options_schema: dict[str, Any] | None
    position: int | None
    problem: str


class DecisionView(msgspec.Struct, frozen=True, rename=BEFORE_AFTER):
    """Something irqbal, a policy or a person decided, with its reason."""

    at: Moment
    cycle: int
    kind: str
    identity: str
    irq: int | None
    name: str
    policy: str
    code: str
    before: str
    after: str
    result: str
    reason: str
    who: str


class PointView(msgspec.Struct, frozen=True):
    """One step: its start, the seconds of it that samples cover, and what was counted, by CPU or by
    IRQ.
    """

    at: Moment
    seconds: float
    counts: dict[str, int]


class SeriesAnswer(msgspec.Struct, frozen=True):
    """Interrupts by step. Steps that no sample covers are left out."""

    start: Moment
    end: Moment
    step: Duration
    by: Annotated[str, Meta(description="cpu or irq")]
    names: dict[str, str]
    points: tuple[PointView, ...]


class OverrideAnswer(msgspec.Struct, frozen=True):
    """What became of an override: what was asked, and what the kernel did. `affinity` is the IRQ's
    mask now.
    """

    override: OverrideView
    result: str
    detail: str
    affinity: CpuSet
    warnings: tuple[str, ...] = ()


class ClearedAnswer(msgspec.Struct, frozen=True):
    """An override that is gone, and where the IRQ went."""

    override: OverrideView
    result: str
    detail: str
    affinity: CpuSet | None


class OutcomeView(msgspec.Struct, frozen=True):
    """What became of one original that was put back."""

    identity: str
    irq: int | None
    result: str
    code: str
    detail: str
    found: str


class RestoreAnswer(msgspec.Struct, frozen=True):
    """All originals that were put back; the daemon is paused now."""

    paused: bool
    outcomes: tuple[OutcomeView, ...]


class Health(msgspec.Struct, frozen=True):
    """Whether the daemon works; `problem` says what does not."""

    ok: bool
    problem: str = ""
