"""Checking how a host describes its plugins: it is shown to people, and read by programs."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import msgspec

from irqbal import wire
from irqbal.plugins import bounds, protocol


class _Property(msgspec.Struct):
    """One option in a schema, as far as irqbal's own programs read it."""

    description: str = ""
    items: dict[str, Any] = {}


class _Definition(msgspec.Struct):
    properties: dict[str, _Property] = {}


class _Schema(msgspec.Struct):
    """A schema of options, as far as irqbal's own programs read it."""

    properties: dict[str, _Property] = {}
    definitions: dict[str, _Definition] = msgspec.field(default_factory=dict, name="$defs")


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def plain(text: str, most: int) -> str:
    """A text of a host's, of so many characters at most, without characters that control a
    terminal or end a line.
    """
    return _CONTROL.sub(lambda match: repr(match[0])[1:-1], text[:most])


def checked(found: protocol.DescribeResult, indexes: Collection[int]) -> protocol.DescribeResult:
    """The description without what is none, and without what is of other entries than these."""
    return protocol.DescribeResult(
        {
            index: text
            for index, text in found.schemas.items()
            if index in indexes and is_schema(text)
        },
        {
            index: plain(text, bounds.MAX_REASON_LENGTH)
            for index, text in found.about.items()
            if index in indexes
        },
    )


def is_schema(text: str) -> bool:
    """Whether a text from a host is a JSON schema of options, of a bearable size."""
    if len(text) > bounds.MAX_SCHEMA_LENGTH:
        return False
    try:
        wire.from_json(text, _Schema)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    return True
