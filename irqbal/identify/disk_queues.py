"""Which queue each vector of a disk controller serves, by its name. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from irqbal.identify.name_forms import DISK_FORMS
from irqbal.identify.nic_queues import ServedQueues
from irqbal.identify.vector_names import Vector
from irqbal.model.queues import Queue
from irqbal.model.view import Device


def disk_queues(vectors: Sequence[Vector], device: Device) -> dict[int, ServedQueues]:
    """The queues of a device without network interfaces: IRQ number -> queues and evidence."""
    found: dict[int, ServedQueues] = {}
    for vector in vectors:
        queues = tuple(
            queue
            for action in vector.action.split(",")
            if (queue := _queue(action.strip(), device)) is not None
        )
        if queues:
            found[vector.number] = ServedQueues(queues, "name")
    return found


def _queue(action: str, device: Device) -> Queue | None:
    for form in DISK_FORMS:
        match = form.regex.fullmatch(action)
        if match is None:
            continue
        # What is no disk may have vectors of these forms. Queue 0 of nvme is the admin queue.
        if not device.disks and device.driver not in form.drivers:
            continue
        if "nvme" in form.drivers and match["index"] == "0":
            return None
        return Queue(match["disk"], int(match["index"]), "io")
    return None
