"""What the switch does to systemd's units, by systemctl(1)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from irqbal.errors import HostError
from irqbal.switching.record import UnitBefore

BALANCERS = ("irqbalance.service", "irqbal.service")
RECOVERY = "irqbal-switch.service"
"""Finishes at boot what a power cut interrupted; it exists only while a switch is under way."""
RUNNER = "irqbal-switch-run"
"""The transient unit in which the switch runs, so that it outlives the terminal."""
_UP = ("active", "reloading")
_RUNNING = ("active", "activating", "deactivating", "reloading")
TIMEOUT = 120.0
"""Seconds that systemd may take to start or stop a service."""
RECOVERY_TIMEOUT = 1800
"""Seconds that the recovery may take after a kill: systemd ends it after 90 by itself, in which a
slow host does not start Python and change two services.
"""


class Units:
    """systemd, as far as the switch needs it. `folder` is where units of this host's own lie."""

    def __init__(self, folder: Path = Path("/etc/systemd/system")) -> None:
        """Raises HostError without systemd."""
        found = shutil.which("systemctl")
        if found is None:
            raise HostError(
                "there is no systemctl here: `irqbal switch` needs systemd; see docs/moving.md for "
                "the steps by hand; nothing was changed"
            )
        self._systemctl, self._folder = found, folder

    def exists(self, unit: str) -> bool:
        """Whether systemd knows a unit of this name."""
        done = self._ask("show", "--property=LoadState", "--value", unit)
        return done.stdout.strip() not in ("", "not-found")

    def before(self, unit: str) -> UnitBefore:
        """What a unit is now."""
        enabled = self._ask("is-enabled", unit).stdout.strip() in ("enabled", "enabled-runtime")
        return UnitBefore(enabled, self.is_active(unit))

    def is_active(self, unit: str) -> bool:
        """Whether it runs, or is being started or stopped."""
        return self._ask("is-active", unit).stdout.strip() in _RUNNING

    def is_up(self, unit: str) -> bool:
        """Whether it runs and is ready. One that ends and is started again and again is not."""
        return self._ask("is-active", unit).stdout.strip() in _UP

    def enable(self, unit: str, wanted: bool) -> None:
        """Let it start at boot, or not. Raises HostError."""
        self.do("enable" if wanted else "disable", "--quiet", unit)

    def start(self, unit: str, wanted: bool, waits: bool = True) -> None:
        """Start or stop it now, and wait until that is done. Raises HostError."""
        self.do("start" if wanted else "stop", *([] if waits else ["--no-block"]), unit)

    def do(self, *words: str) -> None:
        """Run systemctl. Raises HostError with what it said."""
        done = self._ask(*words)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise HostError(
                f"systemctl {' '.join(words)} failed: {said[-1] if said else done.returncode}"
            )

    def _ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self._systemctl, *words],
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise HostError(
                f"systemctl {' '.join(words)} took longer than {TIMEOUT:.0f} s"
            ) from error

    # Recovery

    def install_recovery(self, command: Sequence[str]) -> None:
        """Let the next boot finish an unfinished switch, before any balancer starts. Raises
        HostError.
        """
        text = f"""[Unit]
Description=Finish a switch from irqbalance to irqbal that was interrupted
DefaultDependencies=no
After=local-fs.target
Before={" ".join(BALANCERS)}

[Service]
Type=oneshot
ExecStart={" ".join(command)} --recover

[Install]
WantedBy=multi-user.target
"""
        path = self._folder / RECOVERY
        try:
            path.write_text(text)
        except OSError as error:
            raise HostError(f"{path} cannot be written: {error.strerror}") from error
        self.do("daemon-reload")
        self.enable(RECOVERY, True)

    def remove_recovery(self) -> None:
        """Undo `install_recovery`. Raises HostError."""
        if (self._folder / RECOVERY).exists():
            self.enable(RECOVERY, False)
            (self._folder / RECOVERY).unlink(missing_ok=True)
            self.do("daemon-reload")

    def run_in_background(self, command: Sequence[str], what: str) -> None:
        """Run a part of the switch (`--run`, `--recover`) as a service of its own: if that is
        killed, systemd runs the recovery. Raises HostError.
        """
        words = (
            *("systemd-run", f"--unit={RUNNER}", "--collect", "--quiet"),
            f"--property=ExecStopPost={' '.join(command)} --recover",
            f"--property=TimeoutStopSec={RECOVERY_TIMEOUT}",
            *command,
            what,
        )
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise HostError(f"systemd-run failed: {done.stderr.strip()}")
