"""When what failed is tried again."""

from __future__ import annotations

import time

import pytest

from irqbal.plugins import bounds
from irqbal.plugins.retries import Retries, in_words


class RetryClock:
    """A clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def test_the_delay_grows_and_is_reset_by_an_hour_without_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, retries = RetryClock(monkeypatch), Retries()
    delays = []
    for _ in range(7):
        delays.append(retries.failed())
        assert not retries.take_due()
        clock.now += delays[-1]
        assert retries.take_due() and not retries.take_due()
        clock.now += 1
    assert delays == [60, 120, 300, 900, 3600, 3600, 3600]
    clock.now += bounds.RECOVERED_AFTER
    assert retries.failed() == 60


def test_nothing_is_due_before_a_failure() -> None:
    assert not Retries().take_due()


@pytest.mark.parametrize(
    ("seconds", "text"), [(60, "1 minute"), (300, "5 minutes"), (3600, "60 minutes")]
)
def test_a_delay_is_told_in_minutes(seconds: float, text: str) -> None:
    assert in_words(seconds) == text
