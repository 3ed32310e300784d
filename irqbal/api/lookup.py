"""Which IRQ or device of a snapshot a client means by a number or name."""

from __future__ import annotations

from irqbal.api.backend import ApiError
from irqbal.model.view import Device, Irq, Snapshot

LISTED_AT = "GET /api/v1/irqs lists them"


def find_irq(snapshot: Snapshot, text: str) -> Irq:
    """The IRQ of this number or name. A name that one IRQ has exactly wins over names that only
    match. Raises ApiError: 404 for none, 409 with the candidates for several.
    """
    if text.isascii() and text.isdecimal():
        # Longer numbers than any IRQ has may be too long for int().
        irq = snapshot.irq_by_number.get(int(text)) if len(text) < 10 else None
        if irq is None:
            raise ApiError(404, "no-such-irq", f"there is no IRQ {text[:40]}; {LISTED_AT}")
        return irq
    matches = [
        irq for irq in snapshot.irqs if text == irq.identity or text in snapshot.names_of(irq)[1:]
    ]
    exact = [irq for irq in matches if _has_name(irq, text)]
    matches = exact or matches
    if not matches:
        raise ApiError(404, "no-such-irq", f"there is no IRQ {text[:100]!r}; {LISTED_AT}")
    if len(matches) > 1:
        raise ApiError(
            409,
            "ambiguous",
            f"{text!r} may be any of {len(matches)} IRQs: name one by its number",
            [f"{irq.number} ({irq.action})" for irq in matches],
        )
    return matches[0]


def _has_name(irq: Irq, text: str) -> bool:
    return text in (irq.identity, irq.action, *map(str, irq.queues))


def device_has_name(device: Device, name: str) -> bool:
    """Whether this is the device's address, its driver, or one of its interfaces or disks."""
    return name in (device.address, device.driver, *device.interfaces, *device.disks)
