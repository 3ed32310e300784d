"""The made-up hosts of the other tests are what they say."""

from __future__ import annotations

from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.kernel.files import lines
from irqbal.kernel.interrupts import Interrupts
from irqbal.kernel.stat import parse_stat
from trees import Disk, Nic, TreeSpec, make_tree


def test_counts_agree_in_both_files_and_stay_with_offline_cpus(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Nic("igb"),)))
    tree.place("eth0-TxRx-0", "3").count("eth0-TxRx-0", 70).place("eth0-TxRx-0", "1").count(
        "eth0-TxRx-0", 5
    )
    tree.spend(1, irq=0.5, softirq=1.5).flush()
    number = tree.number("eth0-TxRx-0")
    data = (tmp_path / "proc/stat").read_bytes()
    assert parse_stat(data, [number]).totals == {number: 75}
    assert parse_stat(data, []).cpu_times[1].softirq == 1.5
    tree.set_online("0-2")
    rows = {row.irq: row for row in Interrupts(lines(tmp_path / "proc/interrupts"))}
    assert rows[number].counts == (0, 5, 0)
    assert parse_stat((tmp_path / "proc/stat").read_bytes(), [number]).totals == {number: 75}


def test_mask_whose_cpus_go_away_is_broken(tmp_path: Path) -> None:
    tree = (
        make_tree(tmp_path, TreeSpec(devices=(Nic("igb"),)))
        .place("eth0-TxRx-0", "3")
        .set_online("0-2")
    )
    assert tree.affinity("eth0-TxRx-0") == CpuSet.of(3)
    assert tree.effective("eth0-TxRx-0") == CpuSet.of(0)


def test_mask_written_from_outside_takes_effect_when_told(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Nic("igb"), Disk("nvme", "nvme0"))))
    (tmp_path / f"proc/irq/{tree.number('eth0-TxRx-0')}/smp_affinity_list").write_text("2-3\n")
    before = tree.effective("eth0-TxRx-0")
    assert before != CpuSet.of(2)
    assert tree.settle().effective("eth0-TxRx-0") == CpuSet.of(2)
