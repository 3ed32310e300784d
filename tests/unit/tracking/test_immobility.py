"""What cannot move, on trees whose mask files all have mode 0644, as before Linux 6.12."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

import builders as b
from irqbal.kernel.host import KernelHost
from irqbal.model.plan import Outcome, Plan
from irqbal.model.unmovable import MANAGED, PER_CPU, REFUSED
from irqbal.model.view import Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger, after
from irqbal.tracking.immobility import MANAGED_DRIVERS
from irqbal.tracking.tracker import HostTracker
from irqbal.wire import Percent
from irqbal_policies.isolate_cores import IsolateCores, irqbal_limit
from irqbal_policies.isolate_cores import irqbal_place as isolate_place
from irqbal_policies.pin_nic_queues import PinNicQueues
from irqbal_policies.pin_nic_queues import irqbal_place as pin_place
from irqbal_policies.spread_by_rate import SpreadByRate
from irqbal_policies.spread_by_rate import irqbal_place as spread_place
from places import TOP
from trees import Disk, Nic, Platform, Tree, TreeSpec, make_tree

PIN = b.Says(
    "pin_nic_queues",
    place=lambda snapshot, draft: pin_place(snapshot, draft, PinNicQueues(xps=False)),
)
SPREAD = b.Says(
    "spread_by_rate",
    place=lambda snapshot, draft: spread_place(snapshot, draft, SpreadByRate(Percent(0.05))),
)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Four CPUs; a drive with a managed queue for each, a NIC with two queues."""
    spec = TreeSpec(kernel=(6, 1), devices=(Disk("nvme"), Nic("igb", "eth0", queues=2)))
    return make_tree(tmp_path, spec)


def _reasons(snapshot: Snapshot) -> dict[str, str]:
    return {irq.action: irq.unmovable for irq in snapshot.irqs if irq.unmovable}


def _look(tree: Tree, ledger: Ledger | None = None) -> Snapshot:
    host = KernelHost(tree.folder)
    try:
        return HostTracker(host, 1.0).look(ledger or Ledger())
    finally:
        host.close()


def test_queues_whose_masks_divide_the_cpus_are_managed(tree: Tree) -> None:
    for index in range(4):
        tree.place(f"nvme0q{index + 1}", str(index))
    assert _reasons(_look(tree)) == {f"nvme0q{index}": MANAGED for index in range(1, 5)}


def test_managed_queues_stay_known_when_the_admin_queue_was_moved(tree: Tree) -> None:
    for index in range(4):
        tree.place(f"nvme0q{index + 1}", str(index))
    for mask in ("0-2", "1"):
        tree.place("nvme0q0", mask)
        assert _reasons(_look(tree)) == {f"nvme0q{index}": MANAGED for index in range(1, 5)}


def test_two_sets_of_managed_queues_one_after_the_other(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(kernel=(6, 1), devices=(Disk("nvme", queues=6),)))
    for index, mask in enumerate(("0-1", "2-3", "0", "1", "2", "3")):
        tree.place(f"nvme0q{index + 1}", mask)
    assert set(_reasons(_look(tree))) == {f"nvme0q{index}" for index in range(1, 7)}


def test_msi_frames_of_a_gic_count_vectors(tmp_path: Path) -> None:
    timers = (
        Platform("arch_timer", chip="GIC-0", hwirq=27),
        Platform("eth0-TxRx-19", chip="GICv2m-PCI-MSIX-0000:01:00.0", hwirq=19),
        Platform("uart17", chip="GICv5-SPI", hwirq=17),
    )
    tree = make_tree(tmp_path, TreeSpec(kernel=(6, 18), platform=timers))
    assert _reasons(_look(tree)) == {"arch_timer": PER_CPU}


def test_masks_that_overlap_or_leave_a_cpu_out_do_not(tree: Tree) -> None:
    for index in range(4):
        tree.place(f"nvme0q{index + 1}", str(index))
    tree.place("nvme0q4", "2-3")
    assert _reasons(_look(tree)) == {}
    tree.place("nvme0q4", "2")
    assert _reasons(_look(tree)) == {}


def test_nic_queues_that_divide_the_cpus_are_not(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(kernel=(6, 1), devices=(Nic("igb", "eth0"),)))
    for index in range(4):
        tree.place(f"eth0-TxRx-{index}", str(index))
    assert _reasons(_look(tree)) == {}


def test_a_refused_irq_is_unmovable_in_the_snapshot(tree: Tree) -> None:
    for index in range(1, 5):
        tree.place(f"nvme0q{index}", "0-3")
    snapshot = _look(tree)
    irq = b.irq_of(snapshot, "nvme0q1")
    ledger = _refused(snapshot, Ledger(), irq.number)
    assert _reasons(_look(tree, ledger)) == {"nvme0q1": REFUSED}
    # As a newly bound driver's IRQ it may be another's.
    entry = ledger.entry(irq.identity)
    other = Ledger({irq.identity: msgspec.structs.replace(entry, generation=7, refused=7)})
    assert _reasons(_look(tree, other)) == {}


def _refused(snapshot: Snapshot, ledger: Ledger, number: int) -> Ledger:
    """The ledger after the kernel refused a write of this IRQ."""
    irq = snapshot.irq_by_number[number]
    made, ledger = b.planned(
        snapshot, ledger, Settings(), b.wants(snapshot, "someone", **{irq.action: "3"})
    )
    (move,) = made.moves
    outcome = Outcome(move.identity, "refused", number, "managed", "EIO")
    return after(ledger, made, [outcome], snapshot.now)


