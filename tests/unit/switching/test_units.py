"""What systemd is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqbal.switching.units import RECOVERY_TIMEOUT, RUNNER, Units

SYSTEMDS_OWN = 90
"""DefaultTimeoutStopSec= (systemd-system.conf(5))."""


def test_a_killed_switch_is_recovered_however_slow_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("systemctl", "systemd-run"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/{name}.said\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    Units(tmp_path).run_in_background(["/opt/irqbal/bin/irqbal", "switch"], "--run")
    words = (tmp_path / "systemd-run.said").read_text().splitlines()
    assert f"--unit={RUNNER}" in words
    assert "--property=ExecStopPost=/opt/irqbal/bin/irqbal switch --recover" in words
    assert f"--property=TimeoutStopSec={RECOVERY_TIMEOUT}" in words
    assert RECOVERY_TIMEOUT > 10 * SYSTEMDS_OWN
    assert words[-3:] == ["/opt/irqbal/bin/irqbal", "switch", "--run"]
