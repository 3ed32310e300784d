"""Squeezes are read row by row, and are what the whole file says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from irqbal.kernel.softnet import Squeezes, parse_softnet

ROW = st.tuples(*[st.sampled_from([0, 1, 2**32 - 1, 70_000])] * 3)


def text(rows: dict[int, tuple[int, int, int]], named: bool) -> bytes:
    lines = []
    for cpu, row in rows.items():
        lines.append(
            b" ".join(b"%08x" % cell for cell in (*row, *[0] * 9, *([cpu, 0, 0] if named else [])))
        )
    return b"\n".join(lines) + b"\n"


@given(st.lists(st.dictionaries(st.integers(0, 5), ROW, max_size=4), max_size=6), st.booleans())
def test_reading_on_gives_what_reading_anew_does(
    readings: list[dict[int, tuple[int, int, int]]], named: bool
) -> None:
    made = Squeezes()
    for rows in readings:
        data = text(dict(sorted(rows.items())), named)
        softnet = parse_softnet(data)
        assert made.read(data) == {
            cpu: count + softnet["dropped"][cpu] for cpu, count in softnet["time_squeeze"].items()
        }


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [
                    b"00000001 00000002 00000003",
                    b"garbage",
                    b"",
                    b"0000000g 1 2",
                    b"00000001 00000009 00000003",
                ]
            ),
            max_size=4,
        ),
        max_size=5,
    )
)
def test_odd_rows_are_passed_over_alike(readings: list[list[bytes]]) -> None:
    made = Squeezes()
    for rows in readings:
        data = b"\n".join(rows)
        softnet = parse_softnet(data)
        assert made.read(data) == {
            cpu: count + softnet["dropped"][cpu] for cpu, count in softnet["time_squeeze"].items()
        }


def test_no_news_are_the_same_object() -> None:
    made = Squeezes()
    data = text({0: (1, 2, 3), 1: (4, 5, 6)}, True)
    first = made.read(data)
    assert made.read(data) is first and first == {0: 5, 1: 11}
