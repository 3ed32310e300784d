"""What irqbalance's policy scripts print about an IRQ (irqbalance(1), --policyscript)."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Any

import msgspec


class ScriptVerdict(msgspec.Struct, frozen=True):
    """What a policy script decided about one IRQ: whether it is banned, its balance level, and its
    NUMA node (None: not set).
    """

    ban: bool = False
    level: str = ""
    node: int | None = None


class ParsedVerdict(msgspec.Struct, frozen=True):
    """A verdict, and a remark on each line that has no meaning or no equivalent."""

    verdict: ScriptVerdict
    remarks: tuple[str, ...]


def parse_verdict(text: str, nodes: Set[int]) -> ParsedVerdict:
    """Parse a script's output, which is lines of KEY=VALUE. `nodes` are the host's NUMA nodes."""
    values: dict[str, Any] = {}
    remarks = []
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        key, value = key.strip().lower(), value.strip()
        word = value.lower()
        if key == "ban" and word in ("true", "false"):
            values["ban"] = word == "true"
        elif key == "balance_level" and word in ("none", "package", "cache", "core"):
            values["level"] = word
            if word != "none":
                remarks.append(
                    f"balance_level={word}: no key does this: spread_by_rate gives each loaded IRQ "
                    "one CPU"
                )
        elif key == "numa_node" and re.fullmatch(r"-1|\d{1,4}", value, re.ASCII):
            if value != "-1" and int(value) not in nodes:
                remarks.append(f"numa_node={value}: this host has no such node; left out")
                continue
            values["node"] = int(value)
            if value == "-1":
                remarks.append(
                    "numa_node=-1: no key does this: irqbal goes by the device's own node"
                )
        elif key == "hintpolicy" and equals:
            remarks.append(f"hintpolicy={value}: irqbal ignores drivers' hints")
        elif line.strip():
            remarks.append(f"{line.strip()[:80]!r} is not understood")
    return ParsedVerdict(ScriptVerdict(**values), tuple(remarks))
