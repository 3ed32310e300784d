"""`irqbal poll`: samples are recorded, and nothing is written to the kernel, whoever asks."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path

from click.testing import CliRunner

import machine
from irqbal.cli.main import cli
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import SqliteHistory
from served import Served, free_port
from trees import copy_host


def written(root: Path) -> dict[str, tuple[str, int]]:
    """What each file of a tree holds, and when it was last written."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                found[str(path)] = (
                    hashlib.sha256(path.read_bytes()).hexdigest(),
                    path.stat().st_mtime_ns,
                )
    return found


def test_poll_records_samples_and_never_writes_a_mask(tmp_path: Path) -> None:
    root = copy_host("vm-8cpus", tmp_path / "tree")
    before = written(root)
    assert any(name.endswith("smp_affinity_list") for name in before)
    port, config, log = free_port(), tmp_path / "irqbal.yaml", tmp_path / "log"
    # A policy that has much to move.
    config.write_text(
        f'state_dir: {tmp_path / "state"}\nhistory: {{every: 1h}}\nbanned_cpus: "0-3"\napi: '
        f'{{listen: ["127.0.0.1:{port}"]}}\n'
    )
    words = [machine.IRQBAL, "poll", "0.2", "--root", str(root), "-c", str(config)]
    with log.open("wb") as out:
        process = subprocess.Popen(words, stderr=out)
    try:
        machine.wait_for(lambda: "ready:" in log.read_text() or process.poll() is not None, log)
        served = Served(process.pid, port, tmp_path / "state", log)
        machine.wait_for(lambda: served.get("/api/v1/plan")["cycle"]["cycle"] >= 6, log)
        assert served.get("/api/v1/plan")["cycle"]["moves"], (
            "there is something to move, which is not moved"
        )
        assert (
            served.get("/api/v1/status")["state"] == "dry run"
            and served.get("/api/v1/status")["history"]["enabled"] is True
        )
        irq = next(item["number"] for item in served.get("/api/v1/irqs") if item["movable"])
        for method, path, body in (
            ("PUT", f"irqs/{irq}/override", {"cpus": "5"}),
            ("POST", "pause", None),
            ("POST", "resume", None),
            ("POST", "restore", None),
        ):
            refused = served.ask(method, f"/api/v1/{path}", body, where="unix")
            assert (refused.status, refused.code) == (409, "observing"), (path, refused.body)
            assert "only looks and records" in refused.json["error"]["message"]
        assert served.ask("POST", "/api/v1/cycle", where="unix").status == 200
        # A second one would write the same history.
        done = machine.irqbal("poll", "--root", str(root), "-c", str(config), check=4)
        assert "irqbal" in done.stderr
        # A reload keeps the interval that was asked for.
        process.send_signal(signal.SIGHUP)
        machine.wait_for(lambda: "reload: " in log.read_text(), log)
        assert served.get("/api/v1/status")["interval"] == "0.2s"
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) == 0
    finally:
        machine.kill(process)
    store = SqliteHistory(tmp_path / "state" / FILE)
    samples = list(store.samples(0, time.time() + 1))
    store.close()
    assert (
        len(samples) >= 6 and all(sample.seconds > 0.15 for sample in samples) and samples[0].states
    )
    assert written(root) == before
    assert not (tmp_path / "state/run/originals").exists()


def test_seconds_must_be_a_length_that_history_takes() -> None:
    for text in ("0", "nan", "4000", "often"):
        done = CliRunner().invoke(cli, ["poll", text])
        assert done.exit_code == 2 and "SECONDS" in done.output, text
