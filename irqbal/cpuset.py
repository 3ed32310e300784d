"""Sets of CPU numbers: written as lists (`0-3,8`) or as the kernel's hex masks (`ff,ffffffff`).

A list is comma-separated numbers and ranges; `0-31:2/8` means the first 2 of each 8. A mask is
comma-separated 32-bit words in hex, highest first. Both are the kernel's formats: see
Documentation/core-api/irq/irq-affinity.rst and lib/bitmap.c.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import final

MAX_CPUS = 8192
"""CPU numbers are below this: the kernel's own bound (NR_CPUS on x86-64 with MAXSMP)."""

MAX_TEXT = 50_000
"""Most characters of a list or mask: over twice the longest list, every other CPU below
MAX_CPUS.
"""

_PART = re.compile(r"(\d{1,5})(?:-(\d{1,5})(?::(\d{1,5})/(\d{1,5}))?)?", re.ASCII)
_MASK = re.compile(r"(?:0x)?[0-9a-f]{1,}(?:,[0-9a-f]{1,8})*", re.ASCII | re.IGNORECASE)


@final
class CpuSet:
    """An immutable, hashable set of CPU numbers.

    >>> str(CpuSet.parse("0-3,8") - CpuSet.of(1))
    '0,2-3,8'
    """

    __slots__ = ("bits",)

    bits: int

    def __init__(self, cpus: Iterable[int] = ()) -> None:
        bits = 0
        for cpu in cpus:
            if not 0 <= cpu < MAX_CPUS:
                raise ValueError(f"CPU {cpu} is out of range: CPUs are 0 to {MAX_CPUS - 1}")
            bits |= 1 << cpu
        object.__setattr__(self, "bits", bits)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a CpuSet is immutable; create another")

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return (CpuSet.from_bits, (self.bits,))

    @classmethod
    def from_bits(cls, bits: int) -> CpuSet:
        """The set of the one-bits of a non-negative int. Raises ValueError."""
        if bits < 0 or bits.bit_length() > MAX_CPUS:
            raise ValueError("not a CPU mask: negative, or beyond the largest CPU number")
        result = object.__new__(cls)
        object.__setattr__(result, "bits", bits)
        return result

    @classmethod
    def of(cls, *cpus: int) -> CpuSet:
        """The set of these CPUs."""
        return cls(cpus)

    @classmethod
    def parse(cls, text: str) -> CpuSet:
        """Read a list such as `0-3,8`; an empty text is the empty set. Raises ValueError with a
        sentence.
        """
        if len(text) > MAX_TEXT:
            raise ValueError(f"{text[:40]!r}… is not a CPU set: it is too long")
        return _parse(text)

    @classmethod
    def from_mask(cls, text: str) -> CpuSet:
        """Read a hex mask such as `ff,ffffffff` or `0x3`. Raises ValueError with a sentence."""
        stripped = text.strip()
        if len(text) > MAX_TEXT:
            raise ValueError(f"{text[:40]!r}… is not a CPU mask: it is too long")
        if not _MASK.fullmatch(stripped):
            raise ValueError(
                f"{text!r} is not a CPU mask: write hex digits, such as 3 or ff,ffffffff"
            )
        words = stripped.removeprefix("0x").removeprefix("0X").split(",")
        if len(words) > 1 and len(words[0]) > 8:
            raise ValueError(
                f"{text!r} is not a CPU mask: a comma-separated word has at most 8 hex digits"
            )
        bits = int("".join([words[0], *(word.rjust(8, "0") for word in words[1:])]), 16)
        return cls.from_bits(bits)

    def mask(self) -> str:
        """The hex mask as the kernel writes it: comma-separated words of 32 bits, without leading
        zero words.
        """
        digits = f"{self.bits:x}"
        head = len(digits) % 8
        words = [digits[:head]] if head else []
        words += [digits[i : i + 8] for i in range(head, len(digits), 8)]
        return ",".join(words)

    def __str__(self) -> str:
        return _format(self.bits)

    def __repr__(self) -> str:
        return f"CpuSet.parse({str(self)!r})"

    def __iter__(self) -> Iterator[int]:
        bits = self.bits
        while bits:
            low = bits & -bits
            yield low.bit_length() - 1
            bits ^= low

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __bool__(self) -> bool:
        return self.bits != 0

    def __contains__(self, cpu: object) -> bool:
        return isinstance(cpu, int) and cpu >= 0 and bool(self.bits >> cpu & 1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CpuSet) and self.bits == other.bits

    def __hash__(self) -> int:
        return hash(self.bits)

    # Most of these change nothing; to make another set costs several times as much as to notice it.

    def __or__(self, other: CpuSet) -> CpuSet:
        bits = self.bits | other.bits
        return self if bits == self.bits else _made(bits)

    def __and__(self, other: CpuSet) -> CpuSet:
        bits = self.bits & other.bits
        return self if bits == self.bits else _made(bits)

    def __sub__(self, other: CpuSet) -> CpuSet:
        bits = self.bits & ~other.bits
        return self if bits == self.bits else _made(bits)

    def __xor__(self, other: CpuSet) -> CpuSet:
        return _made(self.bits ^ other.bits)

    def __le__(self, other: CpuSet) -> bool:
        """Whether every CPU of this set is in the other."""
        return self.bits & ~other.bits == 0

    @property
    def first(self) -> int:
        """The lowest CPU. Raises ValueError if the set is empty."""
        if not self.bits:
            raise ValueError("an empty CPU set has no first CPU")
        return (self.bits & -self.bits).bit_length() - 1


def _made(bits: int, new: Callable[[type[CpuSet]], CpuSet] = object.__new__) -> CpuSet:
    """The set of these bits, which come from valid sets: a plan makes tens of thousands."""
    result = new(CpuSet)
    _set_bits(result, bits)
    return result


_set_bits: Callable[[CpuSet, int], None] = vars(CpuSet)["bits"].__set__


@lru_cache(maxsize=4096)
def _parse(text: str) -> CpuSet:
    bits = 0
    stripped = text.strip()
    if not stripped:
        return CpuSet()
    for part in stripped.split(","):
        match = _PART.fullmatch(part.strip())
        if not match:
            raise ValueError(f"{text!r} is not a CPU set: write numbers and ranges, such as 0-3,8")
        low = int(match[1])
        high = int(match[2]) if match[2] else low
        if high < low:
            raise ValueError(f"{text!r} is not a CPU set: the range {part.strip()} runs backwards")
        if high >= MAX_CPUS:
            raise ValueError(f"{text!r} is not a CPU set: CPUs are 0 to {MAX_CPUS - 1}")
        if match[3] is None:
            bits |= ((1 << (high - low + 1)) - 1) << low
            continue
        used, group = int(match[3]), int(match[4])
        if not 0 < used <= group:
            raise ValueError(
                f"{text!r} is not a CPU set: in {part.strip()}, USED/GROUP needs 0 < USED <= GROUP"
            )
        width = high - low + 1
        pattern, length = (1 << used) - 1, group
        while length < width:
            pattern |= pattern << length
            length *= 2
        bits |= (pattern & ((1 << width) - 1)) << low
    return CpuSet.from_bits(bits)


@lru_cache(maxsize=4096)
def _format(bits: int) -> str:
    parts = []
    low = 0
    while bits:
        skip = (bits & -bits).bit_length() - 1
        bits >>= skip
        low += skip
        run = (~bits & (bits + 1)).bit_length() - 1
        parts.append(str(low) if run == 1 else f"{low}-{low + run - 1}")
        bits >>= run
        low += run
    return ",".join(parts)
