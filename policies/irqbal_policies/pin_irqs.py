"""Places IRQs by rules. A rule selects IRQs by name, queue, device, driver or interface, and gives
them CPUs, a NUMA node, or leaves them alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated

from irqbal import CpuSet, Irq, Meta, Note, Options, Placement, Snapshot, hookimpl


class Rule(Options, frozen=True):
    """Which IRQs (every glob that is set must match), and what becomes of them (one of cpus, node,
    leave).
    """

    irq: Annotated[str, Meta(description="glob over the IRQ's name or number")] = ""
    queue: Annotated[str, Meta(description="glob over the queue, such as eth0/rx-*")] = ""
    device: Annotated[str, Meta(description="glob over the device's PCI address")] = ""
    driver: Annotated[str, Meta(description="glob over the device's driver")] = ""
    interface: Annotated[
        str,
        Meta(
            description="glob over interfaces and disks; a bond, VLAN or bridge stands for what "
            "is below it"
        ),
    ] = ""
    cpus: Annotated[CpuSet | None, Meta(description="the CPUs that they may use")] = None
    node: Annotated[str, Meta(description="local, or a NUMA node's number: its CPUs")] = ""
    leave: Annotated[bool, Meta(description="never touch them")] = False

    def __post_init__(self) -> None:
        if not (self.irq or self.queue or self.device or self.driver or self.interface):
            raise ValueError("a rule needs one of irq, queue, device, driver, interface")
        if (self.cpus is not None) + bool(self.node) + self.leave != 1:
            raise ValueError("a rule needs just one of cpus, node, leave")
        if self.cpus is not None and not self.cpus:
            raise ValueError("cpus is empty; use leave to have IRQs left alone")
        if self.node and self.node != "local" and not self.node.isdecimal():
            raise ValueError(f"node is {self.node!r}; it must be local, or a number")

    def text(self) -> str:
        """The rule's globs, for messages."""
        keys = ("irq", "queue", "device", "driver", "interface")
        return ", ".join(f"{key}: {getattr(self, key)}" for key in keys if getattr(self, key))


class PinIrqs(Options, frozen=True):
    """Options of pin_irqs."""

    rules: Annotated[
        tuple[Rule, ...], Meta(description="the first rule that matches an IRQ counts")
    ] = ()


@hookimpl
def irqbal_options() -> type[PinIrqs]:
    return PinIrqs


@hookimpl
def irqbal_place(snapshot: Snapshot, options: PinIrqs) -> Iterator[Placement | Note]:
    if not options.rules:
        return
    used: set[int] = set()
    for irq in snapshot.irqs:
        for index, rule in enumerate(options.rules):
            if matches(snapshot, irq, rule):
                used.add(index)
                if _lacks_node(snapshot, rule):
                    break
                yield place(snapshot, irq, index, rule)
                break
    for index, rule in enumerate(options.rules):
        if _lacks_node(snapshot, rule):
            yield Note(
                f"rule {index + 1} ({rule.text()}) does nothing: this host has no node {rule.node}",
                advice=f"its nodes are {CpuSet(snapshot.cpus_by_node)}",
            )
        elif index not in used:
            shadowed = any(matches(snapshot, irq, rule) for irq in snapshot.irqs)
            why = "earlier rules match all of its IRQs" if shadowed else "no IRQ matches it"
            yield Note(
                f"rule {index + 1} ({rule.text()}) does nothing: {why}",
                advice="`irqbal topology` lists the names",
            )


def _lacks_node(snapshot: Snapshot, rule: Rule) -> bool:
    """Whether the rule names a node that the host has not, or that has no online CPU."""
    return rule.node.isdecimal() and int(rule.node) not in snapshot.cpus_by_node


def matches(snapshot: Snapshot, irq: Irq, rule: Rule) -> bool:
    """Whether every glob of the rule matches the IRQ."""
    device = snapshot.device_of(irq)
    names = {
        "irq": (str(irq.number), irq.action, *irq.action.split(",")),
        "queue": tuple(name for queue in irq.queues for name in queue.names),
        "device": () if device is None else (device.address,),
        "driver": () if device is None else device.drivers,
    }
    globs = {key: getattr(rule, key) for key in names}
    if rule.interface and not _is_on(snapshot, irq, rule.interface):
        return False
    return all(
        any(fnmatchcase(name, glob) for name in names[key]) for key, glob in globs.items() if glob
    )


def _is_on(snapshot: Snapshot, irq: Irq, glob: str) -> bool:
    """Whether the IRQ is of an interface or disk that the glob matches, or of one below it."""
    device = snapshot.device_of(irq)
    disks = () if device is None else device.disks
    wanted = snapshot.interfaces_like(glob)
    return any(name in wanted for name in snapshot.interfaces_of(irq)) or any(
        fnmatchcase(disk, glob) for disk in disks
    )


def place(snapshot: Snapshot, irq: Irq, index: int, rule: Rule) -> Placement:
    """The placement that the rule gives this IRQ."""
    reason = f"rule {index + 1} ({rule.text()})"
    if rule.leave:
        return Placement(irq.number, None, f"{reason}: leave")
    if rule.cpus is not None:
        return Placement(irq.number, rule.cpus, reason)
    if rule.node == "local":
        where = snapshot.no_node(irq)
        where = f"any node: {where}" if where else "its own node"
        return Placement(irq.number, snapshot.local_cpus(irq), f"{reason}: {where}")
    cpus = snapshot.cpus_by_node.get(int(rule.node), CpuSet())
    return Placement(irq.number, cpus, f"{reason}: node {rule.node}")
