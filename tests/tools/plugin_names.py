"""What policies' authors may rest on, as text: each public name with its signature or its
fields.
"""

from __future__ import annotations

import inspect
import types
from typing import Any

import msgspec

import irqbal
import irqbal.testing
from places import TOP

FOREIGN = {"Meta"}
"""Names that are msgspec's own: their signature is its promise."""
GIVEN = {"Draft"}
"""Types that a policy is given and never makes."""
DOCUMENT = TOP / "docs/plugins.md"
BEGIN, END = (
    "<!-- names: written by `python tests/tools/plugin_names.py` -->\n",
    "<!-- end of names -->",
)


def signatures(module: types.ModuleType) -> dict[str, str]:
    """Public name -> one line of code that shows how it is used."""
    return {name: _shown(name, getattr(module, name)) for name in module.__all__}


def _shown(name: str, thing: Any) -> str:
    if name in FOREIGN | GIVEN or not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return name if not isinstance(thing, str) else f"{name} = {thing!r}"
    if inspect.isclass(thing) and issubclass(thing, msgspec.Struct):
        return f"{name}({', '.join(_field(field) for field in msgspec.structs.fields(thing))})"
    return name + _signature(thing)


class _Bare(str):
    """An annotation as it was written."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _signature(thing: Any) -> str:
    found = inspect.signature(thing)
    parameters = [
        item.replace(annotation=_Bare(item.annotation))
        if isinstance(item.annotation, str)
        else item
        for item in found.parameters.values()
    ]
    result = found.return_annotation
    return str(
        found.replace(
            parameters=parameters,
            return_annotation=_Bare(result) if isinstance(result, str) else result,
        )
    )


def _field(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not msgspec.NODEFAULT:
        return f"{field.name}={field.default!r}"
    return (
        field.name
        if field.default_factory is msgspec.NODEFAULT
        else f"{field.name}={field.default_factory()!r}"
    )


def methods(thing: type) -> dict[str, str]:
    """A public class's own methods and properties with their signatures."""
    found = {}
    for name, member in vars(thing).items():
        if name.startswith("_") or (
            issubclass(thing, msgspec.Struct) and name in thing.__struct_fields__
        ):
            continue
        if isinstance(member, property) or type(member).__name__ == "cached_property":
            found[name] = name
        elif inspect.isfunction(member) or isinstance(member, classmethod | staticmethod):
            found[name] = name + _signature(getattr(thing, name))
    return found


def everything() -> dict[str, str]:
    """The whole promise: `irqbal.Name`, `irqbal.Name.method`, `irqbal.testing.name` ->
    signature.
    """
    found: dict[str, str] = {}
    for module in (irqbal, irqbal.testing):
        for name, text in signatures(module).items():
            found[f"{module.__name__}.{name}"] = text
            thing = getattr(module, name)
            if inspect.isclass(thing) and name not in FOREIGN:
                found |= {
                    f"{module.__name__}.{name}.{key}": value
                    for key, value in methods(thing).items()
                }
    return found


def reference() -> str:
    """The part of the document that lists every name."""
    lines = []
    for module in (irqbal, irqbal.testing):
        lines.append(f"\n### `{module.__name__}`\n")
        for name, text in signatures(module).items():
            thing = getattr(module, name)
            lines.append(f"- `{text}`{_said(thing)}")
            if inspect.isclass(thing) and name not in FOREIGN:
                for key, value in methods(thing).items():
                    shown = value.replace("(self, ", "(").replace("(self)", "()")
                    lines.append(f"  - `.{shown}`{_said(getattr(thing, key))}")
    return "\n".join(lines) + "\n\n"


def _said(thing: Any) -> str:
    """The first sentence of what a thing says of itself."""
    doc = (
        inspect.getdoc(thing)
        if not isinstance(thing, str | types.GenericAlias)
        and type(thing).__module__ != "pluggy._hooks"
        else None
    )
    if (
        not doc
        or getattr(thing, "__name__", "") in FOREIGN
        or type(thing).__module__ == "collections.abc"
    ):
        return ""
    first = " ".join(doc.split("\n\n")[0].split())
    return f": {first}"


def main() -> None:
    """Write that part anew."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(before + BEGIN + reference() + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
