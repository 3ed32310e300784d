"""The API's answers: the wire types that the daemon, the client, the dashboard and other programs
share. Their docstrings become docs/api.md and the descriptions in docs/openapi.json.

Moments are ISO 8601 in UTC, lengths of time `2h`, CPU sets `0-3,8`; rates are interrupts a second,
loads seconds of CPU a second. A minor version may add fields and removes none: clients ignore
fields that they do not know.

Longer than other modules, because it is one list of types without logic, which clients import as
one name.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from irqbal.cpuset import CpuSet
from irqbal.findings.forecast import Forecast as Forecast
from irqbal.model.plan import Failure as Failure
from irqbal.model.plan import Kept, Step
from irqbal.wire import Duration, Moment

BEFORE_AFTER = {"before": "from", "after": "to"}
"""Field names on the wire: `from` is no Python name."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a request was refused: `code` for programs, `message` for people. `candidates` lists the
    names that an ambiguous name may mean, `problems` each fault of a refused document.
    """

    code: str
    message: str
    candidates: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every error."""

    error: Problem


class MoveView(msgspec.Struct, frozen=True, rename=BEFORE_AFTER):
    """A move of one IRQ, and the result of the write (empty: not written yet). `found` is the mask
    that the kernel has after it.
    """

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
    """A change of one XPS, RPS or RFS setting; values are text as in the kernel's file."""

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
    """A change of `default_smp_affinity`, the mask of new IRQs."""

    before: CpuSet
    after: CpuSet
    policy: str
    reason: str
    result: str = ""


class RefusalView(msgspec.Struct, frozen=True):
    """A placement or limit that was not applied, and why; `irq` is null if it is not about one
    IRQ.
    """

    irq: int | None
    name: str
    policy: str
    code: str
    reason: str
    advice: str = ""


class NoteView(msgspec.Struct, frozen=True):
    """A policy's note to people."""

    policy: str
    text: str
    irq: int | None = None
    advice: str = ""


class Cycle(msgspec.Struct, frozen=True):
    """All that one cycle did. `cause` is why it ran, `seconds` how long it took. `imbalance` is the
    busiest CPU's load divided by a lower bound of what a plan can reach, `busiest` that load.
    `right` counts the IRQs that needed no move, `drifted` are IRQs whose mask another program
    changed. `starting` are policies whose process was not ready: the plan was made without them.
    `planned` is the cycle that made the plan; its `imbalance` and `busiest` are of that moment.
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
    starting: tuple[str, ...] = ()
    planned: int = 0


class PlanAnswer(msgspec.Struct, frozen=True):
    """A plan, the IRQs that it leaves where they are because they are right, and what it would do
    to the CPUs (null: there is no plan). `outlook` says that in a sentence.
    """

    cycle: Cycle
    kept: tuple[Kept, ...] = ()
    forecast: Forecast | None = None
    outlook: str = ""


class Summary(msgspec.Struct, frozen=True):
    """The last cycle in numbers; fields as in `Cycle`. `imbalance` and `busiest` are of the moment
    `measured`, as the loads of CPUs and IRQs are that other routes show.
    """

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
    measured: Moment | None = None
    problem: str = ""


class HistoryState(msgspec.Struct, frozen=True):
    """The state of the history: samples and decisions that wait in memory for the disk, that were
    dropped because there was no room, and that wait to be shipped to MongoDB. `problem`: why
    nothing is recorded.
    """

    enabled: bool
    waiting: int = 0
    dropped: int = 0
    outbox: int = 0
    problem: str = ""


class Status(msgspec.Struct, frozen=True):
    """The daemon's state. `interval` is the time between two cycles; `policies` are enabled and
    work, those in `aside` failed and are skipped, those in `starting` are not ready yet.
    """

    host: str
    version: str
    api: str
    state: Annotated[
        str,
        Meta(
            description="starting, balancing, paused, dry run or not balancing; on a central "
            "server also silent (not heard of lately) or unknown"
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
            description="whether a central server answers, which cannot change anything on the host"
        ),
    ] = False
    simulated: Annotated[
        str, Meta(description="the specification of a simulated host; empty on a real one")
    ] = ""
    starting: tuple[str, ...] = ()
    trial: Annotated[
        str, Meta(description="the id of the trial that holds balancing still; empty: none does")
    ] = ""


class CpuView(msgspec.Struct, frozen=True):
    """One CPU. `capacity` is the kernel's cpu_capacity (1024: the fastest); `isolated` names what
    isolates it (empty: nothing). `load` is the sum of `irq_time`, `softirq_time` and the
    time of threaded NAPI; `rate` counts
    the interrupts delivered here a second, `irqs` the active IRQs that deliver here.
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
    """A transmit queue's XPS CPUs (null: its driver has no XPS). `by_rxqs`: it is chosen by receive
    queue instead (xps_rxqs).
    """

    xps: CpuSet | None
    by_rxqs: bool = False


