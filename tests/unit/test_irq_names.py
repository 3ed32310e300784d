"""An IRQ is found by anything that a command prints for it."""

from __future__ import annotations

import pytest

import builders as b
from irqbal.cli.explain import the_irq
from irqbal.errors import HostError
from irqbal.model.irq_names import find_irq

SNAPSHOT = b.host(b.cpus(2), b.nic("eth0", 2), b.lone("ehci_hcd:usb1,i801_smbus", "two", "two"))
FIRST = b.irq_of(SNAPSHOT, "eth0-TxRx-0")
SHARED = b.irq_of(SNAPSHOT, "ehci_hcd:usb1,i801_smbus")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (str(FIRST.number), FIRST.number),
        (f"IRQ {FIRST.number}", FIRST.number),
        (FIRST.action, FIRST.number),
        (FIRST.identity, FIRST.number),
        ("eth0/rxtx-0", FIRST.number),
        ("eth0 rxtx 0", FIRST.number),
        ("eth0/rx-0", FIRST.number),
        ("eth0/tx-0", FIRST.number),
        ("eth0-TxRx-0 (eth0/rxtx-0)", FIRST.number),
        (SHARED.action, SHARED.number),
        ("ehci_hcd:usb1, i801_smbus", SHARED.number),
        ("i801_smbus", SHARED.number),
    ],
)
def test_every_name(text: str, number: int) -> None:
    assert the_irq(SNAPSHOT, text).number == number


def test_a_slip_is_answered_with_what_may_be_meant() -> None:
    with pytest.raises(HostError, match=r"no IRQ eth0-TxRx-00; did you mean eth0-TxRx-0"):
        the_irq(SNAPSHOT, "eth0-TxRx-00")
    with pytest.raises(HostError, match=r"did you mean eth0-TxRx-1"):
        the_irq(SNAPSHOT, "ETH0-TXRX-1")
    with pytest.raises(HostError, match=r"there is no IRQ 999; `irqbal topology` lists them"):
        the_irq(SNAPSHOT, "999")
    with pytest.raises(HostError, match="names several IRQs"):
        the_irq(SNAPSHOT, "two")
    assert find_irq(SNAPSHOT, "x" * 100_000).irq is None
