"""docs/architecture.md names what is there: rooms, words and the files of each change."""

from __future__ import annotations

import ast
import re

import pytest

from places import TOP

PAGE = (TOP / "docs/architecture.md").read_text()
MODEL = TOP / "irqbal/model"
GOALS = {
    "Add a kernel file reader": 4,
    "Add a policy": 2,
    "Add an API route": 5,
    "Change how load is estimated": 2,
    "Find out why an IRQ moved, or why no plan was made": 2,
    "Change the sandbox": 2,
}
"""Each change, and the places that it may touch at most."""


def section(title: str, level: str = "##") -> str:
    """The text below this heading, up to the next of its level or a higher one."""
    text = PAGE.partition(f"\n{level} {title}\n")[2]
    assert text, title
    return re.split(rf"\n#{{2,{len(level)}}} ", text)[0]


def test_every_room_stands_in_the_table_and_no_other_does() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", section("Rooms"), re.MULTILINE))
    there = {path.parent.name for path in (TOP / "irqbal").glob("*/__init__.py")}
    assert listed == there


def test_the_vocabulary_is_named() -> None:
    there = {path.stem for path in (TOP / "irqbal").glob("*.py")} - {"__init__", "__main__"}
    assert there <= set(re.findall(r"`(\w+)`", section("Rooms")))


def test_every_public_class_and_literal_of_the_model_stands_among_the_words() -> None:
    words = set(re.findall(r"`(\w+)`", section("Words")))
    there = set()
    for path in MODEL.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                there.add(node.name)
            elif isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Literal["):
                there.add(ast.unparse(node.targets[0]))
    assert {name for name in there if not name.startswith("_")} <= words


@pytest.mark.parametrize("change", GOALS)
def test_a_change_touches_no_more_places_than_its_goal(change: str) -> None:
    text = section(change, "###")
    assert len(re.findall(r"^\d\. ", text, re.MULTILINE)) <= GOALS[change]


def test_every_change_of_the_page_has_a_goal() -> None:
    assert set(re.findall(r"^### (.+)$", PAGE, re.MULTILINE)) == set(GOALS)


@pytest.mark.parametrize(
    "path",
    sorted(set(re.findall(r"`((?:irqbal|policies|tests|etc|contrib)/[\w/@.-]*)`", PAGE))),
)
def test_every_file_that_the_page_names_is_there(path: str) -> None:
    assert (TOP / path).exists()
