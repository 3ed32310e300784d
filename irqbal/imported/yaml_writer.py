"""irqbalance's settings as irqbal's YAML."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from irqbal.imported.environment import IrqbalanceSettings
from irqbal.imported.verdicts import ScriptVerdict
from irqbal.model.view import Irq, Snapshot


class ImportedRule(msgspec.Struct, frozen=True):
    """A rule of pin_irqs as YAML, and the comment that says where it comes from."""

    yaml: str
    origin: str

    def __str__(self) -> str:
        return f"{self.yaml}  # {_printable(self.origin)}" if self.origin else self.yaml


class _IrqMatch(msgspec.Struct, frozen=True):
    """The part of a rule that selects an IRQ, and a remark on it."""

    yaml: str
    remark: str


class _Action(msgspec.Struct, frozen=True):
    """The part of a rule that says what becomes of an IRQ, and why."""

    yaml: str
    origin: str


def to_yaml(
    source: str,
    settings: IrqbalanceSettings,
    verdicts: Mapping[int, ScriptVerdict],
    snapshot: Snapshot | None,
) -> str:
    """The equivalent configuration. `source` is the name of irqbalance's file; `verdicts` are by
    IRQ number; without a snapshot IRQs are named by number.
    """
    lines = [
        f"# From {source}, by `irqbal import-irqbalance`. What has no equivalent stands here as a "
        "comment."
    ]
    lines += [f"# {_printable(remark)}" for remark in settings.remarks]
    if settings.interval is not None:
        lines.append(f"interval: {settings.interval}s")
    kernel = ""
    if settings.banned is not None:
        lines.append(f"banned_cpus: {json.dumps(str(settings.banned))}")
        # With a list of its own, irqbalance does not look for isolated CPUs.
        kernel = (
            ": {kernel: false}  # the list above counts instead of isolcpus and nohz_full, as "
            "with irqbalance"
        )
    gain = "" if settings.min_gain is None else f": {{min_gain: {settings.min_gain}%}}"
    rules = [f"        - {rule}" for rule in _rules(settings, verdicts, snapshot)]
    lines += ["policies:", f"  - isolate_cores{kernel}"]
    lines += ["  - pin_irqs:", "      rules:", *rules] if rules else ["  - pin_irqs"]
    lines += ["  - pin_nic_queues", f"  - spread_by_rate{gain}"]
    return "\n".join(lines) + "\n"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _rules(
    settings: IrqbalanceSettings,
    verdicts: Mapping[int, ScriptVerdict],
    snapshot: Snapshot | None,
) -> Iterator[ImportedRule]:
    for number in settings.irqs:
        match = _match(number, snapshot)
        yield ImportedRule(f"{{{match.yaml}, leave: true}}", f"--banirq={number}{match.remark}")
    for module in settings.modules:
        pattern = json.dumps(f"*{glob.escape(module)}*")
        yield ImportedRule(f"{{driver: {pattern}, leave: true}}", f"--banmod={module}")
        yield ImportedRule(
            f"{{irq: {pattern}, leave: true}}",
            f"--banmod={module}: irqbalance also looks at the IRQ's name",
        )
    actions = {
        number: action
        for number, verdict in verdicts.items()
        if (action := _action(verdict)) is not None
    }
    yield from _merged(actions, snapshot)


def _action(verdict: ScriptVerdict) -> _Action | None:
    if verdict.ban:
        return _Action("leave: true", "the script says ban=true")
    if verdict.level == "none":
        return _Action("leave: true", "the script says balance_level=none")
    if verdict.node is not None and verdict.node >= 0:
        return _Action(f"node: {verdict.node}", f"the script says numa_node={verdict.node}")
    return None


def _merged(actions: Mapping[int, _Action], snapshot: Snapshot | None) -> Iterable[ImportedRule]:
    """One rule for a device if the action is the same for all of its IRQs, else one for each
    IRQ.
    """
    rules: dict[ImportedRule, None] = {}
    for number, action in actions.items():
        irq = None if snapshot is None else snapshot.irq_by_number.get(number)
        device = None if irq is None or snapshot is None else snapshot.device_of(irq)
        if device is not None and snapshot is not None:
            numbers = [other.number for other in snapshot.irqs if other.device == device.address]
            same = [other for other in numbers if _yaml_of(actions, other) == action.yaml]
            if len(numbers) > 1 and same == numbers:
                address = json.dumps(glob.escape(device.address))
                rule = ImportedRule(
                    f"{{device: {address}, {action.yaml}}}",
                    f"{action.origin}, of all {len(numbers)} IRQs",
                )
                rules[rule] = None
                continue
        match = _match(number, snapshot)
        rules[ImportedRule(f"{{{match.yaml}, {action.yaml}}}", action.origin + match.remark)] = None
    return rules


def _yaml_of(actions: Mapping[int, _Action], number: int) -> str:
    return actions[number].yaml if number in actions else ""


def _match(number: int, snapshot: Snapshot | None) -> _IrqMatch:
    """How a rule selects this IRQ: by its name, which is the same after a reboot, with its device
    where the name alone is ambiguous; by its number where that is not enough.
    """
    irq = None if snapshot is None else snapshot.irq_by_number.get(number)
    if irq is None or snapshot is None:
        return _IrqMatch(
            f'irq: "{number}"',
            "; no such IRQ here now, so by number, which another boot may change",
        )
    alike = [other for other in snapshot.irqs if other.action == irq.action]
    if len(alike) == 1 and irq.action:
        return _IrqMatch(f"irq: {_quoted(irq)}", f", IRQ {number}")
    if irq.device is not None and sum(other.device == irq.device for other in alike) == 1:
        return _IrqMatch(
            f"irq: {_quoted(irq)}, device: {json.dumps(glob.escape(irq.device))}",
            f", IRQ {number}",
        )
    return _IrqMatch(
        f'irq: "{number}"',
        f"; {irq.action} is no name of its own, so by number, which another boot may change",
    )


def _quoted(irq: Irq) -> str:
    return json.dumps(glob.escape(irq.action))
