"""Trees of text become options, and every problem is told with its line and key."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from irqbal.cpuset import CpuSet
from irqbal.problems import LocatedProblem, Node, decode
from irqbal.wire import Duration


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options within options."""

    name: str
    cpus: CpuSet = CpuSet()


class SampleOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of every form that options take."""

    gain: Annotated[int, Meta(ge=1, description="gain")] = 5
    on: bool = False
    mode: Literal["off", "on"] = "off"
    every: Duration = Duration(10)
    maybe: Duration | None = None
    names: tuple[str, ...] = ("*",)
    rules: list[Inner] = []
    table: dict[str, CpuSet] = {}


def _read(tree: Node) -> tuple[SampleOptions | None, list[LocatedProblem]]:
    problems: list[LocatedProblem] = []
    return decode(tree, SampleOptions, "", problems), problems


def _map(**values: str | list[Node] | dict[str, Node] | None) -> Node:
    return Node(
        1, {name: Node(index + 2, value) for index, (name, value) in enumerate(values.items())}
    )


def test_defaults() -> None:
    assert _read(Node(1, {})) == (SampleOptions(), [])


def test_empty_section_means_its_defaults() -> None:
    assert _read(Node(1, None)) == (SampleOptions(), [])


def test_every_form() -> None:
    tree = _map(
        gain="7",
        on="true",
        mode="on",
        every="2m",
        maybe=None,
        names=[Node(3, "a"), Node(3, "b")],
        rules=[Node(4, {"name": Node(4, "x"), "cpus": Node(4, "8")})],
        table={"k": Node(5, "0-3")},
    )
    value, problems = _read(tree)
    assert problems == []
    inner = Inner("x", CpuSet.of(8))
    assert value == SampleOptions(
        7, True, "on", Duration(120), None, ("a", "b"), [inner], {"k": CpuSet.parse("0-3")}
    )


def test_word_off_stays_a_word_and_8_a_cpu() -> None:
    value, _ = _read(_map(mode="off", table={"a": Node(1, "8")}))
    assert value is not None
    assert value.mode == "off"
    assert value.table == {"a": CpuSet.of(8)}


def test_all_problems_are_told_each_at_its_line() -> None:
    value, problems = _read(_map(gain="0", on="perhaps", every="soon", extra="x", names="a"))
    assert value is None
    assert [(problem.line, problem.key) for problem in problems] == [
        (2, "gain"),
        (3, "on"),
        (4, "every"),
        (5, "extra"),
        (6, "names"),
    ]
    assert "expected a list" in problems[4].text


def test_unknown_key_gets_a_hint() -> None:
    _, problems = _read(_map(gane="1"))
    assert problems[0].text == "unknown key; did you mean gain?"
    _, problems = _read(_map(zzzzzz="1"))
    assert problems[0].text.startswith("unknown key; known keys are every, gain")


def test_path_leads_into_lists_and_maps() -> None:
    _, problems = _read(
        _map(
            rules=[Node(7, {"name": Node(7, "x")}), Node(8, {"cpus": Node(9, "z")})],
            table={"k": Node(10, "z")},
        )
    )
    assert [(problem.line, problem.key) for problem in problems] == [
        (9, "rules[1].cpus"),
        (8, "rules[1].name"),
        (10, "table.k"),
    ]
    assert "no default" in problems[1].text


def test_wrong_shapes() -> None:
    for tree, text in (
        (Node(1, "x"), "expected keys and values, got 'x'"),
        (_map(gain=[Node(1, "1")]), "expected one value, got a list"),
        (_map(gain={"a": Node(1, "1")}), "expected one value, got keys and values"),
        (_map(table=[Node(1, "1")]), "expected keys and values, got a list"),
    ):
        value, problems = _read(tree)
        assert value is None
        assert problems[0].text == text


def test_value_that_is_refused_is_shown() -> None:
    _, problems = _read(_map(gain="many"))
    assert "'many'" in problems[0].text
    _, problems = _read(_map(table={"a": Node(1, "0-z")}))
    assert problems[0].text.count("0-z") == 1


def test_struct_that_refuses_in_its_own_words() -> None:
    class Checked(msgspec.Struct, frozen=True):
        low: int = 0
        high: int = 1

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError("low is above high")

    problems: list[LocatedProblem] = []
    assert decode(Node(1, {"low": Node(2, "5")}), Checked, "here", problems) is None
    assert problems == [LocatedProblem(1, "here", "low is above high")]


def test_empty_value_means_the_default_but_where_none_is_a_value() -> None:
    value, problems = _read(_map(gain=None, every=None, names=None, table=None, maybe=None))
    assert problems == []
    assert value == SampleOptions()


def test_ways_to_say_yes() -> None:
    for word, meant in (
        ("yes", True),
        ("On", True),
        ("TRUE", True),
        ("1", True),
        ("no", False),
        ("off", False),
    ):
        value, problems = _read(_map(on=word))
        assert value is not None, problems
        assert value.on is meant
