"""/proc/interrupts in the forms that kernels and architectures give it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interrupts_corpus import TEXTS, CorpusText
from irqbal.kernel.files import lines
from irqbal.kernel.host import KernelHost
from irqbal.kernel.interrupts import Interrupts, Known, Row
from trees import HOSTS


def _read(data: bytes) -> tuple[Interrupts, list[Row]]:
    """The file, and its rows."""
    found = Interrupts(BytesIO(data))
    return found, list(found)


def _parse(*text: str) -> dict[str, Row]:
    found, rows = _read(("\n".join(text) + "\n").encode())
    assert found.skipped == 0
    return {row.label: row for row in rows}


HEAD = "            CPU0       CPU1       "


def test_x86_before_6_8_packs_the_address_into_hwirq() -> None:
    row = _parse(HEAD, " 34:          0         15   PCI-MSI 67633156-edge      virtio2-output.1")[
        "34"
    ]
    assert row == Row(
        "34",
        34,
        (0, 15),
        "PCI-MSI",
        67633156,
        "edge",
        "virtio2-output.1",
        "PCI-MSI 67633156-edge      virtio2-output.1",
    )


def test_x86_from_6_8_on_the_chip_bears_the_address() -> None:
    row = _parse(
        HEAD, " 38:          0       4095 PCI-MSIX-0000:00:03.0   1-edge      virtio2-input.0"
    )["38"]
    assert (row.chip, row.hwirq, row.trigger, row.action) == (
        "PCI-MSIX-0000:00:03.0",
        1,
        "edge",
        "virtio2-input.0",
    )


def test_io_apic_rows() -> None:
    row = _parse(HEAD, "   9:          0          0  IO-APIC    9-fasteoi   acpi")["9"]
    assert (row.chip, row.hwirq, row.trigger, row.action) == ("IO-APIC", 9, "fasteoi", "acpi")


def test_aarch64_gic_and_its() -> None:
    rows = _parse(
        HEAD,
        " 11:    5134553    5067313     GICv3  30 Level     arch_timer",
        " 45:          7          0   ITS-MSI 524288 Edge      nvme0q0",
        " 46:          0          3  ITS-PCI-MSI-0000:01:00.0   1 Edge      eth0-TxRx-0",
        "IPI0:      1302       2410       Rescheduling interrupts",
        "Err:          0",
    )
    assert (rows["11"].chip, rows["11"].hwirq, rows["11"].trigger) == ("GICv3", 30, "level")
    assert (rows["45"].chip, rows["45"].hwirq, rows["45"].action) == ("ITS-MSI", 524288, "nvme0q0")
    assert (rows["46"].chip, rows["46"].action) == ("ITS-PCI-MSI-0000:01:00.0", "eth0-TxRx-0")
    assert (rows["IPI0"].irq, rows["IPI0"].counts) == (None, (1302, 2410))
    assert rows["Err"].counts == (0,)


def test_row_without_a_blank_before_the_chip() -> None:
    """arm64's irq_chip names are right-aligned in eight columns, and longer ones touch the last
    count.
    """
    row = _parse(HEAD, " 26:          0         12ITS-fMSI 230000 Edge      dpio.3")["26"]
    assert (row.counts, row.chip, row.hwirq, row.action) == ((0, 12), "ITS-fMSI", 230000, "dpio.3")


@pytest.mark.parametrize(
    ("shown", "action"),
    [
        ("nvme0q0, nvme0q1", "nvme0q0,nvme0q1"),
        ("enp5s0f4d1 (queue 11)", "enp5s0f4d1 (queue 11)"),
        ("PCIe PME, aerdrv, pciehp", "PCIe PME,aerdrv,pciehp"),
        ("RVUPFAF Mbox", "RVUPFAF Mbox"),
        ("mlx5_comp0@pci:0000:17:00.0", "mlx5_comp0@pci:0000:17:00.0"),
        ("12-34 5 edge", "12-34 5 edge"),
    ],
)
def test_names_with_blanks_and_commas(shown: str, action: str) -> None:
    row = _parse(HEAD, f" 40:          0          0  PCI-MSI 34078721-edge      {shown}")["40"]
    assert (row.hwirq, row.action) == (34078721, action)


def test_row_without_an_action() -> None:
    row = _parse(HEAD, " 40:          0          0  PCI-MSI 34078721-edge    ")["40"]
    assert (row.chip, row.hwirq, row.action) == ("PCI-MSI", 34078721, "")


def test_ppc64() -> None:
    rows = _parse(
        HEAD,
        " 16:       3120       2204  XIVE-IPI   0 Edge      IPI",
        " 19:          4          0  XIVE-IRQ 4096 Edge      RAS_EPOW",
        "LOC:      39500      37200   Local timer interrupts for timer event device",
        "BCT:          0          0   Broadcast timer interrupts",
    )
    assert (rows["19"].chip, rows["19"].hwirq, rows["19"].action) == ("XIVE-IRQ", 4096, "RAS_EPOW")
    assert rows["BCT"].text == "Broadcast timer interrupts"


def test_s390_rows_have_no_hwirq_and_labels_a_slash() -> None:
    rows = _parse(
        "           CPU0       CPU1       ",
        "EXT:      12345      23456",
        "I/O:        305        215",
        "CLK:      11000      22000   [EXT] Clock Comparator",
        "  3:         12          0    PCI-MSI  mlx5_comp0@pci:0001:00:00.0",
    )
    assert rows["I/O"].counts == (305, 215)
    assert rows["CLK"].text == "[EXT] Clock Comparator"
    assert (rows["3"].chip, rows["3"].hwirq, rows["3"].action) == (
        "PCI-MSI",
        None,
        "mlx5_comp0@pci:0001:00:00.0",
    )


def test_err_and_mis_have_one_column() -> None:
    rows = _parse(HEAD, "ERR:          7", "MIS:          0")
    assert (rows["ERR"].counts, rows["MIS"].counts) == ((7,), (0,))


def test_columns_skip_offline_cpus() -> None:
    found, rows = _read((HOSTS / "vm-isolcpus-offline/proc/interrupts").read_bytes())
    assert found.cpus == (0, 1, 2, 4, 5, 6, 7)
    assert found.skipped == 0
    assert all(len(row.counts) == 7 for row in rows if row.irq is not None)


def test_counts_as_wide_as_their_column() -> None:
    """Counts wrap at 2**32: ten digits and the blank before them are all there is."""
    row = _parse(HEAD, "  5: 4294967295 4294967295   IO-APIC   5-edge      x")["5"]
    assert row.counts == (4294967295, 4294967295)


@pytest.mark.parametrize(
    "row",
    [
        "garbage",
        ":",
        "  5",
        "  5:",
        "  5:          1",
        "  5: a b",
        "LOC:",
        " : 1 2",
        "  5:          1   IO-APIC 5-edge x",
    ],
)
def test_row_that_cannot_be_parsed_is_counted_and_the_others_are_read(row: str) -> None:
    good = "  6:          1          2   IO-APIC   6-edge      y"
    found, rows = _read("\n".join([HEAD, row, good]).encode())
    assert found.skipped == 1
    assert [(one.irq, one.counts) for one in rows] == [(6, (1, 2))]


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\n\n", b"no header\n 1: 2\n", b"\xff\xfe", b"CPU" + b"1" * 9999]
)
def test_what_is_no_such_file(data: bytes) -> None:
    assert _read(data)[1] == []


def test_bytes_that_are_no_utf8_stay_as_escapes() -> None:
    _, rows = _read(f"{HEAD}\n".encode() + b"  5:  1  2   IO-APIC   5-edge      a\xff\n")
    assert rows[0].action == "a\\xff"


@pytest.mark.parametrize(
    "name", ["firecracker-2cpus", "vm-8cpus", "vm-isolcpus-offline", "vm-vmxnet3-e1000e"]
)
def test_rows_agree_with_sysfs(name: str) -> None:
    found = Interrupts(lines(HOSTS / name / "proc/interrupts"))
    rows = [row for row in found if row.irq is not None]
    assert found.skipped == 0
    assert len(rows) > 10
    for row in rows:
        base = HOSTS / name / f"sys/kernel/irq/{row.irq}"
        assert row.action == (base / "actions").read_text().strip()
        assert row.chip == (base / "chip_name").read_text().strip()
        assert row.hwirq == int((base / "hwirq").read_text())


counts = st.integers(0, 2**32 - 1)
names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


def _agree(data: bytes) -> None:
    """The short way says what the rows say."""
    found, rows = _read(data)
    short = Interrupts(BytesIO(data))
    cells = list(short.cells())
    assert short.skipped == found.skipped and short.cpus == found.cpus
    assert [name for name, _ in cells] == [
        row.label if row.irq is None else row.irq for row in rows
    ]
    for (name, counted), row in zip(cells, rows, strict=True):
        if isinstance(name, int):
            told = dict(zip(found.cpus, row.counts, strict=True))
            assert set(counted) <= set(told) and all(
                counted.get(cpu, 0) == count for cpu, count in told.items()
            )
        else:
            assert tuple(counted.values())[: len(row.counts)] == row.counts[: len(counted)]


@pytest.mark.parametrize(
    "name", ["firecracker-2cpus", "vm-8cpus", "vm-isolcpus-offline", "vm-vmxnet3-e1000e"]
)
def test_cells_are_what_the_rows_say(name: str) -> None:
    data = (HOSTS / name / "proc/interrupts").read_bytes()
    _agree(data)
    assert dict(Interrupts(BytesIO(data)).cells())["ERR"] == {-1: 0}


@given(
    st.lists(
        st.sampled_from(
            [
                b"  5:          1          0   IO-APIC   5-edge      x",
                b" 26:          0         12ITS-fMSI 230000 Edge      dpio.3",
                b"  5:          1   IO-APIC 5-edge x",
                b" 12:          5         a1 x",
                b"LOC:      39500      37200   Local timer",
                b"ERR:          7",
                b"",
                b"garbage",
                b"7:",
                b"  8: 1",
                b"  9:          0          0",
                b" 10: " + b"1" * 25 + b" 2  x",
                b" 10: " + b"1" * 5000 + b" 2  x",
                b"0000000012: 1 2 x",
                b"  5:1 2 x",
                b"\t7: 1 2 x",
                b" 11: 00 1 x",
            ]
        )
    )
)
def test_cells_are_what_odd_rows_say(rows: list[bytes]) -> None:
    _agree(b"\n".join([HEAD.encode(), *rows]))


ONE_READING = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 3)).map(
        lambda row: b"%3d: %9d %9d  PCI-MSI %d-edge x" % (*row, 1)
    ),
    max_size=6,
)


@given(
    st.lists(
        st.tuples(st.sampled_from([b"   CPU0   CPU1", b"   CPU0   CPU4"]), ONE_READING), max_size=5
    )
)
def test_what_an_earlier_reading_left_changes_nothing_but_the_work(
    readings: list[tuple[bytes, list[bytes]]],
) -> None:
    known: Known = {}
    for head, rows in readings:
        data = b"\n".join([head, *rows, b"LOC: 1 2  timer", b"garbage"])
        again = Interrupts(BytesIO(data))
        assert list(again.cells(known)) == list(Interrupts(BytesIO(data)).cells())
        assert again.skipped == 1 and len(known) == len(set(rows))


def test_a_row_that_is_as_it_was_is_the_same_object() -> None:
    known: Known = {}
    data = b"   CPU0   CPU1\n  5:  1  2  PCI-MSI 5-edge x\n"
    ((_, first),) = Interrupts(BytesIO(data)).cells(known)
    ((_, second),) = Interrupts(BytesIO(data)).cells(known)
    ((_, third),) = Interrupts(BytesIO(data.replace(b" 2 ", b" 3 "))).cells(known)
    assert second is first and third == {0: 1, 1: 3}


@given(
    st.lists(st.lists(counts, min_size=3, max_size=3), max_size=8),
    st.lists(names, min_size=8, max_size=8),
)
def test_what_the_kernel_prints_is_read(rows: list[list[int]], actions: list[str]) -> None:
    text = "            CPU0       CPU2       CPU11      \n"
    for number, (cells, action) in enumerate(zip(rows, actions, strict=False)):
        text += f"{number:>4}:{''.join(f' {cell:>10}' for cell in cells)}  PCI-MSI {number * 7}-edge      {action}\n"  # noqa: E501
    found, read = _read(text.encode())
    assert found.cpus == (0, 2, 11)
    assert found.skipped == 0
    assert [(row.irq, list(row.counts), row.hwirq) for row in read] == [
        (number, cells, number * 7) for number, cells in enumerate(rows)
    ]
    assert [row.action for row in read] == actions[: len(rows)]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.name)
def test_every_field_of_many_kernels_is_what_the_kernel_means(text: CorpusText) -> None:
    found, rows = _read(text.render())
    counted = [row for row in text.rows if row.counts]
    assert (found.cpus, found.skipped) == (text.cpus, len(text.rows) - len(counted))
    for row, meant in zip(rows, counted, strict=True):
        assert (row.label, row.irq, row.counts) == (meant.label, meant.irq, meant.counts)
        if meant.irq is not None:
            assert (row.chip, row.hwirq, row.trigger, row.action) == (
                meant.chip.strip(),
                meant.hwirq,
                meant.trigger,
                ",".join(meant.actions),
            )
        else:
            assert row.text == meant.text.strip()
    _agree(text.render())


def test_err_and_mis_that_are_counted_by_cpu() -> None:
    text = f"{HEAD}\n ERR:          7          2  PIC/APIC error interrupts\nMIS:          3\n"
    cells = dict(Interrupts(BytesIO(text.encode())).cells())
    assert cells == {"ERR": {0: 7, 1: 2}, "MIS": {-1: 3}}


def test_rows_of_the_same_label_are_counted_together(tmp_path: Path) -> None:
    (text,) = (text for text in TEXTS if text.name == "power9-6.1-xive")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/interrupts").write_bytes(text.render())
    host = KernelHost(tmp_path)
    both = [row.counts for row in text.rows if row.label == "LOC"]
    told = host.counts().rows["LOC"]
    host.close()
    assert len(both) == 2 and tuple(told) == text.cpus
    assert list(told.values()) == [sum(pair) % 2**32 for pair in zip(*both, strict=True)]
