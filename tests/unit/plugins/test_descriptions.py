"""What a host says of its plugins is shown only if it is what it claims to be."""

from __future__ import annotations

import json

import pytest

from irqbal.plugins import bounds
from irqbal.plugins.descriptions import checked, is_schema
from irqbal.plugins.protocol import DescribeResult
from irqbal.wire import schema_of
from irqbal_policies.pin_irqs import PinIrqs


def test_a_schema_of_ours_is_one() -> None:
    assert is_schema(json.dumps(schema_of(PinIrqs)))


@pytest.mark.parametrize(
    "text",
    [
        "no schema",
        "7",
        "[]",
        json.dumps({"properties": 7}),
        json.dumps({"properties": {"a": 7}}),
        json.dumps({"properties": {"a": {"description": 7}}}),
        json.dumps({"properties": {"a": {"items": []}}}),
        json.dumps({"$defs": {"a": {"properties": []}}}),
        "[" * 100_000,
        json.dumps({"a": "x" * bounds.MAX_SCHEMA_LENGTH}),
    ],
)
def test_what_would_break_its_readers_is_none(text: str) -> None:
    assert not is_schema(text)


def test_what_is_of_no_entry_or_too_long_is_left_out() -> None:
    found = checked(DescribeResult({0: "{}", 9: "{}"}, {0: "x" * 9999, 9: "y"}), {0})
    assert found == DescribeResult({0: "{}"}, {0: "x" * bounds.MAX_REASON_LENGTH})
