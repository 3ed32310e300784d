"""What irqbal knows of each IRQ besides its readings: identity, device, queue, cost group. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.identify.device_queues import device_queues
from irqbal.identify.nic_queues import KernelQueues, ServedQueues, packet_counters
from irqbal.identify.platform_nics import NamedIrqs
from irqbal.identify.vector_names import Vector
from irqbal.model.queues import Queue
from irqbal.model.readings import Census, IrqFacts, Pulse, Topology
from irqbal.model.unmovable import PER_CPU
from irqbal.model.view import Device
from irqbal.tracking.identity import IdentityChanges, IrqIdentities
from irqbal.tracking.immobility import Immobility

_DIGITS = re.compile(r"\d+")


class IrqCatalog:
    """The IRQs of the last census."""

    def __init__(self) -> None:
        self.identities = IrqIdentities()
        self.keys: dict[int, tuple[str, str]] = {}
        """(identity and generation, cost group) by IRQ number. It is replaced by another object
        whenever it changes, never modified.
        """
        self.devices: tuple[Device, ...] = ()
        """Every device of the last census; those below no PCI device with their IRQs too."""
        self.fixed: dict[int, str] = {}
        """Why an IRQ cannot be moved, by number; IRQs that can are absent."""
        self.per_cpu: frozenset[int] = frozenset()
        """IRQs that fire on every CPU at once."""
        self._immobility = Immobility()
        self._by_irq: dict[int, Device] = {}
        self._served: dict[int, ServedQueues] = {}
        self._counters: dict[int, tuple[tuple[str, str, int], ...]] = {}

    def update(
        self, census: Census, topology: Topology, renewed: set[int], online: CpuSet
    ) -> IdentityChanges:
        """Take over a census. `renewed` are numbers of IRQs that their drivers set up again."""
        on_pci = {number: device for device in reversed(topology.devices) for number in device.irqs}
        # Identities name PCI devices alone: others are named by their chip and vector.
        changes = self.identities.update(census.irqs, on_pci, renewed)
        self.devices = _with_named_irqs(census, topology, on_pci)
        self._by_irq = {
            number: device for device in reversed(self.devices) for number in device.irqs
        }
        taught = {
            number: served
            for number, served in self._served.items()
            if served.evidence == "policy" and self.identities.knows(number)
        }
        self._served = taught | self._identify(census, topology)
        keys = self.identities.keys({facts.number: self._group(facts) for facts in census.irqs})
        if keys != self.keys:
            self.keys = keys
        self._counters = {
            number: counters
            for number, served in self._served.items()
            if (counters := packet_counters(served.queues))
        }
        self.fixed = self._immobility.find(census, self._by_irq, online)
        self.per_cpu = frozenset(
            number for number, reason in self.fixed.items() if reason == PER_CPU
        )
        return changes

    def set_queues(self, queues: Mapping[int, Queue]) -> None:
        """Add queues that policies identified (`irqbal_identify`), by IRQ number. What irqbal
        itself recognised stands.
        """
        for number, queue in queues.items():
            if self.served(number).evidence in ("", "policy"):
                self._served[number] = ServedQueues((queue,), "policy")

    def device(self, number: int) -> Device | None:
        """The device that raises this IRQ, or None."""
        return self._by_irq.get(number)

    def served(self, number: int) -> ServedQueues:
        """The queues that this IRQ serves, recognised by irqbal, else by a policy."""
        return self._served.get(number, _NOTHING)

    def softirq_kind(self, number: int) -> str:
        """The softirqs that do this IRQ's work, as a key of `load.measured_costs.SOFTIRQS`."""
        queues = self.served(number).queues
        return "" if not queues else "block" if queues[0].kind == "io" else "net"

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
        device, queues = self._by_irq.get(facts.number), self.served(facts.number).queues
        if device is None:
            return _DIGITS.sub("N", facts.action)
        kind = queues[0].kind if queues else _DIGITS.sub("N", facts.action)
        return f"{device.driver}/{kind}"

    def _identify(self, census: Census, topology: Topology) -> dict[int, ServedQueues]:
        """The queues that are recognised from what the kernel says, and from ranks and names."""
        interfaces = {interface.name: interface for interface in topology.interfaces}
        told = KernelQueues(topology.queue_irqs)
        facts_of = {facts.number: facts for facts in census.irqs}
        found: dict[int, ServedQueues] = {}
        for device in self.devices:
            mine = [facts_of[number] for number in device.irqs if number in facts_of]
            mine.sort(key=lambda facts: (facts.vector is None, facts.vector or 0, facts.number))
            vectors = [Vector(facts.number, facts.action) for facts in mine]
            found |= device_queues(device, vectors, interfaces, told)
        return found


_NOTHING = ServedQueues((), "")


def _with_named_irqs(
    census: Census, topology: Topology, on_pci: Mapping[int, Device]
) -> tuple[Device, ...]:
    """The devices; NICs below no PCI device with the IRQs that bear their names."""
    told: dict[str, set[int]] = {}
    for (name, _, _), number in topology.queue_irqs.items():
        told.setdefault(name, set()).add(number)
    named = NamedIrqs(
        {facts.number: facts.action for facts in census.irqs if facts.number not in on_pci}, told
    )
    return tuple(
        msgspec.structs.replace(device, irqs=named.of(device))
        if not device.irqs and device.interfaces
        else device
        for device in topology.devices
    )
