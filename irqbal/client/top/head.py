"""The lines above and below the table: the daemon's state, what the table shows, the keys. Pure."""

from __future__ import annotations

import msgspec
from rich.cells import cell_len
from rich.text import Text

from irqbal.api.contract import responses
from irqbal.client.cli.tables import when
from irqbal.client.top import rows
from irqbal.render.console import plain

GAP = "   "
"""Between two parts of a line."""


def head(status: responses.Status | None, silence: str, target: str, width: int) -> Text:
    """Two lines of `width` columns. `silence`: for how long the daemon is silent, and why; empty if
    it is not.
    """
    if status is None:
        first, second = (
            _line(
                [(f"irqbal at {plain(target)}", "bold"), ("waiting for the daemon …", "")], width
            ),
            Text(),
        )
    else:
        first, second = _line(_first(status), width), _line(_second(status), width)
    if silence:
        second = Text(
            plain(f"DAEMON SILENT {silence}"),
            "bold white on red",
            no_wrap=True,
            overflow="ellipsis",
        )
        second.truncate(width, overflow="ellipsis")
    return Text("\n").join([first, second])


def _line(parts: list[tuple[str, str]], width: int) -> Text:
    """The parts (text, style) that fit; always the first one."""
    text = Text(no_wrap=True)
    for part, style in parts:
        words = plain(part)
        if text.plain and text.cell_len + len(GAP) + cell_len(words) > width:
            continue
        if text.plain:
            text.append(GAP)
        text.append(words, style)
    text.truncate(width, overflow="ellipsis")
    return text


def _first(status: responses.Status) -> list[tuple[str, str]]:
    until = (
        f" until {when(status.paused_until)}"
        if status.paused and status.paused_until is not None
        else ""
    )
    balancing = status.state == "balancing"
    overrides = f"{status.overrides} override{'' if status.overrides == 1 else 's'}"
    return [
        (status.host, "bold"),
        (status.state + until, "bold green" if balancing else "bold black on yellow"),
        (f"{status.cpus} CPUs, {status.irqs} IRQs", ""),
        (overrides, "magenta" if status.overrides else ""),
        (f"every {status.interval}", ""),
        (f"policies: {', '.join(status.policies) or 'none'}", ""),
    ]


def _second(status: responses.Status) -> list[tuple[str, str]]:
    last = status.last
    parts: list[tuple[str, str]] = []
    if last is not None and last.problem:
        parts.append((f"problem: {last.problem}", "bold red"))
    parts += [(f"{one.policy} is set aside: {one.reason}", "red") for one in status.aside]
    if last is None:
        return [*parts, ("no cycle yet", "")]
    return [
        *parts,
        (f"busiest CPU {last.busiest * 100:.1f} %", ""),
        (f"imbalance {last.imbalance:.2f}", ""),
        (f"cycle {last.cycle}: {last.moves} to move, {last.right} right", ""),
        (f"{last.refused} refused", "yellow" if last.refused else ""),
        (f"({last.cause})", ""),
    ]


class ShownRows(msgspec.Struct, frozen=True, kw_only=True):
    """What the table shows: `shown` of `count` IRQs, which contain `words`, sorted by the column
    `key`.
    """

    shown: int
    count: int
    words: str
    key: str
    reverse: bool


def about(table: ShownRows) -> Text:
    """Which rows the table shows, and their order."""
    first = "largest" if rows.is_descending(table.key, table.reverse) else "smallest"
    order = f"by {rows.BY_KEY[table.key].head}, {first} first"
    words = plain(table.words.strip())
    if words:
        text = f"{table.shown} of {table.count} IRQs contain “{words}” (escape: all), {order}"
        return Text(text, no_wrap=True, overflow="ellipsis")
    return Text(f"{table.count} IRQs {order}", "dim", no_wrap=True, overflow="ellipsis")


KEYS = (
    ("?", "help"),
    ("/", "find"),
    ("s", "sort"),
    ("r", "flip"),
    ("enter", "why"),
    ("o", "override"),
    ("c", "clear"),
    ("p", "pause"),
    ("t", "tree"),
    ("q", "quit"),
)


def keys(paused: bool, width: int) -> Text:
    """The keys, on one line."""
    text = Text(no_wrap=True)
    gap = 1 if width < 90 else 3
    for key, name in KEYS:
        word = "resume" if key == "p" and paused else name
        if text.plain:
            text.append(" " * gap)
        text.append(key, "bold cyan").append(f" {word}")
    return text
