"""Who may get gzip, and that it is the same answer."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqbal.api.http.compression import accepts_gzip, compressed


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ("", False),
        ("gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("*", True),
        ("*;q=0.1", True),
        ("identity, *;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=x", False),
        ("gzipped, x-gzip", False),
    ],
)
def test_accept_encoding(header: str, allowed: bool) -> None:
    assert accepts_gzip(header) is allowed


@given(st.text())
def test_any_header_is_read(header: str) -> None:
    accepts_gzip(header)


@given(st.binary(max_size=3000), st.booleans())
def test_it_is_the_same_answer(body: bytes, kept: bool) -> None:
    assert gzip.decompress(compressed(body, kept=kept)) == body
