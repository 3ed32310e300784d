"""What is proposed, planned and done: frozen, no behaviour beyond look-ups."""

from __future__ import annotations

from typing import Literal

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.view import Queue, Snapshot

Direction = Literal["rx", "tx"]


class Limit(msgspec.Struct, frozen=True):
    """CPUs that some or all IRQs may not use. `irqs` None means all; `exempt` are IRQ numbers that
    it does not bind.
    """

    cpus: CpuSet
    reason: str
    irqs: tuple[int, ...] | None = None
    exempt: tuple[int, ...] = ()


class Placement(msgspec.Struct, frozen=True):
    """One IRQ (its number) to a CPU set. `cpus` None: never touch this IRQ.

    With `open`, later policies may choose within `cpus`; until one does, the IRQ goes to `prefer`,
    or, without one, may be anywhere within `cpus`. Who chooses for one half of a queue (its Rx or
    its Tx) chooses for the other half too, unless the placement is for this IRQ `alone`.
    """

    irq: int
    cpus: CpuSet | None
    reason: str
    open: bool = False
    prefer: CpuSet | None = None
    alone: bool = False


class Steering(msgspec.Struct, frozen=True):
    """Settings of one NIC queue. Direction `tx`: XPS, `rx`: RPS (`cpus`) and RFS (`flows`).

    XPS may name an IRQ in `near` instead of `cpus`: the planner then shares all online CPUs out
    over such queues of that interface, each CPU to the queue whose IRQ the plan puts nearest.
    """

    interface: str
    direction: Direction
    queue: int
    reason: str
    cpus: CpuSet | None = None
    flows: int | None = None
    near: int | None = None


class Note(msgspec.Struct, frozen=True):
    """What a policy wants a person to know, without asking for anything: a rule that matches
    nothing, an IRQ left on an isolated CPU.
    """

    text: str
    irq: int | None = None
    advice: str = ""


Cause = Literal["override", "limit", "reset", "drift", "place"]


class Move(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """One mask to be written. `cause`: why it may not wait (override, limit, reset by the kernel,
    drift) or may (place).
    """

    irq: int
    identity: str
    generation: int
    before: CpuSet
    after: CpuSet
    policy: str
    reason: str
    cause: Cause = "place"


class SteeringMove(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """One XPS, RPS or RFS file to be written; values are text as in the file (`0-3`, `4096`)."""

    interface: str
    setting: Literal["xps", "rps", "flows"]
    queue: int
    before: str
    after: str
    policy: str
    reason: str

    @property
    def identity(self) -> str:
        """The key of this setting in journal and ledger."""
        return steering_identity(self.interface, self.setting, self.queue)


class DefaultMove(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """A new `default_smp_affinity`: where IRQs that are requested from now on start."""

    before: CpuSet
    after: CpuSet
    policy: str
    reason: str


class Kept(msgspec.Struct, frozen=True):
    """An IRQ that somebody claims and that is already right. `ours` is false where the claim is to
    leave it alone.
    """

    irq: int
    policy: str
    cpus: CpuSet
    reason: str
    ours: bool = True


RefusalCode = Literal[
    "budget",
    "check",
    "cooldown",
    "drift",
    "empty",
    "given-up",
    "left",
    "limited",
    "managed",
    "no-cpu",
    "no-vector",
    "offline",
    "outside",
    "refused",
    "unknown",
    "unmovable",
    "warning",
]
"""Why something that was asked for is not done; docs/operating.md explains each."""


class Refusal(msgspec.Struct, frozen=True):
    """Something that was asked for and not done: `code` for machines, `reason` and `advice` for
    people.
    """

    irq: int | None
    policy: str
    code: RefusalCode
    reason: str
    advice: str = ""


class Step(msgspec.Struct, frozen=True):
    """One link in the chain that explains an IRQ: who, what it did (limit, claim, narrow, refuse,
    move …), and why.
    """

    policy: str
    what: str
    cpus: CpuSet | None
    reason: str


class Failure(msgspec.Struct, frozen=True):
    """A policy that failed in a cycle. `aside`: it is not asked again until the next reload."""

    policy: str
    code: str
    reason: str
    aside: bool = False


class Plan(msgspec.Struct, frozen=True):
    """What will change, what stays and what was refused, each with the policy and the reason.

    `drifted` are the IRQs whose mask somebody else changed since the last cycle.
    """

    moves: tuple[Move, ...] = ()
    steering: tuple[SteeringMove, ...] = ()
    default: DefaultMove | None = None
    kept: tuple[Kept, ...] = ()
    refused: tuple[Refusal, ...] = ()
    drifted: tuple[int, ...] = ()
    notes: tuple[tuple[str, Note], ...] = ()
    failures: tuple[Failure, ...] = ()
    explanations: dict[int, tuple[Step, ...]] = {}
    queues: dict[int, Queue] = {}


Result = Literal[
    "written", "dry run", "unchanged", "differs", "refused", "gone", "transient", "unsaved"
]


class Outcome(msgspec.Struct, frozen=True):
    """What became of one move. `identity` is the IRQ's, a steering setting's, or
    `default_smp_affinity`.

    `found` is the value read back; `code` is the refusal's class (managed, no-cpu, no-vector,
    no-permission …).
    """

    identity: str
    result: Result
    irq: int | None = None
    code: str = ""
    detail: str = ""
    found: str = ""


class Record(msgspec.Struct, frozen=True):
    """All that one cycle did; the API, the log, the history and the metrics show this one."""

    cycle: int
    wall: float
    seconds: float
    cause: str
    dry_run: bool
    plan: Plan
    outcomes: tuple[Outcome, ...] = ()
    imbalance: float = 0.0
    busiest: float = 0.0
    skipped_rows: int = 0
    census: bool = False
    problem: str = ""


def steering_identity(interface: str, setting: str, queue: int) -> str:
    """The key of one XPS, RPS or RFS setting in journal and ledger."""
    return f"{setting}:{interface}/{queue}"


def steering_of(identity: str) -> tuple[str, str, int]:
    """(setting, interface, queue) of such a key."""
    setting, _, rest = identity.partition(":")
    interface, _, queue = rest.rpartition("/")
    return setting, interface, int(queue)


def imbalance(snapshot: Snapshot) -> tuple[float, float]:
    """(busiest CPU's load over the lower bound, busiest CPU's load): the bound is the larger of the
    mean and what is hottest of that which goes to one CPU, an IRQ or a CPU's threaded NAPI.
    """
    loads = [0.0] * (1 + max((cpu.number for cpu in snapshot.cpus), default=0))
    hottest = total = 0.0
    for irq in snapshot.irqs:
        if irq.load <= 0 or not irq.effective:
            continue
        total += irq.load
        hottest = max(hottest, irq.load)
        for cpu in irq.effective:
            if cpu < len(loads):
                loads[cpu] += irq.load / len(irq.effective)
    for busy in snapshot.cpus:
        if busy.threads > 0:
            total += busy.threads
            loads[busy.number] += busy.threads
            hottest = max(hottest, busy.threads)
    usable = max(1, len(snapshot.online - snapshot.isolated))
    bound = max(total / usable, hottest)
    busiest = max(loads, default=0.0)
    return (busiest / bound if bound > 0 else 0.0, busiest)
