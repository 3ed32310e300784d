"""Decisions as rows: each cycle, the newest first, and below it what it decided; what failed stands
first. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from irqbal.api.contract import responses
from irqbal.client.cli.control import NOT_DONE
from irqbal.client.cli.tables import number, when
from irqbal.client.top.fitting import FittedColumn
from irqbal.client.top.groups import GroupedRow

Decision = responses.DecisionView

COLUMNS = (
    FittedColumn(key="kind", head="KIND"),
    FittedColumn(key="irq", head="IRQ", right=True),
    FittedColumn(key="about", head="ABOUT", least=10, most=36, ends=True),
    FittedColumn(key="change", head="CHANGE", least=9, most=32, ends=True),
    FittedColumn(key="result", head="RESULT", most=12),
    FittedColumn(key="by", head="BY", least=8, most=24, drop=1),
    FittedColumn(key="reason", head="REASON", least=12, most=160, free=True, drop=2),
)
PLURALS = {
    "move": "moves",
    "steering": "settings of steering",
    "default": "default masks",
    "refusal": "refusals",
    "drift": "drifted masks",
    "failure": "failures",
    "override": "overrides",
    "action": "actions",
}


def failed(item: Decision) -> bool:
    """Whether something did not happen that should have."""
    return item.kind == "failure" or item.result in NOT_DONE


def _rank(item: Decision) -> int:
    if failed(item):
        return 0
    return {"refusal": 1, "drift": 2}.get(item.kind, 3)


def decision_rows(decisions: Sequence[Decision]) -> list[GroupedRow]:
    """Rows of these decisions, which come with the newest first."""
    rows: list[GroupedRow] = []
    for (cycle, at), group in groupby(decisions, key=lambda item: (item.cycle, int(item.at))):
        inside = sorted(group, key=_rank)
        rows.append(_title(cycle, inside))
        seen: Counter[tuple[str, ...]] = Counter()
        for item in inside:
            what = (item.kind, item.identity, item.policy, item.code)
            seen[what] += 1
            rows.append(_row(item, (at, cycle, *what, seen[what])))
    return rows


def decisions_summary(decisions: Sequence[Decision]) -> str:
    """How many decisions there are, in words."""
    bad = sum(map(failed, decisions))
    return f"the newest {len(decisions)} decisions" + (f", {bad} failed" if bad else "")


def _title(cycle: int, inside: Sequence[Decision]) -> GroupedRow:
    kinds = Counter(item.kind for item in inside)
    counts = ", ".join(
        f"{count} {kind if count == 1 else PLURALS.get(kind, kind)}"
        for kind, count in sorted(kinds.items())
    )
    bad = sum(map(failed, inside))
    at = inside[0].at
    doubt = f"  (clock {inside[0].clock})" if inside[0].clock else ""
    title = f"cycle {cycle}  {when(at)}{doubt}  {counts}" + (f"  ! {bad} failed" if bad else "")
    return GroupedRow(key=(int(at), cycle), title=title, style="red" if bad else "")


def _row(item: Decision, key: tuple[object, ...]) -> GroupedRow:
    bad = failed(item)
    change = f"{item.before or '-'} -> {item.after or '-'}" if item.before or item.after else "-"
    return GroupedRow(
        key=key,
        cells=(
            f"{'!' if bad else ' '} {item.kind}",
            number(item.irq),
            item.name or item.identity or "-",
            change,
            item.result or "-",
            item.who or item.policy or "-",
            item.reason,
        ),
        irq=item.irq,
        style="red" if bad else "yellow" if item.kind in ("refusal", "drift") else "",
    )
