"""The steps of a switch, forth and back. Each can be done again: whoever is killed within one is
followed by somebody who begins with the record.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from irqbal.errors import HostError, IrqbalError
from irqbal.kernel.host import KernelHost
from irqbal.planner.ledger import Ledger
from irqbal.service.restore import restore_originals
from irqbal.state import durable
from irqbal.state.originals import OriginalsFile
from irqbal.switching.observation import HostObserver, worse
from irqbal.switching.record import CONFIRMED_FILE, Phase, SwitchRecord, load, save
from irqbal.switching.units import Units
from irqbal.tracking.tracker import HostTracker
from irqbal.trials.layout import present_layout, writes_of
from irqbal.trials.writing import failures_text, write_until_taken

IRQBALANCE, IRQBAL = "irqbalance.service", "irqbal.service"
BEAT = 5.0
"""Seconds between two looks at the host while irqbal is watched."""


class Switch:
    """A switch on this host. `state` and `run` are irqbal's folders, `command` runs irqbal switch.
    All methods block.
    """

    def __init__(
        self, units: Units, state: Path, run: Path, root: Path, command: list[str]
    ) -> None:
        self._units, self._state, self._run = units, state, run
        self._root, self._command = root, command

    @property
    def record(self) -> SwitchRecord | None:
        """The record as it is on disk now. Raises StateFileError."""
        return load(self._state)

    # Forth

    def prepare(self, record: SwitchRecord) -> None:
        """Store what is to be done, and let the next boot finish it. Raises IrqbalError."""
        (self._state / CONFIRMED_FILE).unlink(missing_ok=True)
        save(self._state, record)
        self._units.install_recovery(self._command)

    def run(self, sleep: Callable[[float], None] = time.sleep) -> SwitchRecord:
        """Change over, watch, and wait to be confirmed; go back if a step fails, if the host gets
        worse, or if nobody confirms. Raises IrqbalError if it cannot go back.
        """
        try:
            return self._watch(self._change_over(), sleep)
        except (IrqbalError, OSError) as error:
            return self.back(str(error))

    def _change_over(self) -> SwitchRecord:
        record = self._now("switching")
        if record.written:
            config = Path(record.config)
            durable.replace(config, record.written.encode())
            config.chmod(0o644)
        units = self._units
        units.start(IRQBALANCE, False)
        host = KernelHost(self._root)
        tracker = HostTracker(host, BEAT)
        record = self._now("switching", masks=present_layout(tracker.look(Ledger())))
        host.close()
        # Never none of them: for a moment both start at boot, and the recovery before them.
        units.enable(IRQBAL, True)
        units.enable(IRQBALANCE, False)
        units.start(IRQBAL, True)
        return self._now("watching", deadline=time.time() + record.watch + record.confirm)

    def _watch(self, record: SwitchRecord, sleep: Callable[[float], None]) -> SwitchRecord:
        host = KernelHost(self._root)
        try:
            observer = HostObserver(host, BEAT)
            ends = time.monotonic() + record.watch
            confirm_ends = ends + record.confirm
            while True:
                sleep(min(BEAT, max(0.5, record.watch / 4)))
                record = self._now("watching", after=observer.look())
                if not self._units.is_up(IRQBAL):
                    return self.back("irqbal does not run: `journalctl -u irqbal` says why")
                if record.before is not None and record.after is not None:
                    reason = worse(record.before, record.after)
                    # The loads of the first looks rest on little.
                    if reason and record.after.seconds >= min(30.0, record.watch):
                        return self.back(reason)
                confirmed = (self._state / CONFIRMED_FILE).exists()
                if time.monotonic() >= ends and (confirmed or record.confirm <= 0):
                    return self.confirm()
                if time.monotonic() >= confirm_ends:
                    return self.back("nobody confirmed that irqbal is to stay")
        finally:
            host.close()

    def confirm(self) -> SwitchRecord:
        """irqbal stays. Raises IrqbalError."""
        record = self._now("confirmed")
        self._units.enable(IRQBAL, True)
        self._units.enable(IRQBALANCE, False)
        self._units.remove_recovery()
        (self._state / CONFIRMED_FILE).unlink(missing_ok=True)
        return record

    # Back

    def prepare_back(self, reason: str) -> None:
        """Store that everything is to be put back, and let the next boot do it if nobody does
        before. Raises IrqbalError; HostError if there is no irqbalance any more.
        """
        if not self._units.exists(IRQBALANCE):
            raise HostError(
                f"systemd knows no {IRQBALANCE} any more: install irqbalance first; nothing was "
                "changed, and irqbal goes on"
            )
        self._now("going-back", reason=reason)
        self._units.install_recovery(self._command)

    def back(self, reason: str, waits: bool = True) -> SwitchRecord:
        """Put units, file and masks back. `waits` until irqbalance runs. Raises IrqbalError; it can
        be done again.
        """
        record = self._now("going-back", reason=reason)
        units = self._units
        units.start(IRQBAL, False)
        for unit, before in ((IRQBALANCE, record.irqbalance), (IRQBAL, record.irqbal)):
            units.enable(unit, before.enabled)
        left = self._put_masks_back(record)
        config = Path(record.config)
        if record.written and config.exists() and config.read_text() == record.written:
            config.unlink()
        units.start(IRQBALANCE, record.irqbalance.active, waits)
        units.remove_recovery()
        (self._state / CONFIRMED_FILE).unlink(missing_ok=True)
        return self._now("back", left=left)

    def recover(self) -> SwitchRecord | None:
        """Finish what was interrupted: a confirmed switch stays, any other goes back. Returns the
        record; None if there is nothing to finish. Raises IrqbalError.
        """
        record = self.record
        if record is None or record.phase == "back":
            self._units.remove_recovery()
            return None
        if record.phase == "confirmed":
            return self.confirm()
        if record.phase == "prepared":
            self._units.remove_recovery()
            return self._now("back", reason="it was interrupted before it began")
        # At boot irqbalance is ordered after the recovery, which must not wait for it.
        return self.back(record.reason or "it was interrupted", waits=False)

    def _put_masks_back(self, record: SwitchRecord) -> str:
        """Write the masks from right after irqbalance was stopped; after a boot, which reset them,
        what irqbal has changed since. Returns what could not be written, or an empty text.
        """
        host = KernelHost(self._root)
        originals = OriginalsFile(self._run, self._root, host.boot_id)
        try:
            if host.boot_id != record.boot:
                failed = write_until_taken(lambda: restore_originals(host, originals))
            elif record.masks:
                tracker = HostTracker(host, BEAT)
                tracker.look(Ledger())
                writes = writes_of(record.masks, record.masks, tracker.numbers())
                failed = write_until_taken(lambda: host.restore(writes))
            else:
                return ""
            originals.keep_only(item.identity for item in failed)
            return failures_text(failed) if failed else ""
        finally:
            host.close()

    def _now(self, phase: Phase, **changes: object) -> SwitchRecord:
        """Store the phase with these changes, and return the record."""
        record = self.record
        if record is None:
            raise HostError("there is no switch to go on with")
        record = replace(record, phase=phase, **changes)
        save(self._state, record)
        return record
