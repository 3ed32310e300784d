"""Which vectors of a NIC bear a queue's name, and of which interface. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from irqbal.identify.name_forms import Form, candidates, forms_of, general_spreads
from irqbal.model.view import Interface

_VIRTIO = re.compile(r"virtio\d+")


class Vector(msgspec.Struct, frozen=True):
    """One IRQ of a device: its number, and its action (several are joined with a comma)."""

    number: int
    action: str


class NicDevice(msgspec.Struct, frozen=True):
    """A device with network interfaces. `own` are those in this network namespace, without
    representors; it is empty for a NIC in another namespace. `interfaces` are all that are seen
    here.
    """

    address: str
    driver: str
    own: tuple[str, ...]
    interfaces: Mapping[str, Interface]


class NameMatch(msgspec.Struct, frozen=True):
    """A vector whose name has the form of a queue's."""

    vector: Vector
    form: Form
    interface: str
    index: int | None
    spread: str
    exact: bool = False


class NamesFound(msgspec.Struct, frozen=True):
    """The vectors of a device that bear a queue's name, in their order, and how many bear a name of
    no known form.
    """

    queues: tuple[NameMatch, ...]
    strange: int


def find_names(device: NicDevice, vectors: Sequence[Vector]) -> NamesFound:
    """Look at every vector's name. Names of the device's own driver count if there are any, else
    those of every driver: it may be one that irqbal does not know.
    """
    found = _matching(device, vectors, device.driver) if forms_of(device.driver) else []
    if not device.own:
        # A NIC in another network namespace, or no NIC at all: only its driver tells.
        return NamesFound(tuple(match for match in found if match.form.serves != "none"), 0)
    if not any(match.form.serves != "none" for match in found):
        spreads = general_spreads()
        found = [
            msgspec.structs.replace(match, spread=spreads.get(match.form.template, ""), exact=False)
            for match in _matching(device, vectors, "")
        ]
    queues = [match for match in found if match.form.serves != "none"]
    # A plain `eth0` is the link's vector where other vectors bear a queue's name.
    named = {match.interface for match in queues if not match.form.plain}
    return NamesFound(
        tuple(match for match in queues if not match.form.plain or match.interface not in named),
        len(vectors) - len(found),
    )


def _matching(device: NicDevice, vectors: Sequence[Vector], driver: str) -> list[NameMatch]:
    found = (_match(device, vector, driver) for vector in vectors)
    return _to_ports([match for match in found if match is not None], device.own)


def _match(device: NicDevice, vector: Vector, driver: str) -> NameMatch | None:
    for action in map(str.strip, vector.action.split(",")):
        for form in candidates(driver, action):
            match = form.match(action, device.address)
            if match is None:
                continue
            groups = match.groupdict()
            name = _owner(form, groups.get("interface"), device)
            if name is not None or (form.serves == "none" and not form.plain):
                index = groups.get("index")
                number = None if index is None else int(index)
                return NameMatch(vector, form, name or "", number, form.spread, form.exact)
    return None


def _owner(form: Form, named: str | None, device: NicDevice) -> str | None:
    """The interface to which a match belongs: the device's own, even if it was renamed after the
    IRQ was requested. None if it cannot be known.
    """
    own = device.own
    if named is not None and named in own:
        return named
    if form.plain and named is not None:
        # `eth1` or `eth1-0` may be the name of anything, unless the interface is this device's.
        return None
    if named is not None and any(named.startswith((f"{one}-", f"{one}_")) for one in own):
        # `eth0-xdp` in `eth0-xdp-tx-1` is no interface's name: the form is another.
        return None
    if len(own) == 1:
        return own[0]
    if own:
        # The device has several ports. Without a name in the action it is the first one's, as the
        # driver counts; a name that is none of theirs is an old one of any of them.
        return own[0] if named is None else None
    # The NIC is in another network namespace. The action may hold its name; it must not be the name
    # of a NIC in this one, nor the beginning of a virtio device's name (`virtio3-rx` is vsock's).
    if named is None or named in device.interfaces or _VIRTIO.fullmatch(named):
        return None
    return named if "{n}" in form.template else None


def _to_ports(found: list[NameMatch], own: Sequence[str]) -> list[NameMatch]:
    """The vectors of devices with several ports whose names do not tell the port: `halves` serve
    one port after the other, with `each` every vector serves the same queue of each port.
    """
    halves = [match for match in found if match.form.order == "halves"]
    if len(own) < 2 or not halves:
        return found
    size = -(-len(halves) // len(own))
    return [
        msgspec.structs.replace(match, interface=own[halves.index(match) // size])
        if match.form.order == "halves"
        else match
        for match in found
    ]