class RxView(msgspec.Struct, frozen=True):
    """A receive queue's RPS CPUs and RFS flow-table entries (null: the kernel has none)."""

    rps: CpuSet | None
    flows: int | None


class InterfaceView(msgspec.Struct, frozen=True):
    """A network interface with its queues' settings."""

    name: str
    up: bool
    tx: tuple[TxView, ...] = ()
    rx: tuple[RxView, ...] = ()


class DeviceView(msgspec.Struct, frozen=True):
    """A PCI device, or a NIC below no PCI device, with its interfaces, disks and IRQs, and the sums
    of the IRQs' rates and loads. `node` is its NUMA node, -1 if the kernel does not know it;
    `local_cpus` are the CPUs of that node.
    """

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
    """The queue that an IRQ serves: the interface or disk, the queue's index, and its kind (rx, tx,
    rxtx or io). `active`: it is among the queues in use (`ethtool -L`).
    """

    name: str
    index: int
    kind: str
    active: bool


class OverrideView(msgspec.Struct, frozen=True):
    """A person's placement of one IRQ, until `expires` (null: until cleared). `irq` is null while
    no such IRQ exists.
    """

    identity: str
    irq: int | None
    name: str
    cpus: CpuSet
    reason: str
    who: str
    expires: Moment | None


class IrqView(msgspec.Struct, frozen=True):
    """One IRQ. `affinity` is its mask, `effective` where the kernel delivers it, `hint`
    the driver's affinity hint. `unmovable` says why it cannot be moved. `generation` counts how
    often it was set up again. `queue` is the only queue that it serves (null: none or several),
    `queues` are all of them, and `evidence` says how irqbal knows: netlink, rank (among the
    device's vectors), name, only vector, policy, or empty. `policy` and `reason` are those of its
    placement, `placed_ago` its age. `local`: its interrupts are handled on its device's NUMA node.
    `total` counts its interrupts since it was set up. `planned` are the CPUs to which the last plan
    would move it, and did not (null: it need not be moved, or was).
    """

    number: int
    identity: str
    name: str
    chip: str
    vector: int | None
    device: str | None
    queue: QueueView | None
    queues: tuple[QueueView, ...]
    evidence: str
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
    planned: CpuSet | None = None


class Explanation(msgspec.Struct, frozen=True):
    """Why an IRQ is where it is: limits, claims and refusals in the order in which they applied, in
    the plan that placed it: that of `cycle`, at `time`, which was made because of `trigger`.
    `cycle` and `time` are null where the steps are of a plan that was made for the question.
    """

    irq: IrqView
    steps: tuple[Step, ...]
    override: OverrideView | None
    cycle: int | None = None
    time: Moment | None = None
    trigger: str = ""


