"""Which queue an IRQ serves, from its action's name: one pattern for each family of drivers.

A pattern is matched against the IRQs of one device only. Network patterns need a network interface
on that device, or one in the name itself: `virtio4-input` can be an entropy device, `virtio3-rx`
vsock. Sources: the drivers' request_irq calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from irqbal.model.view import Device, Interface, Queue, QueueKind

_KINDS: dict[str, QueueKind] = {
    "txrx": "rxtx",
    "tx-rx": "rxtx",
    "rxtx": "rxtx",
    "fp": "rxtx",
    "rx": "rx",
    "tx": "tx",
    "input": "rx",
    "output": "tx",
}


class _Pattern(NamedTuple):
    """`drivers` is a description; the regex alone decides. `kind` returns (kind, queue) of a match,
    given the number of matches on the same device.
    """

    drivers: str
    regex: re.Pattern[str]
    kind: Callable[[re.Match[str], int], tuple[QueueKind, int]]


def _by_word(match: re.Match[str], count: int) -> tuple[QueueKind, int]:
    return _KINDS[match["kind"].lower()], int(match["index"])


def _combined(match: re.Match[str], count: int) -> tuple[QueueKind, int]:
    return "rxtx", int(match["index"])


def _halves(match: re.Match[str], count: int) -> tuple[QueueKind, int]:
    """gve: the first half of the blocks serves Tx queues, the second half Rx queues."""
    index, half = int(match["index"]), count // 2
    return ("tx", index) if index < half else ("rx", index - half)


def _pattern(
    drivers: str, regex: str, kind: Callable[[re.Match[str], int], tuple[QueueKind, int]]
) -> _Pattern:
    return _Pattern(drivers, re.compile(regex, re.ASCII), kind)


NETWORK = (
    _pattern(
        "hns3", r"hns3-(?P<pci>[0-9a-f:.]+)-(?P<kind>TxRx|Tx|Rx)-(?P<index>\d{1,5})", _by_word
    ),
    _pattern(
        "i40e ice idpf iavf",
        r"(?:i40e|ice|idpf|iavf)-(?P<interface>.+)-(?P<kind>TxRx|rx|tx)-(?P<index>\d{1,5})",
        _by_word,
    ),
    _pattern(
        "igb igc ixgbe bnxt", r"(?P<interface>.+)-(?P<kind>TxRx|rx|tx)-(?P<index>\d{1,5})", _by_word
    ),
    _pattern("ena", r"(?P<interface>.+)-(?P<kind>Tx-Rx)-(?P<index>\d{1,5})", _by_word),
    _pattern("vmxnet3 nfp otx2", r"(?P<interface>.+)-(?P<kind>rxtx)-(?P<index>\d{1,5})", _by_word),
    _pattern("qede", r"(?P<interface>.+)-(?P<kind>fp)-(?P<index>\d{1,5})", _by_word),
    _pattern("xen-netfront", r"(?P<interface>.+)-q(?P<index>\d{1,5})-(?P<kind>rx|tx)", _by_word),
    _pattern("mlx5", r"mlx5_comp(?P<index>\d{1,5})(?:@pci:(?P<pci>\S+))?", _combined),
    _pattern("mlx4", r"mlx4-(?P<index>\d{1,5})@(?:pci:)?(?P<pci>\S+)", _combined),
    _pattern("gve", r"(?P<interface>.+)-ntfy-block\.(?P<index>\d{1,5})", _halves),
    _pattern("gve", r"gve-ntfy-blk(?P<index>\d{1,5})@pci:(?P<pci>\S+)", _halves),
    _pattern("mana", r"mana_q(?P<index>\d{1,5})@pci:(?P<pci>\S+)", _combined),
    _pattern("virtio_net", r"virtio\d+-(?P<kind>input|output)\.(?P<index>\d{1,5})", _by_word),
)
"""Patterns of network drivers; the first that matches wins, so specific ones come first."""

STORAGE = (
    _pattern("nvme", r"(?P<disk>nvme\d+)q(?P<index>\d{1,5})", _combined),
    _pattern("mpt3sas", r"(?P<disk>mpt[23]sas\d+)-msix(?P<index>\d{1,5})", _combined),
    _pattern("megaraid_sas", r"(?P<disk>megasas\d+)-msix(?P<index>\d{1,5})", _combined),
    _pattern("virtio-blk", r"(?P<disk>virtio\d+)-req\.(?P<index>\d{1,5})", _combined),
)
"""Patterns of storage drivers."""

_BY_RANK = frozenset({"mlx4"})
"""Drivers whose index counts from 1 or has gaps: the queue's number is the vector's rank among
those of its device.
"""


def counters(queue: Queue) -> tuple[tuple[str, str, int], ...]:
    """The packet counters of a NIC queue, as (interface, `rx` or `tx`, queue)."""
    ways = {"rx": ("rx",), "tx": ("tx",), "rxtx": ("rx", "tx")}.get(queue.kind, ())
    return tuple((queue.name, way, queue.index) for way in ways)


def identify(
    device: Device, actions: Mapping[int, str], interfaces: Mapping[str, Interface]
) -> dict[int, Queue]:
    """The queues of one device: IRQ number -> queue. `actions` are the names of this device's IRQs,
    by number.
    """
    found: dict[int, Queue] = {}
    for pattern in NETWORK:
        matches = {
            number: match
            for number, action in actions.items()
            if (match := pattern.regex.fullmatch(action))
        }
        matches = {number: match for number, match in matches.items() if number not in found}
        ranked = sorted(matches, key=lambda number: int(matches[number]["index"]))
        for rank, number in enumerate(ranked):
            match = matches[number]
            name = _interface(device, match.groupdict().get("interface"), interfaces)
            if name is None:
                continue
            kind, index = pattern.kind(match, len(matches))
            index = rank if pattern.drivers in _BY_RANK else index
            found[number] = Queue(name, index, kind, _active(interfaces.get(name), kind, index))
    if not device.interfaces:
        _identify_storage(device, actions, found)
    return found


def identify_platform(
    actions: Mapping[int, str], interfaces: Mapping[str, Interface]
) -> dict[int, Queue]:
    """The queues of IRQs without a PCI device (xen-netfront, SoC NICs): IRQ number -> queue. The
    name must hold an interface that has no PCI device either.
    """
    found: dict[int, Queue] = {}
    for number, action in actions.items():
        for pattern in NETWORK:
            match = pattern.regex.fullmatch(action)
            name = None if match is None else match.groupdict().get("interface")
            if (
                match is None
                or name is None
                or name not in interfaces
                or interfaces[name].device is not None
            ):
                continue
            kind, index = pattern.kind(match, 0)
            found[number] = Queue(name, index, kind, _active(interfaces[name], kind, index))
            break
    return found


def _identify_storage(device: Device, actions: Mapping[int, str], found: dict[int, Queue]) -> None:
    for number, action in actions.items():
        for pattern in STORAGE:
            match = pattern.regex.fullmatch(action)
            # Queue 0 of nvme is the admin queue.
            if match is None or (pattern.drivers == "nvme" and match["index"] == "0"):
                continue
            if pattern.drivers == "virtio-blk" and not device.disks:
                continue
            found[number] = Queue(match["disk"], int(match["index"]), "io")


def _interface(
    device: Device, named: str | None, interfaces: Mapping[str, Interface]
) -> str | None:
    """The interface to which a match belongs: the device's own, even if it was renamed after the
    IRQ was requested. None if it cannot be known.
    """
    own: Sequence[str] = device.interfaces
    if named is not None and named in own:
        return named
    if len(own) == 1:
        return own[0]
    if own:
        # The device has several ports. Without a name in the action it is the first one's, as the
        # driver counts; a name that is none of theirs is an old one of any of them.
        return own[0] if named is None else None
    # The NIC is in another network namespace. The action may hold its name; it must not be the name
    # of a NIC in this one.
    return named if named is not None and named not in interfaces else None


def _active(interface: Interface | None, kind: QueueKind, index: int) -> bool:
    """Whether a queue is in use: queues beyond `ethtool -L` keep their IRQs, and
    /sys/class/net/IF/queues holds only the active ones.
    """
    if interface is None or not (interface.tx or interface.rx):
        return True
    if kind == "rx":
        return index < len(interface.rx)
    if kind == "tx":
        return index < len(interface.tx)
    return index < max(len(interface.rx), len(interface.tx))
