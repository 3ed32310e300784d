"""The table of interrupts' names, and the list of drivers with managed vectors, beside the sources
of Linux themselves.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

from irqbal.identify.name_forms import DISK_FORMS, NIC_FORMS, Form
from irqbal.tracking.immobility import MANAGED_DRIVERS
from long.driver_sources import SUITES, DriverSource, sources

FORMS = (*NIC_FORMS, *DISK_FORMS)
ETHERNET = PurePosixPath("drivers/net/ethernet")
CROWDED = {"drivers/net", "drivers/net/ethernet", "drivers/block", "drivers/virtio"}
"""Folders in which each file is a driver of its own."""
ELSEWHERE = {
    "cxgb4": "drivers/net/ethernet/chelsio/cxgb4/cxgb4_main.c",
    "fsl_dpa": "drivers/net/ethernet/freescale/dpaa/dpaa_eth.c",
    "hv_netvsc": "drivers/net/hyperv/netvsc_drv.c",
    "lan8650": "drivers/net/ethernet/microchip/lan865x/lan865x.c",
    "virtio_net": "drivers/net/virtio_net.c",
}
"""Drivers that register in another place than that of their interrupts' names."""
WITHOUT_NAME = {"82596", "atarilance", "lance", "sun3_82586", "sun3lance"}
"""Drivers of old buses, which look for their cards themselves and register nothing in /sys."""
OTHER_INTERRUPTS = {
    "drivers/net/ethernet/3com/3c515.c": "ISA, and named after the card",
    "drivers/net/ethernet/8390/ne.c": "ISA, and named after the card",
    "drivers/net/ethernet/amd/7990.c": "a library of drivers in the table",
    "drivers/net/ethernet/amd/pds_core/core.c": "a device without interfaces",
    "drivers/net/ethernet/broadcom/cnic.c": "iSCSI's own interrupt",
    "drivers/net/ethernet/chelsio/cxgb4/cxgb4_uld.c": "those of the drivers above, by name",
    "drivers/net/ethernet/freescale/dpaa2/dpaa2-switch.c": "a switch's control interrupt",
    "drivers/net/ethernet/fungible/funcore/fun_queue.c": "a library of funeth",
    "drivers/net/ethernet/marvell/mvmdio.c": "the MDIO bus",
    "drivers/net/ethernet/marvell/octeontx2/nic/cn20k.c": "mailboxes",
    "drivers/net/ethernet/rocker/rocker_main.c": "QEMU's switch: all have one name",
    "drivers/net/ethernet/ti/icssg/icssg_prueth_sr1.c": "two ports, and all have one name",
    "drivers/net/ethernet/xscale/ptp_ixp46x.c": "a clock",
}
"""Files that ask for interrupts and have no row, with the reason. Files of clocks and of tests are
told by their names, those of OcteonTX2's admin function (no interfaces) by their folder.
"""
BESIDE = re.compile(r"ptp|cpts|iep|ethtool|/octeontx2/af/|xgbe-(i2c|mdio)|atlantic/aq_(nic|pci)")


@pytest.fixture(scope="module")
def trees() -> list[Path]:
    return [sources(version) for version in SUITES]


@cache
def around(tree: Path, name: str) -> DriverSource | None:
    """The source of a driver of which this file is a part; None if this version lacks it."""
    path = tree / name
    if not path.exists():
        return None
    headers = [path.with_suffix(".h"), tree / "include/linux" / f"{path.stem}.h"]
    base = PurePosixPath(name).parent
    if str(base) in CROWDED:
        files, makefiles = [path, headers[0]], [path.parent / "Makefile"]
    else:
        if ETHERNET in base.parents:
            # A vendor's folder: libraries lie beside drivers.
            base = PurePosixPath(*base.parts[: len(ETHERNET.parts) + 1])
        files = [*sorted((tree / base).rglob("*.[ch]")), headers[1]]
        makefiles = sorted((tree / base).rglob("Makefile"))
    return DriverSource([file for file in files if file.exists()], makefiles)


def of(trees: list[Path], *names: str) -> list[DriverSource]:
    """The sources of these files in all versions that have them."""
    return [found for tree in trees for name in names if (found := around(tree, name))]


@pytest.mark.timeout(1800)
def test_every_source_file_exists(trees: list[Path]) -> None:
    missing = [form.source for form in FORMS if not of(trees, form.source)]
    assert not missing


def test_every_driver_registers_under_the_tables_name(trees: list[Path]) -> None:
    """A form of a driver that has another name in /sys is never looked at."""
    wrong = []
    for form in FORMS:
        for driver in set(form.drivers) - WITHOUT_NAME:
            places = [ELSEWHERE[driver]] if driver in ELSEWHERE else [form.source]
            if not any(driver in source.driver_names for source in of(trees, *places)):
                wrong.append((driver, form.template, form.source))
    assert not wrong


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.drivers[0]} {form.template}")
def test_every_word_of_a_form_stands_in_the_source(form: Form, trees: list[Path]) -> None:
    said = [source.texts for source in of(trees, form.source)]
    for word in re.findall(r"[A-Za-z]+|\d+", re.sub(r"\{\w+\}", " ", form.template)):
        assert any(word in text for text in said), word


def test_every_ethernet_driver_that_asks_for_interrupts_has_a_row(trees: list[Path]) -> None:
    known = {form.source for form in FORMS} | OTHER_INTERRUPTS.keys()
    asking = {
        str(path.relative_to(tree))
        for tree in trees
        for path in (tree / ETHERNET).rglob("*.c")
        if DriverSource([path], []).requests_irqs
    }
    assert len(asking) > 250
    assert not {name for name in asking - known if not BESIDE.search(name)}
    assert not OTHER_INTERRUPTS.keys() - asking


def test_the_drivers_whose_vectors_the_kernel_spreads(trees: list[Path]) -> None:
    """Drivers of cards, by the folders of all that ask for such vectors. virtio's are disks'."""
    asking = {
        (tree, path.parent)
        for tree in trees
        for path in (tree / "drivers").rglob("*.c")
        if not {"virtio", "base", "msi", "vdpa", "remoteproc", "platform"} & {*path.parts}
        and "virtio" not in path.name
        and DriverSource([path], []).lets_kernel_spread
    }
    named = set()
    for tree, folder in asking:
        base = folder.parent if folder.name == "libwx" else folder
        files = sorted(base.rglob("*.[ch]"))
        if base == tree / "drivers/scsi":
            files = [base / "hpsa.c"]
        source = DriverSource(files, sorted(base.rglob("Makefile")))
        named.add((str(base.relative_to(tree)), frozenset(source.driver_names)))
    assert len(named) > 10
    lacking = [folder for folder, names in named if not names & MANAGED_DRIVERS]
    assert not lacking
    everything = frozenset().union(*(names for _, names in named))
    assert not MANAGED_DRIVERS - everything - {"virtio-pci"}
