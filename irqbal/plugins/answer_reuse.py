"""When a policy's last answer still holds: nothing of what it depends on has changed. Pure.

A policy says by `irqbal_needs` what it depends on. One that depends neither on loads nor on the
time is shown the same host again and again, but for numbers that it does not look at.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from irqbal.model.draft import Draft
from irqbal.model.policy import Needs
from irqbal.model.view import Cpu, Irq, Snapshot, Thread


class SeenHost(msgspec.Struct, frozen=True):
    """What a policy saw when it answered, without loads and times. `draft` is None for limits,
    which are asked for before there is one.
    """

    snapshot: Snapshot
    draft: Draft | None = None


def is_lasting(needs: Needs) -> bool:
    """Whether the policy's answers outlast the passing of time and a change of load. Who asks for a
    plan after a while wants to be asked then.
    """
    return needs.again is None and not {"load", "time"} & set(needs.on)


def without_loads(snapshot: Snapshot) -> Snapshot:
    """A snapshot that is equal to another one unless something lasting has changed."""
    return replace(
        snapshot,
        now=0.0,
        cycle=0,
        settling=False,
        time_visible=False,
        cpus=tuple(map(_cpu, snapshot.cpus)),
        irqs=tuple(map(_irq, snapshot.irqs)),
        threads=tuple(map(_thread, snapshot.threads)),
    )


def draft_without_loads(draft: Draft) -> Draft:
    """The same for a draft."""
    return replace(draft, loads={})


def _cpu(cpu: Cpu) -> Cpu:
    return replace(cpu, irq_time=0.0, softirq_time=0.0, squeezed=0.0, threads=0.0)


def _irq(irq: Irq) -> Irq:
    placed = None if irq.placed is None else replace(irq.placed, age=0.0)
    return replace(irq, rate=0.0, load=0.0, noise=0.0, placed=placed)


def _thread(thread: Thread) -> Thread:
    return replace(thread, cpu=-1)
