"""The state of daemons and hosts as tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from irqbal.api.contract import responses
from irqbal.client.cli.csv_table import cell
from irqbal.render.console import plain, to_the_second
from irqbal.render.tables import Column, print_rows

_NUMBER = Column("IRQ", right=True)
_NAME = Column("NAME", wrap=True)


def when(moment: float | None) -> str:
    """A moment to the second; a dash for None."""
    return "-" if moment is None else to_the_second(moment)


def say(out: Console, text: str, style: str | None = None) -> None:
    """Print a line, without characters that control a terminal."""
    out.print(plain(text), style=style)


def number(value: int | None) -> str:
    """A number; a dash for None."""
    return "-" if value is None else str(value)


def _aside(failure: responses.Failure) -> str:
    again = "" if failure.again is None else f"; tried again at {when(failure.again)}"
    return f"{failure.policy}: {failure.reason}{again}"


def status(out: Console, item: responses.Status) -> None:
    """The daemon in a few lines."""
    until = (
        f" until {when(item.paused_until)}" if item.paused and item.paused_until is not None else ""
    )
    say(out, f"{item.host}: {item.state}{until}", "bold")
    history = item.history
    version = ("version", f"{item.version} (API {item.api}), running since {when(item.started)}")
    lines = [
        version
        if item.version
        else ("last seen", f"{when(item.started)}; known from its stored history alone"),
        ("host", f"{item.cpus} CPUs, {item.irqs} IRQs, {item.overrides} overrides"),
        ("policies", f"{', '.join(item.policies) or 'none'}, every {item.interval}"),
        *((("simulated", f"not a real host: {item.simulated}"),) if item.simulated else ()),
        *((("starting", ", ".join(item.starting)),) if item.starting else ()),
        *(("set aside", _aside(failure)) for failure in item.aside),
        ("last cycle", "none yet" if item.last is None else _summary(item.last)),
        *((("load", _load(item.last)),) if item.last is not None else ()),
        (
            "history",
            f"{history.waiting} to write, {history.dropped} lost, {history.outbox} to ship"
            if history.enabled
            else "off",
        ),
    ]
    if item.last is not None and item.last.problem:
        lines.append(("problem", item.last.problem))
    for name, text in lines:
        say(out, f"  {name:<11} {text}")


def _summary(last: responses.Summary) -> str:
    return (
        f"{last.cycle} ({last.cause}) at {when(last.at)}: {last.moves} to move, {last.right} "
        f"right, {last.refused} refused"
    )


def _load(last: responses.Summary) -> str:
    measured = "" if last.measured is None else f"; measured at {when(last.measured)}"
    over = f", {last.imbalance:.2f} times the least possible" if last.imbalance else ""
    return f"busiest CPU {last.busiest * 100:.1f} %{over}{measured}"


def irqs(out: Console, items: Sequence[responses.IrqView]) -> None:
    """IRQs: where each is, how busy, and who placed it."""
    columns = (
        _NUMBER,
        _NAME,
        Column("CPUS", wrap=True),
        Column("ON"),
        Column("RATE/S", right=True),
        Column("LOAD %", right=True),
        Column("DEVICE", drop=3),
        Column("LOCAL", drop=4),
        Column("POLICY", drop=1),
        Column("REASON", wrap=True, drop=5),
    )
    rows = [
        (
            str(item.number),
            item.name,
            str(item.affinity),
            str(item.effective) or "-",
            f"{item.rate:.1f}",
            f"{item.load * 100:.2f}",
            item.device or "-",
            "yes" if item.local else "no",
            _policy(item),
            item.reason or item.unmovable,
        )
        for item in items
    ]
    print_rows(out, columns, rows)


def _policy(item: responses.IrqView) -> str:
    """Who placed an IRQ; what was planned and not done is told as such."""
    if item.planned is not None:
        return f"{item.policy}, would put it on {item.planned}"
    return item.policy or ("-" if item.movable else "unmovable")


def cpus(out: Console, items: Sequence[responses.CpuView]) -> None:
    """CPUs: where each is, and its load."""
    columns = (
        Column("CPU", right=True),
        Column("NODE", right=True),
        Column("CORE", right=True, drop=2),
        Column("L3", right=True, drop=3),
        Column("LOAD %", right=True),
        Column("IRQ %", right=True, drop=4),
        Column("SOFTIRQ %", right=True, drop=4),
        Column("RATE/S", right=True),
        Column("IRQS", right=True),
        Column("STATE", wrap=True),
    )
    rows = [
        (
            str(item.number),
            str(item.node),
            str(item.core),
            str(item.l3),
            f"{item.load * 100:.2f}",
            f"{item.irq_time * 100:.2f}",
            f"{item.softirq_time * 100:.2f}",
            f"{item.rate:.1f}",
            str(item.irqs),
            ("" if item.online else "offline ")
            + (f"isolated by {item.isolated}" if item.isolated else ""),
        )
        for item in items
    ]
    print_rows(out, columns, rows)


def devices(out: Console, items: Sequence[responses.DeviceView]) -> None:
    """PCI devices with their interfaces, disks and IRQs."""
    columns = (
        Column("DEVICE"),
        Column("DRIVER", drop=1),
        Column("NODE", right=True),
        Column("LOCAL CPUS", wrap=True, drop=2),
        Column("INTERFACES AND DISKS", wrap=True),
        Column("IRQS", right=True),
        Column("RATE/S", right=True),
        Column("LOAD %", right=True),
    )
    rows = [
        (
            item.address,
            item.driver or "-",
            "-" if item.node < 0 else str(item.node),
            str(item.local_cpus),
            ", ".join((*(interface.name for interface in item.interfaces), *item.disks)),
            str(len(item.irqs)),
            f"{item.rate:.1f}",
            f"{item.load * 100:.2f}",
        )
        for item in items
    ]
    print_rows(out, columns, rows)


def policies(out: Console, items: Sequence[responses.PolicyView]) -> None:
    """Installed policies, the enabled ones first and in order."""
    columns = (
        Column("#", right=True),
        Column("NAME"),
        Column("OPTIONS", wrap=True),
        Column("ABOUT", wrap=True),
        Column("FROM", wrap=True, drop=1),
    )
    rows = [
        (
            "-" if item.position is None else str(item.position),
            item.name,
            cell(item.options) or ("" if item.enabled else "not enabled"),
            f"PROBLEM: {item.problem}" if item.problem else item.about,
            ", ".join(item.distributions),
        )
        for item in items
    ]
    print_rows(out, columns, rows)


def hosts(out: Console, items: Sequence[responses.HostView]) -> None:
    """The hosts of a central server."""
    columns = (
        Column("HOST"),
        Column("LAST SEEN"),
        Column("STATE"),
        Column("VERDICT"),
        Column("IMBALANCE", right=True),
        Column("BUSIEST %", right=True, drop=2),
        Column("DRIFT", right=True),
        Column("FAILED", right=True),
        Column("REFUSED", right=True, drop=3),
        Column("REMOTE", right=True),
        Column("ISOLATED", right=True),
        Column("CPUS", right=True, drop=4),
        Column("VERSION", drop=1),
    )
    print_rows(
        out,
        columns,
        [
            (
                item.host,
                when(item.seen),
                item.state or "-",
                item.verdict or "-",
                "-" if item.imbalance is None else f"{item.imbalance:.2f}",
                "-" if item.busiest is None else f"{item.busiest * 100:.1f}",
                number(item.drifted),
                number(item.failures),
                number(item.refused),
                number(item.remote),
                number(item.isolated),
                number(item.cpus),
                item.version or "-",
            )
            for item in items
        ],
    )


def host_findings(out: Console, answer: responses.FindingsAnswer) -> None:
    """The verdict on a host, and all that is to do."""
    to_do(out, answer, answer.count)


def to_do(out: Console, answer: responses.FindingsAnswer, most: int) -> None:
    """The verdict on a host, and what to do, the worst first."""
    say(out, f"{answer.verdict.upper()}: {answer.sentence}", "bold")
    for item in answer.findings[:most]:
        say(out, f"  {'!' if item.severity == 'warning' else '-'} {item.text} [{item.code}]")
        if item.advice:
            say(out, f"      {item.advice}")
    left = answer.count - min(most, len(answer.findings))
    if left > 0:
        say(out, f"  and {left} more: irqbal-client HOST PORT findings")


def findings(out: Console, items: Sequence[responses.FindingView]) -> None:
    """Findings, host by host."""
    if not items:
        say(out, "No findings of that kind.")
        return
    columns = (
        Column("HOST"),
        Column("KIND"),
        Column("IRQ", right=True, drop=2),
        Column("WHAT", wrap=True),
        Column("ADVICE", wrap=True, drop=1),
    )
    print_rows(
        out,
        columns,
        [(item.host, item.code, number(item.irq), item.text, item.advice) for item in items],
    )
    hosts_found = len({item.host for item in items})
    say(out, f"{len(items)} findings on {hosts_found} hosts.")
