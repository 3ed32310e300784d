"""What an archive of a host must not contain, and what replaces it.

The kernel's command line is cut to the parameters that concern CPUs and interrupts, `/proc/stat` to
the lines that irqbal reads; the boot's id is replaced; MAC addresses, UUIDs, WWNs and IP addresses,
which can be part of the names of interfaces and devices, become numbers, and so do interfaces'
names that people gave.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable

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
    # Ethernet has six bytes, InfiniBand twenty.
    r"|(?P<mac>(?<![0-9a-fA-F:])[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5,19}(?![0-9a-fA-F]|:[0-9a-fA-F]))"
    r"|(?P<dashed>(?<![0-9a-fA-F])(?<![0-9a-fA-F]-)[0-9a-fA-F]{2}(?:-[0-9a-fA-F]{2}){5}(?![0-9a-fA-F]|-[0-9a-fA-F]))"
    r"|(?P<dotted>(?<![0-9a-fA-F.])[0-9a-fA-F]{4}(?:\.[0-9a-fA-F]{4}){2}(?![0-9a-fA-F.]))"
    # systemd's name for an interface that has no better one than its MAC address
    # (systemd.net-naming-scheme(7)): Ethernet, wireless, wireless WAN, InfiniBand, serial line.
    r"|(?<=enx)(?P<name>[0-9a-f]{12})(?![0-9a-f])"
    r"|(?<=(?:wlx|wwx|ibx|slx))(?P<other>[0-9a-f]{12})(?![0-9a-f])"
    # Without any mark: a count of interrupts has no letters.
    r"|(?<![0-9A-Za-z])(?=[0-9]*[a-fA-F])(?=[a-fA-F]*[0-9])(?P<bare>[0-9a-fA-F]{12})(?![0-9A-Za-z])"
    # A WWN or GUID of a port.
    r"|(?<![0-9A-Za-z])(?:0x)?(?=[0-9]*[a-fA-F])(?P<wwn>[0-9a-fA-F]{16}(?:[0-9a-fA-F]{16})?)(?![0-9A-Za-z])"
    r"|(?<![0-9A-Za-z.])(?P<ip4>(?:[0-9]{1,3}\.){3}[0-9]{1,3})(?![0-9A-Za-z]|\.[0-9])"
    # What has two colons; whether it is an IPv6 address is looked at.
    r"|(?<![0-9A-Za-z:.])(?P<ip6>(?=[0-9a-fA-F]*:[0-9a-fA-F]*:)[0-9a-fA-F:]{3,39})(?![0-9A-Za-z:]|\.[0-9])",
    re.ASCII,
)
_OWN_NAMES = re.compile(
    # The kernel's own drivers number their interfaces; VLANs of them have a number behind a dot.
    r"(?:lo|(?:eth|wlan|wwan|usb|ib|bond|team|br|dummy|ifb|tun|tap|veth|sit|gre|gretap|erspan|"
    r"tunl|ip6tnl|ip_vti|ip6_vti|ip6gre|macvlan|macvtap|ipvlan|vlan|vxlan|geneve|nlmon|can|vcan|"
    r"ppp|sl|hsr|wpan|rename|eth_d|virbr|docker|cni)[0-9]+"
    # systemd's, of the place of the hardware (systemd.net-naming-scheme(7)).
    r"|(?:en|ib|sl|wl|ww)(?:[bcdfopPrsuv][0-9]+|n[a-z]{0,2}[0-9][0-9a-z]{0,5}|i[0-9]+|x[0-9a-f]{12})+)"
    r"(?:\.[0-9]{1,4})?",
    re.ASCII,
)
"""Names of interfaces that say nothing of their owner."""
_WORDS = frozenset(
    {"irq", "cpu", "timer", "node", "net", "rx", "tx", "input", "output", "queue"}
    | {"edge", "level", "pci", "msi", "msix", "apic", "fasteoi", "acpi"}
)
"""Words that an interface's name might be, and that stand in other places too."""


class Scrubber:
    """Replaces addresses, UUIDs and names that people gave by numbers: each always by the same one;
    MAC addresses and UUIDs are as long as the originals, so that columns stay in place.
    """

    def __init__(self, interfaces: Iterable[str] = ()) -> None:
        """`interfaces` are the names of all interfaces: `net1` and so on stand for those that
        people gave.
        """
        self._numbers: dict[str, str] = {}
        given = sorted(name for name in interfaces if not _OWN_NAMES.fullmatch(name))
        self._interfaces = {name: f"net{number}" for number, name in enumerate(given, 1)}
        long = [re.escape(name) for name in given if len(name) > 2 and name not in _WORDS]
        # The longest first: one name may begin another.
        names = "|".join(sorted(long, key=len, reverse=True))
        self._given = (
            re.compile(rf"(?<![0-9A-Za-z])(?:{names})(?![0-9A-Za-z])", re.ASCII) if names else None
        )

    def path(self, path: str) -> str:
        """A path without them."""
        parts = path.split("/")
        for at, part in enumerate(parts):
            head, mark, name = part.partition("_")
            if at and parts[at - 1] == "net":
                parts[at] = self._interfaces.get(part, part)
            elif head in ("upper", "lower") and mark:
                parts[at] = f"{head}_{self._interfaces.get(name, name)}"
        return _SECRET.sub(self._number, "/".join(parts))

    def text(self, text: str) -> str:
        """The text without them."""
        if self._given is not None:
            text = self._given.sub(lambda match: self._interfaces[match[0]], text)
        return _SECRET.sub(self._number, text)

    def data(self, data: bytes) -> bytes:
        """The same for a file's bytes."""
        return self.text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def _number(self, match: re.Match[str]) -> str:
        if match[0] == BOOT_ID:
            return BOOT_ID
        if match["ip6"] and not _is_ip6(match[0]):
            return match[0]
        # An address is the same in every spelling.
        plain = re.sub("[:.-]", "", match[0].lower())
        number = self._numbers.setdefault(plain, str(len(self._numbers) + 1))
        if match["uuid"]:
            return f"00000000-0000-0000-0000-{number:>012}"
        if match["ip4"]:
            return f"0.0.0.{number}"
        if match["ip6"]:
            return f"::{number}"
        if match["wwn"]:
            return f"{number:>016}"
        digits = f"{number:>012}"
        if match["dotted"]:
            return ".".join(digits[i : i + 4] for i in range(0, 12, 4))
        mark = ":" if match["mac"] else "-" if match["dashed"] else ""
        return mark.join(digits[i : i + 2] for i in range(0, 12, 2))


def _is_ip6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


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
