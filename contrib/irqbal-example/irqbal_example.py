"""Gives the IRQs of each NUMA node to its CPUs in turn, and keeps some CPUs free of IRQs."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated

from irqbal import CpuSet, Draft, Limit, Meta, Note, Options, Placement, Snapshot, hookimpl

IRQBAL_API = "1"
"""The version of irqbal's plugin API that this module needs; another irqbal refuses the module."""


class Example(Options, frozen=True):
    """Options of example, in the YAML: `- example: {irqs: "eth*", keep_free: "0"}`."""

    irqs: Annotated[
        str, Meta(description="glob over the IRQ's name, queue, device, driver or interface")
    ] = "*"
    keep_free: Annotated[CpuSet, Meta(description="CPUs that no IRQ may use")] = CpuSet()

    def __post_init__(self) -> None:
        if not self.irqs:
            raise ValueError('irqs is empty; "*" means all')


@hookimpl
def irqbal_options() -> type[Example]:
    return Example


@hookimpl
def irqbal_limit(snapshot: Snapshot, options: Example) -> Iterator[Limit | Note]:
    if not snapshot.online - options.keep_free:
        yield Note("keep_free holds every online CPU, so it is ignored", advice="name fewer CPUs")
    elif options.keep_free:
        yield Limit(options.keep_free, "kept free by example")


@hookimpl
def irqbal_place(snapshot: Snapshot, draft: Draft, options: Example) -> Iterator[Placement | Note]:
    turns: dict[CpuSet, int] = {}
    matched = False
    for irq in snapshot.irqs:
        if not any(fnmatchcase(name, options.irqs) for name in snapshot.names_of(irq)):
            continue
        matched = True
        # The kernel owns unmovable IRQs; an override or an earlier policy owns claimed ones.
        if not irq.movable or draft.claim(irq) is not None:
            continue
        allowed = draft.allowed(irq)
        room = (snapshot.local_cpus(irq) & allowed) or allowed
        if room:
            turn = turns.get(room, 0)
            turns[room] = turn + 1
            cpu = list(room)[turn % len(room)]
            yield Placement(irq.number, CpuSet.of(cpu), f"its turn on CPU {cpu} of {room}")
    if not matched and options.irqs != "*":
        yield Note(f"no IRQ matches {options.irqs!r}", advice="`irqbal topology` lists the names")
