"""The daemon under a pretended clock (faketime), at a start and while it runs: nothing is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import machine
from irqbal.errors import HistoryError
from irqbal.history.samples import Sample
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import SqliteHistory
from machine import wait_for

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def _samples(state: Path) -> list[Sample]:
    try:
        store = SqliteHistory(state / FILE)
    except HistoryError:
        # It is being made.
        return []
    try:
        assert store.check() == "ok"
        return sorted(store.samples(0, 1e11), key=lambda item: item.sequence)
    finally:
        store.close()


class PretendedClock:
    """A daemon on a made-up host, whose clock a file moves."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.state = folder, folder / "state"
        self.log = folder / "log"
        self._offset = folder / "offset"
        self._config = folder / "irqbal.yaml"
        self._config.write_text(
            f"state_dir: {self.state}\ninterval: 200ms\nhistory: {{every: 200ms}}\n"
            "api: {listen: []}\n"
        )

    def set(self, offset: str) -> None:
        """Move the clock, such as `+3y`."""
        self._offset.write_text(offset)

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """Run it."""
        assert LIBRARY is not None, "the package faketime is missing"
        env = {
            **os.environ,
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        words = ("--simulate", "1x2,nic=2x1", "-c", str(self._config))
        with machine.daemon(*words, log=self.log, env=env):
            yield

    def more(self, count: int) -> None:
        """Wait until so many more samples are recorded."""
        before = len(_samples(self.state))
        wait_for(lambda: len(_samples(self.state)) >= before + count, self.log)


@pytest.mark.parametrize("offset", ["+3y", "+40d", "-1h"])
@pytest.mark.parametrize("running", [False, True])
def test_a_clock_that_is_wrong_for_a_minute_loses_nothing(
    tmp_path: Path, offset: str, running: bool
) -> None:
    clock = PretendedClock(tmp_path)
    clock.set("+0")
    with clock.daemon():
        clock.more(20)
        if running:
            clock.set(offset)
            clock.more(20)
            clock.set("+0")
            clock.more(20)
    if not running:
        clock.set(offset)
        with clock.daemon():
            clock.more(20)
        clock.set("+0")
        with clock.daemon():
            clock.more(20)
    samples = _samples(clock.state)
    numbers = [item.sequence for item in samples]
    assert len(samples) >= 55
    now = time.time()
    wrong = [item for item in samples if abs(item.wall - now) > 1800]
    assert len(wrong) >= 15, "the clock was wrong"
    assert {item.clock for item in wrong} == {"wrong"}
    right = [item for item in samples if item not in wrong]
    assert sum(item.clock == "wrong" for item in right) <= 3, "the one in which the clock went back"
    assert numbers == sorted(set(numbers))
