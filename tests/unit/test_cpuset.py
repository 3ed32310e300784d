"""CPU sets are Python sets of small numbers, written as the kernel writes them."""

from __future__ import annotations

import copy
import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqbal.cpuset import MAX_CPUS, CpuSet

cpus = st.frozensets(st.integers(0, 600), max_size=60)


@given(cpus)
def test_list_and_mask_come_back(members: frozenset[int]) -> None:
    made = CpuSet(members)
    assert CpuSet.parse(str(made)) == made
    assert CpuSet.from_mask(made.mask()) == made
    assert CpuSet.from_bits(made.bits) == made
    assert sorted(members) == list(made)


@given(cpus, cpus)
def test_algebra_is_that_of_sets(a: frozenset[int], b: frozenset[int]) -> None:
    left, right = CpuSet(a), CpuSet(b)
    assert set(left | right) == a | b
    assert set(left & right) == a & b
    assert set(left - right) == a - b
    assert set(left ^ right) == a ^ b
    assert (left <= right) == (a <= b)
    assert (left == right) == (a == b)
    assert len(left) == len(a)
    assert bool(left) == bool(a)
    assert all((cpu in left) == (cpu in a) for cpu in range(601))
    if a:
        assert left.first == min(a)


@given(cpus)
def test_list_has_no_ranges_that_could_be_joined(members: frozenset[int]) -> None:
    text = str(CpuSet(members))
    ends = [tuple(map(int, (part.split("-") * 2)[:2])) for part in text.split(",") if part]
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(ends))


@given(cpus, st.integers(0, 3))
def test_mask_may_have_leading_zero_words(members: frozenset[int], words: int) -> None:
    """The kernel pads masks to the width of the possible CPUs."""
    made = CpuSet(members)
    head, comma, rest = made.mask().partition(",")
    padded = f"{'00000000,' * words}{head.rjust(8, '0')}{comma}{rest}\n"
    assert CpuSet.from_mask(padded) == made


@given(st.integers(0, 100), st.integers(0, 300), st.integers(1, 40), st.integers(0, 40))
def test_grouped_range_is_the_kernels(low: int, length: int, used: int, more: int) -> None:
    group, high = used + more, low + length
    expected = {cpu for cpu in range(low, high + 1) if (cpu - low) % group < used}
    assert set(CpuSet.parse(f"{low}-{high}:{used}/{group}")) == expected


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("", set()),
        ("\n", set()),
        ("0", {0}),
        ("0-3,8\n", {0, 1, 2, 3, 8}),
        (" 1 , 3-4 ", {1, 3, 4}),
        ("3,1,2,1-2", {1, 2, 3}),
        ("0-31:2/8", {0, 1, 8, 9, 16, 17, 24, 25}),
        (str(MAX_CPUS - 1), {MAX_CPUS - 1}),
    ],
)
def test_lists_that_are_read(text: str, members: set[int]) -> None:
    assert set(CpuSet.parse(text)) == members


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "-",
        "1-",
        "-1",
        "3-1",
        "1,,2",
        ",",
        "1-2-3",
        "0x3",
        "1.5",
        "0-7:0/2",
        "0-7:3/2",
        "0-7:1/0",
        "0-7:1",
        "0:1/2",
        str(MAX_CPUS),
        f"0-{MAX_CPUS}",
        "9" * 30,
        "١",
        "1 2",
        "local",
        " (null)",
    ],
)
def test_lists_that_are_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is not a CPU set: "):
        CpuSet.parse(text)


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("0", set()),
        ("3", {0, 1}),
        ("0x3", {0, 1}),
        ("FF\n", set(range(8))),
        ("1,00000000", {32}),
        ("1,0", {32}),
        ("ff,ffffffff", set(range(40))),
        ("100000000", {32}),
    ],
)
def test_masks_that_are_read(text: str, members: set[int]) -> None:
    assert set(CpuSet.from_mask(text)) == members


@pytest.mark.parametrize(
    "text", ["", "g", "-1", "1,", ",1", "1,123456789", "123456789,1", "0x", "1 2", "f" * 3000, "٣"]
)
def test_masks_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a CPU mask"):
        CpuSet.from_mask(text)


def test_mask_is_written_in_words_of_32_bits() -> None:
    assert CpuSet().mask() == "0"
    assert CpuSet.of(0, 31).mask() == "80000001"
    assert CpuSet.of(32).mask() == "1,00000000"
    assert CpuSet.of(4, 64).mask() == "1,00000000,00000010"


def test_a_set_does_not_change() -> None:
    made = CpuSet.of(1)
    with pytest.raises(AttributeError, match="is immutable"):
        made.bits = 3


def test_hash_and_copies() -> None:
    made = CpuSet.parse("0-3,8")
    assert {made: 1}[CpuSet.of(8, 3, 2, 1, 0)] == 1
    assert pickle.loads(pickle.dumps(made)) == made == copy.deepcopy(made)
    assert made != "0-3,8"
    assert repr(made) == "CpuSet.parse('0-3,8')"


@pytest.mark.parametrize("cpu", [-1, MAX_CPUS])
def test_cpu_beyond_any_kernel_is_refused(cpu: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        CpuSet.of(cpu)


def test_bits_beyond_any_kernel_are_refused() -> None:
    for bits in (-1, 1 << MAX_CPUS):
        with pytest.raises(ValueError, match="not a CPU mask"):
            CpuSet.from_bits(bits)


def test_membership_of_what_is_no_cpu() -> None:
    assert -1 not in CpuSet.of(0)
    assert "0" not in CpuSet.of(0)
    assert 10**9 not in CpuSet.of(0)


def test_empty_set_has_no_first() -> None:
    with pytest.raises(ValueError, match="empty"):
        _ = CpuSet().first
