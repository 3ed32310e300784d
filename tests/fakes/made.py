"""Simulated hosts that accept writes, and shorthands for moves on them."""

from __future__ import annotations

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.host import Host
from irqbal.model.plan import Move, Outcome
from irqbal.model.readings import Original
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.spec import parse_spec

SMALL = "1x4x2,nodes=2,l3=2,nic=4x2,nvme=8x1"


def made(
    text: str = SMALL, saved: list[Original] | None = None, beat: float = 10.0
) -> SimulatedHost:
    """A host after its first census. It accepts writes; originals go to `saved`."""
    host = SimulatedHost(
        parse_spec(text), (lambda originals: None) if saved is None else saved.extend, beat
    )
    host.census()
    return host


def number(host: SimulatedHost, action: str) -> int:
    return next(line.number for line in host.state.lines.values() if line.action == action)


def move(host: SimulatedHost, action: str, cpus: str) -> Move:
    irq = number(host, action)
    return Move(irq, action, 1, host.state.lines[irq].mask, CpuSet.parse(cpus), "test", "because")


def write(host: SimulatedHost, action: str, cpus: str, dry_run: bool = False) -> Outcome:
    (outcome,) = host.apply([move(host, action, cpus)], (), None, dry_run)
    return outcome


def readings(host: Host) -> bytes:
    """Everything that can be read from a host, as one value."""
    return msgspec.msgpack.encode(
        [host.topology(), host.census(), host.pulse(), host.counts(), host.boot_id], enc_hook=str
    )
