"""What strangers' policies said last, and how long it holds. Pure.

It holds while nothing has changed of what the policy depends on, as it says by `irqbal_needs`: one
that depends neither on loads nor on the time is shown the same host again and again, but for
numbers that it does not look at. And it holds while the policy is late.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from irqbal.model.draft import Draft
from irqbal.model.policy import Needs
from irqbal.model.view import Cpu, Irq, Snapshot, Thread
from irqbal.plugins import protocol

NOTHING = protocol.HookItems()


class SeenHost(msgspec.Struct, frozen=True):
    """What a policy saw when it answered, without loads and times. `draft` is None for limits,
    which are asked for before there is one.
    """

    snapshot: Snapshot
    draft: Draft | None = None


class StrangersWord(msgspec.Struct):
    """What a stranger's policy said in the last plan that it answered in time. It holds while the
    policy is late, so that its IRQs do not move to and fro, and while what it saw stays the same.
    """

    limits: protocol.HookItems = NOTHING
    placements: protocol.HookItems = NOTHING
    identities: dict[int, str] = {}
    """The IRQs that the numbers were of, by number."""
    limited: SeenHost | None = None
    """What it saw when it stated its limits; None if they do not outlast a change of load."""
    placed: SeenHost | None = None
    """The same for its placements."""

    def still_holding(self, snapshot: Snapshot) -> StrangersWord:
        """What is left of it where numbers belong to other IRQs by now."""
        same = {
            irq.number for irq in snapshot.irqs if self.identities.get(irq.number) == irq.identity
        }
        if len(same) == len(self.identities):
            return self
        limits = tuple(
            replace(
                limit,
                irqs=None if limit.irqs is None else tuple(n for n in limit.irqs if n in same),
                exempt=tuple(n for n in limit.exempt if n in same),
            )
            for limit in self.limits.limits
        )
        return StrangersWord(
            replace(self.limits, limits=tuple(item for item in limits if item.irqs != ())),
            replace(
                self.placements,
                placements=tuple(item for item in self.placements.placements if item.irq in same),
                steering=tuple(
                    item
                    for item in self.placements.steering
                    if item.near is None or item.near in same
                ),
            ),
            self.identities,
            self.limited,
            self.placed,
        )


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
