"""The keys of the configuration, from its types; the options of the bundled policies, from their
schemas.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import yaml

from irqbal.config.schema import DEFAULT_POLICIES, Config
from irqbal.cpuset import CpuSet
from irqbal.errors import ConfigError
from irqbal.plugins.discovery import find
from irqbal.plugins.protocol import PolicyEntry
from irqbal.plugins.supervisor import PolicySupervisor
from irqbal.problems import Node
from irqbal.wire import Duration, builtins

_ELSEWHERE = ("policies", "observers")
_WORDS = {str: "TEXT", int: "NUMBER", bool: "true|false", Duration: "TIME", CpuSet: "CPUS"}
_SENTENCE = re.compile(r"[a-z][a-z-]*(?=[ ;]|$)(?! \()")


class Key(msgspec.Struct, frozen=True):
    """A key such as `history.every`: the values that it takes, its meaning, and its default (None:
    the key must be given).
    """

    name: str
    takes: str
    about: str
    default: str | None


class DocumentedPolicy(msgspec.Struct, frozen=True):
    """A bundled policy: a sentence about it, its options (nested ones too), and their defaults."""

    name: str
    about: str
    keys: tuple[Key, ...]
    defaults: dict[str, Any]


def config_keys(kind: type[msgspec.Struct] = Config, prefix: str = "") -> Iterator[Key]:
    """Every key except `policies` and `observers`, which have sections of their own."""
    for field in msgspec.structs.fields(kind):
        if not prefix and field.encode_name in _ELSEWHERE:
            continue
        name = f"{prefix}{field.encode_name}"
        inner, about = _unwrapped(field.type)
        section = next((item for item in (inner, *get_args(inner)) if _is_struct(item)), None)
        if section is None:
            yield Key(name, _takes(inner), about, None if field.required else _shown(field.default))
            continue
        if section is not inner:
            yield Key(name, "null or keys", about, "null")
        yield from config_keys(section, f"{name}.")


def _unwrapped(kind: Any) -> tuple[Any, str]:
    """The type within an Annotated, and its description as a sentence."""
    if get_origin(kind) is not Annotated:
        return kind, ""
    inner, *notes = get_args(kind)
    return inner, next(
        (
            sentence(note.description)
            for note in notes
            if isinstance(note, msgspec.Meta) and note.description
        ),
        "",
    )


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _takes(kind: Any) -> str:
    inside = get_args(kind)
    if get_origin(kind) is Literal:
        return "|".join(inside)
    if get_origin(kind) is tuple:
        return f"[{_takes(inside[0])}, ...]"
    if get_origin(kind) in (Union, UnionType):
        return "|".join(_takes(item) for item in inside)
    return _WORDS[kind]


def policies() -> list[DocumentedPolicy]:
    """The bundled policies in their order, as their own process describes them. Raises ConfigError
    if one cannot be used.
    """
    found = find()
    supervisor = PolicySupervisor(
        [
            PolicyEntry(found[name], index, Node(1, {}))
            for index, name in enumerate(DEFAULT_POLICIES)
        ]
    )
    try:
        problems = supervisor.bind()
        described = supervisor.describe()
    finally:
        supervisor.close()
    if problems or len(described.schemas) != len(DEFAULT_POLICIES):
        raise ConfigError(
            [
                "the bundled policies do not describe themselves: "
                f"{problems or list(supervisor.aside.values())}"
            ]
        )
    made = []
    for index, name in enumerate(DEFAULT_POLICIES):
        schema = json.loads(described.schemas[index])
        defaults = {key: part["default"] for key, part in schema["properties"].items()}
        made.append(
            DocumentedPolicy(
                name,
                described.about[index],
                tuple(_options(schema, schema.get("$defs", {}))),
                defaults,
            )
        )
    return made


def _options(
    schema: dict[str, Any], definitions: dict[str, Any], prefix: str = ""
) -> Iterator[Key]:
    for name, part in schema["properties"].items():
        about = sentence(part.get("description", ""))
        inner = part.get("items", {}).get("$ref", "").rpartition("/")[2]
        if not inner:
            default = None if name in schema.get("required", ()) else _shown(part.get("default"))
            yield Key(f"{prefix}{name}", _takes_schema(part), about, default)
            continue
        below = definitions[inner]
        yield Key(
            f"{prefix}{name}",
            "[keys, ...]",
            f"{about} {sentence(below.get('description', ''))}",
            _shown(part.get("default")),
        )
        yield from _options(below, definitions, f"{prefix}{name}[].")


def _takes_schema(part: dict[str, Any]) -> str:
    if "enum" in part:
        return "|".join(part["enum"])
    if "anyOf" in part:
        return "|".join(_takes_schema(item) for item in part["anyOf"] if item != {"type": "null"})
    if part["type"] == "array":
        return f"[{_takes_schema(part['items'])}, ...]"
    if part["type"] == "object":
        return f"{{GLOB: {_takes_schema(part['additionalProperties'])}, ...}}"
    if part["type"] == "boolean":
        return "true|false"
    if part.get("format") == "cpu-set":
        return "CPUS"
    return "SHARE" if part.get("pattern", "").endswith("%$") else "TEXT"


def _shown(value: Any) -> str:
    """A default as it is written in YAML."""
    return (
        json.dumps(plain, ensure_ascii=False)
        if not isinstance(plain := builtins(value), str) or not plain
        else plain
    )


def sentence(text: str) -> str:
    """A description with a capital and a full stop; a name of the YAML at its beginning stays as it
    is.
    """
    text = text.strip().rstrip(".")
    if _SENTENCE.match(text):
        text = text[0].upper() + text[1:]
    return f"{text}." if text else ""


def defaults(described: list[DocumentedPolicy]) -> str:
    """The whole configuration as YAML, each key at its default."""
    values = {key: value for key, value in builtins(Config()).items() if key not in _ELSEWHERE}
    # The default is empty: the folder depends on the user. Show root's.
    values["state_dir"] = "/var/lib/irqbal"
    last = {key: values.pop(key) for key in ("history", "api")}
    listed = [{policy.name: policy.defaults} for policy in described]
    return yaml.safe_dump(
        {**values, "policies": listed, "observers": [], **last},
        sort_keys=False,
        allow_unicode=True,
        indent=2,
    )
