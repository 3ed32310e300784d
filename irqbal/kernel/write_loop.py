"""How a plan is written, to files or to a simulated kernel: re-read, save the originals, write,
read back, classify the answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Protocol

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError, StateFileError
from irqbal.kernel.errnos import refusal_of
from irqbal.model.plan import DefaultMove, Move, Outcome, SteeringMove, steering_of
from irqbal.model.readings import DEFAULT, Original, Save

LOOKS, LOOK_AGAIN = 3, 0.001
"""How often a value is read again that is not what was written, and seconds before. While an IRQ
fires that is about to move, its mask is the old one for a moment (kernel/irq/migration.c,
irq_move_masked_irq: the move is no longer pending, and not made yet).
"""


class WritableSetting(Protocol):
    """One value of the kernel that can be read and written: a mask or a steering setting. Values
    are CPU lists as `CpuSet` writes them, or numbers.
    """

    @property
    def steering(self) -> bool:
        """Whether the value belongs to XPS, RPS or RFS."""

    def read(self) -> str:
        """The present value. Raises HostError if it cannot be read."""

    def write(self, value: str) -> None:
        """Write a value. Raises OSError with the kernel's errno."""


class WritableSettings(Protocol):
    """All that irqbal may write on one host."""

    def inode(self, irq: int) -> int:
        """The inode of `/proc/irq/N`, which is another one in each generation; 0 if there is no
        such IRQ.
        """

    def mask(self, irq: int) -> WritableSetting:
        """An IRQ's affinity."""

    def default_mask(self) -> WritableSetting:
        """The affinity that new IRQs start with."""

    def steering(self, name: str, interface: str, queue: int) -> WritableSetting:
        """XPS, RPS or RFS of one queue; `name` is `xps`, `rps` or `flows`."""


class WriteRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan changes. `inodes` are those of the plan's snapshot, by IRQ number. A dry run
    reads, and writes nothing.
    """

    moves: Iterable[Move] = ()
    steering: Iterable[SteeringMove] = ()
    default: DefaultMove | None = None
    inodes: dict[int, int] = {}
    dry_run: bool = False


class _PendingWrite(msgspec.Struct, frozen=True):
    """One value to write. `irq` is None for what belongs to no IRQ."""

    identity: str
    irq: int | None
    value: str
    setting: WritableSetting


class PlanWriter:
    """Writes plans to the settings of one host."""

    def __init__(self, settings: WritableSettings) -> None:
        self._settings = settings

    def apply(self, request: WriteRequest, save: Save) -> tuple[Outcome, ...]:
        """Write what is not right yet; one outcome for each item. An IRQ whose number was handed to
        another since the snapshot is not written. `save` stores the originals before the first
        write; if it raises StateFileError, nothing is written.
        """
        settings = self._settings
        outcomes: list[Outcome] = []
        pending: list[_PendingWrite] = []
        for move in request.moves:
            if settings.inode(move.irq) == request.inodes.get(move.irq):
                mask = settings.mask(move.irq)
                pending.append(_PendingWrite(move.identity, move.irq, str(move.after), mask))
            else:
                sentence = "the IRQ was freed, or set up again since the plan was made"
                outcomes.append(Outcome(move.identity, "gone", move.irq, "gone", sentence))
        for item in request.steering:
            setting = settings.steering(item.setting, item.interface, item.queue)
            value = _normal(item.setting, item.after)
            pending.append(_PendingWrite(item.identity, None, value, setting))
        if request.default is not None:
            value = str(request.default.after)
            pending.append(_PendingWrite(DEFAULT, None, value, settings.default_mask()))
        return (*outcomes, *_run(pending, save, request.dry_run))

    def restore(self, originals: Iterable[tuple[Original, int | None]]) -> tuple[Outcome, ...]:
        """Put originals back, one outcome each. Each comes with the IRQ's present number, or None
        for what belongs to no IRQ.
        """
        pending = [self._original(original, irq) for original, irq in originals]
        return tuple(_run(pending, discard, dry_run=False))

    def _original(self, original: Original, irq: int | None) -> _PendingWrite:
        identity, settings = original.identity, self._settings
        if irq is not None:
            setting, value = settings.mask(irq), _normal("mask", original.value)
        elif identity == DEFAULT:
            setting, value = settings.default_mask(), _normal("mask", original.value)
        else:
            name, interface, queue = steering_of(identity)
            setting = settings.steering(name, interface, queue)
            value = _normal(name, original.value)
        return _PendingWrite(identity, irq, value, setting)


def _normal(name: str, value: str) -> str:
    """A value as it is read back; `flows` is a number, everything else a CPU set."""
    return value.strip() if name == "flows" else str(CpuSet.parse(value))


def cannot_save(originals: object) -> None:
    """Stands for a missing `save`. Raises HostError."""
    raise HostError("irqbal's own error: a write was requested without a journal")


def discard(originals: object) -> None:
    """A `save` for writes whose originals are not needed: restoring, and replays."""


def _run(pending: list[_PendingWrite], save: Save, dry_run: bool) -> list[Outcome]:
    outcomes: list[Outcome] = []
    due: list[_PendingWrite] = []
    originals: list[Original] = []
    for item in pending:
        try:
            before = item.setting.read()
        except HostError as error:
            outcomes.append(Outcome(item.identity, "gone", item.irq, "gone", str(error)))
            continue
        if before == item.value:
            outcomes.append(Outcome(item.identity, "unchanged", item.irq, found=before))
        elif dry_run:
            outcomes.append(Outcome(item.identity, "dry run", item.irq, found=before))
        else:
            due.append(item)
            originals.append(Original(item.identity, item.irq, before))
    if due:
        try:
            save(originals)
        except StateFileError as error:
            return outcomes + [
                Outcome(item.identity, "unsaved", item.irq, "unsaved", str(error)) for item in due
            ]
    return outcomes + [_write(item) for item in due]


def _write(item: _PendingWrite) -> Outcome:
    setting = item.setting
    try:
        setting.write(item.value)
    except OSError as error:
        refusal = refusal_of(error, setting.steering)
        return Outcome(item.identity, refusal.result, item.irq, refusal.code, refusal.detail)
    try:
        found = setting.read()
        for _ in range(LOOKS):
            if found == item.value:
                break
            time.sleep(LOOK_AGAIN)
            found = setting.read()
    except HostError as error:
        return Outcome(item.identity, "gone", item.irq, "gone", str(error))
    if found == item.value:
        return Outcome(item.identity, "written", item.irq, found=found)
    sentence = f"wrote {item.value}, the kernel kept {found}"
    return Outcome(item.identity, "differs", item.irq, "differs", sentence, found)
