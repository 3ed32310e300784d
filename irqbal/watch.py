"""Looking at a host over time: pulses and censuses in, one frozen snapshot a cycle out.

It remembers what a single reading cannot show: generations, hotplugs, rates, and where each IRQ was delivered at an interval's start.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError
from irqbal.host import DEFAULT, Census, Host, IrqFacts, Pulse, Topology
from irqbal.model import Cpu, Device, Irq, Outcome, Override, Placed, Queue, Snapshot, steering_of
from irqbal.planner import Ledger
from irqbal.queues import identify, identify_platform
from irqbal.rates import Meter, fell

SETTLING_CYCLES = 3
"""Cycles after a start or a hotplug in which moves need not wait."""
SWEEP_SECONDS = 60.0
"""Every mask is looked at once in this time, and all of them in every cycle where there are few."""
SWEEP_AT_ONCE = 256
CENSUS_SECONDS = 60.0
MAX_PAST = 10_000
"""IRQs that are gone whose generation is remembered."""

_DIGITS = re.compile(r"\d+")


class _Life(msgspec.Struct):
    """One IRQ by identity: its present number, the inode of its folder, and which generation this is."""

    number: int
    inode: int
    generation: int


class Watch:
    """Holds the last readings of one host and makes snapshots of them."""

    def __init__(self, host: Host, interval: float) -> None:
        self._host = host
        self.interval = interval
        self.meter = Meter()
        self.skipped_rows = 0
        self.took_census = False
        self._topology: Topology | None = None
        self._census: Census | None = None
        self._pulse: Pulse | None = None
        self._population = -1
        self._lives: dict[str, _Life] = {}
        self._past: dict[str, int] = {}
        self._identities: dict[int, str] = {}
        self._devices: dict[int, Device] = {}
        self._queues: dict[int, Queue] = {}
        self._groups: dict[int, str] = {}
        self._start: dict[int, CpuSet] = {}
        self._taught: dict[int, Queue] = {}
        self._hotplug_at = -math.inf
        self._cycle = 0
        # The first look only begins the first interval: no plan is made of it.
        self._settling_until = SETTLING_CYCLES + 1
        self._swept = 0

    def look(self, ledger: Ledger, overrides: Iterable[Override] = (), full: bool = False) -> Snapshot:
        """Read the host and see what changed. `full` asks for a census whatever the pulse says. Raises HostError."""
        self._cycle += 1
        before, pulse = self._pulse, self._host.pulse()
        first = before is None
        hotplug = before is not None and before.online != pulse.online
        if hotplug:
            self._hotplug_at = pulse.time
            self._settling_until = self._cycle + SETTLING_CYCLES - 1
        fallen = set() if before is None else self._fallen(before, pulse)
        population = self._host.population()
        due = self._census is None or pulse.time - self._census.time >= CENSUS_SECONDS
        self.took_census = bool(full or first or hotplug or fallen or due or population != self._population or pulse.stale)
        if self.took_census:
            self._population = population
            self._take_census(fallen | set(pulse.stale))
        elif self._sweep():
            self.took_census = True
            self._take_census(set())
        if first and self._census is not None:
            # Only now is it known which IRQs there are; the totals of a first pulse are empty.
            pulse = self._host.pulse()
        if before is not None:
            self.meter.update(before, pulse, self._start, self._keys())
        self._advance(pulse)
        return self._snapshot(pulse, ledger, tuple(overrides))

    def present(self, ledger: Ledger, overrides: Iterable[Override], sweep: bool = False) -> Snapshot:
        """The host as it is known now, without ending an interval: after writes, or (`sweep`: every mask is read) between cycles."""
        assert self._census is not None and self._pulse is not None
        if sweep:
            found = self._host.masks(facts.number for facts in self._census.irqs)
            self._set_masks({number: mask for number, (mask, _) in found.items()})
        return self._snapshot(self._pulse, ledger, tuple(overrides))

    @property
    def totals(self) -> dict[int, int]:
        """Interrupts since each IRQ was set up, modulo 2**32, by number, as of the last pulse."""
        return {} if self._pulse is None else self._pulse.totals

    def rebase(self, outcomes: Iterable[Outcome]) -> None:
        """Begin the next interval after these writes, so that it holds no move."""
        assert self._census is not None
        masks: dict[int, CpuSet] = {}
        for outcome in outcomes:
            if outcome.result not in ("written", "differs", "unchanged"):
                continue
            if outcome.irq is not None:
                masks[outcome.irq] = CpuSet.parse(outcome.found)
            elif outcome.identity == DEFAULT:
                default = CpuSet.parse(outcome.found)
                self._census = msgspec.structs.replace(self._census, default_affinity=default)
            else:
                self._set_steering(outcome)
        self._set_masks(masks)
        try:
            pulse = self._host.pulse()
        except HostError:
            return
        for number, mask in masks.items():
            effective = self._start.get(number, CpuSet())
            # With one CPU the next interrupt goes there; with several the kernel chooses, unless it need not move at all.
            self._start[number] = mask if len(mask) == 1 else effective if effective <= mask else CpuSet()
        self._advance(pulse)

    def teach(self, queues: dict[int, Queue]) -> None:
        """Queues that policies identified, for the next snapshot and for everybody who looks."""
        self._taught.update(queues)

    def facts(self) -> dict[str, int]:
        """The present number of every IRQ by identity."""
        return {identity: life.number for identity, life in self._lives.items()}

    def masks(self) -> dict[str, tuple[CpuSet, int]]:
        """The mask of every IRQ by identity, as last read, and the inode of its folder."""
        if self._census is None:
            return {}
        return {self._identities[facts.number]: (facts.affinity, facts.inode) for facts in self._census.irqs}

    def _fallen(self, before: Pulse, pulse: Pulse) -> set[int]:
        seconds = pulse.time - before.time
        totals = pulse.totals
        return {
            number for number, total in before.totals.items() if number in totals and fell(total, totals[number], seconds)
        }

    def _take_census(self, renewed: set[int]) -> None:
        """Read everything, and tell one life of an IRQ from the next."""
        census, topology = self._host.census(), self._host.topology()
        self.skipped_rows = census.skipped_rows
        known = bool(self._lives)
        self._devices = {number: device for device in reversed(topology.devices) for number in device.irqs}
        lives: dict[str, _Life] = {}
        identities: dict[int, str] = {}
        for facts in census.irqs:
            identity = self._identity(facts, lives)
            before = self._lives.get(identity)
            # What comes back after it was gone lives anew.
            generation = self._past.pop(identity, 0) + 1
            if before is not None:
                same = before.inode == facts.inode and before.number == facts.number and facts.number not in renewed
                generation = before.generation + (not same)
                if not same:
                    self._start.pop(facts.number, None)
            lives[identity] = _Life(facts.number, facts.inode, generation)
            identities[facts.number] = identity
        changed = {key: (life.number, life.generation) for key, life in lives.items()}
        changed_before = {key: (life.number, life.generation) for key, life in self._lives.items()}
        if known and changed != changed_before:
            self._settling_until = max(self._settling_until, self._cycle + SETTLING_CYCLES - 1)
        if changed != changed_before:
            self._taught = {number: queue for number, queue in self._taught.items() if number in identities}
        gone = {key: life.generation for key, life in self._lives.items() if key not in lives}
        self._past = dict([*self._past.items(), *gone.items()][-MAX_PAST:])
        self._lives, self._identities = lives, identities
        self._census, self._topology = census, topology
        self._identify(census, topology)

    def _identity(self, facts: IrqFacts, taken: dict[str, _Life]) -> str:
        device = self._devices.get(facts.number)
        where = device.address if device is not None else facts.chip or "platform"
        vector = "-" if facts.vector is None else str(facts.vector)
        identity = f"{where}/{vector}/{facts.action}"
        count = 1
        while identity in taken:
            count += 1
            identity = f"{where}/{vector}/{facts.action}#{count}"
        return identity

    def _identify(self, census: Census, topology: Topology) -> None:
        interfaces = {interface.name: interface for interface in topology.interfaces}
        actions: dict[str, dict[int, str]] = {}
        platform: dict[int, str] = {}
        for facts in census.irqs:
            device = self._devices.get(facts.number)
            names = platform if device is None else actions.setdefault(device.address, {})
            names[facts.number] = facts.action
        by_address = {device.address: device for device in topology.devices}
        self._queues = identify_platform(platform, interfaces)
        for address, names in actions.items():
            self._queues |= identify(by_address[address], names, interfaces)
        self._groups = {facts.number: self._group(facts) for facts in census.irqs}

    def _group(self, facts: IrqFacts) -> str:
        """IRQs of one kind, whose cost an interrupt is taken to be alike until more is known."""
        device, queue = self._devices.get(facts.number), self._queues.get(facts.number)
        if device is None:
            return _DIGITS.sub("N", facts.action)
        return f"{device.driver}/{queue.kind if queue is not None else _DIGITS.sub('N', facts.action)}"

    def _keys(self) -> dict[int, tuple[str, str]]:
        return {
            number: (f"{identity}#{self._lives[identity].generation}", self._groups[number])
            for number, identity in self._identities.items()
        }

    def _sweep(self) -> bool:
        """Look at masks for somebody else's changes, a slice a cycle. Returns whether an IRQ was set up anew meanwhile."""
        assert self._census is not None
        numbers = [facts.number for facts in self._census.irqs]
        size = len(numbers)
        if size > SWEEP_AT_ONCE:
            size = max(1, math.ceil(size * self.interval / SWEEP_SECONDS))
        begin = self._swept % max(1, len(numbers))
        part = (numbers + numbers)[begin : begin + min(size, len(numbers))]
        self._swept = begin + size
        found = self._host.masks(part)
        inodes = {life.number: life.inode for life in self._lives.values()}
        if len(found) < len(set(part)) or any(inode != inodes[number] for number, (_, inode) in found.items()):
            return True
        self._set_masks({number: mask for number, (mask, _) in found.items()})
        return False

    def _set_masks(self, masks: dict[int, CpuSet]) -> None:
        assert self._census is not None
        if not masks:
            return
        irqs = tuple(
            msgspec.structs.replace(facts, affinity=masks[facts.number])
            if facts.number in masks and masks[facts.number] != facts.affinity
            else facts
            for facts in self._census.irqs
        )
        self._census = msgspec.structs.replace(self._census, irqs=irqs)

    def _set_steering(self, outcome: Outcome) -> None:
        """A queue's setting as the kernel read it back."""
        assert self._topology is not None
        setting, name, queue = steering_of(outcome.identity)
        interfaces = []
        for interface in self._topology.interfaces:
            tx, rx = list(interface.tx), list(interface.rx)
            if interface.name == name and setting == "xps" and queue < len(tx):
                tx[queue] = msgspec.structs.replace(tx[queue], xps=CpuSet.parse(outcome.found))
            elif interface.name == name and setting == "rps" and queue < len(rx):
                rx[queue] = msgspec.structs.replace(rx[queue], rps=CpuSet.parse(outcome.found))
            elif interface.name == name and setting == "flows" and queue < len(rx):
                rx[queue] = msgspec.structs.replace(rx[queue], flows=int(outcome.found))
            interfaces.append(msgspec.structs.replace(interface, tx=tuple(tx), rx=tuple(rx)))
        self._topology = msgspec.structs.replace(self._topology, interfaces=tuple(interfaces))

    def _advance(self, pulse: Pulse) -> None:
        """This pulse is the beginning of the next interval."""
        self._pulse = pulse
        self._start.update(pulse.effective)

    def _snapshot(self, pulse: Pulse, ledger: Ledger, overrides: tuple[Override, ...]) -> Snapshot:
        assert self._census is not None and self._topology is not None
        since_hotplug = pulse.time - self._hotplug_at
        drifting = any(entry.drift for entry in ledger.entries.values())
        return Snapshot(
            now=pulse.time,
            cycle=self._cycle,
            interval=self.interval,
            settling=self._cycle <= self._settling_until,
            hotplug=since_hotplug <= self.interval * 1.5,
            time_visible=self.meter.time_visible,
            default_affinity=self._census.default_affinity,
            cpus=tuple(self._cpu(cpu, pulse) for cpu in self._topology.cpus),
            irqs=tuple(self._irq(facts, pulse, ledger) for facts in self._census.irqs),
            devices=self._topology.devices,
            interfaces=self._topology.interfaces,
            threads=self._topology.threads,
            overrides=overrides,
            writers=self._host.writers() if drifting else (),
            rfs_entries=self._topology.rfs_entries,
        )

    def _cpu(self, cpu: Cpu, pulse: Pulse) -> Cpu:
        irq, softirq = self.meter.cpu_times.get(cpu.number, (0.0, 0.0))
        online = cpu.number in pulse.online
        return msgspec.structs.replace(cpu, online=online, irq_time=irq, softirq_time=softirq)

    def _irq(self, facts: IrqFacts, pulse: Pulse, ledger: Ledger) -> Irq:
        number = facts.number
        identity = self._identities[number]
        device = self._devices.get(number)
        load, noise = self.meter.load(number)
        entry = ledger.entries.get(identity)
        placed = None
        if entry is not None and entry.written is not None:
            placed = Placed(entry.policy, entry.reason, CpuSet.parse(entry.written), max(0.0, pulse.time - entry.since))
        return Irq(
            number, identity, facts.action, facts.chip, facts.vector, None if device is None else device.address,
            self._queues.get(number) or self._taught.get(number), facts.node, self._lives[identity].generation,
            facts.unmovable, facts.affinity, pulse.effective.get(number) or facts.effective, facts.hint,
            self.meter.rate(number), load, noise, placed,
        )  # fmt: skip
