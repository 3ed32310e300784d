"""Which IRQ is which over time: identities and generations. Pure.

An IRQ is its device, its vector and its action, not its number. A rebind, a reload or a queue
change begins a new generation, even under the same number and name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from irqbal.model.readings import IrqFacts
from irqbal.model.view import Device

MAX_PAST = 10_000
"""IRQs that are gone whose generation is remembered."""


class IrqLife(msgspec.Struct, frozen=True):
    """One IRQ by identity: its present number, the inode of its folder, and which generation this
    is.
    """

    number: int
    inode: int
    generation: int


class IrqIdentities:
    """The IRQs of the last census by identity, and the generations of those before."""

    def __init__(self) -> None:
        self.by_identity: dict[str, IrqLife] = {}
        self.identities: dict[int, str] = {}
        """Identity by present number."""
        self._past: dict[str, int] = {}

    def take(
        self, irqs: Iterable[IrqFacts], devices: Mapping[int, Device], renewed: set[int]
    ) -> tuple[bool, set[int]]:
        """Take a census in. `renewed` are numbers that began anew although nothing else tells.
        Returns whether anything is not as it was, and the numbers of IRQs that live anew.
        """
        lives: dict[str, IrqLife] = {}
        anew: set[int] = set()
        for facts in irqs:
            identity = _identity(facts, devices.get(facts.number), lives)
            before = self.by_identity.get(identity)
            # What comes back after it was gone lives anew.
            generation = self._past.pop(identity, 0) + 1
            if before is not None:
                same = (
                    before.inode == facts.inode
                    and before.number == facts.number
                    and facts.number not in renewed
                )
                generation = before.generation + (not same)
                if not same:
                    anew.add(facts.number)
            lives[identity] = IrqLife(facts.number, facts.inode, generation)
        changed = _told(lives) != _told(self.by_identity)
        gone = {key: life.generation for key, life in self.by_identity.items() if key not in lives}
        self._past = dict([*self._past.items(), *gone.items()][-MAX_PAST:])
        self.by_identity = lives
        self.identities = {life.number: identity for identity, life in lives.items()}
        return changed, anew


def _told(lives: Mapping[str, IrqLife]) -> dict[str, tuple[int, int]]:
    return {identity: (life.number, life.generation) for identity, life in lives.items()}


def _identity(facts: IrqFacts, device: Device | None, taken: Mapping[str, IrqLife]) -> str:
    where = device.address if device is not None else facts.chip or "platform"
    vector = "-" if facts.vector is None else str(facts.vector)
    identity = f"{where}/{vector}/{facts.action}"
    count = 1
    while identity in taken:
        count += 1
        identity = f"{where}/{vector}/{facts.action}#{count}"
    return identity
