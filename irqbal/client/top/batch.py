"""`irqbal-client top -b`: readings as text or JSON, without a terminal and without Textual."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import msgspec
from rich.console import Console
from rich.text import Text

from irqbal.api.contract import responses
from irqbal.client.cli import tables
from irqbal.client.cli.session import Session
from irqbal.client.http import DaemonUnreachable, RequestRefused, Unreadable
from irqbal.client.retry import TEMPORARY, pause_after
from irqbal.client.top import bars, head, rows
from irqbal.client.top.connection import TopConnection
from irqbal.client.top.feed import pause_between
from irqbal.client.top.options import TopOptions
from irqbal.client.top.reading import Reading, StateReader
from irqbal.render.charset import shows_unicode, to_ascii
from irqbal.render.console import console, echo_json, plain
from irqbal.render.tables import Column, print_rows
from irqbal.wire import to_json


class BatchReading(msgspec.Struct, frozen=True):
    """A reading in JSON: the API's answers, with the busiest CPUs and IRQs first. `findings` is
    null if the daemon has none.
    """

    status: responses.Status
    findings: responses.FindingsAnswer | None
    cpus: Sequence[responses.CpuView]
    irqs: Sequence[responses.IrqView]


def run(session: Session, options: TopOptions) -> int:
    """Print readings until there are enough; returns the exit status. Raises DaemonUnreachable or
    RequestRefused if the first one fails.
    """
    reader = StateReader(
        TopConnection(session.client, lambda text: session.say(f"irqbal-client: {text}"))
    )
    show: Callable[[Reading, bool], None] = _json if session.form == "json" else _text
    left, failures, begun = options.count, 0, False
    try:
        while True:
            try:
                reading = reader.read()
            except (DaemonUnreachable, RequestRefused) as error:
                # A first reading that fails is an error; a daemon that was lost is tried again.
                if not begun or isinstance(error, Unreadable) or not _may_pass(error):
                    raise
                if failures == 0:
                    session.say(f"irqbal-client: {error}; waiting for it to come back")
                time.sleep(pause_after(failures))
                failures += 1
                continue
            show(reading, begun)
            failures, begun = 0, True
            left = None if left is None else left - 1
            if left == 0:
                return 0
            time.sleep(pause_between(reading, options.delay))
    except KeyboardInterrupt:
        # Ctrl-C is how a user ends this command, so it is not a failure.
        return 0


def _may_pass(error: DaemonUnreachable | RequestRefused) -> bool:
    return not isinstance(error, RequestRefused) or error.status in TEMPORARY


def _ranked(reading: Reading) -> tuple[Sequence[responses.CpuView], Sequence[responses.IrqView]]:
    """CPUs and IRQs, the busiest first; offline CPUs stand last."""
    offline = [cpu for cpu in reading.cpus if not cpu.online]
    return [*bars.busiest(reading.cpus), *offline], rows.ordered(reading.irqs, "load", False)


def _json(reading: Reading, again: bool) -> None:
    cpus, irqs = _ranked(reading)
    echo_json(to_json(BatchReading(reading.status, reading.findings, cpus, irqs)))


def _text(reading: Reading, again: bool) -> None:
    out = console()
    ascii_only = not shows_unicode(sys.stdout)
    cpus, irqs = _ranked(reading)
    with out.capture() as captured:
        if again:
            out.print()
        _head(out, reading)
        out.print()
        tables.cpus(out, cpus)
        out.print()
        _irqs(out, irqs)
    text = captured.get()
    out.out(to_ascii(text) if ascii_only else text, end="", highlight=False)


def _head(out: Console, reading: Reading) -> None:
    status, findings = reading.status, reading.findings
    measured = None if status.last is None else status.last.measured
    now = [] if measured is None else [(tables.when(measured), "")]
    for parts in (
        [*head.state_parts(status), *now],
        head.cycle_parts(status, reading.age),
    ):
        out.print(Text(head.GAP).join([Text(plain(part), style) for part, style in parts]))
    if findings is not None:
        line = Text(findings.verdict.upper(), head.STYLES.get(findings.verdict, "bold"))
        out.print(line + Text(f"  {plain(findings.sentence)}"))
        for item in findings.findings:
            tables.say(out, f"  {'!' if item.severity == 'warning' else '-'} {item.text}")


def _irqs(out: Console, irqs: Sequence[responses.IrqView]) -> None:
    columns = [
        Column(column.head, right=column.right, wrap=bool(column.least), drop=column.drop)
        for column in rows.COLUMNS
    ]
    print_rows(out, columns, [[column.text(irq) for column in rows.COLUMNS] for irq in irqs])