class PolicyView(msgspec.Struct, frozen=True):
    """An installed policy. `options` are those of the YAML, `options_schema` is their JSON schema
    (null: the policy is not loaded). `position` is its place in the YAML (null: not enabled).
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
    """A decision of irqbal, a policy or a person, with its reason. `who` is the author of an
    override or an action. `done`: whether the kernel took it (false in a dry run, and if it
    refused), null where there was nothing to do. `clock`: empty, or `doubtful` or `wrong` if its
    time is not believed. `cause` is what its cycle was run for (`start`, `tick`, `reload` …).
    """

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
    done: bool | None
    clock: str
    cause: str = ""


class PointView(msgspec.Struct, frozen=True):
    """One step: its start, the seconds of it that samples cover, and the counts in it by line (a
    CPU, an IRQ's identity, a device or a kind); for `what=load` microseconds.
    """

    at: Moment
    seconds: float
    counts: dict[str, int]


class SeriesAnswer(msgspec.Struct, frozen=True):
    """Counts by step. Steps without samples are left out. `names` are the IRQs' names by identity,
    and the devices' by address.
    """

    start: Moment
    end: Moment
    step: Duration
    by: Annotated[str, Meta(description="cpu, irq, device or kind")]
    names: dict[str, str]
    points: tuple[PointView, ...]
    what: str = "interrupts"


class OverrideAnswer(msgspec.Struct, frozen=True):
    """An override that was set, and the result of the write. `before` is the IRQ's mask before,
    `affinity` its mask now; `moves` are the moves of other IRQs in the same cycle.
    """

    override: OverrideView
    result: str
    detail: str
    affinity: CpuSet
    warnings: tuple[str, ...] = ()
    before: CpuSet | None = None
    moves: tuple[MoveView, ...] = ()


class ClearedAnswer(msgspec.Struct, frozen=True):
    """An override that was cleared, and the result of the policies' move. `before` is the IRQ's
    mask before, `affinity` its mask now (null: there is no such IRQ), `policy` the one that moved
    it (empty: none did); `moves` are the moves of other IRQs in the same cycle.
    """

    override: OverrideView
    result: str
    detail: str
    affinity: CpuSet | None
    before: CpuSet | None = None
    policy: str = ""
    moves: tuple[MoveView, ...] = ()


class OutcomeView(msgspec.Struct, frozen=True):
    """The result of writing one original value back. `found` is the value that the kernel has after
    it.
    """

    identity: str
    irq: int | None
    result: str
    code: str
    detail: str
    found: str


class RestoreAnswer(msgspec.Struct, frozen=True):
    """The results of writing all original values back; the daemon is paused now."""

    paused: bool
    outcomes: tuple[OutcomeView, ...]


class Health(msgspec.Struct, frozen=True):
    """Whether the daemon works; `problem` says what does not work."""

    ok: bool
    problem: str = ""


class HostView(msgspec.Struct, frozen=True):
    """A host that this server knows. `seen` is when it was last heard of; a value that is not known
    is null. `drifted` and `failures` count the last 24 hours; `failed` are the policies that are
    skipped. `remote` counts NIC queues whose interrupts are handled off the NIC's NUMA node,
    `isolated` the IRQs that fire on isolated CPUs. `verdict` is `well`, `look` or `act` (empty: not
    known), `findings` counts what to do or to look at.
    """

    host: str
    seen: Moment | None = None
    version: str = ""
    state: str = ""
    imbalance: float | None = None
    busiest: float | None = None
    drifted: int | None = None
    refused: int | None = None
    failures: int | None = None
    failed: tuple[str, ...] = ()
    overrides: int | None = None
    cpus: int | None = None
    irqs: int | None = None
    remote: int | None = None
    isolated: int | None = None
    verdict: str = ""
    findings: int | None = None


class FindingItem(msgspec.Struct, frozen=True):
    """Something about a host that a person should know, and what to do. `severity` is `warning` or
    `notice`, `kind` and `subject` say what it is about (`irq` 24, `interface` eth0, `policy`,
    `cpu`, `host` …), `irq` is the number of the IRQ that this is or serves.
    """

    code: str
    severity: str
    kind: str
    subject: str
    irq: int | None
    text: str
    advice: str


class FindingsAnswer(msgspec.Struct, frozen=True):
    """A host in a word and in a sentence, and what to do, the worst first. `verdict` is `well`,
    `look` (something could be better) or `act` (the host does not do what it should). `count` is
    the number of all findings, of which the answer has the first 200; `counts` has the number
    of each code.
    """

    verdict: str
    sentence: str
    at: Moment
    count: int
    findings: tuple[FindingItem, ...]
    counts: dict[str, int] = {}


class BriefIrq(msgspec.Struct, frozen=True):
    """An IRQ in short; fields as in `IrqView`."""

    number: int
    name: str
    device: str | None
    queues: tuple[QueueView, ...]
    node: int
    movable: bool
    affinity: CpuSet
    effective: CpuSet
    rate: float
    load: float
    local: bool
    policy: str
    override: bool
    planned: CpuSet | None


class NowAnswer(msgspec.Struct, frozen=True):
    """A host at one moment, `status.last.measured`: the loads of the CPUs, those of the IRQs and
    the numbers of the status are of one estimate.
    """

    status: Status
    cpus: tuple[CpuView, ...]
    irqs: tuple[BriefIrq, ...]
    findings: FindingsAnswer


class FindingView(msgspec.Struct, frozen=True):
    """Something that is wrong on a host, as of when the host was last heard of, and what to do.
    `severity`, `kind` and `subject` as in `FindingItem`; empty if the host did not ship them.
    """

    host: str
    seen: Moment
    code: str
    irq: int | None
    text: str
    advice: str
    severity: str = ""
    kind: str = ""
    subject: str = ""


class LegacyDevices(msgspec.Struct, frozen=True):
    """Names of IRQs, as in the last column of /proc/interrupts."""

    devices: tuple[str, ...]


class LegacyCpus(msgspec.Struct, frozen=True):
    """The number of online CPUs."""

    cpu_count: int


class LegacyRow(msgspec.Struct, frozen=True):
    """An IRQ's totals at one moment, by CPU, as in /proc/interrupts."""

    irq_no: int
    cpu_interrupts: dict[str, int]
    interrupt_type: str
    device: str
    created_at: str


class LegacyAffinity(msgspec.Struct, frozen=True):
    """A hex mask, as in the kernel's file."""

    affinity: str
