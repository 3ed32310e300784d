"""Keeps interrupts off isolated CPUs, and reports those that fire there all the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    cpus: Annotated[CpuSet, Meta(description="further CPUs to isolate")] = CpuSet()
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
    sources = _sources(snapshot, options)
    isolated = _union(sources.values())
    rest = snapshot.online - snapshot.boot_affinity - isolated
    if options.kernel and snapshot.boot_affinity and rest:
        yield Note(
            f"the kernel's command line lets new interrupts start on CPUs {snapshot.boot_affinity} "
            f"alone (irqaffinity=), and policies may use CPUs {rest} too",
            advice=f"isolate_cores: {{cpus: {rest}}} keeps all interrupts off them",
        )
    if not isolated & snapshot.online:
        return
    if not snapshot.online - isolated:
        yield Note(
            f"every online CPU ({snapshot.online}) is isolated: nothing is kept off them",
            advice="isolate fewer CPUs",
        )
        return
    own = _exceptions(snapshot, options)
    for source, cpus in sources.items():
        yield Limit(
            cpus,
            f"CPU {cpus} is isolated by {source}"
            if len(cpus) == 1
            else f"CPUs {cpus} are isolated by {source}",
            exempt=tuple(own),
            advice="isolate_cores: {except: {NAME: CPUS}} lets an IRQ onto isolated CPUs",
        )
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
    isolated = _union(_sources(snapshot, options).values())
    if not snapshot.online - isolated:
        return
    for number, cpus in _exceptions(snapshot, options).items():
        yield Placement(number, cpus, "a core of its own, by `except`")


def _union(sets: Iterable[CpuSet]) -> CpuSet:
    return CpuSet(cpu for cpus in sets for cpu in cpus)


def _sources(snapshot: Snapshot, options: IsolateCores) -> dict[str, CpuSet]:
    """The isolated CPUs by their source: `isolate_cores` for the option, else the kernel's."""
    sources: dict[str, CpuSet] = {}
    if options.cpus:
        sources["isolate_cores"] = options.cpus
    if options.kernel:
        for cpu in snapshot.cpus:
            if cpu.isolated and cpu.number not in options.cpus:
                others = sources.get(cpu.isolated, CpuSet())
                sources[cpu.isolated] = others | CpuSet.of(cpu.number)
    return sources


def _exceptions(snapshot: Snapshot, options: IsolateCores) -> dict[int, CpuSet]:
    """IRQ number -> the CPUs that `except` gives it; the first glob that matches counts."""
    own: dict[int, CpuSet] = {}
    if not options.except_:
        return own
    for irq in snapshot.irqs:
        for pattern, cpus in options.except_.items():
            if _matches(snapshot, irq, pattern):
                own[irq.number] = cpus
                break
    return own


def _matches(snapshot: Snapshot, irq: Irq, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in snapshot.names_of(irq))


def _unmatched(snapshot: Snapshot, options: IsolateCores) -> Iterator[Note]:
    for pattern in options.except_:
        if not any(_matches(snapshot, irq, pattern) for irq in snapshot.irqs):
            yield Note(
                f"`except` {pattern!r} matches no IRQ",
                advice="`irqbal topology` lists the names that a glob may match",
            )


def _advice(irq: Irq, isolated: CpuSet) -> str:
    if irq.cannot == "managed":
        return (
            f"boot with isolcpus=managed_irq,{isolated}, which keeps managed IRQs away as long as "
            "another CPU can serve them"
        )
    if irq.cannot == "per-CPU":
        return "no affinity helps: see what fires it there, such as timers or perf"
    return "see its driver's documentation"


def _still_firing(snapshot: Snapshot, isolated: CpuSet, own: dict[int, CpuSet]) -> Iterator[Note]:
    """Notes on what no policy can move: managed IRQs, and threads that handle interrupts."""
    for irq in snapshot.irqs:
        cpus = irq.effective & (isolated - own.get(irq.number, CpuSet()))
        if irq.unmovable and irq.rate > 0 and cpus:
            yield Note(
                f"{irq.action} fires {irq.rate:.1f} times a second on isolated CPU {cpus}: "
                f"{irq.unmovable}",
                irq.number,
                _advice(irq, isolated),
            )
    for thread in snapshot.threads:
        if thread.cpu in isolated and (thread.irq is None or thread.irq not in own):
            yield Note(
                f"the thread {thread.name} (pid {thread.pid}, allowed on {thread.cpus}) last ran "
                f"on isolated CPU {thread.cpu}",
                thread.irq,
                f"taskset -pc {snapshot.online - isolated} {thread.pid}",
            )
