"""The user's command of a trial: its number, and its end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqbal.cli import trial_options
from irqbal.cli.trial_options import UsersCommand, last_number


def number_of(command: str, seconds: float = 30) -> float | None:
    """What the command gives once it has ended, or after so long."""
    running = UsersCommand(command)
    end = time.monotonic() + seconds
    while not running.is_done and time.monotonic() < end:
        time.sleep(0.02)
    return running.number()


@pytest.mark.parametrize(
    ("command", "number"),
    [
        ("echo 12.5", 12.5),
        ("echo 'Requests/sec: 1234.5 of 2e3'", 2000.0),
        ("echo p99 -3", -3.0),
        ("printf '\\377\\376 7'", 7.0),
        ("echo nothing", None),
        ("echo 5; exit 1", None),
        ("no-such-program-here 2> /dev/null", None),
    ],
)
def test_the_last_number_counts_unless_it_failed(command: str, number: float | None) -> None:
    assert number_of(command) == number


def test_a_command_that_prints_much_is_not_stopped_by_it() -> None:
    """More than a pipe holds."""
    assert number_of("yes 1 | head -c 1000000; echo 42") == 42.0


def test_one_that_still_runs_is_ended_with_all_that_it_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial_options, "PATIENCE", 0.3)
    running = UsersCommand("trap '' TERM; sleep 600 & sleep 600")
    time.sleep(0.3)
    group = running._process.pid
    assert running.number() is None
    end = time.monotonic() + 30
    while group in map(_group, Path("/proc").glob("[0-9]*/stat")):
        assert time.monotonic() < end, "processes of the command are left"
        time.sleep(0.05)


def _group(stat: Path) -> int:
    """The process group; 0 of a zombie, and of a process that is gone."""
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[2])


@given(st.floats(allow_nan=False, allow_infinity=False), st.text(alphabet="abc :=/"))
def test_a_number_is_found_whatever_stands_before_it(number: float, text: str) -> None:
    assert last_number(f"{text} {number!r}") == pytest.approx(number)
