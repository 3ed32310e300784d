"""irqbal's kinds of value in YAML text, JSON and msgpack."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import builders as b
from irqbal.cpuset import CpuSet
from irqbal.model.plan import Kept, Move, Plan
from irqbal.model.view import Snapshot
from irqbal.wire import (
    Duration,
    Percent,
    Words,
    builtins,
    enc_hook,
    from_json,
    from_msgpack,
    schema_hook,
    to_json,
    to_msgpack,
)


class SampleWords(Words):
    """For these tests."""

    words = ("local", "all")


class All(msgspec.Struct, frozen=True):
    """One of each kind."""

    cpus: CpuSet
    every: Duration
    gain: Percent
    where: SampleWords
    many: tuple[CpuSet, ...] = ()


@given(
    st.frozensets(st.integers(0, 99)),
    st.integers(0, 10**6),
    st.integers(0, 10_000),
    st.sampled_from(["local", "all", "0-3", ""]),
)
def test_everything_comes_back(cpus: frozenset[int], seconds: int, tenths: int, where: str) -> None:
    value = All(
        CpuSet(cpus),
        Duration(seconds / 10),
        Percent(tenths / 1000),
        _where(where),
        (CpuSet(cpus), CpuSet()),
    )
    assert from_json(to_json(value), All) == value
    assert from_msgpack(to_msgpack(value), All) == value


def _where(text: str) -> SampleWords:
    made = SampleWords.parse(text)
    assert isinstance(made, SampleWords)
    return made


@given(st.floats(0, 1e9, allow_nan=False, allow_infinity=False))
def test_every_time_can_be_read_again(seconds: float) -> None:
    """Found: a time below a microsecond, or a hair beyond a whole second, was written `0.s`."""
    text = str(Duration(seconds))
    assert abs(Duration.parse(text) - seconds) <= 1e-6 + seconds * 1e-9


@given(st.floats(0, 1000, allow_nan=False))
def test_every_share_can_be_read_again(share: float) -> None:
    assert abs(Percent.parse(str(Percent(share))) - share) <= 1e-8


@pytest.mark.parametrize(
    ("text", "seconds", "written"),
    [
        ("10s", 10, "10s"),
        ("250ms", 0.25, "0.25s"),
        ("1.5s", 1.5, "1.5s"),
        ("60s", 60, "1m"),
        ("5m", 300, "5m"),
        ("90m", 5400, "90m"),
        ("2h", 7200, "2h"),
        ("48h", 172800, "2d"),
        ("30d", 2592000, "30d"),
        ("2y", 63072000, "2y"),
        (" 3 s ", 3, "3s"),
        ("0s", 0, "0s"),
    ],
)
def test_times(text: str, seconds: float, written: str) -> None:
    assert Duration.parse(text) == seconds
    assert str(Duration(seconds)) == written


@pytest.mark.parametrize(
    "text", ["", "10", "s", "-1s", "1w", "1 0s", "1e3s", "nan", "inf", "٣s", "9" * 40 + "s"]
)
def test_times_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        Duration.parse(text)


@pytest.mark.parametrize("text", ["", "5", "%", "-5%", "5 percent", "nan%"])
def test_shares_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        Percent.parse(text)


def test_share_is_a_fraction() -> None:
    assert Percent.parse("5%") == 0.05
    assert str(Percent(0.05)) == "5%"
    assert str(Percent(0.125)) == "12.5%"


def test_time_may_come_as_a_number_of_seconds() -> None:
    assert from_json(b"1.5", Duration) == 1.5
    assert from_json(b"3", Duration) == Duration(3)


@pytest.mark.parametrize("text", [b"-1", b"true", b'"x"', b"null", b"[1]"])
def test_what_is_no_time_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        from_json(text, Duration)


@pytest.mark.parametrize("number", [float("inf"), float("nan"), -0.5])
def test_number_that_is_no_time_is_refused(number: float) -> None:
    with pytest.raises(msgspec.ValidationError):
        from_msgpack(msgspec.msgpack.encode(number), Duration)


def test_words_or_cpus() -> None:
    assert str(SampleWords.parse("local")) == "local"
    assert SampleWords.parse("0-3").cpus == CpuSet.parse("0-3")
    assert SampleWords.parse("local") != SampleWords.parse("all")
    assert hash(SampleWords.parse("local")) == hash(SampleWords("local"))
    assert repr(SampleWords.parse("0,1")) == "SampleWords.parse('0-1')"
    with pytest.raises(ValueError, match="neither one of local, all nor a CPU set"):
        SampleWords.parse("near")


def test_error_names_the_place() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"is not a CPU set.*\$\.cpus"):
        from_json(b'{"cpus": "x", "every": "1s", "gain": "1%", "where": "all"}', All)
    with pytest.raises(msgspec.ValidationError, match="expected text, got int"):
        from_json(b'{"cpus": 8, "every": "1s", "gain": "1%", "where": "all"}', All)


def test_what_has_no_form_is_said() -> None:
    with pytest.raises(NotImplementedError, match="complex cannot be written"):
        enc_hook(1j)
    with pytest.raises(NotImplementedError, match="has no schema"):
        schema_hook(complex)


def test_schema_of_each_kind() -> None:
    kind: Any = Annotated[All, msgspec.Meta(description="all")]
    (schemas, defined) = msgspec.json.schema_components([kind], schema_hook=schema_hook)
    properties = defined["All"]["properties"]
    assert {name: properties[name].get("type") for name in ("cpus", "every", "gain", "where")} == {
        "cpus": "string",
        "every": "string",
        "gain": "string",
        "where": "string",
    }
    assert properties["where"]["description"] == "local | all | a CPU set"
    assert schemas


def test_move_says_from_and_to() -> None:
    move = Move(1, "a/0/b", 1, CpuSet.of(0), CpuSet.of(1), "p", "r")
    assert builtins(move)["from"] == "0"
    assert from_json(to_json(move), Move) == move


def test_model_travels_whole() -> None:
    for value in (Snapshot(), Plan()):
        assert from_msgpack(to_msgpack(value), type(value)) == value


_RACE = """
import sys, threading, time
from irqbal.model.plan import Plan
from irqbal.model.view import Snapshot
from irqbal.wire import from_msgpack

sys.setswitchinterval(1e-6)
bodies = [(bytes.fromhex(text), kind) for text, kind in zip(sys.argv[1:], (Snapshot, Plan))]
start = threading.Barrier(8)
read = []

def decode(after):
    start.wait()
    time.sleep(after)
    for body, kind in bodies:
        read.append(from_msgpack(body, kind))

threads = [threading.Thread(target=decode, args=(number * 0.0003,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(read) == 16 and read.count(read[0]) == 8
"""


def test_threads_that_decode_a_type_for_the_first_time_at_once() -> None:
    """msgspec itself ends the process then, in each of forty tries on two CPUs."""
    snapshot = b.host(b.cpus(4), b.nic("eth0", 4))
    plan = Plan(kept=(Kept(32, "p", CpuSet.of(1), "r"),))
    bodies = [to_msgpack(value).hex() for value in (snapshot, plan)]
    for _ in range(5):
        subprocess.run([sys.executable, "-c", _RACE, *bodies], check=True, timeout=60)
