"""Proposals, plans and outcomes: frozen structs, without behaviour beyond look-ups."""

from __future__ import annotations

from typing import Literal

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.queues import Queue
from irqbal.model.view import Snapshot
from irqbal.wire import Moment

Direction = Literal["rx", "tx"]


class Limit(msgspec.Struct, frozen=True):
    """CPUs that some or all IRQs may not use. `irqs` are IRQ numbers; None: all IRQs. `exempt` are
    the numbers of IRQs to which the limit does not apply. `advice` says what an administrator can
    do where the limit leaves a placement no CPU.
    """

    cpus: CpuSet
    reason: str
    irqs: tuple[int, ...] | None = None
    exempt: tuple[int, ...] = ()
    advice: str = ""


class Placement(msgspec.Struct, frozen=True):
    """A CPU set for one IRQ (its number). `cpus` None: leave this IRQ's mask alone.

    With `open`, later policies may choose within `cpus`. If none does, the IRQ goes to `prefer`;
    without `prefer`, every mask within `cpus` is right. A policy that chooses for one half of a
    queue (its Rx or its Tx IRQ) chooses for the other half too, unless its placement is for this
    IRQ `alone`.
    """

    irq: int
    cpus: CpuSet | None
    reason: str
    open: bool = False
    prefer: CpuSet | None = None
    alone: bool = False


class Steering(msgspec.Struct, frozen=True):
    """Settings of one NIC queue. Direction `tx`: XPS. Direction `rx`: RPS (`cpus`) and RFS
    (`flows`, entries of the queue's flow table).

    XPS may name an IRQ (its number) in `near` instead of `cpus`. The planner then divides all
    online CPUs among such queues of the interface: each CPU goes to the queue whose IRQ is placed
    nearest to it.
    """

    interface: str
    direction: Direction
    queue: int
    reason: str
    cpus: CpuSet | None = None
    flows: int | None = None
    near: int | None = None


class Note(msgspec.Struct, frozen=True):
    """A message from a policy to the administrator that changes nothing in the plan: a rule that
    matches nothing, an IRQ left on an isolated CPU.
    """

    text: str
    irq: int | None = None
    advice: str = ""


Cause = Literal["override", "limit", "reset", "drift", "place"]


