"""A switch that is killed at any step is finished by the recovery: exactly one balancer starts at
boot, and unless it was confirmed, file and masks are as before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irqbal.errors import HostError
from irqbal.kernel.host import KernelHost
from irqbal.model.readings import Original
from irqbal.planner.ledger import Ledger
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.spec import parse_spec
from irqbal.simulated.tree import write_tree
from irqbal.state.originals import OriginalsFile
from irqbal.switching import record as record_module
from irqbal.switching.observation import Observed, worse
from irqbal.switching.record import CONFIRMED_FILE, SwitchRecord, UnitBefore
from irqbal.switching.steps import IRQBAL, IRQBALANCE, Switch
from irqbal.switching.units import Units
from irqbal.tracking.tracker import HostTracker

TEXT = "# converted\ninterval: 10s\n"


class KilledHere(BaseException):
    """The process was killed here."""


class PlayedUnits(Units):
    """systemd's side of it; see Units. `tests/long/test_switch_vm.py` does the same on a real
    one.
    """

    def __init__(self) -> None:
        self.enabled, self.active = {IRQBALANCE}, {IRQBALANCE}
        self.recovery = False
        self.known = {IRQBALANCE, IRQBAL}
        self.refuses = ""
        self.broken = False
        self.left = 1 << 30
        """Steps until the process is killed."""

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise KilledHere

    def before(self, unit: str) -> UnitBefore:
        return UnitBefore(unit in self.enabled, unit in self.active)

    def exists(self, unit: str) -> bool:
        return unit in self.known

    def is_up(self, unit: str) -> bool:
        return unit in self.active

    def enable(self, unit: str, wanted: bool) -> None:
        self.step()
        (self.enabled.add if wanted else self.enabled.discard)(unit)
        self.step()

    def start(self, unit: str, wanted: bool, waits: bool = True) -> None:
        self.step()
        if wanted and unit == self.refuses:
            raise HostError(f"systemctl start {unit} failed: see journalctl")
        (self.active.add if wanted else self.active.discard)(unit)
        if wanted:
            # Conflicts=
            self.active.discard(IRQBAL if unit == IRQBALANCE else IRQBALANCE)
        if self.broken:
            self.active.discard(IRQBAL)
        self.step()

    def install_recovery(self, command: Any) -> None:
        self.step()
        self.recovery = True
        self.step()

    def remove_recovery(self) -> None:
        self.step()
        self.recovery = False
        self.step()


class SwitchedHost:
    """A host of files, its units, and a switch."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        write_tree(SimulatedHost(parse_spec("1x4,nic=2x1,seed=3")), self.root)
        self.units = PlayedUnits()
        self.state, self.config = folder / "state", folder / "etc/irqbal.yaml"
        self.config.parent.mkdir()
        self.switch = Switch(self.units, self.state, folder / "run", self.root, ["irqbal"])
        self.before = self.masks()

    def masks(self) -> dict[str, str]:
        found = self.root.glob("proc/irq/*/smp_affinity_list")
        return {path.parent.name: path.read_text().strip() for path in found}

    def record(self, **changes: Any) -> SwitchRecord:
        boot = (self.root / "proc/sys/kernel/random/boot_id").read_text().strip()
        fields: dict[str, Any] = {
            "phase": "prepared",
            "config": str(self.config),
            "written": TEXT,
            "irqbalance": UnitBefore(True, True),
            "irqbal": UnitBefore(False, False),
            "boot": boot,
            "watch": 0.01,
            "confirm": 0.0,
        }
        return SwitchRecord(**(fields | changes))

    def sleep(self, seconds: float) -> None:
        """irqbal moves something meanwhile."""
        for path in sorted(self.root.glob("proc/irq/*/smp_affinity_list"))[-2:]:
            path.write_text("3\n")

    def assert_as_before(self) -> None:
        assert self.units.enabled == self.units.active == {IRQBALANCE}
        assert not self.config.exists() and not self.units.recovery
        assert self.masks() == self.before


