"""The one module that writes masks and steering: re-read, save the original, write, read back,
classify the answer.

Masks: `/proc/irq/N/smp_affinity_list` and `/proc/irq/default_smp_affinity`. Steering:
`/sys/class/net/IF/queues/tx-N/xps_cpus`, `rx-N/rps_cpus`, `rx-N/rps_flow_cnt`. What each errno
means there was seen on Linux 6.1 and 6.18.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError, StateFileError
from irqbal.kernel.files import read_text
from irqbal.model.plan import DefaultMove, Move, Outcome, SteeringMove, steering_of
from irqbal.model.readings import DEFAULT, Original, Save

_CODES = {
    errno.EPERM: ("managed", "refused by the kernel: managed, per-CPU or no-balance"),
    errno.EIO: ("managed", "refused by the kernel: managed, per-CPU or no-balance"),
    errno.EINVAL: ("no-cpu", "the kernel found no online CPU in the set"),
    errno.EOVERFLOW: ("beyond", "the set names CPUs that this kernel cannot have"),
    errno.ENOSPC: ("no-vector", "no free interrupt vector on that CPU"),
    errno.EROFS: ("no-permission", "the file system is mounted read-only"),
    errno.EACCES: ("no-permission", "no permission to write: irqbal must run as root"),
}
_TRANSIENT = (errno.EBUSY, errno.EAGAIN, errno.ENOMEM, errno.EINTR)
_GONE = (errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.ENXIO)


class _Job(msgspec.Struct):
    """One file to write: `wanted` as text for it, `same` tells whether two texts mean the same."""

    identity: str
    number: int | None
    path: Path
    wanted: str
    same: Callable[[str, str], bool]
    steering: bool = False
    mirror: Path | None = None
    mirrored: str = ""


class Applier:
    """Writes what a plan says, under one root. `real` is false for a tree of plain files, whose two
    forms of a mask it keeps in step.
    """

    def __init__(self, root: Path, inode: Callable[[int], int]) -> None:
        self._root = root
        self._inode = inode
        self._real = _is_procfs(root / "proc")

    def apply(
        self,
        moves: Iterable[Move],
        steering: Iterable[SteeringMove],
        default: DefaultMove | None,
        inodes: dict[int, int],
        save: Save,
        dry_run: bool,
    ) -> tuple[Outcome, ...]:
        """One outcome for each. `inodes` are those that the plan was made with: a number that was
        handed on is not written.
        """
        outcomes: list[Outcome] = []
        jobs: list[_Job] = []
        for move in moves:
            if self._inode(move.irq) != inodes.get(move.irq):
                outcomes.append(
                    Outcome(
                        move.identity, "gone", move.irq, "gone", "the IRQ was freed or set up anew"
                    )
                )
            else:
                jobs.append(self._mask_job(move))
        jobs += [self._steering_job(move) for move in steering]
        if default is not None:
            path = self._root / "proc/irq" / DEFAULT
            jobs.append(_Job(DEFAULT, None, path, default.after.mask(), _same_mask))
        return (*outcomes, *self._run(jobs, save, dry_run))

    def restore(self, originals: Iterable[tuple[Original, int | None]]) -> tuple[Outcome, ...]:
        """Put originals back; each comes with the IRQ's present number (None for settings)."""
        jobs = []
        for original, number in originals:
            if number is not None:
                jobs.append(self._mask(original.identity, number, CpuSet.parse(original.value)))
            elif original.identity == DEFAULT:
                path = self._root / "proc/irq" / DEFAULT
                jobs.append(
                    _Job(DEFAULT, None, path, CpuSet.parse(original.value).mask(), _same_mask)
                )
            else:
                setting, interface, queue = steering_of(original.identity)
                jobs.append(
                    self._steering(original.identity, interface, setting, queue, original.value)
                )
        return tuple(self._run(jobs, lambda originals: None, dry_run=False))

    def _mask_job(self, move: Move) -> _Job:
        return self._mask(move.identity, move.irq, move.after)

    def _mask(self, identity: str, number: int, cpus: CpuSet) -> _Job:
        folder = self._root / "proc/irq" / str(number)
        listed, hexed = folder / "smp_affinity_list", folder / "smp_affinity"
        if not self._real and not listed.exists():
            return _Job(identity, number, hexed, cpus.mask(), _same_mask)
        mirror = hexed if not self._real and hexed.exists() else None
        return _Job(
            identity, number, listed, str(cpus), _same_list, mirror=mirror, mirrored=cpus.mask()
        )

    def _steering_job(self, move: SteeringMove) -> _Job:
        return self._steering(move.identity, move.interface, move.setting, move.queue, move.after)

    def _steering(
        self, identity: str, interface: str, setting: str, queue: int, value: str
    ) -> _Job:
        base = self._root / "sys/class/net" / interface / "queues"
        if setting == "flows":
            return _Job(
                identity,
                None,
                base / f"rx-{queue}/rps_flow_cnt",
                value,
                _same_number,
                steering=True,
            )
        name = f"tx-{queue}/xps_cpus" if setting == "xps" else f"rx-{queue}/rps_cpus"
        return _Job(
            identity, None, base / name, CpuSet.parse(value).mask(), _same_mask, steering=True
        )

    def _run(self, jobs: list[_Job], save: Save, dry_run: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        due: list[tuple[_Job, Original]] = []
        for job in jobs:
            try:
                before = read_text(job.path)
            except HostError as error:
                outcomes.append(Outcome(job.identity, "gone", job.number, "gone", str(error)))
                continue
            if job.same(before, job.wanted):
                outcomes.append(_outcome(job, "unchanged", found=before))
            elif dry_run:
                outcomes.append(_outcome(job, "dry run", found=before))
            else:
                due.append((job, Original(job.identity, job.number, _people(job, before))))
        if due:
            try:
                save([original for _, original in due])
            except StateFileError as error:
                return outcomes + [
                    _outcome(job, "unsaved", "unsaved", str(error)) for job, _ in due
                ]
        return outcomes + [self._write(job) for job, _ in due]

    def _write(self, job: _Job) -> Outcome:
        try:
            _put(job.path, job.wanted, self._real)
            if job.mirror is not None:
                _put(job.mirror, job.mirrored, self._real)
        except OSError as error:
            return _refused(job, error)
        try:
            found = read_text(job.path)
        except HostError as error:
            return Outcome(job.identity, "gone", job.number, "gone", str(error))
        if job.same(found, job.wanted):
            return _outcome(job, "written", found=found)
        shown = _people(job, found)
        return _outcome(
            job,
            "differs",
            "differs",
            f"wrote {_people(job, job.wanted)}, the kernel kept {shown}",
            found,
        )


def _is_procfs(path: Path) -> bool:
    """Whether this is the kernel's own /proc: there `self` is a link to a number."""
    try:
        return os.readlink(path / "self").isdigit()  # noqa: PTH115
    except OSError:
        return False


def _put(path: Path, text: str, real: bool) -> None:
    """One write from the start; the kernel takes a mask whole or not at all. A plain file is cut to
    length afterwards, so that nobody who reads meanwhile finds it empty.
    """
    data = f"{text}\n".encode()
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, data)
        if not real:
            os.ftruncate(fd, len(data))
    finally:
        os.close(fd)


