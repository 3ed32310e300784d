"""Writing to a made-up host: look, save the original, write, read back, and classify the answer in
the kernel's words.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import StateFileError
from irqbal.model.plan import DefaultMove, Move, Outcome, SteeringMove, steering_of
from irqbal.model.readings import DEFAULT, Original, Save
from irqbal.simulated.state import SimulatedState

CODES = {
    errno.EPERM: ("managed", "refused by the kernel: managed, per-CPU or no-balance"),
    errno.EINVAL: ("no-cpu", "the kernel found no online CPU in the set"),
    errno.EOVERFLOW: ("beyond", "the set names CPUs that this kernel cannot have"),
    errno.ENOSPC: ("no-vector", "no free interrupt vector on that CPU"),
}
"""What an errno means: the same classes and words as for a real kernel."""


class _PendingWrite(msgspec.Struct):
    """One value to write, as text: a CPU list, or a number."""

    identity: str
    number: int | None
    wanted: str
    read: Callable[[], str]
    write: Callable[[str], None]


class Writer:
    """Writes what a plan says to one host's state."""

    def __init__(self, state: SimulatedState) -> None:
        self._state = state

    def apply(
        self,
        moves: Iterable[Move],
        steering: Iterable[SteeringMove],
        default: DefaultMove | None,
        inodes: dict[int, int],
        save: Save,
        dry_run: bool,
    ) -> tuple[Outcome, ...]:
        """One outcome for each. `inodes` are those that the plan was made with: an IRQ that was set
        up anew is not written.
        """
        outcomes: list[Outcome] = []
        jobs: list[_PendingWrite] = []
        for move in moves:
            line = self._state.lines.get(move.irq)
            if line is None or line.inode != inodes.get(move.irq):
                outcomes.append(
                    Outcome(
                        move.identity, "gone", move.irq, "gone", "the IRQ was freed or set up anew"
                    )
                )
            else:
                jobs.append(self._mask(move.identity, move.irq, str(move.after)))
        jobs += [
            self._steering(item.identity, item.setting, item.interface, item.queue, item.after)
            for item in steering
        ]
        if default is not None:
            jobs.append(self._default(str(default.after)))
        return (*outcomes, *_run(jobs, save, dry_run))

    def restore(self, originals: Iterable[tuple[Original, int | None]]) -> tuple[Outcome, ...]:
        """Put originals back; each comes with the IRQ's present number (None for settings)."""
        jobs = []
        for original, number in originals:
            if number is not None:
                jobs.append(self._mask(original.identity, number, original.value))
            elif original.identity == DEFAULT:
                jobs.append(self._default(original.value))
            else:
                setting, interface, queue = steering_of(original.identity)
                jobs.append(
                    self._steering(original.identity, setting, interface, queue, original.value)
                )
        return tuple(_run(jobs, lambda originals: None, dry_run=False))

    def _mask(self, identity: str, number: int, wanted: str) -> _PendingWrite:
        return _PendingWrite(
            identity,
            number,
            wanted,
            partial(self._read_mask, number),
            lambda text: self._state.set_mask(number, CpuSet.parse(text)),
        )

    def _read_mask(self, number: int) -> str:
        line = self._state.lines.get(number)
        if line is None:
            raise OSError(errno.ENOENT, "no such IRQ")
        return str(line.mask)

    def _default(self, wanted: str) -> _PendingWrite:
        state = self._state
        return _PendingWrite(
            DEFAULT,
            None,
            wanted,
            lambda: str(state.default),
            lambda text: state.set_default(CpuSet.parse(text)),
        )

    def _steering(
        self, identity: str, setting: str, interface: str, queue: int, wanted: str
    ) -> _PendingWrite:
        state = self._state
        return _PendingWrite(
            identity,
            None,
            wanted,
            lambda: state.steering(setting, interface, queue),
            lambda text: state.set_steering(setting, interface, queue, text),
        )


def _run(jobs: list[_PendingWrite], save: Save, dry_run: bool) -> list[Outcome]:
    outcomes: list[Outcome] = []
    due: list[tuple[_PendingWrite, str]] = []
    for job in jobs:
        try:
            before = job.read()
        except OSError as error:
            outcomes.append(_gone(job, error))
            continue
        if before == job.wanted:
            outcomes.append(_outcome(job, "unchanged", found=before))
        elif dry_run:
            outcomes.append(_outcome(job, "dry run", found=before))
        else:
            due.append((job, before))
    if due:
        try:
            save([Original(job.identity, job.number, before) for job, before in due])
        except StateFileError as error:
            return outcomes + [_outcome(job, "unsaved", "unsaved", str(error)) for job, _ in due]
    return outcomes + [_write(job) for job, _ in due]


def _write(job: _PendingWrite) -> Outcome:
    try:
        job.write(job.wanted)
        found = job.read()
    except OSError as error:
        if error.errno not in CODES:
            return _gone(job, error)
        code, text = CODES[error.errno]
        return _outcome(job, "refused", code, f"{text} ({errno.errorcode[error.errno]})")
    if found == job.wanted:
        return _outcome(job, "written", found=found)
    return _outcome(
        job, "differs", "differs", f"wrote {job.wanted}, the kernel kept {found}", found
    )


def _gone(job: _PendingWrite, error: OSError) -> Outcome:
    return Outcome(
        job.identity,
        "gone",
        job.number,
        "gone",
        f"{error.strerror} ({errno.errorcode.get(error.errno or 0, '?')})",
    )


_Result = Literal["written", "dry run", "unchanged", "differs", "refused", "unsaved"]


def _outcome(
    job: _PendingWrite, result: _Result, code: str = "", detail: str = "", found: str = ""
) -> Outcome:
    return Outcome(job.identity, result, job.number, code, detail, found)
