"""One plan, and what became of it: moves, steering, refusals, failures and notes.

`ShownPlan` is what both `irqbal plan` (from a record) and `irqbal-client plan` (from the API's
answer) print.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.text import Text

from irqbal.cpuset import CpuSet
from irqbal.findings.forecast import forecast
from irqbal.model.plan import Failure, Record
from irqbal.model.readings import DEFAULT
from irqbal.model.view import Snapshot
from irqbal.render.console import plain
from irqbal.render.explanation import irq_title
from irqbal.render.forecast import outlook_sentence
from irqbal.render.tables import Column, print_rows

ROOMY = 160
"""Columns of a terminal: from this width on a refusal's advice stands beside it."""
_IRQ = Column("IRQ", right=True, style="bold")
_NAME = Column("NAME", wrap=True)
_FROM = Column("FROM", wrap=True, style="dim")
_TO = Column("TO", wrap=True, style="green")
_POLICY = Column("POLICY", style="cyan")
_REASON = Column("REASON", wrap=True)
_RESULT = Column("RESULT", wrap=True, drop=1)
_RESULT_STYLES = {"written": "green", "unchanged": "green", "dry run": "dim"}
"""Any other result is a failure, and red."""


class ChangeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one change: the outcome's `result` and `detail`; both empty if nothing was
    tried.
    """

    result: str = ""
    detail: str = ""


class MoveLine(ChangeResult, frozen=True, kw_only=True):
    """One mask that changes."""

    irq: int
    name: str
    before: CpuSet
    after: CpuSet
    policy: str
    reason: str


class DefaultLine(ChangeResult, frozen=True, kw_only=True):
    """The change of `default_smp_affinity`, the mask that new IRQs get."""

    before: CpuSet
    after: CpuSet
    reason: str


class SteeringLine(ChangeResult, frozen=True, kw_only=True):
    """One XPS, RPS or RFS setting that changes; values are text as in the kernel's file."""

    setting: str
    interface: str
    queue: int
    before: str
    after: str
    reason: str


class RefusalLine(msgspec.Struct, frozen=True, kw_only=True):
    """One request that was refused; `irq` is None if it was not about an IRQ."""

    irq: int | None
    name: str
    policy: str
    reason: str
    advice: str


class NoteLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy remarks."""

    policy: str
    text: str
    advice: str


class ShownPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All that is printed of a plan. `right` counts the IRQs that are where they should be,
    `outlook` is its forecast in words.
    """

    moves: Sequence[MoveLine]
    default: DefaultLine | None
    steering: Sequence[SteeringLine]
    refused: Sequence[RefusalLine]
    failures: Sequence[Failure]
    notes: Sequence[NoteLine]
    right: int
    dry_run: bool
    problem: str = ""
    outlook: str = ""

    @property
    def tried(self) -> bool:
        """Whether anything was written, or failed to be."""
        return any(item.detail or item.result not in ("", "dry run") for item in self._results())

    @property
    def untouched(self) -> bool:
        """Whether it is certain that nothing was written."""
        return not self.tried and (self.dry_run or not self._results())

    def _results(self) -> list[ChangeResult]:
        return [*self.moves, *self.steering, *([self.default] if self.default else [])]


def print_plan(out: Console, record: Record, snapshot: Snapshot) -> None:
    """The plan of one cycle. `snapshot` names the IRQs."""
    print_shown_plan(out, _shown_plan(record, snapshot))


def _shown_plan(record: Record, snapshot: Snapshot) -> ShownPlan:
    plan = record.plan
    outcomes = {outcome.identity: outcome for outcome in record.outcomes}

    def title(number: int | None) -> str:
        return "" if number is None else irq_title(snapshot.irq_by_number.get(number))

    def result_of(identity: str) -> dict[str, str]:
        outcome = outcomes.get(identity)
        return {} if outcome is None else {"result": outcome.result, "detail": outcome.detail}

    return ShownPlan(
        moves=[
            MoveLine(
                irq=move.irq,
                name=title(move.irq),
                before=move.before,
                after=move.after,
                policy=move.policy,
                reason=move.reason,
                **result_of(move.identity),
            )
            for move in plan.moves
        ],
        default=None
        if plan.default is None
        else DefaultLine(
            before=plan.default.before,
            after=plan.default.after,
            reason=plan.default.reason,
            **result_of(DEFAULT),
        ),
        steering=[
            SteeringLine(
                setting=one.setting,
                interface=one.interface,
                queue=one.queue,
                before=one.before,
                after=one.after,
                reason=one.reason,
                **result_of(one.identity),
            )
            for one in plan.steering
        ],
        refused=[
            RefusalLine(
                irq=refusal.irq,
                name=title(refusal.irq),
                policy=refusal.policy,
                reason=refusal.reason,
                advice=refusal.advice,
            )
            for refusal in plan.refused
        ],
        failures=plan.failures,
        notes=[
            NoteLine(policy=policy, text=note.text, advice=note.advice)
            for policy, note in plan.notes
        ],
        right=len(plan.kept),
        dry_run=record.dry_run,
        problem=record.problem,
        outlook=""
        if record.problem or not record.dry_run
        else outlook_sentence(forecast(snapshot, plan)),
    )


