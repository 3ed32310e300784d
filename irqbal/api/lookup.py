"""Which IRQ or device of a snapshot a client means by a number or name."""

from __future__ import annotations

from irqbal.api.backend import ApiError
from irqbal.model import irq_names
from irqbal.model.view import Device, Irq, Snapshot

LISTED_AT = "GET /api/v1/irqs lists them"


def find_irq(snapshot: Snapshot, text: str) -> Irq:
    """The IRQ of this number or name. Raises ApiError: 404 for none, 409 with the candidates for
    several.
    """
    found = irq_names.find_irq(snapshot, text)
    if found.irq is not None:
        return found.irq
    if not found.candidates:
        meant = f"; did you mean {' or '.join(found.similar)}?" if found.similar else ""
        is_number = text.isascii() and text.isdecimal() and len(text) < 10
        shown = text if is_number else repr(text[:100])
        raise ApiError(404, "no-such-irq", f"there is no IRQ {shown}{meant or f'; {LISTED_AT}'}")
    raise ApiError(
        409,
        "ambiguous",
        f"{text!r} may be any of {len(found.candidates)} IRQs: name one by its number",
        [f"{irq.number} ({irq.action})" for irq in found.candidates],
    )


def device_has_name(device: Device, name: str) -> bool:
    """Whether this is the device's address, its driver, or one of its interfaces or disks."""
    return name in (device.address, device.driver, *device.interfaces, *device.disks)


def names_of_devices(snapshot: Snapshot) -> list[str]:
    """Every name by which a device may be asked for: interfaces, disks and addresses."""
    found: list[str] = []
    for device in snapshot.devices:
        found += [*device.interfaces, *device.disks, device.address]
    return found
