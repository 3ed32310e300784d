"""The documents that follow from the contract: `python -m irqbal.api.docs` writes README's access
table, docs/api.md and docs/openapi.json.

A test compares them with what is made here, so that a change of the contract shows in review.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from irqbal.api import metrics, openapi
from irqbal.api.contract import ALL, API_VERSION, CODES, COMMON_ERRORS, LEGACY, ROUTES, Route
from irqbal.cpuset import CpuSet
from irqbal.wire import Duration, Moment, When, builtins

WIDTH = 130
BEGIN, END = "<!-- access:begin -->", "<!-- access:end -->"
_WORDS = {
    str: "text",
    int: "number",
    float: "number",
    bool: "true or false",
    type(None): "null",
    CpuSet: "CPU set",
    Duration: "time",
    Moment: "moment",
    When: "moment or time ago",
    Any: "anything",
}
_WHO = {
    "public": ("yes", "yes", "yes", "yes", "yes"),
    "read": ("yes", "", "yes", "yes", "yes"),
    "override": ("", "", "", "yes", "yes"),
    "admin": ("", "", "", "", "yes"),
}
_INTRO = """# The API

Made by `python -m irqbal.api.docs`; the same for programs is `docs/openapi.json`, which a daemon
serves at `/api/v1/openapi.json`.

JSON over HTTP/1.1, on the addresses of `api.listen` and on the Unix socket
`/run/irqbal/irqbal.sock`. Moments are ISO 8601 in UTC, lengths of time `90s`, `2h`, `30d`, CPU sets
`0-3,8`; rates are interrupts a second, loads seconds of CPU a second. A past moment may also be
said as a time ago: `start=2h`. Version {version}: a minor version adds fields and takes none away,
so ignore those that you do not know. Every path below `/api/v1` also exists below
`/api/v1/hosts/{{host}}`. `HEAD` answers where `GET` does.

```sh
curl --unix-socket /run/irqbal/irqbal.sock http://localhost/api/v1/irqs?device=eth0
curl -X PUT -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  -d '{{"cpus": "2-3", "expires_in": "2h", "reason": "a measurement"}}' http://127.0.0.1:8080/api/v1/irqs/eth0-TxRx-3/override
```

An IRQ is named by its number, its action (`eth0-TxRx-3`), or its queue (`eth0/rx-1`); a slash in a
name is written `%2F`. A name of several is answered with 409 and the candidates.

## Who may do what
A token holds a scope; each allows what the one before it does. `irqbal token add` makes one, and it
is sent as `Authorization: Bearer …`. Root and members of the group `irqbal` need none on the Unix
socket.

