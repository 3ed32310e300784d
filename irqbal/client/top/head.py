"""The lines above and below: what the daemon does, what the table shows, which keys there are.
Pure.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text

from irqbal.api.contract import responses
from irqbal.client.cli.tables import when
from irqbal.client.top import rows
from irqbal.render.text import plain

GAP = "   "
__all__ = ["about", "head", "keys", "plain"]


def head(status: responses.Status | None, away: str, target: str, width: int) -> Text:
    """Two lines. `away` says since when the daemon is silent, and why."""
    if status is None:
        first, second = (
            _line(
                [(f"irqbal at {plain(target)}", "bold"), ("waiting for the daemon …", "")], width
            ),
            Text(),
        )
    else:
        first, second = _line(_first(status), width), _line(_second(status), width)
    if away:
        second = Text(
            plain(f"DAEMON AWAY {away}"), "bold white on red", no_wrap=True, overflow="ellipsis"
        )
        second.truncate(width, overflow="ellipsis")
    return Text("\n").join([first, second])


def _line(parts: list[tuple[str, str]], width: int) -> Text:
    """As many of these as there is room for, the first one in any case."""
    text = Text(no_wrap=True)
    for said, style in parts:
        words = plain(said)
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
    well = status.state == "balancing"
    overrides = f"{status.overrides} override{'' if status.overrides == 1 else 's'}"
    return [
        (status.host, "bold"),
        (status.state + until, "bold green" if well else "bold black on yellow"),
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


def about(shown: int, count: int, words: str, key: str, reverse: bool) -> Text:
    """What the table shows."""
    order = (
        f"by {rows.BY_KEY[key].head}, {'largest' if rows.falls(key, reverse) else 'smallest'} first"
    )
    if words.strip():
        return Text(
            f"{shown} of {count} IRQs hold “{plain(words.strip())}” (escape: all), {order}",
            no_wrap=True,
            overflow="ellipsis",
        )
    return Text(f"{count} IRQs {order}", "dim", no_wrap=True, overflow="ellipsis")


KEYS = (
    ("?", "help"),
    ("/", "find"),
    ("s", "sort"),
    ("r", "turn"),
    ("enter", "why"),
    ("o", "override"),
    ("c", "clear"),
    ("p", "pause"),
    ("t", "tree"),
    ("q", "quit"),
)


def keys(paused: bool, width: int) -> Text:
    """The keys, those that fit."""
    text = Text(no_wrap=True)
    gap = 1 if width < 90 else 3
    for key, usual in KEYS:
        word = "resume" if key == "p" and paused else usual
        if text.plain:
            text.append(" " * gap)
        text.append(key, "bold cyan").append(f" {word}")
    return text
