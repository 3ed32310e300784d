"""What irqbal knows of each IRQ besides its readings: identity, device, queue, cost group. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from irqbal.identify.queue_names import counters, identify, identify_platform
from irqbal.model.readings import Census, IrqFacts, Pulse, Topology
from irqbal.model.view import Device, Queue
from irqbal.tracking.identity import IdentityChanges, IrqIdentities

_DIGITS = re.compile(r"\d+")


class IrqCatalog:
    """The IRQs of the last census."""

    def __init__(self) -> None:
        self.identities = IrqIdentities()
        self.keys: dict[int, tuple[str, str]] = {}
        """(identity and generation, cost group) by IRQ number. It is replaced by another object
        whenever it changes, never modified.
        """
        self._devices: dict[int, Device] = {}
        self._queues: dict[int, Queue] = {}
        self._policy_queues: dict[int, Queue] = {}
        self._counters: dict[int, tuple[tuple[str, str, int], ...]] = {}

    def update(self, census: Census, topology: Topology, renewed: set[int]) -> IdentityChanges:
        """Take over a census. `renewed` are numbers of IRQs that their drivers set up again."""
        self._devices = {
            number: device for device in reversed(topology.devices) for number in device.irqs
        }
        changes = self.identities.update(census.irqs, self._devices, renewed)
        if changes.any:
            self._policy_queues = {
                number: queue
                for number, queue in self._policy_queues.items()
                if self.identities.knows(number)
            }
        self._queues = _queues(census, topology, self._devices)
        keys = self.identities.keys({facts.number: self._group(facts) for facts in census.irqs})
        if keys != self.keys:
            self.keys = keys
        self._counters = {
            number: counters(queue) for number, queue in self._queues.items() if queue.kind != "io"
        }
        return changes

    def set_queues(self, queues: Mapping[int, Queue]) -> None:
        """Add queues that policies identified (`irqbal_identify`), by IRQ number."""
        self._policy_queues.update(queues)

    def device(self, number: int) -> Device | None:
        """The PCI device that raises this IRQ, or None."""
        return self._devices.get(number)

    def queue(self, number: int) -> Queue | None:
        """The queue that this IRQ serves, identified by irqbal, else by a policy; or None."""
        return self._queues.get(number) or self._policy_queues.get(number)

    def softirq_kind(self, number: int) -> str:
        """The softirqs that do this IRQ's work, as a key of `load.measured_costs.SOFTIRQS`."""
        queue = self._queues.get(number)
        return "" if queue is None else "block" if queue.kind == "io" else "net"

    def packets(self, pulse: Pulse) -> dict[int, int]:
        """Packets that each IRQ's queues have counted, by IRQ number; IRQs without packet counters
        are absent.
        """
        packets = pulse.packets
        if not packets:
            return {}
        totals: dict[int, int] = {}
        for number, keys in self._counters.items():
            try:
                totals[number] = sum([packets[key] for key in keys])
            except KeyError:
                continue
        return totals

    def _group(self, facts: IrqFacts) -> str:
        """The IRQ's cost group: driver and kind of queue. The IRQs of a group are taken to cost the
        same until their own costs are known.
        """
        device, queue = self._devices.get(facts.number), self._queues.get(facts.number)
        if device is None:
            return _DIGITS.sub("N", facts.action)
        kind = queue.kind if queue is not None else _DIGITS.sub("N", facts.action)
        return f"{device.driver}/{kind}"


def _queues(census: Census, topology: Topology, devices: Mapping[int, Device]) -> dict[int, Queue]:
    """The queues that can be identified from devices and names, by IRQ number."""
    interfaces = {interface.name: interface for interface in topology.interfaces}
    by_address: dict[str, dict[int, str]] = {}
    platform: dict[int, str] = {}
    for facts in census.irqs:
        device = devices.get(facts.number)
        actions = platform if device is None else by_address.setdefault(device.address, {})
        actions[facts.number] = facts.action
    queues = identify_platform(platform, interfaces)
    for device in topology.devices:
        if device.address in by_address:
            queues |= identify(device, by_address[device.address], interfaces)
    return queues
