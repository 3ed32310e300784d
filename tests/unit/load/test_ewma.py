"""Many lines at a time give what each line gives alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from irqbal.load.ewma import SETTLED, SmoothedRates

RATE = st.one_of(st.none(), st.sampled_from([0.0, 0.0, 100.0, 101.0]), st.floats(0, 1e6))
LINE = st.lists(RATE, min_size=1, max_size=60)


@given(st.lists(LINE, min_size=1, max_size=4))
def test_a_line_does_not_depend_on_what_stands_beside_it(lines: list[list[float | None]]) -> None:
    length = min(map(len, lines))
    together = SmoothedRates(len(lines))
    for at in range(length):
        known = together.add([line[at] for line in lines])
        assert known == all(line[at] is not None for line in lines)
    for index, line in enumerate(lines):
        alone = SmoothedRates(1)
        for rate in line[:length]:
            alone.add([rate])
        assert (alone.mean[0], alone.noise(0), alone.count[0]) == (
            together.mean[index],
            together.noise(index),
            together.count[index],
        )


@given(st.integers(0, 100))
def test_an_idle_line_is_as_sure_of_itself_as_a_busy_one(intervals: int) -> None:
    """However many readings said nothing new, one odd reading after them is no new level, and two
    are.
    """
    made = SmoothedRates(1)
    for _ in range(SETTLED + intervals):
        made.add([0.0])
    made.add([1000.0])
    assert made.mean == [0.0]
    made.add([0.0])
    made.add([1000.0])
    assert made.mean == [0.0], "two in a row, that is"
    made.add([1000.0])
    assert made.mean == [1000.0]
