"""Which IRQs belong to a NIC that hangs below no PCI device (platform, virtio-mmio, Xen). Pure.

/sys lists the IRQs of PCI devices alone. The drivers of others name theirs after the device's
folder (`30be0000.ethernet`), the interface (`eth0`, `eth0:rx-1`), or, for xen-netfront, after the
handle (`vif0-q1-rx` of `vif-0`; drivers/net/xen-netfront.c, setup_netfront_split).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from irqbal.identify.name_forms import candidates, forms_of
from irqbal.model.view import Device

_END = re.compile(r"[-_.:/ @]")
"""What may follow a device's name within an action: `eth1` is a prefix of `eth10`."""


class NamedIrqs:
    """The IRQs that no PCI device raises, by what their names say. `actions` are those names;
    `told` are the IRQs that the kernel names as a queue's, by interface.
    """

    def __init__(self, actions: Mapping[int, str], told: Mapping[str, set[int]]) -> None:
        self._actions, self._told = actions, told
        self._by_name: dict[str, set[int]] = {}
        for number, action in actions.items():
            for name in _names_in(action):
                self._by_name.setdefault(name, set()).add(number)
        self._by_form: dict[str, dict[str, set[int]]] = {}

    def of(self, device: Device) -> tuple[int, ...]:
        """The numbers of a device's IRQs."""
        if any(form.serves == "elsewhere" for form in forms_of(device.driver)):
            return ()
        found: set[int] = set()
        for name in device.interfaces:
            found |= self._told.get(name, set())
        for name in (device.address, *device.interfaces):
            found |= self._by_name.get(name, set())
        formed = self._formed(device.driver if forms_of(device.driver) else "")
        return tuple(sorted(found | formed.get(device.address, set()) | formed.get("", set())))

    def _formed(self, driver: str) -> dict[str, set[int]]:
        """The IRQs whose names have a form of this driver (empty: of one that is not known), by the
        device that the name tells. A form that tells none counts for a known driver alone.
        """
        found = self._by_form.get(driver)
        if found is None:
            found = self._by_form[driver] = {}
            for number, action in self._actions.items():
                for form in candidates(driver, action):
                    told = None if form.plain or "{if}" in form.template else form.device_in(action)
                    if told or (told == "" and driver):
                        found.setdefault(told, set()).add(number)
        return found


def _names_in(action: str) -> Iterator[str]:
    """Each action of an IRQ, and all beginnings that may be a device's name."""
    for part in map(str.strip, action.split(",")):
        yield part
        for end in _END.finditer(part):
            yield part[: end.start()]
