"""What irqbal believes of a made-up host, by the whole way from the files to the snapshot."""

from __future__ import annotations

from pathlib import Path

from irqbal.model.queues import queues_text
from irqbal.model.view import Snapshot
from irqbal.planner.ledger import Ledger
from irqbal.tracking.tracker import HostTracker
from trees import NamedNic, Tree, TreeSpec, make_tree


def look(tree: Tree) -> Snapshot:
    """One snapshot of a tree."""
    host = tree.host()
    try:
        return HostTracker(host, 1.0).look(Ledger())
    finally:
        host.close()


def queues_of(nic: NamedNic, folder: Path, kernel: tuple[int, int] = (6, 18)) -> dict[str, str]:
    """Action -> queues as text, by the whole way from the files to the snapshot. Actions that stand
    several times are numbered from the second on.
    """
    snapshot = look(make_tree(folder, TreeSpec(devices=(nic,), kernel=kernel)))
    found: dict[str, str] = {}
    for irq in snapshot.irqs:
        name = irq.action
        while name in found:
            name += "'"
        found[name] = queues_text(irq.queues).removeprefix(f"{nic.interface}/")
    return found
