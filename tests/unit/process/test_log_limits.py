"""Lines that others cause are bounded by the minute."""

from __future__ import annotations

import logging
import time

import pytest

from irqbal.process.log_limits import LINES, SECONDS, LineLimit, install


def test_a_minute_has_so_many_lines_and_the_next_one_counts_the_rest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    logger = logging.getLogger("irqbal.tests.loud")
    limit = LineLimit(3)
    logger.addFilter(limit)
    try:
        for number in range(10):
            logger.warning("a wrong token from %s", f"10.0.0.{number} 100%")
        now[0] += SECONDS
        logger.warning("a wrong token from %s", "100% sure")
    finally:
        logger.removeFilter(limit)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[:3] == [f"a wrong token from 10.0.0.{number} 100%" for number in range(3)]
    assert lines[3:] == ["a wrong token from 100% sure (7 such lines were left out before)"]


def test_the_loggers_whose_lines_others_cause_are_limited(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from irqbal.api.http import token_failures

    before = {
        name: list(logging.getLogger(name).filters) for name in logging.root.manager.loggerDict
    }
    try:
        install()
        install()
        for _ in range(3 * LINES):
            token_failures.log.warning("a wrong token")
    finally:
        for name, filters in before.items():
            logging.getLogger(name).filters[:] = filters
    assert len(caplog.records) == LINES
