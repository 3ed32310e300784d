"""The planner's memory: frozen, passed in and returned. Nothing in it touches the kernel or a
clock.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Outcome, Plan
from irqbal.model.view import Snapshot

DRIFT_WINDOW = 600.0
"""Seconds within which changes by somebody else are counted."""
DRIFT_LIMIT = 3
"""So many changes by somebody else within the window, and the IRQ is given up."""
RETRY_AFTER = 3600.0
"""Seconds until an IRQ that was given up is tried again."""


class LedgerEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of one IRQ (by identity) or one steering setting.

    `written` is the mask that irqbal set and read back (for a setting, the file's text), `barred`
    CPUs that ran out of vectors, `bad_sets` masks or values (as text) that the kernel refused or
    altered twice, `refused` the generation whose mask the kernel refused for good (for a setting,
    1).
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
    """Entries by identity. A new one is made each cycle; unchanged entries are shared."""

    entries: dict[str, LedgerEntry] = {}

    def entry(self, identity: str) -> LedgerEntry:
        """The entry of this identity, or an empty one."""
        return self.entries.get(identity, _NOTHING)

    def having(self, changed: dict[str, LedgerEntry]) -> Ledger:
        """A ledger with these entries in place of the old ones."""
        return Ledger({**self.entries, **changed}) if changed else self

    def only(self, identities: Iterable[str]) -> Ledger:
        """A ledger without the IRQs that are gone; settings and IRQs that still matter are kept."""
        known = set(identities)
        kept = {key: entry for key, entry in self.entries.items() if key in known}
        return self if len(kept) == len(self.entries) else Ledger(kept)


_NOTHING = LedgerEntry()


def holding(ledger: Ledger, plan: Plan, snapshot: Snapshot) -> Ledger:
    """The ledger with the masks that were right before irqbal had to write them: who changes one of
    those now changes irqbal's.
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
    """The ledger once the kernel has answered: what was really written, what it will not have, and
    when.

    `now` is seconds on the monotonic clock, as in the snapshot that the plan was made from.
    """
    asked = {
        move.identity: (str(move.after), move.generation, move.policy, move.reason)
        for move in plan.moves
    }
    asked |= {move.identity: (move.after, 0, move.policy, move.reason) for move in plan.steering}
    changed: dict[str, LedgerEntry] = {}
    for outcome in outcomes:
        if outcome.identity not in asked:
            continue
        wanted, generation, policy, reason = asked[outcome.identity]
        entry = msgspec.structs.replace(ledger.entry(outcome.identity), generation=generation)
        if outcome.result in ("written", "differs"):
            entry = msgspec.structs.replace(
                entry, written=outcome.found, policy=policy, reason=reason, moved=now, since=now
            )
            entry = (
                _twice(entry, wanted)
                if outcome.result == "differs"
                else msgspec.structs.replace(entry, no_cpu="")
            )
        elif outcome.code == "managed":
            entry = msgspec.structs.replace(entry, refused=generation or 1)
        elif outcome.code == "no-vector":
            entry = msgspec.structs.replace(entry, barred=entry.barred | CpuSet.parse(wanted))
        elif outcome.code in ("no-cpu", "beyond", "unknown"):
            entry = _twice(entry, wanted)
        changed[outcome.identity] = entry
    return ledger.having(changed)


def _twice(entry: LedgerEntry, wanted: str) -> LedgerEntry:
    """The first time may be a race with a hotplug; what is refused or altered twice is out for this
    IRQ or setting.
    """
    if entry.no_cpu != wanted:
        return msgspec.structs.replace(entry, no_cpu=wanted)
    return msgspec.structs.replace(entry, no_cpu="", bad_sets=(*entry.bad_sets, wanted)[-8:])
