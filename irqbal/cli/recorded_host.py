"""The host of `irqbal simulate --history`: as it is below the root now, with the IRQs of the
history where they were when the window began.
"""

from __future__ import annotations

import re

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.history.samples import IrqState
from irqbal.model.unmovable import OWNED
from irqbal.model.view import Device, Irq, Snapshot
from irqbal.simulated.recording import Recording
from irqbal.simulated.replay_host import RecordedHost, RecordedIrq

FEW = 8
"""Names in one sentence, at most."""
_IDENTITY = re.compile(r"(?P<where>[^/]+)/(?P<vector>-|\d+)/(?P<action>.+?)(?:#\d+)?")
_NVME_QUEUE = re.compile(r"nvme\d+q[1-9]\d*")


class HistoryIrqs(msgspec.Struct, frozen=True):
    """What a history holds about IRQs, by identity: their first state in the window (or the last
    known one), and those that the kernel refused to move.
    """

    states: dict[str, IrqState]
    managed: set[str]


class HostBuilder:
    """Puts the host of a replay together."""

    def __init__(self, snapshot: Snapshot, recording: Recording, history: HistoryIrqs) -> None:
        self._snapshot, self._recording, self._history = snapshot, recording, history
        self._began = _first_cpus(recording)
        self._devices = {device.address: device for device in snapshot.devices}
        self._numbers = {irq.number for irq in snapshot.irqs}
        self._rebuilt: list[str] = []
        self._lost: list[str] = []

    def build(self) -> RecordedHost:
        """The host. Afterwards `notes` describes what had to be made up."""
        snapshot = self._snapshot
        irqs = [self._present(irq) for irq in snapshot.irqs]
        present = {irq.identity for irq in snapshot.irqs}
        for identity in self._recording.names:
            if identity not in present:
                irqs += self._absent(identity)
        return RecordedHost(
            cpus=snapshot.cpus,
            devices=tuple(self._devices.values()),
            interfaces=snapshot.interfaces,
            threads=snapshot.threads,
            irqs=tuple(irqs),
            online=snapshot.online | self._recording.cpus,
            default=snapshot.default_affinity,
            rfs_entries=snapshot.rfs_entries,
        )

    def notes(self) -> list[str]:
        """Sentences about recorded IRQs that this host does not have now."""
        notes = []
        if self._rebuilt:
            notes.append(
                f"not on this host now, and made up from the history: {_few(self._rebuilt)}"
            )
            if len(self._rebuilt) > len(self._snapshot.irqs) / 2:
                notes.append(
                    "most of what was recorded is not on this host: --root names a tree of the one "
                    "that recorded it (`irqbal capture`)"
                )
        if self._lost:
            notes.append(f"left out, since the history does not describe them: {_few(self._lost)}")
        return notes

    def _present(self, irq: Irq) -> RecordedIrq:
        """An IRQ that still exists, with the mask that it had."""
        state = self._history.states.get(irq.identity)
        began = self._began.get(irq.identity)
        affinity, effective = irq.affinity, began or irq.effective
        if state is not None:
            affinity = CpuSet.parse(state.affinity) if state.affinity else affinity
            effective = began or CpuSet.parse(state.effective)
        managed = OWNED if irq.identity in self._history.managed else ""
        return RecordedIrq(
            identity=irq.identity,
            number=irq.number,
            action=irq.action,
            chip=irq.chip,
            vector=irq.vector,
            address=irq.device or "",
            node=irq.node,
            unmovable=irq.unmovable or managed,
            affinity=affinity,
            effective=effective,
            hint=irq.hint,
        )

    def _absent(self, identity: str) -> list[RecordedIrq]:
        """An IRQ that does not exist any more, from its state in the history; none if the history
        has no state of it.
        """
        state, parts = self._history.states.get(identity), _IDENTITY.fullmatch(identity)
        if parts is None or state is None:
            self._lost.append(identity)
            return []
        number = state.number if state.number not in self._numbers else max(self._numbers) + 1
        self._numbers.add(number)
        device = self._devices.get(state.device)
        if device is not None:
            irqs = (*device.irqs, number)
            self._devices[device.address] = msgspec.structs.replace(device, irqs=irqs)
        self._rebuilt.append(
            f"{state.number} ({state.action}{', of no device' if device is None else ''})"
        )
        return [self._rebuild(state, parts, number, device)]

    def _rebuild(
        self, state: IrqState, parts: re.Match[str], number: int, device: Device | None
    ) -> RecordedIrq:
        managed = state.identity in self._history.managed or _NVME_QUEUE.fullmatch(state.action)
        return RecordedIrq(
            identity=state.identity,
            number=number,
            action=state.action,
            chip=parts["where"] if device is None else "",
            vector=None if parts["vector"] == "-" else int(parts["vector"]),
            address="" if device is None else device.address,
            node=-1 if device is None else device.node,
            unmovable=OWNED if managed else "",
            affinity=CpuSet.parse(state.affinity) if state.affinity else self._snapshot.online,
            effective=self._began.get(state.identity) or CpuSet.parse(state.effective),
        )


def _few(names: list[str]) -> str:
    """A list of names; of a long one the beginning, and how many more there are."""
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")


def _first_cpus(recording: Recording) -> dict[str, CpuSet]:
    """Where each IRQ was when the window began: the CPU on which it fired most in the first
    interval in which it fired.
    """
    found: dict[int, int] = {}
    for frame in recording.frames:
        most: dict[int, tuple[float, int]] = {}
        for at, cpu, count in zip(frame.lines, frame.cpus, frame.counts, strict=True):
            if at not in found:
                most[at] = max(most.get(at, (0.0, 0)), (count, cpu))
        found |= {at: cpu for at, (_, cpu) in most.items()}
    return {recording.names[at]: CpuSet.of(cpu) for at, cpu in found.items()}
