"""NICs as rows: each interface, and below it its queues with their IRQs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from irqbal.api.contract import responses
from irqbal.client.top.fitting import FittedColumn
from irqbal.client.top.groups import GroupedRow
from irqbal.client.top.reading import Reading
from irqbal.client.top.rows import cpus_text, rate_text

Irq = responses.IrqView
Device = responses.DeviceView
Interface = responses.InterfaceView

COLUMNS = (
    FittedColumn(key="queue", head="QUEUE", least=8, most=24, ends=True),
    FittedColumn(key="irq", head="IRQ", right=True),
    FittedColumn(key="cpus", head="CPUS", least=5, most=20),
    FittedColumn(key="on", head="ON", least=3, most=12),
    FittedColumn(key="node", head="NODE", right=True, drop=1),
    FittedColumn(key="rate", head="RATE/S", right=True),
    FittedColumn(key="load", head="LOAD %", right=True),
    FittedColumn(key="xps", head="XPS", least=5, most=20, drop=2),
    FittedColumn(key="rps", head="RPS", least=4, most=20, drop=3),
    FittedColumn(key="remarks", head="REMARKS", least=8, most=80, free=True),
)


def nic_rows(reading: Reading) -> list[GroupedRow]:
    """Every interface of the reading's devices, in their order."""
    irqs = {irq.number: irq for irq in reading.irqs}
    nodes = {cpu.number: cpu.node for cpu in reading.cpus}
    unknown = _unrecognised(reading.findings)
    rows: list[GroupedRow] = []
    for device in reading.devices or ():
        own = [irqs[number] for number in device.irqs if number in irqs]
        for place, interface in enumerate(device.interfaces):
            serving = [irq for irq in own if any(q.name == interface.name for q in irq.queues)]
            # An IRQ without a queue may be anybody's on a device with several interfaces.
            others = [irq for irq in own if not irq.queues] if place == 0 else []
            lost = interface.name in unknown
            rows.append(_title(device, interface, serving, lost))
            rows += _queue_rows(device, interface, serving, nodes)
            for irq in others:
                remark = "not recognised" if lost and irq.rate > 0 else "no queue"
                rows.append(_row(device, interface, irq, "-", "", "", nodes, [remark]))
    return rows


def nics_summary(reading: Reading) -> str:
    """How many interfaces and queues there are, in words."""
    names = [one.name for device in reading.devices or () for one in device.interfaces]
    queues = sum(queue.name in names for irq in reading.irqs for queue in irq.queues)
    return f"{len(names)} interfaces, {queues} queues with an IRQ"


def _unrecognised(findings: responses.FindingsAnswer | None) -> set[str]:
    """Interfaces whose queues irqbal does not recognise."""
    return {
        item.subject
        for item in (() if findings is None else findings.findings)
        if item.code == "unknown-queues"
    }


def _title(device: Device, interface: Interface, serving: Sequence[Irq], lost: bool) -> GroupedRow:
    parts = [
        interface.name,
        *(("! queues not recognised",) if lost else ()),
        *(() if interface.up else ("down",)),
        f"node {device.node}" if device.node >= 0 else "no node",
        f"{rate_text(sum(irq.rate for irq in serving))}/s",
        f"{sum(irq.load for irq in serving) * 100:.2f} %",
        f"{len(interface.rx)} rx and {len(interface.tx)} tx queues, {len(serving)} IRQs",
        f"{device.driver or 'no driver'} {device.address}",
    ]
    style = "red" if lost else "" if interface.up else "dim"
    return GroupedRow(key=interface.name, title="  ".join(parts), style=style)


def _queue_rows(
    device: Device, interface: Interface, serving: Sequence[Irq], nodes: Mapping[int, int]
) -> Iterator[GroupedRow]:
    first = {
        irq.number: min((q.index, q.kind) for q in irq.queues if q.name == interface.name)
        for irq in serving
    }
    seen: set[tuple[str, int]] = set()
    for irq in sorted(serving, key=lambda irq: (first[irq.number], irq.number)):
        queues = [queue for queue in irq.queues if queue.name == interface.name]
        sends = {queue.index for queue in queues if "tx" in queue.kind}
        takes = {queue.index for queue in queues if "rx" in queue.kind}
        seen |= {("tx", index) for index in sends} | {("rx", index) for index in takes}
        name = ",".join(f"{queue.kind}-{queue.index}" for queue in queues)
        remarks = [] if any(queue.active for queue in queues) else ["not in use"]
        xps = _joined(_xps(interface, index) for index in sorted(sends))
        rps = _joined(_rps(interface, index) for index in sorted(takes))
        yield _row(device, interface, irq, name, xps, rps, nodes, remarks)
    # What has no IRQ of its own is steered all the same.
    for index in range(len(interface.tx)):
        if ("tx", index) not in seen and (xps := _xps(interface, index)):
            yield _plain_row(interface, f"tx-{index}", xps, "")
    for index in range(len(interface.rx)):
        if ("rx", index) not in seen and (rps := _rps(interface, index)):
            yield _plain_row(interface, f"rx-{index}", "", rps)


def _xps(interface: Interface, index: int) -> str:
    if index >= len(interface.tx):
        return ""
    queue = interface.tx[index]
    return "by rx queue" if queue.by_rxqs else str(queue.xps or "")


def _rps(interface: Interface, index: int) -> str:
    return str(interface.rx[index].rps or "") if index < len(interface.rx) else ""


def _joined(texts: Iterator[str]) -> str:
    return " ".join(text for text in texts if text)


def _row(
    device: Device,
    interface: Interface,
    irq: Irq,
    queue: str,
    xps: str,
    rps: str,
    nodes: Mapping[int, int],
    remarks: list[str],
) -> GroupedRow:
    on = irq.effective or irq.affinity
    there = sorted({nodes[cpu] for cpu in on if cpu in nodes})
    remote = not irq.local and irq.rate > 0
    words = [
        *([f"! remote: its NIC is on node {device.node}"] if remote else []),
        *remarks,
        *(["override"] if irq.override else []),
        *([] if irq.movable else [f"cannot be moved: {irq.unmovable}"]),
    ]
    return GroupedRow(
        key=(interface.name, irq.number),
        cells=(
            f"  {queue}",
            str(irq.number),
            cpus_text(irq.affinity) or "-",
            cpus_text(irq.effective) or "-",
            ",".join(map(str, there)) or "-",
            rate_text(irq.rate),
            f"{irq.load * 100:.2f}",
            xps or "-",
            rps or "-",
            "; ".join(words),
        ),
        irq=irq.number,
        style="yellow" if remote else "dim" if queue == "-" else "",
    )


def _plain_row(interface: Interface, queue: str, xps: str, rps: str) -> GroupedRow:
    """A queue without an IRQ of its own."""
    cells = (f"  {queue}", "-", "-", "-", "-", "-", "-", xps or "-", rps or "-", "no IRQ")
    return GroupedRow(key=(interface.name, queue), cells=cells, style="dim")
