"""/proc/stat: totals by IRQ number, and the CPUs' time in interrupts."""

from __future__ import annotations

import os

import pytest

from irqbal.kernel.files import lines
from irqbal.kernel.interrupts import Interrupts
from irqbal.kernel.stat import Stat, parse_stat
from irqbal.model.readings import CpuTime
from trees import HOSTS

HZ = os.sysconf("SC_CLK_TCK")


def test_index_is_the_irq_number_after_the_grand_total() -> None:
    assert parse_stat(b"intr 60 10 0 20 30\n", [0, 2, 3]).totals == {0: 10, 2: 20, 3: 30}


def test_irq_beyond_the_line_has_no_total() -> None:
    assert parse_stat(b"intr 60 10 0 20 30\n", [3, 4, 100]).totals == {3: 30}


def test_last_number_of_the_line_belongs_to_an_irq() -> None:
    assert parse_stat(b"intr 30 30\n", [0]).totals == {0: 30}


def test_irq_and_softirq_are_the_sixth_and_seventh() -> None:
    data = b"cpu  9 9 9 9 9 9 9 0 0 0\ncpu0 1 2 3 4 5 600 700 8 9 10\ncpu11 1 2 3 4 5 6 7\n"
    assert parse_stat(data, []).cpu_times == {
        0: CpuTime(600 / HZ, 700 / HZ),
        11: CpuTime(6 / HZ, 7 / HZ),
    }


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"intr\n",
        b"intr \n",
        b"intr 5\n",
        b"intr x y z\n",
        b"cpu0\n",
        b"cpu0 1 2 3\n",
        b"cpux 1\n",
        b"cpu0 a b c d e f g\n",
        b"cpu0x 1 2 3 4 5 6 7\n",
        b"\xff\n",
        b"cpu" + b"9" * 5000 + b" 1 2 3 4 5 6 7\n",
        b"cpu0 1 2 3 4 5 6 " + b"9" * 400 + b"\n",
    ],
)
def test_lines_that_are_not_understood_are_passed_over(data: bytes) -> None:
    assert parse_stat(data, [0, 1]) == Stat({}, {})


def test_one_bad_total_does_not_cost_the_others() -> None:
    assert parse_stat(b"intr 9 1 x 3\n", [0, 1, 2]).totals == {0: 1, 2: 3}


def test_kernel_that_gives_no_totals() -> None:
    """Some architectures print the grand total alone."""
    assert parse_stat(b"intr 12345\ncpu0 0 0 0 0 0 1 1\n", [1]).totals == {}


@pytest.mark.parametrize("name", ["firecracker-2cpus", "vm-8cpus", "vm-vmxnet3-e1000e"])
def test_totals_are_the_sums_of_the_rows(name: str) -> None:
    """With all CPUs online; the two files were read a moment apart, so a busy IRQ may have counted
    on.
    """
    rows = Interrupts(lines(HOSTS / name / "proc/interrupts"))
    sums = {row.irq: sum(row.counts) for row in rows if row.irq is not None}
    totals = parse_stat((HOSTS / name / "proc/stat").read_bytes(), sums).totals
    assert totals.keys() == sums.keys()
    assert all(0 <= totals[number] - sums[number] <= 200 for number in sums)


def test_total_keeps_what_offline_cpus_counted() -> None:
    rows = Interrupts(lines(HOSTS / "vm-isolcpus-offline/proc/interrupts"))
    sums = {row.irq: sum(row.counts) for row in rows if row.irq is not None}
    totals = parse_stat((HOSTS / "vm-isolcpus-offline/proc/stat").read_bytes(), sums).totals
    assert any(totals[number] > sums[number] for number in sums)
    assert all(totals[number] >= sums[number] for number in sums)


def test_cpu_lines_skip_offline_cpus() -> None:
    times = parse_stat((HOSTS / "vm-isolcpus-offline/proc/stat").read_bytes(), []).cpu_times
    assert set(times) == {0, 1, 2, 4, 5, 6, 7}
