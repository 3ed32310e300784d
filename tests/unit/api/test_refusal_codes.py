"""Every code with which something is refused stands in the document for administrators, and no
other does.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import irqbal
from irqbal.kernel.errnos import REFUSED

ROOT = Path(irqbal.__file__).parent
TEXT = (
    (ROOT.parent / "docs/operating.md")
    .read_text()
    .partition("### What a refusal means")[2]
    .partition("To hold everything")[0]
)
PLACES = {"refuse": 2, "_hold": 1, "Refusal": 2}
"""Who is given a code, and as which argument."""


def literals(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def codes_in(path: Path) -> Iterator[str]:
    """The literal codes of one module's refusals."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = (
                node.func.attr
                if isinstance(node.func, ast.Attribute)
                else getattr(node.func, "id", "")
            )
            at = PLACES.get(name, -1)
            if 0 <= at < len(node.args):
                yield from literals(node.args[at])
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Tuple)
            and ast.unparse(node.targets[0]).startswith("(code, ")
        ):
            yield from literals(node.value.elts[0])


def used() -> set[str]:
    found = {code for path in (ROOT / "planner").glob("*.py") for code in codes_in(path)}
    found |= {code for code, _ in REFUSED.values()}
    return found | {"unknown"}


def documented() -> set[str]:
    rows = re.findall(r"^\| (`[^|]*) \|", TEXT, re.MULTILINE)
    return {code for row in rows for code in re.findall(r"`([a-z-]+)`", row)}


def test_every_refusal_is_explained_and_every_explanation_is_of_a_refusal() -> None:
    assert len(used()) > 15
    assert documented() == used()


@pytest.mark.parametrize("word", ["gone", "transient", "differs", "unsaved"])
def test_what_else_may_become_of_a_move_is_explained(word: str) -> None:
    assert f"`{word}` (" in TEXT
