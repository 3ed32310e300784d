"""Every code with which something is refused stands in the document for administrators, and no
other does.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

import irqbal
from irqbal.kernel.errnos import REFUSED
from irqbal.model.plan import RefusalCode

ROOT = Path(irqbal.__file__).parent
TEXT = (
    (ROOT.parent / "docs/operating.md")
    .read_text()
    .partition("### What a refusal means")[2]
    .partition("To hold everything")[0]
)


def used() -> set[str]:
    """The planner's codes, which the type checker holds it to, and the kernel's."""
    return {*get_args(RefusalCode), *(code for code, _ in REFUSED.values())}


def documented() -> set[str]:
    rows = re.findall(r"^\| (`[^|]*) \|", TEXT, re.MULTILINE)
    return {code for row in rows for code in re.findall(r"`([a-z-]+)`", row)}


def test_every_refusal_is_explained_and_every_explanation_is_of_a_refusal() -> None:
    assert len(used()) > 15
    assert documented() == used()


@pytest.mark.parametrize("word", ["gone", "transient", "differs", "unsaved"])
def test_what_else_may_become_of_a_move_is_explained(word: str) -> None:
    assert f"`{word}` (" in TEXT
