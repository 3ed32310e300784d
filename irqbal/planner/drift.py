"""Who changed a mask that irqbal had set: somebody else (drift), or the kernel itself (a reset)?"""

from __future__ import annotations

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.plan import steering_identity
from irqbal.model.view import Irq, Snapshot
from irqbal.planner.ledger import DRIFT_LIMIT, DRIFT_WINDOW, RETRY_AFTER, Ledger, LedgerEntry


class Changes(msgspec.Struct, frozen=True):
    """What was found changed since the last cycle, by IRQ number: drifted (by somebody), reset (by
    the kernel), given up.
    """

    drifted: frozenset[int] = frozenset()
    reset: frozenset[int] = frozenset()
    given_up: frozenset[int] = frozenset()
    settings_given_up: frozenset[str] = frozenset()


def find_changes(snapshot: Snapshot, ledger: Ledger) -> tuple[Changes, Ledger]:
    """Compare every mask with what irqbal wrote, and remember what was found.

    The kernel's own resets are a new generation of the IRQ, any change while a hotplug may explain
    it, and a mask that is back at the driver's hint or at default_smp_affinity: put back, and not
    counted as somebody's.
    """
    changed: dict[str, LedgerEntry] = {}
    drifted: set[int] = set()
    reset: set[int] = set()
    given_up: set[int] = set()
    for irq in snapshot.irqs:
        entry = ledger.entries.get(irq.identity)
        if entry is None:
            continue
        fresh = _look(snapshot, irq, entry)
        if fresh is not entry:
            changed[irq.identity] = fresh
            if fresh.written is None and entry.written is not None:
                (drifted if fresh.drift != entry.drift else reset).add(irq.number)
        if fresh.given_up_until > snapshot.now:
            given_up.add(irq.number)
    settings = _settings(snapshot, ledger, changed, reset)
    changes = Changes(
        frozenset(drifted), frozenset(reset), frozenset(given_up), frozenset(settings)
    )
    return changes, ledger.having(changed)


def _look(snapshot: Snapshot, irq: Irq, entry: LedgerEntry) -> LedgerEntry:
    if entry.generation != irq.generation:
        # A new generation starts with a new mask, and what the kernel refused before it may grant
        # now.
        return msgspec.structs.replace(
            entry,
            generation=irq.generation,
            written=None,
            moved=0.0,
            refused=0,
            barred=CpuSet(),
            bad_sets=(),
        )
    if snapshot.hotplug and entry.bad_sets:
        # The CPU that a set lacked may be back.
        entry = msgspec.structs.replace(entry, bad_sets=())
    if entry.written is None or CpuSet.parse(entry.written) == irq.affinity:
        return entry
    by_kernel = snapshot.hotplug or irq.affinity in (irq.hint, snapshot.default_affinity)
    if by_kernel:
        return msgspec.structs.replace(entry, written=None)
    return _count(entry, snapshot.now)


def _count(entry: LedgerEntry, now: float) -> LedgerEntry:
    times = (*(time for time in entry.drift if now - time < DRIFT_WINDOW), now)
    until = now + RETRY_AFTER if len(times) >= DRIFT_LIMIT else entry.given_up_until
    return msgspec.structs.replace(entry, written=None, drift=times, given_up_until=until)


def _settings(
    snapshot: Snapshot, ledger: Ledger, changed: dict[str, LedgerEntry], reset: set[int]
) -> set[str]:
    """The same watch over XPS, RPS and RFS. Returns the settings that are given up.

    `ethtool -L` and a rebind set a NIC's queues up anew, IRQs and steering together: where an IRQ
    was reset, so was the rest.
    """
    given_up = set()
    renewed = {
        irq.queue.name
        for irq in snapshot.irqs
        if irq.queue is not None
        and (irq.number in reset or (irq.generation > 1 and irq.identity not in ledger.entries))
    }
    for interface in snapshot.interfaces:
        values = [("xps", i, q.xps) for i, q in enumerate(interface.tx)]
        values += [("rps", i, q.rps) for i, q in enumerate(interface.rx)]
        for setting, queue, cpus in values:
            key = steering_identity(interface.name, setting, queue)
            entry = ledger.entries.get(key)
            if entry is None:
                continue
            if (
                entry.written is not None
                and cpus is not None
                and CpuSet.parse(entry.written) != cpus
            ):
                # Both are emptied by the kernel whenever the queues are set up anew.
                by_kernel = snapshot.hotplug or not cpus or interface.name in renewed
                entry = (
                    msgspec.structs.replace(entry, written=None)
                    if by_kernel
                    else _count(entry, snapshot.now)
                )
                changed[key] = entry
            if entry.given_up_until > snapshot.now:
                given_up.add(key)
    return given_up
