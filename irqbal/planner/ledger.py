"""The planner's memory of its writes: a frozen ledger, passed in and returned. Nothing here reads
the kernel or a clock.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Outcome, Plan
from irqbal.model.view import Snapshot

DRIFT_WINDOW = 600.0
"""Seconds within which changes by another program are counted."""
DRIFT_LIMIT = 3
"""Changes by another program within the window after which an IRQ is given up: once or twice may be
an administrator's test, three times is a program.
"""
RETRY_AFTER = 3600.0
"""Seconds until irqbal tries an IRQ again that it gave up."""


class LedgerEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What irqbal remembers of one IRQ or one steering setting.

    `written` is the mask (for a setting, the file's text) that irqbal wrote and read back; None if
    it is no longer in place. `policy` and `reason` belong to it. Times are seconds on the monotonic
    clock: `moved` is the last write (0: none), `since` the time from which `written` holds, `drift`
    the changes by other programs, `given_up_until` the next try. `refused` is the generation whose
    mask the kernel refused for good (for a setting, 1). `barred` are CPUs that had no free vector.
    `no_cpu` is the set or value that the kernel refused or altered once, `bad_sets` those that it
    refused or altered twice, as text.
    """

    generation: int = 0
    written: str | None = None
    policy: str = ""
    reason: str = ""
    moved: float = 0.0
    since: float = 0.0
    drift: tuple[float, ...] = ()
    given_up_until: float = 0.0
    refused: int = 0
    barred: CpuSet = CpuSet()
    no_cpu: str = ""
    bad_sets: tuple[str, ...] = ()


class Ledger(msgspec.Struct, frozen=True):
    """Entries by identity. Each cycle returns a new ledger, which shares unchanged entries."""

    entries: dict[str, LedgerEntry] = {}

    def entry(self, identity: str) -> LedgerEntry:
        """The entry of this identity, or an empty one."""
        return self.entries.get(identity, _NOTHING)

    def having(self, changed: dict[str, LedgerEntry]) -> Ledger:
        """A ledger with these entries added or replaced."""
        return Ledger({**self.entries, **changed}) if changed else self

    def only(self, identities: Iterable[str]) -> Ledger:
        """A ledger with the entries of these identities alone."""
        known = set(identities)
        kept = {key: entry for key, entry in self.entries.items() if key in known}
        return self if len(kept) == len(self.entries) else Ledger(kept)


_NOTHING = LedgerEntry()


def holding(ledger: Ledger, plan: Plan, snapshot: Snapshot) -> Ledger:
    """The ledger with the claimed masks that were right without a write. A later change of such a
    mask by another program then counts as drift.
    """
    changed: dict[str, LedgerEntry] = {}
    for kept in plan.kept:
        irq = snapshot.irq_by_number[kept.irq]
        entry = ledger.entry(irq.identity)
        if kept.ours and entry.written is None and irq.movable:
            changed[irq.identity] = msgspec.structs.replace(
                entry,
                generation=irq.generation,
                written=str(irq.affinity),
                policy=kept.policy,
                reason=kept.reason,
                since=snapshot.now,
            )
    return ledger.having(changed)


def after(ledger: Ledger, plan: Plan, outcomes: Iterable[Outcome], now: float) -> Ledger:
    """The ledger after the writes: which masks are in place, and which ones the kernel refused.

    `now` is seconds on the monotonic clock, as in the snapshot that the plan was made from.
    """
    requested = {
        move.identity: (str(move.after), move.generation, move.policy, move.reason)
        for move in plan.moves
    }
    requested |= {
        move.identity: (move.after, 0, move.policy, move.reason) for move in plan.steering
    }
    changed: dict[str, LedgerEntry] = {}
    for outcome in outcomes:
        if outcome.identity not in requested:
            continue
        value, generation, policy, reason = requested[outcome.identity]
        entry = msgspec.structs.replace(ledger.entry(outcome.identity), generation=generation)
        if outcome.result in ("written", "differs"):
            entry = msgspec.structs.replace(
                entry, written=outcome.found, policy=policy, reason=reason, moved=now, since=now
            )
            entry = (
                _note_failure(entry, value)
                if outcome.result == "differs"
                else msgspec.structs.replace(entry, no_cpu="")
            )
        elif outcome.code == "managed":
            entry = msgspec.structs.replace(entry, refused=generation or 1)
        elif outcome.code == "no-vector":
            entry = msgspec.structs.replace(entry, barred=entry.barred | CpuSet.parse(value))
        elif outcome.code in ("no-cpu", "beyond", "unknown"):
            entry = _note_failure(entry, value)
        changed[outcome.identity] = entry
    return ledger.having(changed)


def _note_failure(entry: LedgerEntry, value: str) -> LedgerEntry:
    """Record that the kernel refused or altered this value. The first time may be a race with a
    hotplug; after the second time the value is not written again for this IRQ or setting.
    """
    if entry.no_cpu != value:
        return msgspec.structs.replace(entry, no_cpu=value)
    return msgspec.structs.replace(entry, no_cpu="", bad_sets=(*entry.bad_sets, value)[-8:])
