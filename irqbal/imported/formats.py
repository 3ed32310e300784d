"""The files in which irqbalance is configured: an EnvironmentFile, a systemd unit or drop-in,
OpenWrt's UCI file. Each is read into the same settings.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

import msgspec

from irqbal.imported.environment import (
    COMMAND,
    EnvironmentLine,
    IrqbalanceSettings,
    parse_environment,
    read_option,
    read_settings,
)

_UCI = re.compile(
    r"\s*(config|option|list)\s+(?P<name>['\"]?[\w-]+['\"]?)(?:\s+(?P<value>.*\S))?\s*"
)
_SECTION = re.compile(r"\s*\[(?P<name>[^\]]+)\]\s*")
_SECTIONS = ("Unit", "Service", "Install")
"""Sections by which a unit is known."""
_UCI_OPTIONS = ("deepestcache", "interval", "banirq", "banmod", "powerthresh", "hintpolicy")
"""Options of OpenWrt's package that become options of the command
(feeds/packages, utils/irqbalance/files/irqbalance.init).
"""


def read_file(text: str) -> IrqbalanceSettings:
    """The settings of a file, whatever its format."""
    if is_uci(text):
        return _read_uci(text.splitlines())
    return read_settings(read_lines(text))


def read_files(text: str, units: Iterable[tuple[str, str]]) -> IrqbalanceSettings:
    """The settings of the distribution's file and of the unit's own files, as (path, text) in the
    order in which systemd reads them. A variable of the EnvironmentFile outranks one of
    `Environment=` (systemd.exec(5)).
    """
    if is_uci(text):
        return read_file(text)
    found: dict[str, EnvironmentLine] = {}
    others: list[EnvironmentLine] = []
    for path, content in units:
        for line in read_lines(content):
            named = msgspec.structs.replace(line, source=path)
            if line.key:
                found[line.key] = named
            else:
                others.append(named)
    own = list(read_lines(text))
    kept = [line for line in found.values() if all(line.key != one.key for one in own)]
    return read_settings([*kept, *others, *own])


def is_uci(text: str) -> bool:
    """Whether this is OpenWrt's format: a section of type irqbalance."""
    return re.search(r"^\s*config\s+['\"]?irqbalance\b", text, re.MULTILINE) is not None


def read_lines(text: str) -> Iterator[EnvironmentLine]:
    """What an EnvironmentFile, or a unit, sets."""
    heads = (_SECTION.fullmatch(line) for line in text.splitlines())
    if any(head is not None and head["name"] in _SECTIONS for head in heads):
        yield from _unit_lines(text)
    else:
        yield from parse_environment(text)


def _unit_lines(text: str) -> Iterator[EnvironmentLine]:
    """The variables of `Environment=`, and the command's options of `ExecStart=`
    (systemd.exec(5), systemd.service(5)). Later assignments of a variable count; an empty
    `Environment=` forgets those before.
    """
    section = ""
    found: dict[str, EnvironmentLine] = {}
    others: list[EnvironmentLine] = []
    for number, line in _joined(text):
        head = _SECTION.fullmatch(line)
        if head is not None:
            section = head["name"]
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if section != "Service" or not equals or line.lstrip().startswith(("#", ";")):
            continue
        if key == "Environment":
            if not value:
                found = {name: one for name, one in found.items() if name == COMMAND}
            for name, content in _assignments(value):
                found[name] = EnvironmentLine(number, name, content)
        elif key == "ExecStart" and value:
            command, *arguments = _words(value)
            if command.rpartition("/")[2] == "irqbalance":
                found[COMMAND] = EnvironmentLine(number, COMMAND, shlex.join(arguments))
                if any(word.startswith("$") for word in arguments):
                    # shlex would quote the variable's name.
                    plain = " ".join(word for word in arguments if word.startswith("$"))
                    kept = [word for word in arguments if not word.startswith("$")]
                    shown = f"{shlex.join(kept)} {plain}".strip()
                    found[COMMAND] = EnvironmentLine(number, COMMAND, shown)
            else:
                others.append(EnvironmentLine(number, "", line.strip()[:80]))
        elif key in ("UnsetEnvironment", "PassEnvironment"):
            others.append(EnvironmentLine(number, "", line.strip()[:80]))
    yield from others
    yield from found.values()


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """(number of the first line, line), with lines joined that end in a backslash."""
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        start = start if pending else number
        pending += raw
        if pending.endswith("\\"):
            pending = pending[:-1] + " "
            continue
        yield start, pending
        pending = ""
    if pending:
        yield start, pending


def _assignments(value: str) -> Iterator[tuple[str, str]]:
    for word in _words(value):
        name, equals, content = word.partition("=")
        yield name, content if equals else ""


def _words(value: str) -> list[str]:
    try:
        return shlex.split(value.lstrip("@-:+!"))
    except ValueError:
        return value.split()


def _read_uci(lines: list[str]) -> IrqbalanceSettings:
    """OpenWrt's UCI: `option NAME VALUE`, `list NAME VALUE` in a section of type irqbalance."""
    settings = IrqbalanceSettings()
    ours = False
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith(("#", "package ")):
            continue
        match = _UCI.fullmatch(line)
        if match is None:
            settings.leave_out(f"line {number}: {line.strip()[:80]}: not understood, left out")
            continue
        name = match["name"].strip("'\"")
        value = re.sub(r"\s+#.*", "", match["value"] or "").strip("'\"")
        if match[1] == "config":
            ours = name == "irqbalance"
        elif not ours:
            settings.leave_out(f"line {number}: {name}={value}: of another section, left out")
        elif name == "enabled":
            if value in ("0", "no", "off", "false", "disabled"):
                settings.remarks.append(
                    f"line {number}: {name}={value}: no key does this: do not enable irqbal's "
                    "service"
                )
        elif name in _UCI_OPTIONS:
            read_option(name, value, f"line {number}", settings)
        else:
            settings.leave_out(
                f"line {number}: {name}={value}: not understood, left out: no setting of irqbalance"
            )
    return settings
