"""What the kernel says of each IRQ, and how one life of an IRQ is told from the next."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError
from irqbal.kernel.files import lines
from irqbal.kernel.host import KernelHost
from irqbal.kernel.interrupts import Interrupts
from irqbal.kernel.irqs import IrqReader, check_readable
from irqbal.model.readings import IrqFacts
from irqbal.model.unmovable import NO_FILE, OWNED
from irqbal.model.view import Irq
from irqbal.planner.ledger import Ledger
from irqbal.tracking.tracker import HostTracker
from trees import Disk, Nic, Platform, Tree, TreeSpec, copy_host, make_tree


def _facts(root: Path) -> dict[str, IrqFacts]:
    host = KernelHost(root)
    try:
        return {facts.action: facts for facts in host.census().irqs}
    finally:
        host.close()


class WatchedReader:
    """A tree and one who looks at it over time."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.host = tree.host()
        self.watch = HostTracker(self.host, 1.0)

    def irqs(self) -> dict[str, Irq]:
        """By action."""
        return {irq.action: irq for irq in self.watch.look(Ledger()).irqs}


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedReader]:
    made = WatchedReader(
        make_tree(tmp_path, TreeSpec(devices=(Nic("igb", "eth0"), Disk("nvme", "nvme0"))))
    )
    yield made
    made.host.close()


def test_managed_irq_has_a_read_only_mask(tmp_path: Path) -> None:
    """Linux 6.12 and later. Root may write any file, so only the mode tells."""
    make_tree(tmp_path, TreeSpec(devices=(Disk("nvme", "nvme0"),)))
    facts = _facts(tmp_path)
    assert facts["nvme0q1"].unmovable == OWNED
    assert facts["nvme0q0"].unmovable == ""


def test_managed_irq_before_6_12_shows_only_at_the_write(tmp_path: Path) -> None:
    make_tree(tmp_path, TreeSpec(kernel=(6, 1), devices=(Disk("nvme", "nvme0"),)))
    assert _facts(tmp_path)["nvme0q1"].unmovable == ""


def test_managed_irq_of_a_real_kernel(tmp_path: Path) -> None:
    facts = _facts(copy_host("firecracker-2cpus", tmp_path))
    assert [action for action, one in facts.items() if one.unmovable] == ["virtio1-req.0"]


def test_irq_without_an_affinity_file(tmp_path: Path) -> None:
    """Per-CPU interrupts of some architectures."""
    tree = make_tree(tmp_path, TreeSpec(devices=(Nic("igb"),)))
    number = tree.number("eth0-TxRx-0")
    for name in ("smp_affinity", "smp_affinity_list"):
        (tmp_path / f"proc/irq/{number}/{name}").unlink()
    assert _facts(tmp_path)["eth0-TxRx-0"].unmovable == NO_FILE


def test_number_without_an_action_is_no_irq(tmp_path: Path) -> None:
    """`msi_irqs` and /proc/irq list more numbers than there are IRQs with a handler."""
    root = copy_host("vm-8cpus", tmp_path)
    assert (root / "proc/irq/3").is_dir()
    host = KernelHost(root)
    numbers = {facts.number for facts in host.census().irqs}
    host.close()
    assert numbers >= {0, 9, 31}
    assert 3 not in numbers


@pytest.mark.parametrize("text", ["\n", "(null)\n"])
def test_sysfs_without_actions_falls_back_to_the_row(tmp_path: Path, text: str) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Nic("igb"),)))
    tree.say(f"sys/kernel/irq/{tree.number('eth0-TxRx-0')}/actions", text)
    assert "eth0-TxRx-0" in _facts(tmp_path)


def test_kernel_without_sparse_irqs_in_sysfs(tmp_path: Path) -> None:
    make_tree(tmp_path, TreeSpec(devices=(Nic("igb"),)))
    with_sysfs = _facts(tmp_path)
    shutil.rmtree(tmp_path / "sys/kernel")
    assert _facts(tmp_path) == with_sysfs


def test_neither_sysfs_nor_rows_leave_the_folders_names(tmp_path: Path) -> None:
    root = copy_host("firecracker-2cpus", tmp_path)
    shutil.rmtree(root / "sys/kernel/irq")
    facts = {one.number: one for one in IrqReader(root).read({}, ())}
    assert facts[38].action == "virtio2-input.0"
    assert 38 in facts


def test_msi_index_before_and_after_6_8(tmp_path: Path) -> None:
    """The older hwirq packs domain, bus, device and function above the index."""
    for kernel in ((6, 1), (6, 18)):
        folder = tmp_path / str(kernel)
        make_tree(folder, TreeSpec(kernel=kernel, devices=(Nic("igb"), Nic("ice", "eth1"))))
        facts = _facts(folder)
        assert [facts[f"eth0-TxRx-{i}"].vector for i in range(4)] == [1, 2, 3, 4]
        assert facts["ice-eth1-TxRx-3"].vector == 4


def test_vector_of_a_real_6_1(tmp_path: Path) -> None:
    facts = _facts(copy_host("vm-8cpus", tmp_path))
    assert (facts["virtio2-config"].vector, facts["virtio2-input.0"].vector) == (0, 1)
    assert [facts[f"nvme0q{i}"].vector for i in range(9)] == list(range(9))
    # IO-APIC: the pin.
    assert facts["acpi"].vector == 9


