"""Samples and decisions as MongoDB documents, and back. Pure: no driver, no connection.

    samples    {_id: "host/boot/sequence", host, boot, sequence, time, wall, seconds, layout,
                irqs: {"24": {"0": 17}}, cpus: {"0": 17}, loads: {"24": {"0": 350}},
                others: [{irq: identity, counts: {"0": 17}, loads: {"0": 350}}],
                rows: {LOC: {"0": 250}}, softirqs, softnet, times, states: […], clock: "wrong"}
    decisions  {_id: "host/boot/sequence", host, time, and the decision's fields that are not empty}
    layouts    {_id: "host/hash", host, time, names: {"24": identity}}: the IRQs behind the numbers
                in samples
    hosts      {_id: host, time, states: […]}: the last recorded state of every IRQ

`history/host_status` has two more, which say how a host is now.

`time` is the end of the interval as a date (milliseconds), for queries, sharding and expiry; `wall`
is the same time as it was recorded; a `clock` that is not empty says that it is not believed, and
samples of a wrong one are in no series. `cpus` are the sums of all IRQs by CPU, so that a chart of
a day need not read the IRQs. `others` are IRQs without a number in the layout: they were freed
within the interval, and another IRQ got their number.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from irqbal.history.samples import Decision, IrqState, Kind, Sample, Series
from irqbal.wire import from_builtins

FIELDS: dict[Kind, str] = {
    "irq": "irqs",
    "load": "loads",
    "row": "rows",
    "softirq": "softirqs",
    "softnet": "softnet",
    "time": "times",
}
_OF_IRQS: frozenset[Kind] = frozenset({"irq", "load"})
"""Kinds whose names are identities of IRQs."""
Document = dict[str, Any]

_EARLIEST, _LATEST = 0.0, 253402300799.0
"""Seconds since the epoch that a date can hold: 1970 to the last second of 9999."""

_DEFAULTS: dict[type, Document] = {
    kind: {
        field.name: field.default
        for field in msgspec.structs.fields(kind)
        if field.default is not msgspec.NODEFAULT
    }
    for kind in (IrqState, Decision)
}
"""Struct -> its fields' defaults, which documents leave out."""


class Layout(msgspec.Struct, frozen=True):
    """Which IRQ has which number: `names` is number (as text) -> identity, `keys` the reverse. `id`
    follows from the host and `names`.
    """

    id: str
    names: dict[str, str]
    keys: dict[str, str]


class CellNumbering:
    """Follows the numbers of a host's IRQs through the states that samples carry. `layout` is the
    one for the next sample.
    """

    def __init__(self, host: str, states: Iterable[IrqState] = ()) -> None:
        self._host = host
        self._names: dict[str, str] = {}
        self._layout: Layout | None = None
        # A freed IRQ may have counts in samples that wait. It keeps its number unless another IRQ
        # has it now.
        for state in sorted(states, key=lambda state: not state.gone):
            self._names[str(state.number)] = state.identity

    def copy(self) -> CellNumbering:
        """An independent copy."""
        other = CellNumbering(self._host)
        other._names, other._layout = dict(self._names), self._layout
        return other

    def appear(self, states: Iterable[IrqState]) -> None:
        """Add the IRQs that exist from this sample on."""
        for state in states:
            if not state.gone and self._names.get(str(state.number)) != state.identity:
                self._names[str(state.number)] = state.identity
                self._layout = None

    def vanish(self, states: Iterable[IrqState]) -> None:
        """Remove the IRQs that were freed within the last sample."""
        for state in states:
            if state.gone and self._names.get(str(state.number)) == state.identity:
                del self._names[str(state.number)]
                self._layout = None

    @property
    def layout(self) -> Layout:
        """The numbers as they are now. Equal numbers have equal ids, so a layout can be written
        again.
        """
        if self._layout is None:
            names = dict(sorted(self._names.items()))
            digest = hashlib.sha256(msgspec.json.encode([self._host, names])).hexdigest()[:24]
            self._layout = Layout(
                f"{self._host}/{digest}",
                names,
                {identity: number for number, identity in names.items()},
            )
        return self._layout


def date(wall: float) -> datetime.datetime:
    """Seconds since the epoch as a UTC date, clamped to what a date can hold."""
    return datetime.datetime.fromtimestamp(min(max(wall, _EARLIEST), _LATEST), datetime.UTC)


def record_id(host: str, record: Sample | Decision) -> str:
    """The id of a record's document; always the same, so that shipping it again duplicates
    nothing.
    """
    return f"{host}/{record.boot}/{record.sequence}"


