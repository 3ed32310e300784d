"""Checking a plugin's options: each is described, has a default, and refuses values that make no
sense.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import msgspec

from irqbal.model.policy import Options
from irqbal.problems import LocatedProblem, Node, decode


def check_options(kind: type[Options]) -> Iterator[str]:
    """What is wrong with a type of options, a sentence each."""
    for field in msgspec.structs.fields(kind):
        yield from _check_field(kind, field)
    problems: list[LocatedProblem] = []
    decode(Node(1, {"no such option": Node(1, "1")}), kind, "", problems)
    if not any("no such option" in problem.key for problem in problems):
        yield "an unknown option is not refused: leave out forbid_unknown_fields=False"
    if not kind.__struct_config__.frozen:
        yield f"{kind.__name__} can be changed: class {kind.__name__}(Options, frozen=True)"


def _check_field(kind: type[Options], field: msgspec.structs.FieldInfo) -> Iterator[str]:
    name = field.encode_name
    metas = [
        part for part in getattr(field.type, "__metadata__", ()) if isinstance(part, msgspec.Meta)
    ]
    if not any(meta.description for meta in metas):
        yield f"{name} has no description: Annotated[…, Meta(description=…)]"
    problems: list[LocatedProblem] = []
    try:
        decode(Node(1, {name: Node(1, "\x01 no value")}), kind, "", problems)
    except NotImplementedError as error:
        yield f"{name} has a type that cannot be read from YAML: {error}"
        return
    bare = get_args(field.type)[0] if metas else field.type
    if not problems and bare is not str:
        yield f"{name} takes any text for a value"
