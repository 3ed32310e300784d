"""How drivers name their interrupts (the actions of their request_irq calls), and the PCI IDs of
their cards.
"""

from __future__ import annotations

import msgspec


class Naming(msgspec.Struct, frozen=True):
    """`patterns` are the names of one queue's IRQs: one, or one for Rx and one for Tx. `other` is
    the name of an IRQ that serves no queue; empty if there is none.

    The texts hold `{interface}`, `{address}` (PCI), `{index}` and `{virtio}` (the name of the
    virtio device). `shown` is the driver of the PCI device, if it is another than the NIC's.
    """

    patterns: tuple[str, ...]
    other: str = ""
    shown: str = ""

    def vectors(self, queues: int) -> int:
        """The number of IRQs of a card with so many queues."""
        return queues * len(self.patterns) + bool(self.other)


NIC_DRIVERS: dict[str, Naming] = {
    "ice": Naming(("ice-{interface}-TxRx-{index}",), "ice-{address}:misc"),
    "i40e": Naming(("i40e-{interface}-TxRx-{index}",), "i40e-{address}:misc"),
    "idpf": Naming(("idpf-{interface}-TxRx-{index}",), "idpf-{address}-Mailbox-0"),
    "igb": Naming(("{interface}-TxRx-{index}",), "{interface}"),
    "igc": Naming(("{interface}-TxRx-{index}",), "{interface}"),
    "ixgbe": Naming(("{interface}-TxRx-{index}",), "{interface}"),
    "bnxt_en": Naming(("{interface}-TxRx-{index}",)),
    "mlx5_core": Naming(("mlx5_comp{index}@pci:{address}",), "mlx5_async0@pci:{address}"),
    "ena": Naming(("{interface}-Tx-Rx-{index}",), "ena-mgmnt@pci:{address}"),
    "mana": Naming(("mana_q{index}@pci:{address}",), "mana_hwc@pci:{address}"),
    "vmxnet3": Naming(("{interface}-rxtx-{index}",), "{interface}-event-9"),
    "qede": Naming(("{interface}-fp-{index}",)),
    "virtio_net": Naming(
        ("{virtio}-input.{index}", "{virtio}-output.{index}"), "{virtio}-config", "virtio-pci"
    ),
}
"""Network drivers by name; the first one is the default."""

PCI_IDS: dict[str, tuple[int, int]] = {
    "ice": (0x8086, 0x1592),
    "i40e": (0x8086, 0x1583),
    "idpf": (0x8086, 0x1452),
    "igb": (0x8086, 0x1521),
    "igc": (0x8086, 0x15F2),
    "ixgbe": (0x8086, 0x10FB),
    "bnxt_en": (0x14E4, 0x1750),
    "mlx5_core": (0x15B3, 0x101D),
    "ena": (0x1D0F, 0xEC20),
    "mana": (0x1414, 0x00BA),
    "vmxnet3": (0x15AD, 0x07B0),
    "qede": (0x1077, 0x1634),
    "virtio-pci": (0x1AF4, 0x1041),
    "nvme": (0x144D, 0xA80A),
}
"""PCI vendor and device of a card, by the driver of its PCI device (the drivers' `pci_device_id`
tables).
"""
