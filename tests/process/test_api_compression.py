"""Answers over 1 kB are compressed for who accepts it, and are the same for who does not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest

from served import Served, serve


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve(spec="2x16x2,nic=16x2", rest="interval: 10s\nhistory: {every: 10s}\n") as found:
        yield found


@pytest.mark.parametrize(
    "path", ["/", "/dashboard/main.js", "/api/v1/irqs", "/api/v1/openapi.json"]
)
def test_who_accepts_gzip_gets_a_part_of_it(served: Served, path: str) -> None:
    plain = served.ask("GET", path)
    packed = served.ask("GET", path, headers={"Accept-Encoding": "gzip, br"})
    assert plain.status == packed.status == 200
    assert plain.headers.get("content-encoding") is None
    if len(plain.body) < 1000:
        assert packed.headers.get("content-encoding") is None
        return
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert len(packed.body) < len(plain.body) / 2
    assert int(packed.headers["content-length"]) == len(packed.body)
    text = gzip.decompress(packed.body)
    if path.startswith("/api/v1/irqs"):
        assert [item["number"] for item in json.loads(text)] == [
            item["number"] for item in json.loads(plain.body)
        ]
    else:
        assert text == plain.body
    head = served.ask("HEAD", path, headers={"Accept-Encoding": "gzip"})
    assert head.headers["content-encoding"] == "gzip" and head.body == b""


def test_short_answers_and_events_are_not(served: Served) -> None:
    for path in ("/healthz", "/api/v1/overrides"):
        found = served.ask("GET", path, headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in found.headers
    head = served.ask("HEAD", "/api/v1/events", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in head.headers
