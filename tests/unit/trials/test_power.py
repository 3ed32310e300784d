"""What trials find on simulated hosts: nothing where there is nothing, and a true effect mostly.

The numbers of trials that are promised are played by `make long`; here a few of each.
"""

from __future__ import annotations

import math

import pytest

from trial_hosts import Truth, host_of, play

LOADS = ("steady", "noisy", "diurnal", "toggling")
"""Steady, AR(1), drifting and bursty (every 30 s a tenth of the queues goes to three times as much,
or back).
"""
EFFECT = 0.2


def nulls(traffic: str, count: int, windows: int = 40) -> int:
    """How many of these trials say that the two sides differ, though they are the same."""
    wrong = 0
    for seed in range(count):
        truth = Truth(traffic, seed, 1)
        same = truth.balanced()
        result = play(host_of(traffic, seed), same, same, windows, seed)
        wrong += result.verdict != "no-difference"
    return wrong


def found(traffic: str, count: int, windows: int) -> int:
    """How many of these trials find that side B is better by 20 %."""
    right = 0
    for seed in range(count):
        truth = Truth(traffic, seed, windows)
        b = truth.balanced()
        a = truth.worse(b, EFFECT)
        assert truth.effect(a, b) == pytest.approx(math.log1p(-EFFECT), abs=0.05)
        result = play(host_of(traffic, seed), a, b, windows, seed)
        right += result.verdict == "better"
    return right


@pytest.mark.parametrize("traffic", LOADS)
def test_sides_that_are_the_same_do_not_differ(traffic: str) -> None:
    assert nulls(traffic, 3) <= 1


@pytest.mark.parametrize("traffic", LOADS)
def test_a_true_effect_is_found(traffic: str) -> None:
    assert found(traffic, 3, 40) >= 2


@pytest.mark.long
def test_of_two_hundred_trials_of_nothing_ten_find_something_at_most() -> None:
    wrong = {traffic: nulls(traffic, 50) for traffic in LOADS}
    print(f"\nof 50 trials each of sides that are the same, these differed: {wrong}")
    assert sum(wrong.values()) <= 10


@pytest.mark.long
@pytest.mark.parametrize(
    ("traffic", "windows"),
    [*((traffic, 40) for traffic in LOADS), ("steady", 20), ("diurnal", 20)],
)
def test_of_a_hundred_true_effects_ninety_are_found(traffic: str, windows: int) -> None:
    right = found(traffic, 100, windows)
    print(f"\n{traffic}, {windows} windows: {right} of 100 true effects of 20 % were found")
    assert right >= 90