def _refused(job: _Job, error: OSError) -> Outcome:
    number = error.errno or 0
    name = errno.errorcode.get(number, str(number))
    if number in _GONE:
        return _outcome(job, "gone", "gone", f"the file is gone ({name})")
    if number in _TRANSIENT:
        return _outcome(
            job,
            "transient",
            "transient",
            f"the kernel is busy ({name}); tried again in the next cycle",
        )
    if job.steering and number == errno.EPERM:
        return _outcome(job, "refused", "no-permission", "CAP_NET_ADMIN is missing (EPERM)")
    code, text = _CODES.get(number, ("unknown", error.strerror or "refused"))
    return _outcome(job, "refused", code, f"{text} ({name})")


def _outcome(job: _Job, result: str, code: str = "", detail: str = "", found: str = "") -> Outcome:
    shown = _people(job, found) if found else ""
    return msgspec.convert(
        {
            "identity": job.identity,
            "result": result,
            "irq": job.number,
            "code": code,
            "detail": detail,
            "found": shown,
        },
        Outcome,
    )


def _people(job: _Job, text: str) -> str:
    """A file's text as it is shown and journalled: CPU sets as lists."""
    if job.same is _same_mask:
        try:
            return str(CpuSet.from_mask(text))
        except ValueError:
            return text
    return text


def _same_list(a: str, b: str) -> bool:
    try:
        return CpuSet.parse(a) == CpuSet.parse(b)
    except ValueError:
        return False


def _same_mask(a: str, b: str) -> bool:
    try:
        return CpuSet.from_mask(a) == CpuSet.from_mask(b)
    except ValueError:
        return False


def _same_number(a: str, b: str) -> bool:
    return a.strip() == b.strip()
