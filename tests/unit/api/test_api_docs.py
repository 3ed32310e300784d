"""The contract and what follows from it: handlers, documents, codes."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

import irqbal
from irqbal.api import docs, openapi
from irqbal.api.contract import ALL, API_VERSION, PREFIX
from irqbal.api.error_codes import CODES, STATUSES
from irqbal.api.metrics import families
from irqbal.api.routes.table import HANDLERS

ROOT = Path(irqbal.__file__).parent.parent


@pytest.mark.parametrize("path", docs.documents(ROOT))
def test_the_documents_are_those_of_the_contract(path: Path) -> None:
    """Failed? `python -m irqbal.api.docs` writes them anew; look at what changed before you commit
    it.
    """
    assert path.read_text() == docs.documents(ROOT)[path]


def test_every_route_has_one_handler_and_every_handler_a_route() -> None:
    assert {route.name for route in ALL} == set(HANDLERS)
    assert (
        len({(route.method, route.path) for route in ALL})
        == len(ALL)
        == len({route.name for route in ALL})
    )


def test_every_route_parameter_metric_and_code_is_documented() -> None:
    text = (ROOT / "docs/api.md").read_text()
    for route in ALL:
        assert f"### {route.method} {route.path}\n" in text
    for name, kind, about in families():
        assert f"| `{name}` | {kind} | {about} |" in text and len(about) > 10
    for code in CODES:
        assert f"| `{code}` |" in text
    for asks in {kind for route in ALL for kind in (route.query, route.body) if kind is not None}:
        assert all(docs.description_of(field.type) for field in msgspec.structs.fields(asks)), asks


def test_every_code_that_is_raised_is_explained_and_has_a_known_status() -> None:
    found = set()
    for path in sorted((ROOT / "irqbal").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ApiError":
                status, code = node.args[:2]
                if isinstance(code, ast.Constant):
                    found.add(code.value)
                if isinstance(status, ast.Constant):
                    assert status.value in STATUSES, (path, node.lineno)
    assert found <= set(CODES) and len(found) > 25
    # Those that no literal names: `refused` and `unsaved` come from the kernel's outcome, `gone`
    # from a connection that ended.
    assert set(CODES) - found <= {"unsaved", "refused", "error"}
    assert {status for status, _ in CODES.values()} <= set(STATUSES)


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi.text())
    return found


def test_openapi_names_every_route_on_both_of_its_paths() -> None:
    paths = document()["paths"]
    for route in ALL:
        assert route.method.lower() in paths[route.path]
        if route.below_host:
            assert (
                route.below_host.startswith(f"{PREFIX}/hosts/{{host}}/")
                and route.method.lower() in paths[route.below_host]
            )
    assert document()["info"]["version"] == API_VERSION and document()["openapi"].startswith("3.1")


def test_openapi_refers_only_to_what_it_holds() -> None:
    text = openapi.text().decode()
    schemas = document()["components"]["schemas"]
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.split('"')[0] in schemas


def test_openapi_says_who_needs_a_token() -> None:
    paths = document()["paths"]
    for route in ALL:
        security = paths[route.path][route.method.lower()].get("security")
        wanted: Any = {"public": None, "read": [{}, {"bearer": []}]}.get(
            route.scope, [{"bearer": []}]
        )
        assert security == wanted, route.name
        assert set(paths[route.path][route.method.lower()]["responses"]) == {
            str(status) for status in route.statuses(route.path)
        }


def test_operations_have_names_of_their_own() -> None:
    names = [
        operation["operationId"]
        for path in document()["paths"].values()
        for operation in path.values()
    ]
    assert len(names) == len(set(names))
