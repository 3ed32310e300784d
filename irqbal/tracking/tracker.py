"""Looking at a host over time: pulses and censuses in, one frozen snapshot a cycle out.

It remembers what a single reading cannot show: generations, hotplugs, rates, and where each IRQ was
delivered at an interval's start.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from operator import lt

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError
from irqbal.identify.queue_names import counters, identify, identify_platform
from irqbal.load.estimator import LoadEstimator, fell
from irqbal.model.host import Host
from irqbal.model.plan import Outcome, steering_of
from irqbal.model.readings import (
    DEFAULT,
    Census,
    IrqFacts,
    Measured,
    Pulse,
    Topology,
)
from irqbal.model.view import Cpu, Device, Irq, Override, Placed, Queue, Snapshot
from irqbal.planner.ledger import Ledger
from irqbal.tracking.identity import IrqIdentities

SETTLING_CYCLES = 3
"""Cycles after a start or a hotplug in which moves need not wait."""
SWEEP_SECONDS = 60.0
"""Every mask is looked at once in this time, and all of them in every cycle where there are few."""
SWEEP_AT_ONCE = 64
FEW = 256
"""IRQs up to which a host is no big one."""
CENSUS_SECONDS = 300.0
BIG_CENSUS_SECONDS = 1800.0
"""Between two censuses that nothing asked for; on big hosts one costs as much as a hundred
pulses.
"""
ISOLATION_SECONDS = 60.0
SQUEEZE_ALPHA = 0.05
"""Share of one interval in the smoothed rate of squeezes."""

_DIGITS = re.compile(r"\d+")


class HostTracker:
    """Holds the last readings of one host and makes snapshots of them."""

    def __init__(self, host: Host, interval: float) -> None:
        self._host = host
        self.interval = interval
        self.meter = LoadEstimator()
        self.skipped_rows = 0
        self.took_census = False
        self._topology: Topology | None = None
        self._census: Census | None = None
        self._pulse: Pulse | None = None
        self._population = -1
        self._lives = IrqIdentities()
        self._devices: dict[int, Device] = {}
        self._queues: dict[int, Queue] = {}
        self._numbers: list[int] = []
        self._inodes: dict[int, int] = {}
        self._affinities: dict[int, CpuSet] = {}
        self._keys: dict[int, tuple[str, str]] = {}
        self._counters: dict[int, tuple[tuple[str, str, int], ...]] = {}
        self._seen: dict[int, CpuSet] = {}
        self._recheck: set[int] = set()
        self._squeezed: dict[int, float] = {}
        self._start: dict[int, CpuSet] = {}
        self._taught: dict[int, Queue] = {}
        self._hotplug_at = -math.inf
        self._cycle = 0
        # The first look only begins the first interval: no plan is made of it.
        self._settling_until = SETTLING_CYCLES + 1
        self._swept = 0
        self._stirred = False
        self._isolation: dict[str, CpuSet] = {}
        self._isolation_at = -math.inf

    def look(
        self, ledger: Ledger, overrides: Iterable[Override] = (), full: bool = False
    ) -> Snapshot:
        """Read the host and see what changed. `full` asks for a census whatever the pulse says.
        Raises HostError.
        """
        self.sample(full)
        return self.snapshot(ledger, overrides)

    def sample(self, full: bool = False) -> bool:
        """The cheap part of a look: the pulse, a slice of the masks, and a census if one is due.
        Raises HostError.

        Returns whether everything is as it was, so that a plan would find nothing new.
        """
        self._cycle += 1
        part = self._slice()
        before, pulse = self._pulse, self._host.pulse(part)
        first = before is None
        hotplug = before is not None and before.online != pulse.online
        if hotplug:
            self._hotplug_at = pulse.time
            self._settling_until = self._cycle + SETTLING_CYCLES - 1
        fallen = set() if before is None else self._fallen(before, pulse)
        population = self._host.population()
        due = self._census is None or pulse.time - self._census.time >= self._census_seconds()
        stirred = population != self._population or self._is_isolated_otherwise(pulse.time)
        stirred |= bool(full or first or hotplug or fallen or pulse.stale)
        self.took_census = due or stirred
        drifted, self._stirred = self._stirred, False
        if self.took_census:
            self._population = population
            # A census that only its time asked for, and that found nothing new, disturbs no rest.
            drifted |= self._take_census(fallen | set(pulse.stale)) or stirred
        else:
            again, changed = self._sweep(part)
            drifted |= changed
            if again:
                self.took_census = drifted = True
                self._take_census(set())
        if first and self._census is not None:
            # Only now is it known which IRQs there are; the totals of a first pulse are empty.
            pulse = self._host.pulse()
        if before is not None:
            self.meter.update(
                before, pulse, self._start, self._keys, (self._work(before), self._work(pulse))
            )
            self._squeeze(before, pulse)
        self._advance(pulse)
        calm = not (drifted or pulse.time - self._hotplug_at <= self.interval * 1.5)
        return calm and self._cycle > self._settling_until and not self.meter.shifted()

    def _slice(self) -> list[int] | None:
        """The IRQs whose mask and effective affinity are looked at in this cycle; None: all, where
        there are few.
        """
        if self._census is None or len(self._numbers) <= SWEEP_AT_ONCE:
            return None
        numbers = self._numbers
        size = max(1, math.ceil(len(numbers) * self.interval / SWEEP_SECONDS))
        begin = self._swept % len(numbers)
        self._swept = begin + size
        part = (numbers + numbers)[begin : begin + min(size, len(numbers))]
        again, self._recheck = self._recheck, set()
        return part + [number for number in again if number in self._inodes and number not in part]

    def _is_isolated_otherwise(self, now: float) -> bool:
        """Whether other CPUs are isolated than before; looked at once a minute, since nobody
        announces it.
        """
        if now - self._isolation_at < ISOLATION_SECONDS:
            return False
        self._isolation_at = now
        before, self._isolation = self._isolation, self._host.isolation()
        return before != self._isolation

    def _census_seconds(self) -> float:
        """What nobody announces is found within this time: settings of queues, and IRQs of a host
        without events.
        """
        return CENSUS_SECONDS if len(self._numbers) <= FEW else BIG_CENSUS_SECONDS

    def _work(self, pulse: Pulse) -> dict[int, int]:
        """Packets by IRQ, of those whose queue counts them."""
        packets = pulse.packets
        if not packets:
            return {}
        found: dict[int, int] = {}
        for number, keys in self._counters.items():
            try:
                found[number] = sum([packets[key] for key in keys])
            except KeyError:
                continue
        return found

    def _squeeze(self, before: Pulse, pulse: Pulse) -> None:
        """Times a second that each CPU's softirqs had too little time, over the last minutes."""
        if pulse.squeezed is before.squeezed and not self._squeezed:
            return
        seconds = max(0.001, pulse.time - before.time)
        fresh = {}
        for cpu, count in pulse.squeezed.items():
            rate = max(0, count - before.squeezed.get(cpu, count)) / seconds
            smooth = self._squeezed.get(cpu, 0.0)
            smooth += SQUEEZE_ALPHA * (rate - smooth)
            if smooth > 1e-3:
                fresh[cpu] = smooth
        self._squeezed = fresh

    def snapshot(
        self, ledger: Ledger, overrides: Iterable[Override], sweep: bool = False
    ) -> Snapshot:
        """The host as it is known now, without ending an interval. `sweep`: every mask is read
        first.
        """
        assert self._census is not None and self._pulse is not None
        if sweep:
            found = self._host.masks(self._numbers)
            changed = {
                number: mask
                for number, (mask, _) in found.items()
                if mask != self._affinities[number]
            }
            self._set_masks(changed)
            # The next cycle must not rest on a plan that was made before: it finds these masks
            # known.
            self._stirred |= bool(changed)
        return self._snapshot(self._pulse, ledger, tuple(overrides))

    def measured(self, window: Measured) -> int:
        """Take over what the kernel measured of each IRQ. Returns how many IRQs' costs are measured
        now.
        """
        places = []
        for facts in () if self._census is None else self._census.irqs:
            where = self._start.get(facts.number, CpuSet())
            if len(where) == 1:
                places.append(
                    (
                        facts.number,
                        facts.action.count(",") + 1,
                        where.first,
                        self._kind(facts.number),
                    )
                )
        return self.meter.measured(window, places)

    def _kind(self, number: int) -> str:
        """As `exact` has it: whose softirqs do this IRQ's work."""
        queue = self._queues.get(number)
        return "" if queue is None else "block" if queue.kind == "io" else "net"

    @property
    def totals(self) -> dict[int, int]:
        """Interrupts since each IRQ was set up, modulo 2**32, by number, as of the last pulse."""
        return {} if self._pulse is None else self._pulse.totals

    def restart_interval(self, outcomes: Iterable[Outcome]) -> None:
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
            pulse = self._host.pulse(masks)
        except HostError:
            return
        self._recheck |= set(masks)
        for number, mask in masks.items():
            effective = self._start.get(number, CpuSet())
            self.meter.moved(effective | mask if len(mask) == 1 else effective)
            # With one CPU the next interrupt goes there; with several the kernel chooses, unless it
            # need not move at all.
            self._start[number] = (
                mask if len(mask) == 1 else effective if effective <= mask else CpuSet()
            )
        self._advance(pulse)

    def set_queues(self, queues: dict[int, Queue]) -> None:
        """Queues that policies identified, for the next snapshot and for everybody who looks."""
        self._taught.update(queues)

    def facts(self) -> dict[str, int]:
        """The present number of every IRQ by identity."""
        return {identity: life.number for identity, life in self._lives.by_identity.items()}

    def masks(self) -> dict[str, tuple[CpuSet, int]]:
        """The mask of every IRQ by identity, as last read, and the inode of its folder."""
        if self._census is None:
            return {}
        return {
            self._lives.identities[facts.number]: (facts.affinity, facts.inode)
            for facts in self._census.irqs
        }

    def _fallen(self, before: Pulse, pulse: Pulse) -> set[int]:
        totals = pulse.totals
        if list(totals) == list(before.totals) and not any(
            map(lt, totals.values(), before.totals.values())
        ):
            return set()
        less = [
            number for number, total in before.totals.items() if totals.get(number, total) < total
        ]
        seconds = pulse.time - before.time
        return {number for number in less if fell(before.totals[number], totals[number], seconds)}

    def _take_census(self, renewed: set[int]) -> bool:
        """Read everything, and tell one life of an IRQ from the next. Returns whether anything is
        not as it was known to be.
        """
        census, topology = self._host.census(), self._host.topology()
        differs = (
            topology != self._topology
            or self._census is None
            or _settled(census) != _settled(self._census)
        )
        self.skipped_rows = census.skipped_rows
        self._devices = {
            number: device for device in reversed(topology.devices) for number in device.irqs
        }
        known = bool(self._lives.identities)
        changed, anew = self._lives.take(census.irqs, self._devices, renewed)
        for number in anew:
            self._start.pop(number, None)
        if known and changed:
            self._settling_until = max(self._settling_until, self._cycle + SETTLING_CYCLES - 1)
        if changed:
            self._taught = {
                number: queue
                for number, queue in self._taught.items()
                if number in self._lives.identities
            }
        self._census, self._topology = census, topology
        self._numbers = [facts.number for facts in census.irqs]
        self._inodes = {facts.number: facts.inode for facts in census.irqs}
        self._affinities = {facts.number: facts.affinity for facts in census.irqs}
        for facts in census.irqs:
            self._seen[facts.number] = facts.effective
            self._start.setdefault(facts.number, facts.effective)
        self._identify(census, topology)
        return differs or changed

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
        groups = {facts.number: self._group(facts) for facts in census.irqs}
        keys = {
            life.number: (f"{identity}#{life.generation}", groups[life.number])
            for identity, life in self._lives.by_identity.items()
        }
        if keys != self._keys:
            self._keys = keys
        self._counters = {
            number: counters(queue) for number, queue in self._queues.items() if queue.kind != "io"
        }

    def _group(self, facts: IrqFacts) -> str:
        """IRQs of one kind, whose cost an interrupt is taken to be alike until more is known."""
        device, queue = self._devices.get(facts.number), self._queues.get(facts.number)
        if device is None:
            return _DIGITS.sub("N", facts.action)
        return (
            f"{device.driver}/{queue.kind if queue is not None else _DIGITS.sub('N', facts.action)}"
        )

    def _sweep(self, part: list[int] | None) -> tuple[bool, bool]:
        """Look at masks for somebody else's changes. Returns whether an IRQ was set up anew
        meanwhile, and whether any mask changed.
        """
        numbers = self._numbers if part is None else part
        found = self._host.masks(numbers)
        inodes, known = self._inodes, self._affinities
        if len(found) < len(set(numbers)) or any(
            inode != inodes[number] for number, (_, inode) in found.items()
        ):
            return True, False
        changed = {number: mask for number, (mask, _) in found.items() if mask != known[number]}
        self._set_masks(changed)
        return False, bool(changed)

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
        self._affinities.update(masks)

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
        self._seen.update(pulse.effective)

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
        return msgspec.structs.replace(
            cpu,
            online=online,
            irq_time=irq,
            softirq_time=softirq,
            squeezed=self._squeezed.get(cpu.number, 0.0),
            threads=self.meter.threads.of_cpu.get(cpu.number, 0.0),
        )

    def _irq(self, facts: IrqFacts, pulse: Pulse, ledger: Ledger) -> Irq:
        number = facts.number
        identity = self._lives.identities[number]
        device = self._devices.get(number)
        load, noise = self.meter.load(number)
        entry = ledger.entries.get(identity)
        placed = None
        if entry is not None and entry.written is not None:
            placed = Placed(
                entry.policy,
                entry.reason,
                CpuSet.parse(entry.written),
                max(0.0, pulse.time - entry.since),
            )
        return Irq(
            number,
            identity,
            facts.action,
            facts.chip,
            facts.vector,
            None if device is None else device.address,
            self._queues.get(number) or self._taught.get(number),
            facts.node,
            self._lives.by_identity[identity].generation,
            facts.unmovable,
            facts.affinity,
            self._seen.get(number) or facts.effective,
            facts.hint,
            self.meter.rate(number),
            load,
            noise,
            placed,
        )


def _settled(census: Census) -> tuple[object, ...]:
    """All of a census but when it was, and what moves by itself: where the kernel delivers, which
    pulses follow.
    """
    nowhere = CpuSet()
    return (
        census.default_affinity,
        census.skipped_rows,
        *(msgspec.structs.replace(facts, effective=nowhere) for facts in census.irqs),
    )
