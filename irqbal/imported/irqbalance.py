"""irqbalance's configuration (an EnvironmentFile, as /etc/default/irqbalance) read, and written as
irqbal's YAML.

Facts from irqbalance(1): BANNED_CPULIST counts before BANNED_CPUS; without both, isolated and
nohz_full CPUs are banned; IRQBALANCE_ONESHOT counts as soon as it is set, even to nothing.
"""

from __future__ import annotations

import getopt
import glob
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.view import Irq, Snapshot

ARGUMENTS = ("IRQBALANCE_ARGS", "OPTIONS", "IRQBALANCE_OPTIONS")
"""Variables that hold the command's options: Debian's and Fedora's, and those of older releases."""
_SHORT = "odfjVh:p:i:m:b:c:l:s:e:t:"
_LONG = (
    "oneshot",
    "debug",
    "foreground",
    "journal",
    "version",
    "hintpolicy=",
    "powerthresh=",
    "banirq=",
    "banmod=",
    "banscript=",
    "deepestcache=",
    "policyscript=",
    "pid=",
    "migrateval=",
    "interval=",
)
_NAMES = {f"-{name[0]}": name.rstrip("=") for name in _LONG} | {
    "-p": "powerthresh",
    "-i": "banirq",
    "-b": "banscript",
    "-l": "policyscript",
    "-s": "pid",
    "-e": "migrateval",
    "-t": "interval",
    "-c": "deepestcache",
    "-m": "banmod",
    "-d": "debug",
    "-V": "version",
}
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)", re.ASCII | re.DOTALL)


class ConvertedLine(msgspec.Struct, frozen=True):
    """A variable that the file sets."""

    number: int
    key: str
    value: str


class Said(msgspec.Struct, frozen=True):
    """What a policy script said of an IRQ: ban, its balance level, its node (None: nothing)."""

    ban: bool = False
    level: str = ""
    node: int | None = None


class IrqbalanceSettings(msgspec.Struct):
    """What the file asks for, in irqbalance's words; `remarks` are comments for the YAML, `scripts`
    are to be run for each IRQ.
    """

    banned: CpuSet | None = None
    interval: int | None = None
    min_gain: int | None = None
    irqs: list[int] = []
    modules: list[str] = []
    scripts: list[str] = []
    remarks: list[str] = []


def parse_environment(text: str) -> list[ConvertedLine]:
    """The variables that an EnvironmentFile sets; lines that end in a backslash go on, one layer of
    quotes is taken off.
    """
    found = []
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        start = start if pending else number
        pending += raw
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        line, pending = pending, ""
        if line.lstrip().startswith(("#", ";")):
            continue
        match = _LINE.fullmatch(line)
        if match:
            value = match[2].strip()
            if value[:1] in ("'", '"') and value[0] in value[1:]:
                value = value[1 : value.index(value[0], 1)]
            else:
                value = re.split(r"\s#", value, maxsplit=1)[0].strip()
            found.append(ConvertedLine(start, match[1], value))
    return found


def read(lines: Iterable[ConvertedLine]) -> IrqbalanceSettings:
    """What these variables ask for; of one that stands twice the last one counts."""
    asked = IrqbalanceSettings()
    last: dict[str, ConvertedLine] = {}
    for line in lines:
        if line.key in last:
            asked.remarks.append(
                _remark(last[line.key], f"line {line.number} sets it again, and that one counts")
            )
        last[line.key] = line
    for line in last.values():
        _variable(line, asked, last)
    return asked


def _remark(line: ConvertedLine, text: str) -> str:
    return f"line {line.number}: {line.key}={line.value}: {text}"


def _variable(
    line: ConvertedLine, asked: IrqbalanceSettings, all_of_them: Mapping[str, ConvertedLine]
) -> None:
    key, value = line.key, line.value
    if key in ARGUMENTS:
        _arguments(line, asked)
    elif key in ("IRQBALANCE_BANNED_CPULIST", "IRQBALANCE_BANNED_CPUS"):
        if not value:
            return
        better = all_of_them.get("IRQBALANCE_BANNED_CPULIST")
        if key.endswith("CPUS") and better is not None and better.value:
            asked.remarks.append(
                _remark(
                    line, "IRQBALANCE_BANNED_CPULIST is set too, and irqbalance follows that one"
                )
            )
            return
        try:
            # OpenShift writes `-` for none.
            asked.banned = (
                CpuSet.parse(value.replace(" ", "").removeprefix("-"))
                if key.endswith("LIST")
                else CpuSet.from_mask(value)
            )
        except ValueError as error:
            asked.remarks.append(_remark(line, f"left out: {error}"))
    elif key in ("IRQBALANCE_ONESHOT", "ONESHOT"):
        if key == "ONESHOT" and value.lower() not in ("yes", "1", "true"):
            return
        asked.remarks.append(
            _remark(
                line, "no key does this: run `irqbal apply` once after boot instead of the daemon"
            )
        )
    elif key == "IRQBALANCE_DEBUG":
        asked.remarks.append(_remark(line, "no key does this: `irqbal daemon --debug`"))
    elif key == "ENABLED":
        if value == "0":
            asked.remarks.append(_remark(line, "no key does this: do not enable irqbal's service"))
    else:
        asked.remarks.append(_remark(line, "irqbalance does not know it either; left out"))