def sample_document(host: str, sample: Sample, layout: Layout) -> Document:
    """A sample's document: counts nested by line and CPU."""
    document: Document = {
        "_id": record_id(host, sample),
        "host": host,
        "boot": sample.boot,
        "sequence": sample.sequence,
        "time": date(sample.wall),
        "wall": sample.wall,
        "seconds": sample.seconds,
        "layout": layout.id,
    }
    groups: dict[Kind, dict[str, dict[str, int]]] = {kind: {} for kind in FIELDS}
    others: dict[str, dict[Kind, dict[str, int]]] = {}
    lines: dict[tuple[Kind, str], dict[str, int]] = {}
    sums: dict[str, int] = {}
    for (kind, name, cpu), count in sample.values.items():
        line = lines.get((kind, name))
        if line is None:
            line = lines[kind, name] = {}
            if kind not in _OF_IRQS:
                groups[kind][escape(name)] = line
            elif name in layout.keys:
                groups[kind][layout.keys[name]] = line
            else:
                others.setdefault(name, {})[kind] = line
        line[str(cpu)] = count
        if kind == "irq":
            sums[str(cpu)] = sums.get(str(cpu), 0) + count
    document |= {FIELDS[kind]: group for kind, group in groups.items() if group}
    if sums:
        document["cpus"] = sums
    if others:
        document["others"] = [
            {"irq": name, "counts": found.get("irq", {})}
            | ({"loads": found["load"]} if "load" in found else {})
            for name, found in others.items()
        ]
    if sample.states:
        document["states"] = [_filled(state) for state in sample.states]
    if sample.clock:
        document["clock"] = sample.clock
    return document


def sample_of(document: Mapping[str, Any], names: Mapping[str, str]) -> Sample:
    """The sample as it was recorded; `names` are its layout's."""
    values: dict[Series, int] = {}
    for kind, field in FIELDS.items():
        lines = (
            irqs_of(document, names, kind)
            if kind in _OF_IRQS
            else ((unescape(key), line) for key, line in document.get(field, {}).items())
        )
        for name, line in lines:
            for cpu, count in line.items():
                values[Series(kind, name, int(cpu))] = int(count)
    return Sample(
        sequence=int(document["sequence"]),
        boot=document["boot"],
        wall=document["wall"],
        seconds=document["seconds"],
        values=values,
        states=states_of(document),
        clock=document.get("clock", ""),
    )


def irqs_of(
    document: Mapping[str, Any], names: Mapping[str, str], kind: Kind = "irq"
) -> Iterator[tuple[str, Mapping[str, int]]]:
    """(identity, counts by CPU) of each IRQ in a sample's document; of its loads if `kind` is."""
    for key, line in document.get(FIELDS[kind], {}).items():
        yield names.get(key, key), line
    for other in document.get("others", ()):
        yield other["irq"], other.get("counts" if kind == "irq" else "loads", {})


def layout_document(host: str, layout: Layout) -> Document:
    """A layout's document without its id and time, which is the time of its last use."""
    return {"host": host, "names": layout.names}


def host_document(host: str, states: Iterable[IrqState], now: float) -> Document:
    """A host's document: the last recorded state of every IRQ."""
    return {"_id": host, "time": date(now), "states": [_filled(state) for state in states]}


def states_of(document: Mapping[str, Any]) -> tuple[IrqState, ...]:
    """The states in a sample's or a host's document."""
    return tuple(from_builtins(_plain(state), IrqState) for state in document.get("states", ()))


def decision_document(host: str, decision: Decision) -> Document:
    """A decision's document; fields that have their default are left out."""
    return {"_id": record_id(host, decision), "host": host, "time": date(decision.wall)} | _filled(
        decision
    )


def decision_of(document: Mapping[str, Any]) -> Decision:
    """The decision as it was recorded."""
    return from_builtins(
        _plain(
            {key: value for key, value in document.items() if key in Decision.__struct_fields__}
        ),
        Decision,
    )


def escape(name: str) -> str:
    """A name as a document's key. Keys that are empty, or have dots, a leading dollar or NUL,
    cannot be queried, or not even be written.
    """
    text = name.replace("%", "%25").replace(".", "%2E").replace("\0", "%00")
    return "%24" + text[1:] if text.startswith("$") else text or "%"


def unescape(key: str) -> str:
    """The reverse of `escape`."""
    if key == "%":
        return ""
    return key.replace("%2E", ".").replace("%00", "\0").replace("%24", "$").replace("%25", "%")


def _filled(record: IrqState | Decision) -> Document:
    """The fields that differ from their defaults."""
    defaults = _DEFAULTS[type(record)]
    return {
        key: value
        for key, value in msgspec.structs.asdict(record).items()
        if key not in defaults or value != defaults[key]
    }


def _plain(document: Mapping[str, Any]) -> Document:
    """The document with plain ints: pymongo reads 64-bit numbers as a subclass of int."""
    return {
        key: int(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for key, value in document.items()
    }
