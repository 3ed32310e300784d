"""Which masks changed since irqbal set them, and why: another program changed them (drift), or the
kernel did (a reset). Pure.
"""

from __future__ import annotations

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.plan import steering_identity
from irqbal.model.view import Irq, Snapshot
from irqbal.planner.ledger import DRIFT_LIMIT, DRIFT_WINDOW, RETRY_AFTER, Ledger, LedgerEntry


class Changes(msgspec.Struct, frozen=True):
    """IRQs (by number) whose mask is not what irqbal wrote: `drifted` were changed by another
    program since the last cycle, `reset` by the kernel. irqbal does not write those of `given_up`
    for now. `settings_given_up` are the identities of such steering settings.
    """

    drifted: frozenset[int] = frozenset()
    reset: frozenset[int] = frozenset()
    given_up: frozenset[int] = frozenset()
    settings_given_up: frozenset[str] = frozenset()


def find_changes(snapshot: Snapshot, ledger: Ledger) -> tuple[Changes, Ledger]:
    """Compare every mask with what irqbal wrote. Returns the changes, and the ledger that records
    them.

    A change counts as the kernel's own reset if the IRQ has a new generation, if a hotplug may
    explain it, or if the mask is back at the driver's hint or at default_smp_affinity. irqbal
    writes such a mask again, and does not count it as drift.
    """
    changed: dict[str, LedgerEntry] = {}
    drifted: set[int] = set()
    reset: set[int] = set()
    given_up: set[int] = set()
    for irq in snapshot.irqs:
        entry = ledger.entries.get(irq.identity)
        if entry is None:
            continue
        fresh = _compared(snapshot, irq, entry)
        if fresh is not entry:
            changed[irq.identity] = fresh
            if fresh.written is None and entry.written is not None:
                (drifted if fresh.drift != entry.drift else reset).add(irq.number)
        if fresh.given_up_until > snapshot.now:
            given_up.add(irq.number)
    settings = _compare_settings(snapshot, ledger, changed, reset)
    changes = Changes(
        frozenset(drifted), frozenset(reset), frozenset(given_up), frozenset(settings)
    )
    return changes, ledger.having(changed)


def _compared(snapshot: Snapshot, irq: Irq, entry: LedgerEntry) -> LedgerEntry:
    """The IRQ's entry after the comparison; the same object if nothing changed."""
    if entry.generation != irq.generation:
        # A new generation starts with a new mask. The kernel may accept what it refused before.
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
        # The kernel may accept these sets now: one of their CPUs may be online again.
        entry = msgspec.structs.replace(entry, bad_sets=())
    if entry.written is None or CpuSet.parse(entry.written) == irq.affinity:
        return entry
    by_kernel = snapshot.hotplug or irq.affinity in (irq.hint, snapshot.default_affinity)
    if by_kernel:
        return msgspec.structs.replace(entry, written=None)
    return _count_drift(entry, snapshot.now)


def _count_drift(entry: LedgerEntry, now: float) -> LedgerEntry:
    """The entry with one more change by another program; given up after too many of them."""
    times = (*(time for time in entry.drift if now - time < DRIFT_WINDOW), now)
    until = now + RETRY_AFTER if len(times) >= DRIFT_LIMIT else entry.given_up_until
    return msgspec.structs.replace(entry, written=None, drift=times, given_up_until=until)


def _compare_settings(
    snapshot: Snapshot, ledger: Ledger, changed: dict[str, LedgerEntry], reset: set[int]
) -> set[str]:
    """The same comparison for XPS and RPS; adds entries to `changed`. Returns the identities of
    settings that are given up.

    `ethtool -L` and a rebind reset a NIC's IRQs and steering together, so where an IRQ was reset,
    its interface's settings count as reset too.
    """
    given_up = set()
    renewed = {
        queue.name
        for irq in snapshot.irqs
        if irq.number in reset or (irq.generation > 1 and irq.identity not in ledger.entries)
        for queue in irq.queues
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
                # The kernel clears both whenever the driver sets the queues up again.
                by_kernel = snapshot.hotplug or not cpus or interface.name in renewed
                entry = (
                    msgspec.structs.replace(entry, written=None)
                    if by_kernel
                    else _count_drift(entry, snapshot.now)
                )
                changed[key] = entry
            if entry.given_up_until > snapshot.now:
                given_up.add(key)
    return given_up
