"""Answers as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from irqbal.api.contract import responses
from irqbal.render.text import Column, plain, print_rows
from irqbal.wire import Moment

_NUMBER = Column("IRQ", right=True)
_NAME = Column("NAME", wrap=True)


def when(moment: float | None) -> str:
    """To the second; a dash for never."""
    return "-" if moment is None else f"{str(Moment(moment))[:19]}Z"


def say(out: Console, text: str, style: str | None = None) -> None:
    """A line; what it holds from others is made harmless."""
    out.print(plain(text), style=style)


def number(irq: int | None) -> str:
    """An IRQ's number, or a dash for one that is not there."""
    return "-" if irq is None else str(irq)


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
        else ("heard of", f"{when(item.started)}, through its history alone: no daemon told more"),
        ("host", f"{item.cpus} CPUs, {item.irqs} IRQs, {item.overrides} overrides"),
        ("policies", f"{', '.join(item.policies) or 'none'}, every {item.interval}"),
        *((("made up", f"no real host: {item.simulated}"),) if item.simulated else ()),
        *(("set aside", f"{failure.policy}: {failure.reason}") for failure in item.aside),
        ("last cycle", "none yet" if item.last is None else _summary(item.last)),
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
        f"right, {last.refused} refused; "
        f"busiest CPU {last.busiest * 100:.1f} %, imbalance {last.imbalance:.2f}"
    )


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
            item.policy or ("-" if item.movable else "unmovable"),
            item.reason or item.unmovable,
        )
        for item in items
    ]
    print_rows(out, columns, rows)


def cpus(out: Console, items: Sequence[responses.CpuView]) -> None:
    """CPUs with their places and loads."""
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
    """PCI devices, and what hangs below them."""
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


def explanation(out: Console, item: responses.Explanation) -> None:
    """Why one IRQ is where it is."""
    irq = item.irq
    queue = "" if irq.queue is None else f" ({irq.queue.name}/{irq.queue.kind}/{irq.queue.index})"
    say(out, f"IRQ {irq.number}: {irq.name}{queue}", "bold")
    say(out, f"  identity   {irq.identity}, generation {irq.generation}")
    say(
        out,
        f"  affinity   {irq.affinity}, effective {irq.effective or '-'}, "
        f"{'local' if irq.local else 'not local'} to its device",
    )
    say(out, f"  rate       {irq.rate:.1f} interrupts/s, load {irq.load * 100:.2f} % of a CPU")
    say(out, f"  movable    {'yes' if irq.movable else 'no: ' + irq.unmovable}")
    if irq.policy:
        ago = "" if irq.placed_ago is None else f", {float(irq.placed_ago):.0f} s ago"
        say(out, f"  placed     by {irq.policy}{ago}: {irq.reason}")
    if item.override is not None:
        mine = item.override
        say(
            out,
            f"  override   {mine.cpus} by {mine.who}, until "
            f"{when(mine.expires) if mine.expires else 'removed'}: {mine.reason or '-'}",
        )
    if not item.steps:
        if not irq.policy:
            say(out, "  No limit binds it and no policy claims it: irqbal leaves it as it is.")
        return
    columns = (
        Column("POLICY"),
        Column("STEP"),
        Column("CPUS", wrap=True),
        Column("REASON", wrap=True),
    )
    print_rows(
        out,
        columns,
        [
            (step.policy, step.what, "-" if step.cpus is None else str(step.cpus), step.reason)
            for step in item.steps
        ],
    )


def cycle(out: Console, item: responses.Cycle) -> None:
    """Moves, steering, refusals and notes of a cycle or a dry run."""
    kind = "dry run" if item.dry_run else "cycle"
    say(
        out,
        f"{kind} {item.cycle} ({item.cause}) at {when(item.at)}, {item.seconds * 1000:.1f} ms",
        "bold",
    )
    if item.moves:
        columns = (
            _NUMBER,
            _NAME,
            Column("FROM", wrap=True),
            Column("TO", wrap=True),
            Column("POLICY", drop=2),
            Column("REASON", wrap=True),
            Column("RESULT", wrap=True, drop=1),
        )
        print_rows(
            out,
            columns,
            [
                (
                    str(move.irq),
                    move.name,
                    str(move.before),
                    str(move.after),
                    move.policy,
                    move.reason,
                    move.detail or move.result,
                )
                for move in item.moves
            ],
        )
    if item.default is not None:
        say(
            out,
            f"default_smp_affinity: {item.default.before} -> {item.default.after} "
            f"({item.default.reason})",
        )
    if item.steering:
        columns = (
            Column("SETTING"),
            Column("INTERFACE"),
            Column("QUEUE", right=True),
            Column("FROM", wrap=True),
            Column("TO", wrap=True),
            Column("REASON", wrap=True),
            Column("RESULT", wrap=True, drop=1),
        )
        print_rows(
            out,
            columns,
            [
                (
                    one.setting,
                    one.interface,
                    str(one.queue),
                    one.before or "-",
                    one.after or "-",
                    one.reason,
                    one.detail or one.result,
                )
                for one in item.steering
            ],
        )
    _rest(out, item)