@pytest.fixture
def played(tmp_path: Path) -> Iterator[SwitchedHost]:
    yield SwitchedHost(tmp_path)


def run_to_the_end(played: SwitchedHost) -> SwitchRecord:
    played.switch.prepare(played.record())
    return played.switch.run(played.sleep)


def test_a_switch_that_nothing_speaks_against_is_confirmed(played: SwitchedHost) -> None:
    assert run_to_the_end(played).phase == "confirmed"
    assert played.units.enabled == played.units.active == {IRQBAL}
    assert played.config.read_text() == TEXT and not played.units.recovery


def test_and_back_again(played: SwitchedHost) -> None:
    run_to_the_end(played)
    assert played.masks() != played.before
    record = played.switch.back("somebody asked for it")
    assert record.phase == "back"
    played.assert_as_before()


def test_a_configuration_that_was_there_is_neither_written_nor_removed(
    played: SwitchedHost,
) -> None:
    played.config.write_text("interval: 3s\n")
    played.switch.prepare(played.record(written=""))
    played.switch.run(played.sleep)
    played.switch.back("no")
    assert played.config.read_text() == "interval: 3s\n"


def test_one_that_nobody_confirms_goes_back(played: SwitchedHost) -> None:
    played.switch.prepare(played.record(watch=0.1, confirm=0.3))
    record = played.switch.run(played.sleep)
    assert record.phase == "back" and "nobody confirmed" in record.reason
    played.assert_as_before()


def test_a_person_confirms_by_a_file(played: SwitchedHost) -> None:
    played.switch.prepare(played.record(watch=0.1, confirm=60.0))
    (played.state / CONFIRMED_FILE).touch()
    assert played.switch.run(played.sleep).phase == "confirmed"
    assert not (played.state / CONFIRMED_FILE).exists()


def test_an_old_confirmation_confirms_nothing(played: SwitchedHost) -> None:
    played.state.mkdir()
    (played.state / CONFIRMED_FILE).touch()
    played.switch.prepare(played.record(watch=0.1, confirm=0.3))
    assert played.switch.run(played.sleep).phase == "back"


def test_an_irqbal_that_does_not_run_goes_back(played: SwitchedHost) -> None:
    played.units.broken = True
    record = run_to_the_end(played)
    assert record.phase == "back" and "does not run" in record.reason
    played.units.broken = False
    played.assert_as_before()


def test_a_step_that_fails_goes_back_and_says_why(played: SwitchedHost) -> None:
    played.units.refuses = IRQBAL
    record = run_to_the_end(played)
    assert record.phase == "back" and "start irqbal.service failed" in record.reason
    played.assert_as_before()


def test_back_by_hand_is_finished_by_the_recovery_wherever_it_is_killed(
    tmp_path: Path,
) -> None:
    for at in range(12):
        (tmp_path / str(at)).mkdir()
        played = SwitchedHost(tmp_path / str(at))
        run_to_the_end(played)
        played.units.left = at
        with contextlib.suppress(KilledHere):
            played.switch.prepare_back("somebody asked for it")
            played.switch.recover()
        played.units.left = 1 << 30
        record = played.switch.recover() or played.switch.record
        assert record is not None and record.phase == "back", at
        played.assert_as_before()


def test_without_irqbalance_there_is_no_way_back_and_irqbal_goes_on(played: SwitchedHost) -> None:
    run_to_the_end(played)
    played.units.known = {IRQBAL}
    with pytest.raises(HostError, match="install irqbalance first"):
        played.switch.prepare_back("somebody asked for it")
    assert played.units.enabled == played.units.active == {IRQBAL}
    assert played.switch.record is not None and played.switch.record.phase == "confirmed"


