"""What changes on a simulated host: masks, steering, online CPUs. Writes that a kernel would refuse
raise OSError with its errno.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.view import Interface, RxQueue, TxQueue
from irqbal.simulated.kernel_errnos import LATEST, write_errnos
from irqbal.simulated.machine import Card, Machine, SimulatedIrq
from irqbal.simulated.vectors import Vectors


class SimulatedState:
    """Masks and CPUs as in a kernel. Every IRQ is delivered to one CPU."""

    def __init__(self, machine: Machine, limit: int, kernel: tuple[int, int] = LATEST) -> None:
        """`limit` is the number of vectors of each CPU; `kernel` is the version whose errnos are
        given.
        """
        self.machine = machine
        self.kernel = kernel
        self._errnos = write_errnos(kernel)
        self.possible = CpuSet(cpu.number for cpu in machine.cpus)
        self.online = self.possible
        self.default = self.possible
        self.lines = {line.number: line for line in machine.lines}
        self.interfaces = {
            interface.name: interface
            for card in machine.cards
            for interface in fresh_interfaces(card)
        }
        self._vectors = Vectors(self.possible, limit)
        self._local = {
            node: CpuSet(cpu.number for cpu in machine.cpus if cpu.node == node)
            for node in {cpu.node for cpu in machine.cpus}
        }
        self._inode = 4_026_532_000
        for line in machine.lines:
            if line.managed:
                self._vectors.reserve(line.mask)
        managed = dict.fromkeys(self.possible, 0)
        for line in machine.lines:
            line.inode = self._next_inode()
            if line.managed:
                # Of the CPUs that it may use, the one that serves the fewest managed IRQs.
                cpu = min(line.mask, key=lambda number: (managed[number], number))
                managed[cpu] += 1
                line.effective = CpuSet.of(cpu)
            else:
                self._set_up(line)

    def local(self, line: SimulatedIrq) -> CpuSet:
        """The CPUs of the IRQ's node; all CPUs if it has none."""
        return self._local.get(line.node, self.possible)

    def used_vectors(self, cpu: int) -> int:
        """The number of vectors in use on this CPU."""
        return self._vectors.used(cpu)

    # Writes

    def mask(self, number: int) -> CpuSet:
        """The IRQ's mask. Raises OSError with the kernel's errno if there is no such IRQ."""
        return self._line(number).mask

    def _line(self, number: int) -> SimulatedIrq:
        line = self.lines.get(number)
        if line is None:
            raise OSError(self._errnos.missing, "no such IRQ")
        return line

    def set_mask(self, number: int, cpus: CpuSet) -> None:
        """As a write to the IRQ's mask. Raises OSError with the kernel's errno."""
        line = self._line(number)
        if line.managed:
            raise OSError(self._errnos.owned, "managed")
        self._check(cpus, self._errnos.beyond_list)
        if not line.effective <= cpus & self.online:
            cpu = self._vectors.take(cpus & self.online, self.possible)
            if cpu is None:
                raise OSError(self._errnos.no_vector, "no vector")
            self._vectors.give(line.effective)
            line.effective = CpuSet.of(cpu)
        line.mask = cpus

    def set_default(self, cpus: CpuSet) -> None:
        """As a write to `default_smp_affinity`. Raises OSError with the kernel's errno."""
        self._check(cpus, self._errnos.beyond_mask)
        self.default = cpus

    def _check(self, cpus: CpuSet, beyond: int) -> None:
        if not cpus <= self.possible:
            raise OSError(beyond, "beyond the possible CPUs")
        if not cpus & self.online:
            raise OSError(self._errnos.no_online_cpu, "no online CPU")

    def steering(self, setting: str, name: str, queue: int) -> str:
        """A queue's setting as text: a CPU list, or flow-table entries. Raises OSError where there
        is no such file.
        """
        interface = self.interfaces.get(name)
        if (
            interface is not None
            and setting == "xps"
            and queue < len(interface.tx)
            and interface.tx[queue].xps is not None
        ):
            return str(interface.tx[queue].xps)
        if interface is not None and setting in ("rps", "flows") and queue < len(interface.rx):
            return str(interface.rx[queue].rps if setting == "rps" else interface.rx[queue].flows)
        raise OSError(self._errnos.missing, "no such setting")

    def set_steering(self, setting: str, name: str, queue: int, value: str) -> None:
        """As a write to that file. RPS drops offline CPUs and reports success. Raises OSError with
        the kernel's errno.
        """
        self.steering(setting, name, queue)
        interface = self.interfaces[name]
        tx, rx = list(interface.tx), list(interface.rx)
        if setting == "flows":
            entries = int(value)
            rx[queue] = msgspec.structs.replace(
                rx[queue], flows=1 << (entries - 1).bit_length() if entries else 0
            )
        else:
            cpus = CpuSet.parse(value)
            if not cpus <= self.possible:
                raise OSError(self._errnos.beyond_mask, "beyond the possible CPUs")
            if setting == "xps":
                tx[queue] = msgspec.structs.replace(tx[queue], xps=cpus)
            else:
                rx[queue] = msgspec.structs.replace(rx[queue], rps=cpus & self.online)
        self.interfaces[name] = msgspec.structs.replace(interface, tx=tuple(tx), rx=tuple(rx))

    # Hotplug and resets

    def unplug(self, cpu: int) -> None:
        """A CPU goes offline: its IRQs move to another CPU of their masks. If a mask has no online
        CPU left, the kernel breaks it: the IRQ may then fire on any CPU.
        """
        self.online -= CpuSet.of(cpu)
        for line in self.lines.values():
            if cpu not in line.effective:
                continue
            within = line.mask & self.online
            if line.managed:
                # Without an online CPU in its mask it is shut down until one returns.
                line.effective = CpuSet.of(within.first) if within else line.effective
                continue
            self._vectors.give(line.effective)
            target = self._vectors.take(within, self.possible)
            if target is None:
                line.mask = self.online
                target = self._vectors.take(self.online, self.possible)
            line.effective = CpuSet.of(self._overfull(line) if target is None else target)
        self._reset_virtio()

    def plug(self, cpu: int) -> None:
        """A CPU comes back. Only managed IRQs that were shut down move to it."""
        self.online |= CpuSet.of(cpu)
        for line in self.lines.values():
            if line.managed and not line.effective <= self.online and cpu in line.mask:
                line.effective = CpuSet.of(cpu)
        self._reset_virtio()

    def reset(self, interface: str) -> None:
        """The NIC's queues are set up again: new generations of IRQs under the same numbers; masks
        and steering are lost.
        """
        self._renew(lambda line: line.interface == interface, generation=True)
        self._reset_steering({interface})

    def _reset_virtio(self) -> None:
        """virtio_net resets the masks of all its queues at any CPU's hotplug."""
        names = {
            name for card in self.machine.cards if card.virtio for name in card.device.interfaces
        }
        if names:
            self._renew(
                lambda line: line.interface in names and line.source.kind == "net", generation=False
            )
            self._reset_steering(names)

    def _renew(self, affected: Callable[[SimulatedIrq], bool], generation: bool) -> None:
        for line in self.lines.values():
            if affected(line):
                self._vectors.give(line.effective)
                if generation:
                    line.inode, line.counts = self._next_inode(), {}
                self._set_up(line)

    def _reset_steering(self, names: Iterable[str]) -> None:
        fresh = {
            interface.name: interface
            for card in self.machine.cards
            for interface in fresh_interfaces(card)
        }
        self.interfaces |= {name: fresh[name] for name in names}

    def _set_up(self, line: SimulatedIrq) -> None:
        """A new IRQ has the default mask, and starts on a CPU of its own node."""
        line.mask = self.default
        cpu = self._vectors.take(self.default & self.online, self.local(line))
        line.effective = CpuSet.of(self._overfull(line) if cpu is None else cpu)

    def _overfull(self, line: SimulatedIrq) -> int:
        """The CPU for an IRQ if no CPU of its mask has a vector left. A real driver would fail to
        load; here that CPU gets one vector too many.
        """
        cpu = min(self.online, key=lambda number: (self._vectors.used(number), number))
        self._vectors.reserve(CpuSet.of(cpu))
        return cpu

    def _next_inode(self) -> int:
        self._inode += 1
        return self._inode


def fresh_interfaces(card: Card) -> Iterable[Interface]:
    """The interfaces of a card without any steering; a NIC with one queue has no XPS."""
    xps = CpuSet() if card.queues > 1 else None
    for name in card.device.interfaces:
        tx, rx = (TxQueue(xps),) * card.queues, (RxQueue(CpuSet(), 0),) * card.queues
        yield Interface(name, card.device.address, True, (), tx, rx)
