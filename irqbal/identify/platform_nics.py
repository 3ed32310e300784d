"""Which IRQs belong to a NIC that hangs below no PCI device (platform, virtio-mmio, Xen). Pure.

/sys lists the IRQs of PCI devices alone. The drivers of others name theirs after the device's
folder (`30be0000.ethernet`), the interface (`eth0`, `eth0:rx-1`), or, for xen-netfront, after the
handle (`vif0-q1-rx` of `vif-0`; drivers/net/xen-netfront.c, setup_netfront_split).
"""

from __future__ import annotations

from collections.abc import Mapping

from irqbal.identify.name_forms import candidates, forms_of
from irqbal.model.view import Device

_ENDS = frozenset("-_.:/ @")
"""What may follow a device's name within an action: `eth1` is a prefix of `eth10`."""


def irqs_by_name(
    device: Device, actions: Mapping[int, str], told: Mapping[str, set[int]]
) -> tuple[int, ...]:
    """Numbers of the IRQs of this device. `actions` are the names of IRQs that no PCI device
    raises; `told` are those that the kernel names as a queue's, by interface.
    """
    own = forms_of(device.driver)
    if any(form.serves == "elsewhere" for form in own):
        return ()
    named = (device.address, *device.interfaces)
    found = {number for name in device.interfaces for number in told.get(name, ())}
    return tuple(
        number
        for number, action in actions.items()
        if number in found
        or any(_bears(action, name) for name in named)
        or _has_form(action, device)
    )


def _has_form(action: str, device: Device) -> bool:
    """Whether the device's driver builds this name, for this device or without saying for which. Of
    an unknown driver only names count that name the device.
    """
    known = bool(forms_of(device.driver))
    return any(
        form.match(action, device.address) is not None
        for form in candidates(device.driver, action)
        if not form.plain and "{if}" not in form.template and (known or form.names_device)
    )


def _bears(action: str, name: str) -> bool:
    """Whether one of the actions is this name, or begins with it."""
    return any(
        part == name or (part.startswith(name) and part[len(name)] in _ENDS)
        for part in map(str.strip, action.split(","))
    )
