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


STYLES = {"well": "bold green", "look": "bold black on yellow", "act": "bold white on red"}
"""Of each verdict's word."""


class HeadState(msgspec.Struct, frozen=True, kw_only=True):
    """What the head says. `target` is the daemon's address. `silence`: for how long the daemon
    tells nothing, and why; empty if it does. `age`: that of an old measurement in seconds;
    else 0.
    """

    target: str
    status: responses.Status | None = None
    findings: responses.FindingsAnswer | None = None
    silence: str = ""
    age: float = 0.0


def head(state: HeadState, width: int) -> Text:
    """Two lines of `width` columns, and a third one with the verdict if there is one."""
    if state.status is None:
        parts = [(f"irqbal at {plain(state.target)}", "bold"), ("waiting for the daemon", "")]
        lines = [_line(parts, width), Text()]
    else:
        lines = [
            _line(state_parts(state.status), width),
            _line(cycle_parts(state.status, state.age), width),
        ]
    if state.silence:
        lines[1] = Text(
            plain(state.silence),
            "bold white on red",
            no_wrap=True,
            overflow="ellipsis",
        )
        lines[1].truncate(width, overflow="ellipsis")
    if state.findings is not None:
        lines.append(_verdict(state.findings, width))
    return Text("\n").join(lines)


def _verdict(answer: responses.FindingsAnswer, width: int) -> Text:
    """The verdict's word and sentence. The sentence is cut, not left out."""
    line = Text(f" {plain(answer.verdict).upper()} ", STYLES.get(answer.verdict, "bold"))
    line.no_wrap = True
    line.append(f" {plain(answer.sentence)}", "")
    if answer.count:
        hint = f"   f lists {answer.count}"
        if line.cell_len + len(hint) <= width:
            line.append(hint, "bold")
    line.truncate(width, overflow="ellipsis")
    return line


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


def state_parts(status: responses.Status) -> list[tuple[str, str]]:
    """The host and its daemon: parts of a line, each with its style."""
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


def cycle_parts(status: responses.Status, age: float) -> list[tuple[str, str]]:
    """The last cycle: parts of a line, each with its style. `age` in seconds of an old measurement;
    else 0.
    """
    last = status.last
    parts: list[tuple[str, str]] = []
    if age:
        parts.append((f"measured {age:.0f} s ago", "bold black on yellow"))
    if last is not None and last.problem:
        parts.append((f"problem: {last.problem}", "bold red"))
    parts += [(f"{one.policy} is set aside: {one.reason}", "red") for one in status.aside]
    if last is None:
        return [*parts, ("no cycle yet", "")]
    return [
        *parts,
        (f"busiest CPU {last.busiest * 100:.1f} %", ""),
        (f"{last.imbalance:.2f} times the least possible", ""),
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


class KeyHint(msgspec.Struct, frozen=True):
    """A key and what it does. On a narrow terminal those with the highest `drop` are left out
    first. `where`: the panes in which it stands; empty: all.
    """

    key: str
    word: str
    drop: int = 0
    where: frozenset[str] = frozenset()


_IRQS, _OTHERS = frozenset({"irqs"}), frozenset({"nics", "decisions"})
KEYS = (
    KeyHint("?", "help"),
    KeyHint("f", "to do", 1),
    KeyHint("i", "IRQs", 0, _OTHERS),
    KeyHint("/", "find", 1, _IRQS),
    KeyHint("s", "sort", 2, _IRQS),
    KeyHint("r", "flip", 6, _IRQS),
    KeyHint("enter", "why", 4, _IRQS),
    KeyHint("enter", "its IRQ", 4, _OTHERS),
    KeyHint("o", "override", 3),
    KeyHint("c", "clear", 5),
    KeyHint("p", "pause", 1),
    KeyHint("n", "NICs", 1),
    KeyHint("d", "decisions", 1),
    KeyHint("t", "tree", 2),
    KeyHint("q", "quit"),
)


def keys(paused: bool, pane: str, width: int) -> Text:
    """The keys that fit, on one line."""
    gap = 1 if width < 90 else 3
    shown = [
        msgspec.structs.replace(hint, word="resume") if hint.key == "p" and paused else hint
        for hint in KEYS
        if not hint.where or pane in hint.where
    ]
    while _width(shown, gap) > width and any(hint.drop for hint in shown):
        shown.remove(max(shown, key=lambda hint: hint.drop))
    text = Text(no_wrap=True)
    for hint in shown:
        if text.plain:
            text.append(" " * gap)
        text.append(hint.key, "bold cyan").append(f" {hint.word}")
    return text


def _width(hints: list[KeyHint], gap: int) -> int:
    return sum(len(hint.key) + 1 + len(hint.word) for hint in hints) + gap * (len(hints) - 1)
