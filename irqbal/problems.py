"""Configuration values with their line numbers, and their conversion to msgspec types.

The YAML reader builds a tree of `Node`s whose scalars are all text. `decode` converts a tree to a
type and reports every problem in it, not just the first. The options of policies are sent to the
policy host as such trees and decoded there, since only it knows their types.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from typing import Any, TypeVar, Union

import msgspec

from irqbal.wire import from_builtins

T = TypeVar("T")


class Node(msgspec.Struct, frozen=True):
    """A YAML value: text, a list or a mapping; None if it is empty or `null`. `line` counts from
    1.
    """

    line: int
    value: str | list[Node] | dict[str, Node] | None = None


class LocatedProblem(msgspec.Struct, frozen=True):
    """A problem with a value: its line, its path of keys such as `policies[0].pin_irqs.rules`, and
    a sentence.
    """

    line: int
    key: str
    text: str


def without_lines(node: Node) -> object:
    """The tree as text, lists and dicts, without line numbers."""
    value = node.value
    if isinstance(value, dict):
        return {key: without_lines(child) for key, child in value.items()}
    if isinstance(value, list):
        return [without_lines(child) for child in value]
    return value


def node_of(value: Any) -> Node:
    """The tree that the YAML reader would build for these dicts, lists and scalars; all lines
    are 1.
    """
    if isinstance(value, dict):
        return Node(1, {str(key): node_of(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return Node(1, [node_of(item) for item in value])
    if isinstance(value, bool):
        return Node(1, "true" if value else "false")
    return Node(1, None if value is None else str(value))


_BAD: Any = object()
"""Stands for a value that could not be converted; a problem was added for it."""
_BOOLS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""YAML 1.1's other words for true and false; msgspec itself reads `true`, `false`, 1 and 0."""
_SWITCH = {**_BOOLS, "true": "true", "false": "false"}
"""Words that stand for a whole section which a struct's SWITCH names the boolean field of."""
_MAX_QUOTED = 60
"""Most characters of a wrong value that a message repeats."""


def decode(node: Node, kind: type[T], key: str, problems: list[LocatedProblem]) -> T | None:
    """Convert a tree to `kind`; `key` is the path of keys to it. Returns None after adding at least
    one problem.
    """
    before = len(problems)
    value = _decode(node, kind, key, problems)
    if len(problems) > before:
        return None
    return typing.cast(T, value)


def _decode(node: Node, kind: Any, key: str, problems: list[LocatedProblem]) -> Any:
    base = _bare(kind)
    if isinstance(base, type) and issubclass(base, msgspec.Struct):
        return _decode_struct(node, base, key, problems)
    origin, args = typing.get_origin(base), typing.get_args(base)
    if _is_optional(base):
        if node.value is None:
            return None
        others = [arg for arg in args if arg is not type(None)]
        if len(others) == 1:
            return _decode(node, others[0], key, problems)
    if origin in (list, tuple, frozenset, Sequence):
        return _decode_list(node, origin, args, key, problems)
    if origin is dict:
        return _decode_dict(node, args[1], key, problems)
    return _decode_leaf(node, kind, key, problems)


def _bare(kind: Any) -> Any:
    """A type without its `Annotated`."""
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def _is_optional(kind: Any) -> bool:
    base = _bare(kind)
    return typing.get_origin(base) in (Union, types.UnionType) and type(None) in typing.get_args(
        base
    )


def _decode_struct(
    node: Node, kind: type[msgspec.Struct], key: str, problems: list[LocatedProblem]
) -> Any:
    if node.value is None:
        node = Node(node.line, {})
    switch = getattr(kind, "SWITCH", "")
    if switch and isinstance(node.value, str) and node.value.lower() in _SWITCH:
        # `history: off`: a word where a section is expected.
        node = Node(node.line, {switch: Node(node.line, _SWITCH[node.value.lower()])})
    if not isinstance(node.value, dict):
        problems.append(
            LocatedProblem(node.line, key, f"expected keys and values, got {_shape(node)}")
        )
        return _BAD
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    bad = False
    for name, child in node.value.items():
        field = fields.get(name)
        path = f"{key}.{name}" if key else name
        if field is None:
            problems.append(LocatedProblem(child.line, path, _unknown(name, fields)))
            bad = True
            continue
        if child.value is None and not field.required and not _is_optional(field.type):
            # An empty section stands for its defaults.
            continue
        value = _decode(child, field.type, path, problems)
        if value is _BAD:
            bad = True
        else:
            values[field.name] = value
    missing = [name for name, field in fields.items() if field.required and name not in node.value]
    for name in missing:
        problems.append(
            LocatedProblem(
                node.line, f"{key}.{name}" if key else name, "is missing; it has no default"
            )
        )
    if bad or missing:
        return _BAD
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        problems.append(LocatedProblem(node.line, key, str(error)))
        return _BAD


def _decode_list(
    node: Node, origin: Any, args: tuple[Any, ...], key: str, problems: list[LocatedProblem]
) -> Any:
    if node.value is None:
        return origin() if origin is not Sequence else ()
    if not isinstance(node.value, list):
        problems.append(LocatedProblem(node.line, key, f"expected a list, got {_shape(node)}"))
        return _BAD
    values = [
        _decode(child, args[0], f"{key}[{i}]", problems) for i, child in enumerate(node.value)
    ]
    if any(value is _BAD for value in values):
        return _BAD
    return tuple(values) if origin in (tuple, Sequence) else origin(values)


def _decode_dict(node: Node, kind: Any, key: str, problems: list[LocatedProblem]) -> Any:
    if node.value is None:
        return {}
    if not isinstance(node.value, dict):
        problems.append(
            LocatedProblem(node.line, key, f"expected keys and values, got {_shape(node)}")
        )
        return _BAD
    values = {
        name: _decode(child, kind, f"{key}.{name}", problems) for name, child in node.value.items()
    }
    return _BAD if any(value is _BAD for value in values.values()) else values


def _decode_leaf(node: Node, kind: Any, key: str, problems: list[LocatedProblem]) -> Any:
    if isinstance(node.value, list | dict):
        problems.append(LocatedProblem(node.line, key, f"expected one value, got {_shape(node)}"))
        return _BAD
    text = "" if node.value is None else node.value
    words = _BOOLS if _bare(kind) is bool else {}
    try:
        return from_builtins(words.get(text.lower(), text), kind, strict=False)
    except msgspec.ValidationError as error:
        # msgspec adds the path, which the problem has, and the type, which is always text.
        reason = str(error).split(" - at ")[0].replace(", got `str`", "")
        quoted = f"{text[:_MAX_QUOTED]!r}: " if text[:20] not in reason else ""
        problems.append(LocatedProblem(node.line, key, f"{quoted}{reason}"))
        return _BAD


def _shape(node: Node) -> str:
    """What a value is, for a message."""
    if isinstance(node.value, dict):
        return "keys and values"
    return "a list" if isinstance(node.value, list) else repr(node.value)


def _unknown(name: str, fields: dict[str, Any]) -> str:
    """The message for an unknown key."""
    # It takes memory, and only a name that is wrong needs it.
    from difflib import get_close_matches

    close = get_close_matches(name, fields, n=1)
    hint = (
        f"did you mean {close[0]}?"
        if close
        else f"known keys are {', '.join(sorted(fields)) or '(none)'}"
    )
    return f"unknown key; {hint}"
