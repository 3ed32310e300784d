"""No address of a machine stays in an archive, however it is spelt."""

from __future__ import annotations

import pytest

from irqbal.kernel.redaction import Scrubber

SPELLINGS = [
    "02:fc:ab:00:11:cd",
    "02:FC:AB:00:11:CD",
    "02-fc-ab-00-11-cd",
    "02fc.ab00.11cd",
    "02fcab0011cd",
    "enx02fcab0011cd",
    "wlx02fcab0011cd",
    "wwx02fcab0011cd",
    "wlx02fcab0011cd-TxRx-3",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_address_becomes_a_number_of_its_own_length(spelling: str) -> None:
    text = Scrubber().text(f" 24:  7 0  PCI-MSIX {spelling} (eth)")
    for part in ("02fc", "02:fc", "02-fc", "ab00", "11cd"):
        assert part not in text.lower(), text
    assert len(text) == len(f" 24:  7 0  PCI-MSIX {spelling} (eth)")


def test_all_spellings_of_one_address_become_one_number() -> None:
    scrubber = Scrubber()
    scrubber.text("00:00:5e:00:53:01")
    texts = [scrubber.text(spelling) for spelling in SPELLINGS[:6]]
    assert texts == [
        "00:00:00:00:00:02",
        "00:00:00:00:00:02",
        "00-00-00-00-00-02",
        "0000.0000.0002",
        "000000000002",
        "enx000000000002",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "123456789012 000000000000",  # counts
        "0000:00:1f.3-msix-0000 ffffffff,ffffffff fffff000,00000000",
        "GICv3 1056 Level fe650000.serial ice-eth0-TxRx-12",
        "IR-PCI-MSIX-0000:3b:00.0 mlx5_comp12@pci:0000:3b:00.0",
        "2026-11-28 00-11",
    ],
)
def test_what_is_no_address_stays(text: str) -> None:
    assert Scrubber().text(text) == text


@pytest.mark.parametrize(
    "secret",
    [
        "10.1.2.3",
        "fe80::1ff:fe23:4567:890a",
        "2001:db8:0:0:0:0:2:1",
        "2001:db8::7",
        "0x500143802426a1b2",
        "500143802426a1b2",
        "80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:ab:cd:ef",
    ],
)
def test_addresses_of_ports_and_hosts_are_no_longer_there(secret: str) -> None:
    for text in (f"a driver's {secret} queue", f"qla-{secret}-3", f"{secret}", f"({secret})"):
        found = Scrubber().text(text)
        assert secret not in found and secret.removeprefix("0x") not in found, text


def test_names_that_people_gave_become_numbers_wherever_they_stand() -> None:
    own = ["lo", "eth0", "enp3s0f0np0", "eth0.100", "wlan0", "ens18", "eno1", "bond0", "ib0"]
    scrubber = Scrubber([*own, "customer7", "lan-acme", "x", "timer", "br-3f2a9c", "uplink"])
    for name in own:
        assert scrubber.text(f"{name}-TxRx-0 {name}") == f"{name}-TxRx-0 {name}"
        assert scrubber.path(f"sys/class/net/{name}/queues") == f"sys/class/net/{name}/queues"
    text = scrubber.text("customer7-TxRx-0 lan-acme-rx-3 (uplink) uplink2 br-3f2a9c timer x")
    for name in ("customer7", "lan-acme", "br-3f2a9c"):
        assert name not in text
    assert text.endswith(" timer x") and "uplink2" in text and "(uplink)" not in text
    (first, second) = (scrubber.path(f"sys/class/net/{name}/x") for name in ("customer7", "x"))
    assert first.startswith("sys/class/net/net") and second.startswith("sys/class/net/net")
    assert first != second and "customer7" not in scrubber.path("a/net/eth0/upper_customer7")


@pytest.mark.parametrize("name", ["sys", "irq", "net", "bus", "pci", "edge", "class"])
def test_a_name_that_is_also_a_folders_breaks_no_path(name: str) -> None:
    scrubber = Scrubber(["eth0", name, "uplink"])
    for path in ("sys/class/net/eth0/queues", "proc/irq/24/smp_affinity", "sys/bus/pci/devices/x"):
        assert scrubber.path(path) == path
    assert name not in scrubber.path(f"sys/class/net/{name}").split("/")[3:]
    assert scrubber.text(" 24: 7 0 IR-PCI-MSI 34078720-edge x").endswith("34078720-edge x")


@pytest.mark.parametrize(
    "secret",
    ["aa:bb:cc:dd:ee:ff:", "rx-00-11-22-33-44-5a", "10.1.2.3_rx", "nfs_10.1.2.3", "fe80::1_x"],
)
def test_addresses_beside_marks_are_found(secret: str) -> None:
    found = Scrubber().text(f"a {secret} b")
    for part in ("bb:cc", "11-22", "10.1.2.3", "fe80"):
        assert part not in found
