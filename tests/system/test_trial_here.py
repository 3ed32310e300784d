"""A trial on this machine's own interrupts, beside the real irqbalance."""

from __future__ import annotations

import json
from pathlib import Path

import machine


def _irqbalances() -> set[int]:
    """The processes of this name."""
    return {
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/comm")
        if path.read_text().strip() == "irqbalance"
    }


def test_irqbalance_takes_turns_and_is_gone_afterwards(
    own_masks: dict[int, str], tmp_path: Path
) -> None:
    config = tmp_path / "irqbal.yaml"
    config.write_text(f"interval: 1s\nstate_dir: {tmp_path}/state\n")
    words = ("--window", "1s", "--settle", "200ms", "--windows", "14", "--learn", "4")
    running = _irqbalances()
    done = machine.irqbal(
        *("trial", "-c", str(config), "--against", "irqbalance", *words, "--json"), check=None
    )
    trial = json.loads(done.stdout)
    assert trial["a"] == "irqbalance" and len(trial["done"]) == 14, done.stderr
    assert trial["result"]["verdict"] in ("no-difference", "better", "worse")
    measured = {item["measure"] for item in trial["result"]["compared"]}
    # This kernel has PSI.
    assert measured >= {"busiest", "mean", "switches", "stalled", "rescheduling"}
    assert machine.masks() == own_masks
    assert _irqbalances() == running
