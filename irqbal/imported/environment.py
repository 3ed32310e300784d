"""Reading irqbalance's configuration: an EnvironmentFile such as /etc/default/irqbalance, with the
command's options in one of its variables.

Facts from irqbalance 1.9.4, cputree.c (setup_banned_cpus): BANNED_CPUS is asked before
BANNED_CPULIST, an empty one counts as not set, and without both, isolated and nohz_full CPUs are
banned. From irqbalance(1): IRQBALANCE_ONESHOT has effect as soon as it is set, even to nothing.
"""

from __future__ import annotations

import getopt
import re
import shlex
from collections.abc import Iterable, Mapping

import msgspec

from irqbal.cpuset import CpuSet

ARGUMENTS = ("IRQBALANCE_ARGS", "IRQBALANCE_OPTS", "OPTIONS", "IRQBALANCE_OPTIONS")
"""Variables that hold the command's options: Debian's and Fedora's, Gentoo's, and those of older
releases.
"""
COMMAND = "ExecStart"
"""Stands for the options that a unit starts irqbalance with."""
# The options as getopt(3) wants them, and the long name of each short one.
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


class EnvironmentLine(msgspec.Struct, frozen=True):
    """A variable that the file sets, and the line on which it begins. Without a `key`, `value` is a
    line that sets none. `source` names the file if it is not the first one.
    """

    number: int
    key: str
    value: str
    source: str = ""

    @property
    def place(self) -> str:
        """The line, for remarks."""
        return f"{self.source}: line {self.number}" if self.source else f"line {self.number}"


class IrqbalanceSettings(msgspec.Struct):
    """The settings that have an equivalent. `irqs` (numbers) and `modules` (drivers) are banned;
    `scripts` are the policy scripts, of which the last counts; `min_gain` is percent, `interval`
    seconds; `remarks` become comments in the YAML. `understood` is false if any line was not.
    """

    banned: CpuSet | None = None
    interval: int | None = None
    min_gain: int | None = None
    irqs: list[int] = []
    modules: list[str] = []
    scripts: list[str] = []
    remarks: list[str] = []
    understood: bool = True

    def leave_out(self, remark: str) -> None:
        """Note a line that was not understood."""
        self.remarks.append(remark)
        self.understood = False


def parse_environment(text: str) -> list[EnvironmentLine]:
    """The variables that an EnvironmentFile sets. A line that ends in a backslash goes on in the
    next one; one layer of quotes is removed.
    """
    variables = []
    pending, start = "", 0
    raws = text.removeprefix("\ufeff").splitlines()
    for number, raw in enumerate(raws, 1):
        start = start if pending else number
        pending += raw
        if pending.endswith("\\") and number < len(raws):
            pending = pending[:-1]
            continue
        line, pending = pending.removesuffix("\\"), ""
        if line.lstrip().startswith(("#", ";")):
            continue
        match = _LINE.fullmatch(line)
        if match:
            value = match[2].strip()
            if value[:1] in ("'", '"') and value[0] in value[1:]:
                value = value[1 : value.index(value[0], 1)]
            else:
                value = re.split(r"\s#", value, maxsplit=1)[0].strip()
            variables.append(EnvironmentLine(start, match[1], value))
        elif line.strip():
            variables.append(EnvironmentLine(start, "", line.strip()[:80]))
    return variables


def read_settings(lines: Iterable[EnvironmentLine]) -> IrqbalanceSettings:
    """The settings in these variables; if one is set twice, the last line counts."""
    settings = IrqbalanceSettings()
    last: dict[str, EnvironmentLine] = {}
    for line in lines:
        if not line.key:
            settings.leave_out(f"{line.place}: {line.value}: not understood, left out")
            continue
        if line.key in last:
            settings.remarks.append(
                _remark(last[line.key], f"{line.place} sets it again, and that one counts")
            )
        last[line.key] = line
    for line in last.values():
        _read_variable(line, settings, last)
    return settings


def _remark(line: EnvironmentLine, text: str) -> str:
    return f"{line.place}: {line.key}={line.value}: {text}"