def _rest(out: Console, item: responses.Cycle) -> None:
    if item.refused:
        columns = (
            _NUMBER,
            _NAME,
            Column("POLICY", drop=1),
            Column("REFUSED BECAUSE", wrap=True),
            Column("ADVICE", wrap=True),
        )
        print_rows(
            out,
            columns,
            [(number(no.irq), no.name, no.policy, no.reason, no.advice) for no in item.refused],
        )
    for failure in item.failures:
        say(
            out,
            f"policy {failure.policy} failed{', and is set aside' if failure.aside else ''}: "
            f"{failure.reason}",
            "red",
        )
    for note in item.notes:
        say(out, f"{note.policy}: {note.text}" + (f" ({note.advice})" if note.advice else ""))
    if item.problem:
        say(out, f"problem: {item.problem}", "red")
    say(
        out,
        f"{len(item.moves)} to move, {len(item.steering)} settings, {item.right} right already, "
        f"{len(item.refused)} refused.",
    )


def overrides(out: Console, items: Sequence[responses.OverrideView]) -> None:
    """What people decided."""
    if not items:
        say(out, "There are no overrides.")
        return
    columns = (
        _NUMBER,
        _NAME,
        Column("CPUS", wrap=True),
        Column("UNTIL"),
        Column("BY", wrap=True, drop=1),
        Column("REASON", wrap=True),
    )
    rows = [
        (
            number(item.irq),
            item.name,
            str(item.cpus),
            when(item.expires) if item.expires else "removed",
            item.who,
            item.reason,
        )
        for item in items
    ]
    print_rows(out, columns, rows)


def decisions(out: Console, items: Sequence[responses.DecisionView]) -> None:
    """What was decided, the oldest first, so that the newest stands above the prompt."""
    if not items:
        say(out, "Nothing was decided in that time.")
        return
    columns = (
        Column("TIME"),
        Column("KIND"),
        Column("IRQ", right=True, drop=3),
        Column("ABOUT", wrap=True),
        Column("CHANGE", wrap=True),
        Column("RESULT", drop=2),
        Column("BY", wrap=True, drop=1),
        Column("REASON", wrap=True),
    )
    rows = [
        (
            when(item.at),
            item.kind,
            number(item.irq),
            item.name or item.identity,
            f"{item.before or '-'} -> {item.after or '-'}" if item.before or item.after else "",
            item.result,
            item.who or item.policy,
            item.reason,
        )
        for item in reversed(items)
    ]
    print_rows(out, columns, rows)


def policies(out: Console, items: Sequence[responses.PolicyView]) -> None:
    """Installed policies, the enabled ones first and in order."""
    from irqbal.client.cli.csv_table import cell

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
    """Hosts that this server can tell about."""
    columns = (
        Column("HOST"),
        Column("LAST HEARD OF"),
        Column("STATE"),
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


def findings(out: Console, items: Sequence[responses.FindingView]) -> None:
    """What is not as it should be, host by host."""
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
    say(out, f"{len(items)} findings on {len({item.host for item in items})} hosts.")


def restored(out: Console, item: responses.RestoreAnswer) -> None:
    """What was put back."""
    if not item.outcomes:
        say(out, "Nothing to restore: irqbal has changed nothing since boot. It is paused now.")
        return
    columns = (
        _NUMBER,
        Column("WHAT", wrap=True),
        Column("RESULT"),
        Column("NOW", wrap=True),
        Column("DETAIL", wrap=True),
    )
    print_rows(
        out,
        columns,
        [
            (number(one.irq), one.identity, one.result, one.found or "-", one.detail)
            for one in item.outcomes
        ],
    )
    say(out, "irqbal is paused until it is resumed or restarted.")
