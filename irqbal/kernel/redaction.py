"""What an archive of a host must not contain, and what replaces it.

The kernel's command line is cut to the parameters that concern CPUs and interrupts, `/proc/stat` to
the lines that irqbal reads; the boot's id is replaced; MAC addresses and UUIDs, which can be part
of the names of interfaces and devices, become numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable

BOOT_ID = "00000000-0000-4000-8000-000000000000"
"""Replaces the boot's own id in every archive."""

_PARAMETERS = frozenset(
    {
        "isolcpus",
        "nohz_full",
        "nohz",
        "rcu_nocbs",
        "rcu_nocb_poll",
        "irqaffinity",
        "threadirqs",
        "noirqbalance",
        "nr_cpus",
        "maxcpus",
        "possible_cpus",
        "nosmt",
        "nosmp",
        "noapic",
        "nolapic",
        "irqpoll",
        "irqfixup",
        "kthread_cpus",
    }
)
_VALUE = re.compile(r"[0-9A-Za-z_,:/+-]*", re.ASCII)
_STAT_LINES = re.compile(rb"cpu|intr |softirq ")
_SECRET = re.compile(
    r"(?P<uuid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
    r"|(?P<mac>(?<![0-9a-fA-F:])[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}(?![0-9a-fA-F:]))"
    r"|(?P<dashed>(?<![0-9a-fA-F-])[0-9a-fA-F]{2}(?:-[0-9a-fA-F]{2}){5}(?![0-9a-fA-F-]))"
    r"|(?P<dotted>(?<![0-9a-fA-F.])[0-9a-fA-F]{4}(?:\.[0-9a-fA-F]{4}){2}(?![0-9a-fA-F.]))"
    # systemd's name for an interface that has no better one than its MAC address
    # (systemd.net-naming-scheme(7)): Ethernet, wireless, wireless WAN, InfiniBand, serial line.
    r"|(?<=enx)(?P<name>[0-9a-f]{12})(?![0-9a-f])"
    r"|(?<=(?:wlx|wwx|ibx|slx))(?P<other>[0-9a-f]{12})(?![0-9a-f])"
    # Without any mark: a count of interrupts has no letters.
    r"|(?<![0-9A-Za-z_])(?=[0-9]*[a-fA-F])(?=[a-fA-F]*[0-9])(?P<bare>[0-9a-fA-F]{12})(?![0-9A-Za-z_])",
    re.ASCII,
)


class Scrubber:
    """Replaces MAC addresses and UUIDs by numbers: each always by the same number, and as long
    as the original, so that columns stay in place.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}

    def text(self, text: str) -> str:
        """The text without addresses and UUIDs."""
        return _SECRET.sub(self._number, text)

    def data(self, data: bytes) -> bytes:
        """The same for a file's bytes."""
        return self.text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def _number(self, match: re.Match[str]) -> str:
        if match[0] == BOOT_ID:
            return BOOT_ID
        # An address is the same in every spelling.
        plain = re.sub("[:.-]", "", match[0].lower())
        number = self._numbers.setdefault(plain, str(len(self._numbers) + 1))
        if match["uuid"]:
            return f"00000000-0000-0000-0000-{number:>012}"
        digits = f"{number:>012}"
        if match["dotted"]:
            return ".".join(digits[i : i + 4] for i in range(0, 12, 4))
        mark = ":" if match["mac"] else "-" if match["dashed"] else ""
        return mark.join(digits[i : i + 2] for i in range(0, 12, 2))


def _parameters(data: bytes) -> bytes:
    """A kernel's command line with the parameters of `_PARAMETERS` alone; what follows ` -- ` is
    init's.
    """
    kept = []
    for word in data.decode("utf-8", "replace").split():
        if word == "--":
            break
        name, _, value = word.partition("=")
        if name in _PARAMETERS and _VALUE.fullmatch(value):
            kept.append(word)
    return f"{' '.join(kept)}\n".encode()


def _stat_lines(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join(line for line in lines if _STAT_LINES.match(line))


REDACTED: dict[str, Callable[[bytes], bytes]] = {
    "proc/cmdline": _parameters,
    "proc/stat": _stat_lines,
    "proc/sys/kernel/random/boot_id": lambda data: f"{BOOT_ID}\n".encode(),
}
"""Functions that redact the content of these files, by path."""