"""

_LEGACY = """
## irq_manager's paths
Its clients go on working; a device is an IRQ's action or its number. A mask that is set here is an
override. `irq_manager_writes: loopback` lets that be done without a token, from the host itself.
"""


def access() -> str:
    """README's table: each route, and who may use it."""
    lines = [
        "| route | needs | no token, on the host ¹ | no token, from elsewhere ² | `read` | "
        "`override` | `admin`, root's socket |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for route in ALL:
        lines.append(
            f"| `{route.method} {route.path}` | {route.scope} | {' | '.join(_WHO[route.scope])} |"
        )
    return (
        "\n".join(lines)
        + "\n\n¹ `api.anonymous`, ² `api.anonymous_remote`, as they are unless configured.\n"
    )


def readme(text: str) -> str:
    """README with the present table between its markers. Raises ValueError if they are not
    there.
    """
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"README.md has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{access()}{END}{after}"


def api() -> str:
    """docs/api.md."""
    parts = [_INTRO.format(version=API_VERSION), access(), "\n## Routes\n"]
    parts += [_route(route) for route in ROUTES]
    parts.append(_LEGACY)
    parts += [_route(route) for route in LEGACY]
    parts.append("\n## Types\n")
    parts += [_type(kind) for kind in _types()]
    parts.append(
        "\n## Errors\nEvery error has the body `ErrorBody`: a code for programs, a message for "
        "people.\n\n"
    )
    parts += [
        "| status | meaning |\n| --- | --- |\n",
        *(f"| {status} | {meaning} |\n" for status, meaning in COMMON_ERRORS.items()),
    ]
    parts.append("\n| code | status | meaning |\n| --- | --- | --- |\n")
    parts += [f"| `{code}` | {status} | {meaning} |\n" for code, (status, meaning) in CODES.items()]
    parts.append(
        "\n## Metrics\n`GET /metrics`, in Prometheus' text format. Per CPU and per IRQ, never "
        "both.\n\n"
    )
    parts.append("| metric | type | what |\n| --- | --- | --- |\n")
    parts += [f"| `{name}` | {kind} | {text} |\n" for name, kind, text in metrics.families()]
    return "".join(parts)


def _route(route: Route) -> str:
    lines = [f"\n### {route.method} {route.path}", f"{route.summary}. Scope: `{route.scope}`.", ""]
    if route.query is not None:
        lines += ["Query:", "", *_fields(route.query), ""]
    if route.body is not None:
        needed = "" if route.body_required else " (may be left out)"
        lines += [f"Body{needed}:", "", *_fields(route.body), ""]
    if route.form:
        lines += [
            "Body: a form (`application/x-www-form-urlencoded`) with the field `affinity`, a hex "
            "mask.",
            "",
        ]
    answer = f"`{route.media}`" if route.answer is None else _text(route.answer)
    errors = ", ".join(str(status) for status in route.statuses(route.path)[1:])
    return "\n".join([*lines, f"Answers {answer}. Errors: {errors}.", ""])


def _fields(kind: type[msgspec.Struct]) -> list[str]:
    lines = ["| name | type | what | unless given |", "| --- | --- | --- | --- |"]
    for field in msgspec.structs.fields(kind):
        default = (
            "must be given"
            if field.required
            else ""
            if field.default is None
            else f"`{builtins(field.default)}`"
        )
        lines.append(
            f"| `{field.encode_name}` | {_text(field.type)} | {_about(field.type)} | "
            f"{default if default != '``' else ''} |"
        )
    return lines


def _type(kind: type[msgspec.Struct]) -> str:
    about = " ".join((inspect.getdoc(kind) or "").split())
    fields = ", ".join(
        f"`{field.encode_name}` {_text(field.type)}" for field in msgspec.structs.fields(kind)
    )
    return f"\n### {kind.__name__}\n{_wrapped(about)}\n\n{_wrapped(fields)}.\n"


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False))


def _about(kind: Any) -> str:
    for item in get_args(kind)[1:] if get_origin(kind) is Annotated else ():
        if isinstance(item, msgspec.Meta) and item.description:
            return item.description.replace("|", "\\|")
    return ""


def _text(kind: Any) -> str:
    """A type in words."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _text(inside[0])
    if origin is Literal:
        return " or ".join(f"`{word}`" for word in inside)
    if origin is Union or isinstance(kind, type(int | str)):
        return " or ".join(_text(item) for item in inside)
    if origin in (tuple, list):
        return f"list of {_text(inside[0])}"
    if origin is dict:
        return f"object of {_text(inside[1])}"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    return _WORDS[kind]


def _inner(kind: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(kind, type) and not get_args(kind) and issubclass(kind, msgspec.Struct):
        yield kind
        for field in msgspec.structs.fields(kind):
            yield from _inner(field.type)
    for item in get_args(kind):
        if not isinstance(item, str | msgspec.Meta):
            yield from _inner(item)


def _types() -> list[type[msgspec.Struct]]:
    """Every type that an answer holds, by name."""
    from irqbal.api.responses import ErrorBody

    found = {kind for route in ALL for kind in _inner(route.answer)} | set(_inner(ErrorBody))
    return sorted(found, key=lambda kind: kind.__name__)


def made(root: Path) -> dict[Path, str]:
    """What the files should hold."""
    return {
        root / "README.md": readme((root / "README.md").read_text()),
        root / "docs/api.md": api(),
        root / "docs/openapi.json": openapi.text().decode() + "\n",
    }


def main() -> None:
    """Write what has changed, below the present folder."""
    for path, text in made(Path.cwd()).items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"{path} written\n")


if __name__ == "__main__":
    main()
