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
