"""Which queues each IRQ of a device serves. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from irqbal.identify.disk_queues import disk_queues
from irqbal.identify.nic_queues import KernelQueues, ServedQueues, nic_queues
from irqbal.identify.vector_names import NicDevice, Vector
from irqbal.model.view import Device, Interface


def device_queues(
    device: Device,
    vectors: Sequence[Vector],
    interfaces: Mapping[str, Interface],
    told: KernelQueues,
) -> dict[int, ServedQueues]:
    """The queues of a device: IRQ number -> queues and evidence. `vectors` are the device's, in the
    order of their MSI index; `interfaces` are all of this network namespace; `told` is what the
    kernel says.
    """
    nic = NicDevice(device.address, device.function or device.driver, device.interfaces, interfaces)
    found = nic_queues(nic, vectors, told)
    return found if device.interfaces else found | disk_queues(vectors, device)