def print_shown_plan(out: Console, plan: ShownPlan) -> None:
    """Moves, steering, refusals, failures and notes, and a line that counts them."""
    if plan.dry_run and plan.untouched and plan.moves:
        out.print("What would be changed; nothing is written:", style="bold")
    _print_moves(out, plan)
    _print_steering(out, plan)
    _print_refusals(out, plan.refused)
    for failure in plan.failures:
        aside = ", and is set aside" if failure.aside else ""
        out.print(plain(f"policy {failure.policy} failed{aside}: {failure.reason}"), style="red")
    for note in plan.notes:
        advice = f" ({note.advice})" if note.advice else ""
        out.print(plain(f"{note.policy}: {note.text}{advice}"))
    if plan.problem:
        out.print(plain(f"problem: {plan.problem}"), style="red")
    if plan.outlook and (plan.moves or plan.steering):
        out.print(plain(plan.outlook))
    moves = _count(len(plan.moves), "move")
    settings = _count(len(plan.steering) + (plan.default is not None), "setting")
    out.print(
        Text.assemble(
            (f"{moves} and {settings}", "bold green" if plan.moves else "bold"),
            " would be made, " if plan.untouched and plan.dry_run else ", ",
            f"{plan.right} right already, ",
            (f"{len(plan.refused)} refused", "yellow" if plan.refused else ""),
            ". Nothing was written." if plan.untouched else ".",
        )
    )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _result_cells(plan: ShownPlan, result: ChangeResult) -> tuple[Text, ...]:
    """The cell of `_RESULT`; none where nothing was tried, as the last line says so once."""
    if not plan.tried:
        return ()
    style = _RESULT_STYLES.get(result.result, "red")
    return (Text(plain(result.detail or result.result), style),)


def _print_moves(out: Console, plan: ShownPlan) -> None:
    if not plan.moves:
        out.print("No IRQ is to be moved.")
        return
    columns = (_IRQ, _NAME, _FROM, _TO, _POLICY, _REASON, *((_RESULT,) if plan.tried else ()))
    rows: list[list[str | Text]] = [
        [
            str(move.irq),
            move.name,
            str(move.before),
            str(move.after),
            move.policy,
            move.reason,
            *_result_cells(plan, move),
        ]
        for move in plan.moves
    ]
    print_rows(out, columns, rows)


def _print_steering(out: Console, plan: ShownPlan) -> None:
    default = plan.default
    if default is not None:
        change = f"{default.before} -> {default.after} ({default.reason})"
        out.print(plain(f"default_smp_affinity: {change}"))
    if not plan.steering:
        return
    out.print()
    columns = (
        Column("SETTING"),
        Column("INTERFACE"),
        Column("QUEUE", right=True, style="bold"),
        _FROM,
        _TO,
        _REASON,
        *((_RESULT,) if plan.tried else ()),
    )
    rows: list[list[str | Text]] = [
        [
            one.setting,
            one.interface,
            str(one.queue),
            one.before or "-",
            one.after or "-",
            one.reason,
            *_result_cells(plan, one),
        ]
        for one in plan.steering
    ]
    print_rows(out, columns, rows)


def _print_refusals(out: Console, refusals: Sequence[RefusalLine]) -> None:
    """On a narrow terminal each advice is a numbered line below the table, printed once."""
    if not refusals:
        return
    out.print()
    advices = list(dict.fromkeys(refusal.advice for refusal in refusals if refusal.advice))
    below = out.width < ROOMY
    rows = []
    for refusal in refusals:
        advice = refusal.advice
        if below and advice:
            advice = f"({advices.index(advice) + 1})"
        number = "" if refusal.irq is None else str(refusal.irq)
        rows.append([number, refusal.name, refusal.policy, refusal.reason, advice])
    because = Column("REFUSED BECAUSE", wrap=True, style="yellow")
    print_rows(out, (_IRQ, _NAME, _POLICY, because, Column("ADVICE", wrap=not below)), rows)
    for index, advice in enumerate(advices if below else ()):
        out.print(f"({index + 1}) {plain(advice)}")
    out.print()