def _arguments(line: ConvertedLine, asked: IrqbalanceSettings) -> None:
    try:
        options, rest = getopt.gnu_getopt(shlex.split(line.value), _SHORT, list(_LONG))
    except (getopt.GetoptError, ValueError) as error:
        asked.remarks.append(_remark(line, f"not understood, left out: {error}"))
        return
    for word, value in options:
        name = _NAMES.get(word, word.lstrip("-"))
        remark = _option(name, value, asked)
        if remark:
            asked.remarks.append(
                f"line {line.number}: --{name}{f'={value}' if value else ''}: {remark}"
            )
    for word in rest:
        asked.remarks.append(
            f"line {line.number}: {word}: irqbalance takes no such argument; left out"
        )


_NEEDLESS = {
    "foreground": "irqbal's daemon always stays in the foreground",
    "journal": "irqbal logs for systemd's journal by itself",
    "pid": "irqbal needs no pid file: `systemctl status irqbal`, and /run/irqbal/lock",
    "version": "it only prints irqbalance's version",
    "debug": "no key does this: `irqbal daemon --debug`",
    "oneshot": "no key does this: run `irqbal apply` once after boot instead of the daemon",
    "deepestcache": "no key does this: spread_by_rate goes by cores, last-level caches and nodes "
    "as the kernel tells them",
    "banscript": "not run: its exit status bans an IRQ; write a rule of pin_irqs with `leave: "
    "true` for each such IRQ",
    "powerthresh": "needs the package irqbal-power (contrib/irqbal-power): add `- power` below, "
    "before spread_by_rate",
}
_NUMBERS = {"banirq": (0, 1 << 31), "interval": (1, 3600), "migrateval": (0, 1 << 31)}


def _option(name: str, value: str, asked: IrqbalanceSettings) -> str:
    """Take one option; a comment if something is to be said of it."""
    if name in _NUMBERS:
        low, high = _NUMBERS[name]
        if not (value.isascii() and value.isdecimal() and low <= int(value) <= high):
            return f"left out: {value!r} is not a number from {low} to {high}"
    if name == "banirq":
        asked.irqs.append(int(value))
    elif name == "banmod":
        asked.modules.append(value)
    elif name == "policyscript":
        asked.scripts = [value]
    elif name == "interval":
        asked.interval = int(value)
    elif name == "migrateval":
        # 2: an improvement of a half at least, 4: of a quarter; 0: any improvement.
        asked.min_gain = min(100, round(100 / int(value))) if int(value) else 0
    elif name == "hintpolicy":
        return (
            "irqbal ignores drivers' hints"
            if value == "ignore"
            else "no key does this: pin_irqs can place such IRQs by rule"
        )
    else:
        return _NEEDLESS[name]
    return ""


def to_yaml(
    source: str, asked: IrqbalanceSettings, said: Mapping[int, Said], snapshot: Snapshot | None
) -> str:
    """The equivalent configuration. `said` is by IRQ number; without a snapshot IRQs are named by
    number.
    """
    out = [
        f"# From {source}, by `irqbal import-irqbalance`. What has no equivalent stands here as a "
        "comment."
    ]
    out += [f"# {_comment(remark)}" for remark in asked.remarks]
    if asked.interval is not None:
        out.append(f"interval: {asked.interval}s")
    kernel = ""
    if asked.banned is not None:
        out.append(f"banned_cpus: {json.dumps(str(asked.banned))}")
        # With a list of its own, irqbalance does not look for isolated CPUs.
        kernel = (
            ": {kernel: false}  # the list above counts instead of isolcpus and nohz_full, as "
            "with irqbalance"
        )
    rules = [
        f"{rule}  # {_comment(why)}" if why else rule for rule, why in _rules(asked, said, snapshot)
    ]
    gain = "" if asked.min_gain is None else f": {{min_gain: {asked.min_gain}%}}"
    out += ["policies:", f"  - isolate_cores{kernel}"]
    out += (
        ["  - pin_irqs:", "      rules:", *(f"        - {rule}" for rule in rules)]
        if rules
        else ["  - pin_irqs"]
    )
    out += ["  - pin_nic_queues", f"  - spread_by_rate{gain}"]
    return "\n".join(out) + "\n"


