"""irqbal's own value types, and how they are written in YAML, JSON and msgpack.

Durations are written `10s`, `5m`, `2h`, `30d`; moments `2026-01-31T12:00:00Z`; shares `5%`; CPU
sets `0-3,8`. msgspec encodes, decodes and describes them through one hook each. In YAML every
scalar is read as text and converted by the type of its field, so that `off` stays a word and
`cpus: 8` is a CPU set. Longer than other modules, because one hook reads all of these types.
"""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime
from typing import Any, TypeVar, final

import msgspec

from irqbal.cpuset import CpuSet

T = TypeVar("T")

_DURATION = re.compile(r"(\d{1,18}(?:\.\d{1,6})?)\s*(ms|s|m|h|d|y)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "y": 365 * 86400.0}
_PERCENT = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*%", re.ASCII)


def _match(pattern: re.Pattern[str], text: str, rule: str) -> re.Match[str]:
    """The match of the whole text. Raises ValueError with the text and the rule that it breaks."""
    match = pattern.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} {rule}")
    return match


@final
class Duration(float):
    """A length of time in seconds; written `10s`, `1.5s`, `250ms`, `5m`, `2h`, `30d`, `2y`."""

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Raises ValueError with a sentence."""
        rule = "is not a duration: write a number and ms, s, m, h, d or y, such as 10s"
        match = _match(_DURATION, text, rule)
        return cls(float(match[1]) * _SECONDS[match[2]])

    def __str__(self) -> str:
        for unit in ("y", "d", "h", "m"):
            count = self / _SECONDS[unit]
            if count >= 1 and count == int(count):
                return f"{int(count)}{unit}"
        return f"{float(self):.6f}".rstrip("0").rstrip(".") + "s"

    def __repr__(self) -> str:
        return f"Duration.parse({str(self)!r})"


@final
class Percent(float):
    """A share; 0.05 is written `5%`."""

    @classmethod
    def parse(cls, text: str) -> Percent:
        """Raises ValueError with a sentence."""
        match = _match(_PERCENT, text, "is not a share: write a number and %, such as 5%")
        # A division would round a second time: 0.7 / 100 is not 0.007.
        return cls(float(f"{match[1]}e-2"))

    def __str__(self) -> str:
        return f"{float(self) * 100:.6f}".rstrip("0").rstrip(".") + "%"

    def __repr__(self) -> str:
        return f"Percent.parse({str(self)!r})"


_COMPACT = re.compile(r"\d{8}-\d{6}", re.ASCII)


@final
class Moment(float):
    """A point in time, seconds since the epoch; written as ISO 8601 in UTC, to the millisecond."""

    @classmethod
    def parse(cls, text: str) -> Moment:
        """Parse ISO 8601 (UTC unless it has an offset) or `YYYYMMDD-HHMMSS` (UTC). Raises
        ValueError with a sentence.
        """
        stripped = text.strip()
        try:
            if _COMPACT.fullmatch(stripped):
                return cls(
                    datetime.strptime(stripped, "%Y%m%d-%H%M%S").replace(tzinfo=UTC).timestamp()
                )
            parsed = datetime.fromisoformat(stripped)
            return cls(
                (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)).timestamp()
            )
        except (ValueError, OverflowError):
            raise ValueError(
                f"{text!r} is not a time: write 2026-01-31T12:00:00Z or 20260131-120000"
            ) from None

    def __str__(self) -> str:
        return (
            datetime.fromtimestamp(float(self), UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
        )

    def __repr__(self) -> str:
        return f"Moment.parse({str(self)!r})"


@final
class When:
    """A moment, or a duration before now: `2026-01-31T12:00:00Z`, `20260131-120000`, or `2h` for
    two hours ago.
    """

    __slots__ = ("_ago", "_moment")

    def __init__(self, moment: Moment | None, ago: Duration | None = None) -> None:
        self._moment, self._ago = moment, ago

    @classmethod
    def parse(cls, text: str) -> When:
        """Raises ValueError with a sentence."""
        if _DURATION.fullmatch(text.strip()):
            return cls(None, Duration.parse(text))
        try:
            return cls(Moment.parse(text))
        except ValueError:
            raise ValueError(
                f"{text!r} is not a time: write 2026-01-31T12:00:00Z, 20260131-120000, or 2h for "
                "two hours ago"
            ) from None

    def at(self, now: float) -> float:
        """The moment in seconds since the epoch; `now` is in the same unit."""
        return float(self._moment) if self._moment is not None else now - float(self._ago or 0.0)

    def __str__(self) -> str:
        return str(self._ago if self._moment is None else self._moment)

    def __repr__(self) -> str:
        return f"When.parse({str(self)!r})"


class Words:
    """A CPU set or one of a few words, such as `local | all | 0-3`. Subclasses list their
    `words`.
    """

    words: tuple[str, ...] = ()
    __slots__ = ("cpus", "word")

    def __init__(self, value: str | CpuSet) -> None:
        self.word = value if isinstance(value, str) else ""
        self.cpus = value if isinstance(value, CpuSet) else None

    @classmethod
    def parse(cls, text: str) -> Words:
        """Raises ValueError with a sentence."""
        stripped = text.strip()
        if stripped in cls.words:
            return cls(stripped)
        try:
            return cls(CpuSet.parse(stripped))
        except ValueError:
            known = ", ".join(cls.words)
            raise ValueError(
                f"{text!r} is neither one of {known} nor a CPU set such as 0-3,8"
            ) from None

    def __str__(self) -> str:
        return self.word if self.cpus is None else str(self.cpus)

    def __repr__(self) -> str:
        return f"{type(self).__name__}.parse({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


_TEXTS = (CpuSet, Duration, Percent, Words, Moment, When)
"""Types that are written as their text; the first is that of thousands of values in a plan."""


def enc_hook(value: Any) -> Any:
    """msgspec's encoding hook: writes irqbal's types as their text."""
    if isinstance(value, _TEXTS):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} cannot be written")


def dec_hook(kind: type, value: Any) -> Any:
    """msgspec's decoding hook: reads irqbal's types from their text; a duration also from a number
    of seconds.
    """
    # The usual case first: a plan has thousands of CPU sets.
    if kind is CpuSet and isinstance(value, str):
        return CpuSet.parse(value)
    if kind is Duration and isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value < float("inf"):
            raise ValueError(f"{value} is not a duration: expected seconds, not below 0")
        return Duration(value)
    if kind in (CpuSet, Duration, Percent, Moment, When) or issubclass(kind, Words):
        if isinstance(value, kind):
            # One model object is made from another.
            return value
        if not isinstance(value, str):
            raise ValueError(f"expected text, got {type(value).__name__}")
        return kind.parse(value)
    raise NotImplementedError(f"{kind.__name__} cannot be read")


def schema_hook(kind: type) -> dict[str, Any]:
    """msgspec's JSON-schema hook."""
    if kind is CpuSet:
        return {
            "type": "string",
            "format": "cpu-set",
            "description": "a CPU set",
            "examples": ["0-3,8"],
        }
    if kind is Duration:
        return {
            "type": "string",
            "description": "a duration",
            "examples": ["10s"],
            "pattern": f"^{_DURATION.pattern}$",
        }
    if kind is Percent:
        return {
            "type": "string",
            "description": "a share",
            "examples": ["5%"],
            "pattern": f"^{_PERCENT.pattern}$",
        }
    if kind is Moment:
        return {"type": "string", "description": "a moment, ISO 8601 in UTC", "format": "date-time"}
    if kind is When:
        text = "a moment (ISO 8601, YYYYMMDD-HHMMSS) or a duration before now (2h)"
        return {
            "type": "string",
            "format": "when",
            "description": text,
            "examples": ["2026-01-31T12:00:00Z", "2h"],
        }
    if issubclass(kind, Words):
        return {"type": "string", "description": " | ".join([*kind.words, "a CPU set"])}
    raise NotImplementedError(f"{kind.__name__} has no schema")


