"""`irqbal token`: made, listed and revoked."""

from __future__ import annotations

import time
from pathlib import Path

from irqbal.state.tokens import Tokens
from machine import irqbal


def test_the_command(tmp_path: Path) -> None:
    config = tmp_path / "irqbal.yaml"
    config.write_text(f"state_dir: {tmp_path / 'state'}\n")
    words = ("-c", str(config))
    assert "no tokens" in irqbal("token", "list", *words).stdout
    text = irqbal(
        "token", "add", "ci", "--scope", "override", "--expires", "90d", *words
    ).stdout.strip()
    found = Tokens(tmp_path / "state").find(text, time.time())
    assert (
        found is not None
        and found.expires is not None
        and abs(found.expires - time.time() - 90 * 86400) < 60
    )
    assert (
        "ci: override" in irqbal("token", "list", *words).stdout
        and text not in irqbal("token", "list", *words).stdout
    )
    for wrong in (("--expires", "soon"), ("--expires", "0s"), ("--scope", "root")):
        assert irqbal("token", "add", "x", *wrong, *words, check=2).stdout == ""
    irqbal("token", "revoke", "ci", *words)
    assert Tokens(tmp_path / "state").find(text, time.time()) is None
    assert irqbal("token", "revoke", "ci", *words, check=None).returncode != 0
    assert irqbal("token", "add", *words, check=2).stderr
