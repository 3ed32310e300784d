"""Identities and generations of IRQs over time. Pure.

An IRQ's identity is made of its device, vector and action, not its number. When a driver is bound
or loaded again, or changes its queues, the IRQ gets a new generation, even under the same number
and name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from irqbal.model.readings import IrqFacts
from irqbal.model.view import Device

MAX_PAST = 10_000
"""IRQs without a present number whose generation is remembered: a bound on memory, above the IRQs
of any host.
"""


class IrqLife(msgspec.Struct, frozen=True):
    """One IRQ's present number, the inode of its folder in `/proc/irq`, and its generation."""

    number: int
    inode: int
    generation: int


class IdentityChanges(msgspec.Struct, frozen=True):
    """What changed with a census. `any`: an IRQ appeared, disappeared, or has another number or
    generation. `renewed` are the numbers of IRQs with a new generation that the census before had
    too.
    """

    any: bool
    renewed: frozenset[int]


class IrqIdentities:
    """The IRQs of the last census by identity, and the generations of those that disappeared."""

    def __init__(self) -> None:
        self._lives: dict[str, IrqLife] = {}
        self._identities: dict[int, str] = {}
        self._past: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Whether there was a census with any IRQ."""
        return bool(self._identities)

    def knows(self, number: int) -> bool:
        """Whether the last census had an IRQ of this number."""
        return number in self._identities

    def identity(self, number: int) -> str:
        """The identity of the IRQ that has this number. Raises KeyError."""
        return self._identities[number]

    def generation(self, number: int) -> int:
        """The generation of the IRQ that has this number. Raises KeyError."""
        return self._lives[self._identities[number]].generation

    def numbers(self) -> dict[str, int]:
        """The present number of each IRQ, by identity."""
        return {identity: life.number for identity, life in self._lives.items()}

    def keys(self, groups: Mapping[int, str]) -> dict[int, tuple[str, str]]:
        """(identity and generation, cost group) by IRQ number."""
        return {
            life.number: (f"{identity}#{life.generation}", groups[life.number])
            for identity, life in self._lives.items()
        }

    def update(
        self, irqs: Iterable[IrqFacts], devices: Mapping[int, Device], renewed: set[int]
    ) -> IdentityChanges:
        """Take over a census. `devices` are by IRQ number. `renewed` are numbers of IRQs that have
        a new generation although number and inode are as before.
        """
        lives: dict[str, IrqLife] = {}
        with_new_generation: set[int] = set()
        for facts in irqs:
            identity = _identity(facts, devices.get(facts.number), lives)
            before = self._lives.get(identity)
            # An IRQ that returns gets a new generation.
            generation = self._past.pop(identity, 0) + 1
            if before is not None:
                same = (
                    before.inode == facts.inode
                    and before.number == facts.number
                    and facts.number not in renewed
                )
                generation = before.generation + (not same)
                if not same:
                    with_new_generation.add(facts.number)
            lives[identity] = IrqLife(facts.number, facts.inode, generation)
        changed = _without_inodes(lives) != _without_inodes(self._lives)
        gone = {key: life.generation for key, life in self._lives.items() if key not in lives}
        self._past = dict([*self._past.items(), *gone.items()][-MAX_PAST:])
        self._lives = lives
        self._identities = {life.number: identity for identity, life in lives.items()}
        return IdentityChanges(changed, frozenset(with_new_generation))


def _without_inodes(lives: Mapping[str, IrqLife]) -> dict[str, tuple[int, int]]:
    return {identity: (life.number, life.generation) for identity, life in lives.items()}


def _identity(facts: IrqFacts, device: Device | None, taken: Mapping[str, IrqLife]) -> str:
    """Device (else chip), vector and action; a number is appended if `taken` has this identity."""
    where = device.address if device is not None else facts.chip or "platform"
    vector = "-" if facts.vector is None else str(facts.vector)
    identity = f"{where}/{vector}/{facts.action}"
    count = 1
    while identity in taken:
        count += 1
        identity = f"{where}/{vector}/{facts.action}#{count}"
    return identity