def test_masks_hint_and_node(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(sockets=2, nodes=2, devices=(Nic("igb", node=1),)))
    tree.place("eth0-TxRx-2", "2-3,6", effective=6)
    tree.say(f"proc/irq/{tree.number('eth0-TxRx-2')}/affinity_hint", "40\n")
    facts = _facts(tmp_path)["eth0-TxRx-2"]
    assert (str(facts.affinity), str(facts.effective), str(facts.hint), facts.node) == (
        "2-3,6",
        "6",
        "6",
        1,
    )


def test_architecture_that_does_not_say_where_it_delivers(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Nic("igb"),)))
    number = tree.number("eth0-TxRx-0")
    tree.place(number, "1-2")
    (tmp_path / f"proc/irq/{number}/effective_affinity_list").unlink()
    assert str(_facts(tmp_path)["eth0-TxRx-0"].effective) == "1-2"


def test_mask_only_in_hex(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Nic("igb"),)))
    number = tree.number("eth0-TxRx-0")
    tree.place(number, "1-2")
    (tmp_path / f"proc/irq/{number}/smp_affinity_list").unlink()
    facts = _facts(tmp_path)["eth0-TxRx-0"]
    assert str(facts.affinity) == "1-2"
    assert facts.unmovable == ""


def test_default_affinity(tmp_path: Path) -> None:
    make_tree(tmp_path, TreeSpec(cores=6))
    host = KernelHost(tmp_path)
    assert host.census().default_affinity == CpuSet.parse("0-5")
    (tmp_path / "proc/irq/default_smp_affinity").unlink()
    assert host.census().default_affinity == CpuSet()
    host.close()


def test_folder_that_is_no_host(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no Linux host"):
        check_readable(tmp_path)


def test_rows_alone_are_enough(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/interrupts").write_text("  CPU0\n  5:  1  IO-APIC   5-edge  x\n")
    rows = {row.irq: row for row in Interrupts(lines(tmp_path / "proc/interrupts")) if row.irq}
    facts = IrqReader(tmp_path).read(
        {number: row for number, row in rows.items() if number is not None}, (0,)
    )
    assert [(one.number, one.action, one.unmovable) for one in facts] == [(5, "x", NO_FILE)]


# Lives and identities


def test_identity_is_device_vector_and_action(watched: WatchedReader) -> None:
    irqs = watched.irqs()
    assert irqs["eth0-TxRx-1"].identity == "0000:01:00.0/2/eth0-TxRx-1"
    assert irqs["nvme0q3"].identity == "0000:02:00.0/3/nvme0q3"
    assert len({irq.identity for irq in irqs.values()}) == len(irqs)


def test_number_handed_to_another_driver_is_another_irq(watched: WatchedReader) -> None:
    before = watched.irqs()["eth0-TxRx-1"]
    watched.tree.renew(before.number, action="snd_hda_intel")
    after = watched.irqs()
    assert "eth0-TxRx-1" not in after
    taken = after["snd_hda_intel"]
    assert taken.number == before.number
    assert taken.identity != before.identity
    assert taken.generation == 1


def test_same_number_and_name_with_a_new_inode_is_a_new_generation(watched: WatchedReader) -> None:
    """After an unbind and bind, numbers, names and the link count of /proc/irq are as they were;
    only the inodes tell.
    """
    before = watched.irqs()["eth0-TxRx-1"]
    assert before.generation == 1
    assert watched.irqs()["eth0-TxRx-1"].generation == 1
    population = watched.host.population()
    watched.tree.renew("eth0-TxRx-1")
    assert watched.host.population() == population
    after = watched.irqs()["eth0-TxRx-1"]
    assert (after.number, after.identity, after.generation) == (before.number, before.identity, 2)
    assert watched.irqs()["eth0-TxRx-1"].generation == 2
    assert watched.irqs()["eth0-TxRx-2"].generation == 1


def test_count_that_fell_is_a_new_generation(watched: WatchedReader) -> None:
    watched.tree.count("eth0-TxRx-1", 1_000_000).flush()
    watched.irqs()
    watched.tree.lines[watched.tree.number("eth0-TxRx-1")].counts = {0: 3}
    watched.tree.flush()
    assert watched.irqs()["eth0-TxRx-1"].generation == 2


def test_reload_that_moves_the_numbers_keeps_the_identities(tmp_path: Path) -> None:
    trees = [
        make_tree(tmp_path / str(first), TreeSpec(first_irq=first, devices=(Nic("igb"),)))
        for first in (24, 90)
    ]
    seen = [WatchedReader(tree) for tree in trees]
    identities = [{irq.identity for irq in one.irqs().values()} for one in seen]
    assert identities[0] == identities[1]
    assert seen[0].tree.lines.keys().isdisjoint(seen[1].tree.lines)
    for one in seen:
        one.host.close()


def test_irq_that_went_away(watched: WatchedReader) -> None:
    watched.irqs()
    watched.tree.remove("eth0-TxRx-3")
    assert "eth0-TxRx-3" not in watched.irqs()


def test_shared_names_are_told_apart(tmp_path: Path) -> None:
    platform = (
        Platform("i2c", 5, hwirq=1),
        Platform("i2c", 6, hwirq=2),
        Platform("x", 7),
        Platform("x", 8),
    )
    seen = WatchedReader(make_tree(tmp_path, TreeSpec(platform=platform)))
    snapshot = seen.watch.look(Ledger())
    seen.host.close()
    assert [irq.identity for irq in snapshot.irqs] == [
        "IO-APIC/1/i2c",
        "IO-APIC/2/i2c",
        "IO-APIC/0/x",
        "IO-APIC/0/x#2",
    ]