def _comment(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _rules(
    asked: IrqbalanceSettings, said: Mapping[int, Said], snapshot: Snapshot | None
) -> list[tuple[str, str]]:
    """Rules of pin_irqs, each with a comment."""
    found: list[tuple[str, str]] = []
    for number in asked.irqs:
        name, why = _named(number, snapshot)
        found.append((f"{{{name}, leave: true}}", f"--banirq={number}{why}"))
    for module in asked.modules:
        pattern = json.dumps(f"*{glob.escape(module)}*")
        found.append((f"{{driver: {pattern}, leave: true}}", f"--banmod={module}"))
        found.append(
            (
                f"{{irq: {pattern}, leave: true}}",
                f"--banmod={module}: irqbalance also looks at the IRQ's name",
            )
        )
    outcomes: dict[int, tuple[str, str]] = {}
    for number, item in said.items():
        if item.ban:
            outcomes[number] = ("leave: true", "the script says ban=true")
        elif item.level == "none":
            outcomes[number] = ("leave: true", "the script says balance_level=none")
        elif item.node is not None and item.node >= 0:
            outcomes[number] = (f"node: {item.node}", f"the script says numa_node={item.node}")
    return found + _merged(outcomes, snapshot)


def _merged(
    outcomes: Mapping[int, tuple[str, str]], snapshot: Snapshot | None
) -> list[tuple[str, str]]:
    """One rule for a device where all of its IRQs come to the same, else one for each IRQ."""
    found: dict[tuple[str, str], None] = {}
    for number, (what, why) in outcomes.items():
        irq = None if snapshot is None else snapshot.irq_by_number.get(number)
        device = None if irq is None or snapshot is None else snapshot.device_of(irq)
        if device is not None and snapshot is not None:
            numbers = [other.number for other in snapshot.irqs if other.device == device.address]
            if len(numbers) > 1 and all(
                outcomes.get(other, ("", ""))[0] == what for other in numbers
            ):
                found[
                    f"{{device: {json.dumps(glob.escape(device.address))}, {what}}}",
                    f"{why}, of all {len(numbers)} IRQs",
                ] = None
                continue
        name, doubt = _named(number, snapshot)
        found[f"{{{name}, {what}}}", why + doubt] = None
    return list(found)


def _named(number: int, snapshot: Snapshot | None) -> tuple[str, str]:
    """(how a rule names this IRQ, what is to be said of it): by name, which outlives a boot; by
    number where that is not enough.
    """
    irq = None if snapshot is None else snapshot.irq_by_number.get(number)
    if irq is None or snapshot is None:
        return (
            f'irq: "{number}"',
            "; no such IRQ here now, so by number, which another boot may change",
        )
    alike = [other for other in snapshot.irqs if other.action == irq.action]
    if len(alike) == 1 and irq.action:
        return f"irq: {_quoted(irq)}", f", IRQ {number}"
    if irq.device is not None and sum(other.device == irq.device for other in alike) == 1:
        return (
            f"irq: {_quoted(irq)}, device: {json.dumps(glob.escape(irq.device))}",
            f", IRQ {number}",
        )
    return (
        f'irq: "{number}"',
        f"; {irq.action} is no name of its own, so by number, which another boot may change",
    )


def _quoted(irq: Irq) -> str:
    return json.dumps(glob.escape(irq.action))


def parse_said(text: str) -> tuple[Said, list[str]]:
    """What a policy script printed, and what of it has no meaning or no equivalent."""
    values: dict[str, Any] = {}
    remarks = []
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        key, value = key.strip().lower(), value.strip()
        low = value.lower()
        if key == "ban" and low in ("true", "false"):
            values["ban"] = low == "true"
        elif key == "balance_level" and low in ("none", "package", "cache", "core"):
            values["level"] = low
            if low != "none":
                remarks.append(
                    f"balance_level={low}: no key does this: spread_by_rate gives each loaded IRQ "
                    "one CPU"
                )
        elif key == "numa_node" and re.fullmatch(r"-1|\d{1,4}", value, re.ASCII):
            values["node"] = int(value)
            if value == "-1":
                remarks.append(
                    "numa_node=-1: no key does this: irqbal goes by the device's own node"
                )
        elif key == "hintpolicy" and equals:
            remarks.append(f"hintpolicy={value}: irqbal ignores drivers' hints")
        elif line.strip():
            remarks.append(f"{line.strip()[:80]!r} is not understood")
    return Said(**values), remarks
