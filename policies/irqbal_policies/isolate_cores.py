"""Keeps interrupts off isolated CPUs, and reports what still fires there."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated

from irqbal import CpuSet, Draft, Irq, Limit, Meta, Note, Options, Placement, Snapshot, hookimpl


class IsolateCores(Options, frozen=True, rename={"except_": "except"}):
    """Options of isolate_cores."""

    kernel: Annotated[
        bool,
        Meta(
            description="isolate what the kernel isolates: isolcpus, nohz_full, cgroup partitions"
        ),
    ] = True
    cpus: Annotated[CpuSet, Meta(description="CPUs to isolate besides")] = CpuSet()
    except_: Annotated[
        dict[str, CpuSet],
        Meta(
            description="IRQs, by glob over name, queue, device or driver, that get isolated CPUs "
            "of their own"
        ),
    ] = {}  # noqa: RUF012 - msgspec copies it


@hookimpl
def irqbal_options() -> type[IsolateCores]:
    return IsolateCores


@hookimpl
def irqbal_limit(snapshot: Snapshot, options: IsolateCores) -> Iterator[Limit | Note]:
    sources = _isolated(snapshot, options)
    isolated = CpuSet()
    for cpus in sources.values():
        isolated |= cpus
    if not isolated & snapshot.online:
        return
    if not snapshot.online - isolated:
        yield Note(
            f"every online CPU ({snapshot.online}) is isolated: nothing is kept off them",
            advice="isolate fewer CPUs",
        )
        return
    own = _exceptions(snapshot, options, isolated)
    for source, cpus in sources.items():
        yield Limit(cpus, f"isolated by {source}", exempt=tuple(own))
    for number, cpus in own.items():
        yield Limit(
            isolated - cpus,
            "isolated, and not among the CPUs that `except` gives it",
            irqs=(number,),
        )
    yield from _still_firing(snapshot, isolated, own)
    yield from _unmatched(snapshot, options)


@hookimpl
def irqbal_place(snapshot: Snapshot, draft: Draft, options: IsolateCores) -> Iterator[Placement]:
    isolated = CpuSet()
    for cpus in _isolated(snapshot, options).values():
        isolated |= cpus
    if not snapshot.online - isolated:
        return
    for number, cpus in _exceptions(snapshot, options, isolated).items():
        yield Placement(number, cpus, "a core of its own, by `except`")


def _isolated(snapshot: Snapshot, options: IsolateCores) -> dict[str, CpuSet]:
    """Isolated CPUs by what isolates them."""
    found: dict[str, CpuSet] = {}
    if options.cpus:
        found["isolate_cores"] = options.cpus
    if options.kernel:
        for cpu in snapshot.cpus:
            if cpu.isolated and cpu.number not in options.cpus:
                found[cpu.isolated] = found.get(cpu.isolated, CpuSet()) | CpuSet.of(cpu.number)
    return found


def _exceptions(snapshot: Snapshot, options: IsolateCores, isolated: CpuSet) -> dict[int, CpuSet]:
    """IRQ number -> the CPUs that the first matching glob gives it."""
    found: dict[int, CpuSet] = {}
    if not options.except_:
        return found
    for irq in snapshot.irqs:
        for pattern, cpus in options.except_.items():
            if _matches(snapshot, irq, pattern):
                found[irq.number] = cpus
                break
    return found


def _matches(snapshot: Snapshot, irq: Irq, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in snapshot.names_of(irq))


def _unmatched(snapshot: Snapshot, options: IsolateCores) -> Iterator[Note]:
    for pattern in options.except_:
        if not any(_matches(snapshot, irq, pattern) for irq in snapshot.irqs):
            yield Note(
                f"`except` {pattern!r} matches no IRQ",
                advice="`irqbal topology` lists the names that a glob may match",
            )


def _still_firing(snapshot: Snapshot, isolated: CpuSet, own: dict[int, CpuSet]) -> Iterator[Note]:
    """What policies cannot help: managed IRQs, and threads that handle interrupts."""
    for irq in snapshot.irqs:
        there = irq.effective & (isolated - own.get(irq.number, CpuSet()))
        if irq.unmovable and irq.rate > 0 and there:
            yield Note(
                f"{irq.action} fires {irq.rate:.1f} times a second on isolated CPU {there}: "
                f"{irq.unmovable}",
                irq.number,
                f"boot with isolcpus=managed_irq,{isolated}, which keeps managed IRQs away as long "
                "as another CPU can serve them",
            )
    for thread in snapshot.threads:
        if thread.cpu in isolated and (thread.irq is None or thread.irq not in own):
            yield Note(
                f"the thread {thread.name} (pid {thread.pid}, allowed on {thread.cpus}) last ran "
                f"on isolated CPU {thread.cpu}",
                thread.irq,
                f"taskset -pc {snapshot.online - isolated} {thread.pid}",
            )