def test_back_after_a_boot_puts_back_what_irqbal_changed_since(
    played: SwitchedHost, tmp_path: Path
) -> None:
    run_to_the_end(played)
    boot = "11111111-2222-4333-8444-555555555555"
    (played.root / "proc/sys/kernel/random/boot_id").write_text(f"{boot}\n")
    host = KernelHost(played.root)
    originals = OriginalsFile(tmp_path / "run", played.root, boot)
    irq = next(irq for irq in HostTracker(host, 1.0).look(Ledger()).irqs if irq.movable)
    originals.save([Original(irq.identity, irq.number, "1")])
    host.close()
    path = played.root / f"proc/irq/{irq.number}/smp_affinity_list"
    path.write_text("3\n")
    assert played.switch.back("somebody asked for it").left == ""
    assert path.read_text().strip() == "1"
    assert OriginalsFile(tmp_path / "run", played.root, boot).originals() == {}


def test_nothing_goes_back_that_never_went(played: SwitchedHost) -> None:
    assert played.switch.recover() is None
    with pytest.raises(HostError, match="no switch"):
        played.switch.confirm()


def steps_of(folder: Path) -> int:
    """How many steps a whole switch has."""
    played = SwitchedHost(folder)
    run_to_the_end(played)
    return (1 << 30) - played.units.left


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_kill_at_any_step_leaves_exactly_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, confirmed: bool
) -> None:
    """Also a kill of the recovery, at each of its own steps."""
    (tmp_path / "count").mkdir()
    total = steps_of(tmp_path / "count")
    ends = set()
    for first in range(total):
        for second in (None, *range(9)):
            folder = tmp_path / f"{first}-{second}"
            folder.mkdir()
            played = SwitchedHost(folder)
            played.units.left = first
            with pytest.raises(KilledHere):
                wanted = 0.0 if confirmed else 0.05
                played.switch.prepare(played.record(watch=0.01, confirm=wanted))
                played.switch.run(played.sleep)
            if second is not None:
                played.units.left = second
                with contextlib.suppress(KilledHere):
                    played.switch.recover()
            played.units.left = 1 << 30
            record = played.switch.recover() or played.switch.record
            assert len(played.units.enabled) == 1, (first, second, record)
            assert not played.units.recovery
            ends.add(record.phase if record else None)
            if record is None or record.phase == "back":
                played.assert_as_before()
            else:
                assert record.phase == "confirmed" and played.units.enabled == {IRQBAL}
    assert ends >= ({"back", "confirmed"} if confirmed else {"back"})


def test_after_a_power_cut_the_masks_are_the_boots(played: SwitchedHost) -> None:
    played.units.left = 9
    with pytest.raises(KilledHere):
        run_to_the_end(played)
    played.units.left = 1 << 30
    boot = played.root / "proc/sys/kernel/random/boot_id"
    boot.write_text("11111111-2222-4333-8444-555555555555\n")
    now = played.masks()
    record = played.switch.recover()
    assert record is not None and record.phase == "back"
    assert played.masks() == now and played.units.enabled == {IRQBALANCE}


def seen(**changes: float) -> Observed:
    fields = {"seconds": 60.0, "busiest": 0.4, "imbalance": 1.5, "moves": 300.0, "drops": 0.0}
    return Observed(**(fields | changes))


@pytest.mark.parametrize(
    ("after", "word"),
    [
        (seen(), ""),
        (seen(busiest=0.47), ""),
        (seen(busiest=0.5), "busiest CPU spends 50%"),
        (seen(busiest=0.2), ""),
        (seen(drops=9.0), ""),
        (seen(drops=50.0), "50 packets a second"),
    ],
)
def test_what_counts_as_worse(after: Observed, word: str) -> None:
    assert word in worse(seen(), after) and bool(word) == bool(worse(seen(), after))


def test_a_tiny_load_is_not_worse_by_a_fifth() -> None:
    assert worse(seen(busiest=0.01), seen(busiest=0.03)) == ""


def test_a_record_of_another_version_is_no_accident(tmp_path: Path) -> None:
    (tmp_path / record_module.FILE).write_text('{"phase": "nosuch"}')
    with pytest.raises(Exception, match="damaged"):
        record_module.load(tmp_path)