def _read_variable(
    line: EnvironmentLine, settings: IrqbalanceSettings, variables: Mapping[str, EnvironmentLine]
) -> None:
    key, value = line.key, line.value
    if key == COMMAND:
        _read_arguments(line, settings)
    elif key in ARGUMENTS:
        if COMMAND in variables and "$" not in variables[COMMAND].value:
            settings.remarks.append(
                _remark(line, f"{variables[COMMAND].place} starts irqbalance without it")
            )
            return
        _read_arguments(line, settings)
    elif key in ("IRQBALANCE_BANNED_CPULIST", "IRQBALANCE_BANNED_CPUS"):
        if not value:
            return
        preferred = variables.get("IRQBALANCE_BANNED_CPUS")
        if key.endswith("LIST") and preferred is not None and preferred.value:
            settings.remarks.append(
                _remark(line, "IRQBALANCE_BANNED_CPUS is set too, and irqbalance follows that one")
            )
            return
        try:
            # OpenShift writes `-` for none.
            settings.banned = (
                CpuSet.parse(value.replace(" ", "").removeprefix("-"))
                if key.endswith("LIST")
                else CpuSet.from_mask(value)
            )
        except ValueError as error:
            settings.leave_out(_remark(line, f"left out: {error}"))
    elif key in ("IRQBALANCE_ONESHOT", "ONESHOT"):
        if key == "ONESHOT" and value.lower() not in ("yes", "1", "true"):
            return
        settings.remarks.append(
            _remark(
                line, "no key does this: run `irqbal apply` once after boot instead of the daemon"
            )
        )
    elif key == "IRQBALANCE_DEBUG":
        settings.remarks.append(_remark(line, "no key does this: `irqbal daemon --debug`"))
    elif key == "ENABLED":
        if value == "0":
            settings.remarks.append(
                _remark(line, "no key does this: do not enable irqbal's service")
            )
    else:
        settings.leave_out(_remark(line, "not understood, left out: no setting of irqbalance"))


def _read_arguments(line: EnvironmentLine, settings: IrqbalanceSettings) -> None:
    try:
        words = [word for word in shlex.split(line.value) if not word.startswith("$")]
        options, rest = getopt.gnu_getopt(words, _SHORT, list(_LONG))
    except (getopt.GetoptError, ValueError) as error:
        settings.leave_out(_remark(line, f"not understood, left out: {error}"))
        return
    for word, value in options:
        read_option(_NAMES.get(word, word.lstrip("-")), value, line.place, settings)
    for word in rest:
        settings.leave_out(
            f"{line.place}: {word}: not understood, left out: no argument of irqbalance"
        )


_WITHOUT_EQUIVALENT = {
    "foreground": "irqbal's daemon always stays in the foreground",
    "journal": "irqbal logs for systemd's journal by itself",
    "pid": "irqbal needs no pid file: `systemctl status irqbal`, and /run/irqbal/lock",
    "version": "it only prints irqbalance's version",
    "debug": "no key does this: `irqbal daemon --debug`",
    "oneshot": "no key does this: run `irqbal apply` once after boot instead of the daemon",
    "deepestcache": "no key does this: spread_by_rate goes by cores, last-level caches and nodes "
    "as the kernel reports them",
    "banscript": "not run: its exit status bans an IRQ; write a rule of pin_irqs with `leave: "
    "true` for each such IRQ",
    "powerthresh": "needs the package irqbal-power (contrib/irqbal-power): add `- power` below, "
    "before spread_by_rate",
}
"""Options that no key replaces, and what to do instead."""
_NUMBERS = {"banirq": (0, 1 << 31), "interval": (1, 3600), "migrateval": (0, 1 << 31)}
"""Options whose value is a number, and the least and the largest that irqbal accepts."""


def read_option(name: str, value: str, place: str, settings: IrqbalanceSettings) -> None:
    """Read one option by its long name into the settings. A remark names the line, `place`, where
    the option has no equivalent.
    """
    shown = f"{place}: --{name}{f'={value}' if value else ''}"
    if name in _NUMBERS:
        low, high = _NUMBERS[name]
        if not (value.isascii() and value.isdecimal() and low <= int(value) <= high):
            settings.leave_out(f"{shown}: left out: {value!r} is not a number from {low} to {high}")
            return
    remark = _take(name, value, settings)
    if remark:
        settings.remarks.append(f"{shown}: {remark}")


def _take(name: str, value: str, settings: IrqbalanceSettings) -> str:
    """Read a valid option. Returns a remark if it has no equivalent, else an empty text."""
    if name == "banirq":
        settings.irqs.append(int(value))
    elif name == "banmod":
        settings.modules.append(value)
    elif name == "policyscript":
        settings.scripts = [value]
    elif name == "interval":
        settings.interval = int(value)
    elif name == "migrateval":
        # 2: an improvement of a half at least, 4: of a quarter; 0: any improvement.
        settings.min_gain = min(100, round(100 / int(value))) if int(value) else 0
    elif name == "hintpolicy":
        return (
            "irqbal ignores drivers' hints"
            if value == "ignore"
            else "no key does this: pin_irqs can place such IRQs by rule"
        )
    else:
        return _WITHOUT_EQUIVALENT[name]
    return ""