def schema_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """JSON schema of a struct: its properties with descriptions and defaults. msgspec's own schema
    function cannot write defaults of irqbal's types.
    """
    fields = msgspec.structs.fields(kind)
    bare = msgspec.defstruct(
        kind.__name__,
        [(field.encode_name, field.type) for field in fields],
        forbid_unknown_fields=True,
    )
    schema = msgspec.json.schema(bare, schema_hook=schema_hook)
    definitions = schema.get("$defs", {})
    own = definitions.pop(kind.__name__, schema)
    result = {
        "type": "object",
        "properties": own.get("properties", {}),
        "additionalProperties": False,
    }
    required = [field.encode_name for field in fields if field.required]
    for field in fields:
        described = result["properties"][field.encode_name]
        if field.default is not msgspec.NODEFAULT:
            described["default"] = builtins(field.default)
        elif field.default_factory is not msgspec.NODEFAULT:
            described["default"] = builtins(field.default_factory())
    if required:
        result["required"] = required
    return {**result, "$defs": definitions} if definitions else result


def to_json(value: Any) -> bytes:
    """Any model object as JSON."""
    return msgspec.json.encode(value, enc_hook=enc_hook)


_describing = threading.Lock()
_described: set[Any] = set()


def _kind(kind: T) -> T:
    """The same type, once msgspec's description of it is complete. msgspec 0.22 fills a struct's
    description while other threads run and already find it: two threads that decode a type for the
    first time at the same moment end the process with a segmentation fault.
    """
    if kind not in _described:
        with _describing:
            msgspec.json.Decoder(kind, dec_hook=dec_hook)
            _described.add(kind)
    return kind


def from_json(text: bytes | str, kind: type[T]) -> T:
    """Raises msgspec.ValidationError (a ValueError) or msgspec.DecodeError."""
    return msgspec.json.decode(text, type=_kind(kind), dec_hook=dec_hook)


def from_builtins(value: Any, kind: type[T], *, strict: bool = True, attributes: bool = False) -> T:
    """A model object from dicts, lists and scalars, not `strict`: also numbers and booleans as
    texts; with `attributes` from any object that has its fields. Raises msgspec.ValidationError.
    """
    return msgspec.convert(
        value, _kind(kind), strict=strict, from_attributes=attributes, dec_hook=dec_hook
    )


def to_msgpack(value: Any) -> bytes:
    """Any model object as msgpack."""
    return msgspec.msgpack.encode(value, enc_hook=enc_hook)


def from_msgpack(data: bytes, kind: type[T]) -> T:
    """Raises msgspec.ValidationError (a ValueError) or msgspec.DecodeError."""
    return msgspec.msgpack.decode(data, type=_kind(kind), dec_hook=dec_hook)


def msgpack_decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    """For many messages of one type, which may be a union of structs."""
    return msgspec.msgpack.Decoder(_kind(kind), dec_hook=dec_hook)


def builtins(value: Any) -> Any:
    """Any model object as dicts, lists and scalars."""
    return msgspec.to_builtins(value, enc_hook=enc_hook)
