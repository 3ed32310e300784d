"""The API's answers about a small host, as the client gets them."""

from __future__ import annotations

from typing import Any

import msgspec

from irqbal.api.contract import responses
from irqbal.api.examples import STATUS
from irqbal.cpuset import CpuSet
from irqbal.wire import Duration, Moment


def queue(name: str, index: int, kind: str = "rxtx") -> responses.QueueView:
    """A queue that is in use."""
    return responses.QueueView(name, index, kind, active=True)


def irq(number: int, *queues: responses.QueueView, **changes: Any) -> responses.IrqView:
    """A movable IRQ on CPU 0, local and quiet, with these fields changed."""
    fields: dict[str, Any] = {
        "number": number,
        "identity": f"x/{number}",
        "name": f"irq{number}",
        "chip": "PCI-MSI",
        "vector": number,
        "device": "0000:01:00.0",
        "queue": queues[0] if len(queues) == 1 else None,
        "queues": queues,
        "evidence": "netlink" if queues else "",
        "node": 0,
        "generation": 1,
        "movable": True,
        "unmovable": "",
        "affinity": CpuSet.parse("0"),
        "effective": CpuSet.parse("0"),
        "hint": CpuSet(),
        "rate": 0.0,
        "load": 0.0,
        "local": True,
        "policy": "",
        "reason": "",
        "placed_ago": None,
        "override": False,
        "total": 0,
    }
    return responses.IrqView(**{**fields, **changes})


def cpu(number: int, node: int = 0, load: float = 0.0) -> responses.CpuView:
    """An online CPU, each a core of its own."""
    return responses.CpuView(
        number, node, node, number, node, CpuSet([number]), 1024, True, "", load, 0.0, load, 0.0, 0
    )


def device(
    *interfaces: responses.InterfaceView, irqs: tuple[int, ...], **changes: Any
) -> responses.DeviceView:
    """A NIC on node 0 with these interfaces and IRQs."""
    fields: dict[str, Any] = {
        "address": "0000:01:00.0",
        "driver": "ice",
        "node": 0,
        "local_cpus": CpuSet.parse("0-1"),
        "disks": (),
        "rate": 0.0,
        "load": 0.0,
    }
    return responses.DeviceView(interfaces=interfaces, irqs=irqs, **{**fields, **changes})


def status(interval: float = 1.0, measured: float | None = None) -> responses.Status:
    """The status of a daemon that balances; `measured`: of its last cycle; None: it ran none."""
    last = None
    if measured is not None:
        assert STATUS.last is not None
        at = Moment(measured)
        last = msgspec.structs.replace(
            STATUS.last, cycle=7, at=at, measured=at, right=1, imbalance=1.0, busiest=0.5
        )
    return msgspec.structs.replace(
        STATUS,
        host="made",
        interval=Duration(interval),
        cpus=2,
        irqs=1,
        policies=("spread_by_rate",),
        last=last,
    )


def findings(*items: responses.FindingItem, verdict: str = "act") -> responses.FindingsAnswer:
    """An answer with these findings."""
    return responses.FindingsAnswer(verdict, "A sentence.", Moment(0), len(items), items)


def finding(code: str, kind: str, subject: str, irq: int | None = None) -> responses.FindingItem:
    """A warning."""
    return responses.FindingItem(code, "warning", kind, subject, irq, f"{subject}!", "mend it")


def decision(cycle: int, kind: str, irq: int | None, **changes: Any) -> responses.DecisionView:
    """A decision of a cycle, done."""
    fields: dict[str, Any] = {
        "at": Moment(1000.0 + cycle),
        "identity": f"x/{irq}",
        "name": f"irq{irq}",
        "policy": "spread_by_rate",
        "code": "",
        "before": "0",
        "after": "1",
        "result": "written",
        "reason": "why",
        "who": "",
        "done": True,
        "clock": "",
    }
    return responses.DecisionView(cycle=cycle, kind=kind, irq=irq, **{**fields, **changes})
