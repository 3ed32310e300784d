"""The ledger over a restart: what still holds of it."""

from __future__ import annotations

import json
from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.planner.ledger import Ledger, LedgerEntry
from irqbal.state.ledger_file import LEDGER, load_ledger, save_ledger

LEDGERED = Ledger(
    {
        "a": LedgerEntry(
            3, "0-3", "p", "why", 10.0, drift=(1.0,), barred=CpuSet.of(5), bad_sets=("7",)
        ),
        "moved on": LedgerEntry(1, "5", "p", "why"),
        "never placed": LedgerEntry(1, None, "p", "why"),
        "refused": LedgerEntry(2, None, refused=2),
        "refused in another life": LedgerEntry(3, None, refused=2),
        "another life": LedgerEntry(1, "5", "p", "why"),
        "gone": LedgerEntry(1, "5", "p", "why"),
    }
)
INODES = {identity: 100 + number for number, identity in enumerate(LEDGERED.entries)}


def test_the_ledger_comes_back_for_irqs_that_live_on_and_whose_mask_still_stands(
    tmp_path: Path,
) -> None:
    save_ledger(tmp_path / "run", "boot", LEDGERED, INODES)
    masks = {
        "a": "0-3",
        "moved on": "6",
        "never placed": "1",
        "refused": "1",
        "refused in another life": "1",
    }
    now = {identity: (CpuSet.parse(mask), INODES[identity]) for identity, mask in masks.items()}
    now["another life"] = (CpuSet.of(5), 999)
    back = load_ledger(tmp_path / "run", "boot", now)
    assert sorted(back.entries) == ["a", "refused"]
    entry = back.entry("a")
    assert (entry.written, entry.policy, entry.drift, entry.moved) == ("0-3", "p", (1.0,), 10.0)
    assert (entry.barred, entry.bad_sets) == (CpuSet.of(5), ("7",))
    assert (entry.generation, entry.refused) == (
        1,
        0,
    )  # generations are counted anew by each process
    assert (back.entry("refused").generation, back.entry("refused").refused) == (1, 1)


def test_a_ledger_of_another_boot_or_a_damaged_one_is_none(tmp_path: Path) -> None:
    now = {"a": (CpuSet.parse("0-3"), INODES["a"])}
    assert load_ledger(tmp_path, "boot", now) == Ledger()
    save_ledger(tmp_path, "boot", LEDGERED, INODES)
    assert load_ledger(tmp_path, "boot", now) != Ledger()
    assert load_ledger(tmp_path, "next boot", now) == Ledger()
    for junk in (
        b"",
        b"{",
        b"\xff",
        json.dumps({"boot": "boot", "ledger": {"entries": {"a": 1}}}).encode(),
    ):
        (tmp_path / LEDGER).write_bytes(junk)
        assert load_ledger(tmp_path, "boot", now) == Ledger()