@pytest.mark.parametrize("sign", ["masks", "refusal"])
def test_a_nic_queue_leaves_the_cpu_of_a_hot_managed_queue(tree: Tree, sign: str) -> None:
    """The drive's queue needs 40 % of CPU 0 and cannot leave it; the NIC's needs 20 % and can. If
    the drive's is planned as movable, its move is refused again and again, and 60 % stay.
    """
    for index in range(4):
        tree.place(f"nvme0q{index + 1}", str(index) if sign == "masks" else "0-3", effective=index)
    loads = {"nvme0q1": 0.4, "nvme0q2": 0.3, "nvme0q3": 0.3, "eth0-TxRx-0": 0.2}
    tree.place("eth0-TxRx-0", "0").place("eth0-TxRx-1", "1")
    ledger = Ledger()
    for _ in range(4):
        snapshot = _look(tree, ledger)
        for action, load in loads.items():
            snapshot = b.changed(snapshot, action, load=load, rate=load * 10_000)
        snapshot = b.changed(snapshot, settling=True)
        made, ledger = b.planned(snapshot, ledger, Settings(), PIN, SPREAD)
        ledger = _carry_out(tree, snapshot, made, ledger)
    snapshot = _look(tree, ledger)
    on_cpu: dict[int, float] = {}
    for action, load in loads.items():
        cpu = b.irq_of(snapshot, action).effective.first
        on_cpu[cpu] = on_cpu.get(cpu, 0.0) + load
    assert max(on_cpu.values()) == pytest.approx(0.4)
    assert b.irq_of(snapshot, "nvme0q1").effective == b.s("0")


def _carry_out(tree: Tree, snapshot: Snapshot, made: Plan, ledger: Ledger) -> Ledger:
    """Write a plan as Linux 6.1 would take it: EIO for a managed IRQ."""
    outcomes = []
    for move in made.moves:
        action = snapshot.irq_by_number[move.irq].action
        if action.startswith("nvme0q"):
            outcomes.append(Outcome(move.identity, "refused", move.irq, "managed", "EIO"))
        else:
            tree.place(move.irq, str(move.after))
            written = Outcome(move.identity, "written", move.irq, found=str(move.after))
            outcomes.append(written)
    return after(ledger, made, outcomes, snapshot.now)


def _arm(tmp_path: Path, isolated: str = "") -> Tree:
    timers = (
        Platform("arch_timer", chip="GICv3", hwirq=27),
        Platform("arm-pmu", chip="GICv3", hwirq=23),
        Platform("mmc0", chip="GICv3", hwirq=62),
    )
    tree = make_tree(tmp_path, TreeSpec(kernel=(6, 1), platform=timers, isolated=isolated))
    for name in ("arch_timer", "arm-pmu"):
        folder = tree.folder / f"proc/irq/{tree.number(name)}"
        (folder / "effective_affinity_list").chmod(0o644)
        (folder / "effective_affinity_list").write_text("\n")
        for cpu in range(4):
            tree.count(name, 1000, cpu)
    return tree.flush()


def test_interrupts_that_each_cpu_of_an_arm_host_has_for_itself(tmp_path: Path) -> None:
    snapshot = _look(_arm(tmp_path))
    assert _reasons(snapshot) == {"arch_timer": PER_CPU, "arm-pmu": PER_CPU}
    assert b.irq_of(snapshot, "arch_timer").effective == b.s("0-3")


def test_timers_on_isolated_cpus_get_no_advice_about_managed_irqs(tmp_path: Path) -> None:
    snapshot = _look(_arm(tmp_path, isolated="2-3"))
    snapshot = b.changed(snapshot, "arch_timer", rate=400.0, load=0.01)
    options = IsolateCores()
    isolate = b.Says(
        "isolate_cores",
        limits=tuple(irqbal_limit(snapshot, options)),
        place=lambda snapshot, draft: isolate_place(snapshot, draft, options),
    )
    made, _ = b.planned(snapshot, Ledger(), Settings(), isolate)
    timer = b.irq_of(snapshot, "arch_timer").number
    assert timer not in {move.irq for move in made.moves}
    said = [item.advice for item in made.refused if item.irq == timer]
    said += [note.advice for _, note in made.notes if note.irq == timer]
    assert said and not any("isolcpus" in advice for advice in said)


def test_an_irq_without_a_device_that_rises_on_every_cpu_is_per_cpu(tmp_path: Path) -> None:
    """An interrupt controller that irqbal does not know. A disk's interrupt that rises so too is
    delivered to any CPU, and can be moved.
    """
    spec = TreeSpec(
        kernel=(6, 1),
        platform=(Platform("tick", chip="EXOTIC", hwirq=3), Platform("once", chip="EXOTIC")),
        devices=(Disk("mpt3sas", "mpt3sas0", queues=1, managed=False),),
    )
    tree = make_tree(tmp_path, spec)
    names = ("tick", "once", "mpt3sas0-msix0")
    for name in names:
        path = tree.folder / f"proc/irq/{tree.number(name)}/effective_affinity_list"
        path.chmod(0o644)
        path.write_text("\n")
    host = KernelHost(tree.folder)
    tracker = HostTracker(host, 1.0)
    for _ in range(4):
        for name in names:
            for cpu in range(1 if name == "once" else 4):
                tree.count(name, 100, cpu)
        tree.flush()
        snapshot = tracker.look(Ledger(), full=True)
    host.close()
    assert _reasons(snapshot) == {"tick": PER_CPU}


def test_the_document_names_every_driver_whose_vectors_are_managed() -> None:
    text = (TOP / "docs/kernel.md").read_text()
    (named,) = re.findall(r"^- managed: (.*?\.)\n- ", text, re.M | re.S)
    words = set(re.split(r"[\s,.:`]+", named))
    assert words >= MANAGED_DRIVERS