class Move(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """One mask to write. Masks are CPU sets. `cause` is `override`, `limit` (the IRQ may fire on a
    forbidden CPU), `reset` (the kernel reset the mask), `drift` (another program changed it) or
    `place` (a policy's choice). `place` and `drift` count against `max_moves`.
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
    """One XPS, RPS or RFS setting to write. Values are text: a CPU list (`0-3`) or a number of
    entries (`4096`).
    """

    interface: str
    setting: Literal["xps", "rps", "flows"]
    queue: int
    before: str
    after: str
    policy: str
    reason: str

    @property
    def identity(self) -> str:
        """The key of this setting in the originals file and the ledger."""
        return steering_identity(self.interface, self.setting, self.queue)


class DefaultMove(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """A new `default_smp_affinity`: the mask that IRQs requested from now on start with."""

    before: CpuSet
    after: CpuSet
    policy: str
    reason: str


class Kept(msgspec.Struct, frozen=True):
    """An IRQ with a claim whose mask needs no change. `ours` is false if the claim is to leave it
    alone.
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
"""Why irqbal does not carry out a request; docs/operating.md explains each code."""


class Refusal(msgspec.Struct, frozen=True):
    """A request of a policy, limit or override that irqbal does not carry out. `code` is for
    programs, `reason` and `advice` are for people. `irq` is None if the request concerns no IRQ.
    """

    irq: int | None
    policy: str
    code: RefusalCode
    reason: str
    advice: str = ""


class Step(msgspec.Struct, frozen=True):
    """One step in the explanation of an IRQ: the policy, what it did (limit, claim, narrow, refuse,
    move …), with which CPUs, and why.
    """

    policy: str
    what: str
    cpus: CpuSet | None
    reason: str


class Explained(msgspec.Struct, frozen=True):
    """Why an IRQ is where it is: the steps of a plan in order, and that plan's cycle, its start in
    seconds since the epoch, and its trigger in words. `cycle` 0: the steps are of a plan that was
    made for the question, and not carried out.
    """

    steps: tuple[Step, ...]
    cycle: int = 0
    wall: float = 0.0
    trigger: str = ""


class Failure(msgspec.Struct, frozen=True):
    """A policy that failed in a cycle. `aside`: it is not called again until `again`, in seconds
    since the epoch, or until a reload.
    """

    policy: str
    code: str
    reason: str
    aside: bool = False
    again: Moment | None = None


class Plan(msgspec.Struct, frozen=True):
    """What will change, what stays and what was refused, each with the policy and the reason.

    `drifted` are the numbers of IRQs whose mask another program changed since the last cycle.
    `notes` are (policy, note). `explanations` and `queues` (those that policies identified) are by
    IRQ number. `starting` are policies whose process was not ready: the plan was made without them.
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
    starting: tuple[str, ...] = ()


Result = Literal[
    "written", "dry run", "unchanged", "differs", "refused", "gone", "transient", "unsaved"
]


class Outcome(msgspec.Struct, frozen=True):
    """The result of one move. `identity` is that of the IRQ or the steering setting, or
    `default_smp_affinity`.

    `found` is the value that was read back. `code` is the class of the refusal (managed, no-cpu,
    no-vector, no-permission …).
    """

    identity: str
    result: Result
    irq: int | None = None
    code: str = ""
    detail: str = ""
    found: str = ""


class Record(msgspec.Struct, frozen=True):
    """Everything that one cycle did. The API, the log, the history and the metrics all report from
    it.

    `wall` is the cycle's start in seconds since the epoch, `seconds` its duration. `busiest` is the
    busiest CPU's load in seconds a second, `imbalance` that load over its lower bound (see
    `imbalance`). `skipped_rows` are rows of `/proc/interrupts` that could not be parsed. `census`:
    the cycle read everything. `problem` says why there is no plan, or is empty. `planned` is the
    cycle that made the plan, and whose `busiest` and `imbalance` these are: an earlier one if its
    plan was reused; 0 in a dry run for a question.
    """

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
    planned: int = 0


def steering_identity(interface: str, setting: str, queue: int) -> str:
    """The key of one XPS, RPS or RFS setting in the originals file and the ledger."""
    return f"{setting}:{interface}/{queue}"


def steering_of(identity: str) -> tuple[str, str, int]:
    """(setting, interface, queue) of a key that `steering_identity` made. Raises ValueError."""
    setting, _, rest = identity.partition(":")
    interface, _, queue = rest.rpartition("/")
    return setting, interface, int(queue)


def imbalance(snapshot: Snapshot) -> tuple[float, float]:
    """(the busiest CPU's load over its lower bound, the busiest CPU's load in seconds a second).

    No placement can bring the busiest CPU below the bound. It is the mean load of the usable CPUs,
    the largest load that cannot be divided (one IRQ), or what stays on one of them whatever is
    moved (IRQs that cannot be, threaded NAPI, softirqs of the CPU's own), whichever is largest. The
    ratio is 0 without any load.
    """
    size = 1 + max((cpu.number for cpu in snapshot.cpus), default=0)
    loads, fixed = [0.0] * size, [0.0] * size
    hottest = 0.0
    for irq in snapshot.irqs:
        if irq.load <= 0 or not irq.effective:
            continue
        if irq.movable:
            hottest = max(hottest, irq.load)
        for cpu in irq.effective:
            if cpu < size:
                loads[cpu] += irq.load / len(irq.effective)
                if not irq.movable:
                    fixed[cpu] += irq.load / len(irq.effective)
    for busy in snapshot.cpus:
        rest = max(busy.threads, busy.load - loads[busy.number])
        loads[busy.number] += rest
        fixed[busy.number] += rest
    usable = snapshot.online - snapshot.isolated
    # What can be moved from isolated CPUs would be on the others.
    total = sum(load if cpu in usable else load - fixed[cpu] for cpu, load in enumerate(loads))
    bound = max(total / max(1, len(usable)), hottest, *fixed)
    busiest = max(loads)
    return (busiest / bound if bound > 0 else 0.0, busiest)
