"""More NICs for the test machine, as words for QEMU."""

from __future__ import annotations

from collections.abc import Sequence

CONVENTIONAL = ("e1000",)
"""Models for a plain PCI bus, which has no node."""


def nic_words(models: Sequence[str]) -> list[str]:
    """One NIC of each model, every second one on node 1. Each has a cable to a switch of its own
    with nobody else, so that its link is up.
    """
    words: list[str] = []
    for number, model in enumerate(models):
        bus = "pcie.0"
        if model not in CONVENTIONAL:
            bus, slot = f"nic{number}", 16 + number
            port = f"pcie-root-port,id={bus},bus=n{number % 2},slot={slot},chassis={slot}"
            words += ["-device", port]
        words += ["-netdev", f"hubport,id=h{number},hubid={number}"]
        # Nothing is booted from it.
        words += ["-device", f"{model},netdev=h{number},bus={bus},romfile="]
    return words
