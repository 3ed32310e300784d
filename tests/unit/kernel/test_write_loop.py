"""What is read, saved and written in which order, and what each answer becomes."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from irqbal.cpuset import CpuSet
from irqbal.errors import GoneError
from irqbal.kernel.affinity import KernelSettings
from irqbal.kernel.errnos import refusal_of
from irqbal.kernel.write_loop import LOOKS, PlanWriter, WritableSetting, WriteRequest
from irqbal.model.plan import DefaultMove, Move, SteeringMove
from irqbal.model.readings import DEFAULT, Original


@pytest.mark.parametrize(
    ("number", "steering", "result", "code"),
    [
        (errno.EPERM, False, "refused", "managed"),
        (errno.EIO, False, "refused", "managed"),
        (errno.EPERM, True, "refused", "no-permission"),
        (errno.EINVAL, False, "refused", "no-cpu"),
        (errno.EOVERFLOW, False, "refused", "beyond"),
        (errno.ERANGE, False, "refused", "beyond"),
        (errno.ENOSPC, False, "refused", "no-vector"),
        (errno.EROFS, False, "refused", "no-permission"),
        (errno.EACCES, False, "refused", "no-permission"),
        (errno.ENOENT, False, "gone", "gone"),
        (errno.EBUSY, True, "transient", "transient"),
        (errno.EXDEV, False, "refused", "unknown"),
    ],
)
def test_every_errno_has_a_meaning(number: int, steering: bool, result: str, code: str) -> None:
    refusal = refusal_of(OSError(number, "no words"), steering)
    assert (refusal.result, refusal.code) == (result, code)
    assert errno.errorcode[number] in refusal.detail


class _Value:
    """A setting that notes what is done to it."""

    def __init__(self, journal: list[str], value: str = "0-3", steering: bool = False) -> None:
        self.journal, self.value, self.steering = journal, value, steering
        self.error = 0
        self.gone = False
        self.old = ""
        self.late = 0
        """Readings after a write that still give the old value."""

    def read(self) -> str:
        self.journal.append("read")
        if self.gone:
            raise GoneError("no such IRQ")
        if self.old and self.late:
            self.late -= 1
            return self.old
        return self.value

    def write(self, value: str) -> None:
        self.journal.append(f"write {value}")
        if self.error:
            raise OSError(self.error, "refused")
        self.old, self.value = self.value, value


class _OneIrq:
    """A host with IRQ 24 alone, of inode 7."""

    def __init__(self, value: _Value) -> None:
        self._value = value

    def inode(self, irq: int) -> int:
        return 7 if irq == 24 else 0

    def mask(self, irq: int) -> WritableSetting:
        return self._value

    def default_mask(self) -> WritableSetting:
        return self._value

    def steering(self, name: str, interface: str, queue: int) -> WritableSetting:
        return self._value


def _request(inode: int = 7, dry_run: bool = False) -> WriteRequest:
    move = Move(24, "dev/0/eth0", 1, CpuSet.parse("0-3"), CpuSet.parse("1"), "test", "because")
    return WriteRequest(moves=[move], inodes={24: inode}, dry_run=dry_run)


def test_the_original_is_saved_between_the_reading_and_the_write() -> None:
    journal: list[str] = []
    value = _Value(journal)

    def save(originals: object) -> None:
        assert originals == [Original("dev/0/eth0", 24, "0-3")]
        journal.append("save")

    writer = PlanWriter(_OneIrq(value))
    (outcome,) = writer.apply(_request(), save)
    assert (outcome.result, outcome.found) == ("written", "1")
    assert journal == ["read", "save", "write 1", "read"]
    del journal[:]
    assert writer.apply(_request(), save)[0].result == "unchanged"
    assert journal == ["read"]


@pytest.mark.parametrize(
    ("late", "result"), [(0, "written"), (1, "written"), (LOOKS, "written"), (LOOKS + 1, "differs")]
)
def test_a_mask_that_is_the_old_one_for_a_moment_is_written(late: int, result: str) -> None:
    value = _Value([])
    value.late = late
    (outcome,) = PlanWriter(_OneIrq(value)).apply(_request(), lambda originals: None)
    assert (outcome.result, outcome.found) == (result, "0-3" if result == "differs" else "1")


def test_another_generation_a_dry_run_and_a_vanished_irq_are_not_written() -> None:
    journal: list[str] = []
    value = _Value(journal)
    writer = PlanWriter(_OneIrq(value))
    (outcome,) = writer.apply(_request(inode=6), lambda originals: None)
    assert outcome.result == "gone" and "set up again" in outcome.detail
    assert journal == []
    assert writer.apply(_request(dry_run=True), lambda originals: None)[0].result == "dry run"
    value.gone = True
    assert writer.apply(_request(), lambda originals: None)[0].result == "gone"
    assert "write 1" not in journal


def test_restoring_compares_cpu_sets_and_not_their_spelling() -> None:
    journal: list[str] = []
    writer = PlanWriter(_OneIrq(_Value(journal)))
    outcomes = writer.restore(
        [
            (Original("dev/0/eth0", 24, "0,1,2,3"), 24),
            (Original(DEFAULT, None, "0-1,2-3"), None),
            (Original("xps:eth0/1", None, "0-2,3"), None),
        ]
    )
    assert [outcome.result for outcome in outcomes] == ["unchanged"] * 3
    assert journal == ["read"] * 3


def test_a_tree_of_plain_files_keeps_both_forms_of_a_mask(tmp_path: Path) -> None:
    irq, queues = tmp_path / "proc/irq/24", tmp_path / "sys/class/net/eth0/queues"
    irq.mkdir(parents=True)
    (irq / "smp_affinity_list").write_text("0-3\n")
    (irq / "smp_affinity").write_text("f\n")
    (irq.parent / DEFAULT).write_text("ff\n")
    (queues / "tx-1").mkdir(parents=True)
    (queues / "tx-1/xps_cpus").write_text("0\n")
    (queues / "rx-0").mkdir()
    (queues / "rx-0/rps_flow_cnt").write_text("0\n")
    request = WriteRequest(
        moves=_request().moves,
        steering=[
            SteeringMove("eth0", "xps", 1, "", "0-1", "test", ""),
            SteeringMove("eth0", "flows", 0, "0", "32768", "test", ""),
        ],
        default=DefaultMove(CpuSet(), CpuSet.parse("0-3"), "test", ""),
        inodes={24: 7},
    )
    saved: list[Original] = []
    outcomes = PlanWriter(KernelSettings(tmp_path, lambda irq: 7)).apply(request, saved.extend)
    assert {outcome.result for outcome in outcomes} == {"written"}
    assert (irq / "smp_affinity_list").read_text() == "1\n"
    assert (irq / "smp_affinity").read_text() == "2\n"
    assert (irq.parent / DEFAULT).read_text() == "f\n"
    assert (queues / "tx-1/xps_cpus").read_text() == "3\n"
    assert (queues / "rx-0/rps_flow_cnt").read_text() == "32768\n"
    assert [original.value for original in saved] == ["0-3", "", "0", "0-7"]
