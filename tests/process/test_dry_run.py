"""A dry run is how people meet irqbal: it records what it would do, marked as not done, and leaves
the history to a daemon that balances.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

import machine
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import SqliteHistory
from machine import IRQBAL, irqbal, wait_for
from served import Served, free_port, serve
from trees import copy_host

QUICK = "interval: 300ms\nhistory: {every: 300ms}\n"

AS_NOBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)
"""Runs a program as another user, who can reach the interpreter wherever it is installed."""


def _placing(served: Served) -> list[dict[str, Any]]:
    """The recorded decisions that place something."""
    found = served.get("/api/v1/decisions")
    return [item for item in found if item["kind"] in ("move", "steering", "default")]


def test_a_dry_run_records_what_it_does_not_do() -> None:
    with serve(words=("--dry-run",), rest=QUICK) as served:
        wait_for(lambda: bool(_placing(served)), served.log)
        status = served.get("/api/v1/status")
        assert status["dry_run"] and status["state"] == "dry run"
        assert status["history"]["enabled"] and not status["history"]["problem"]
        placing = _placing(served)
        assert {item["done"] for item in placing} == {False}
        assert {item["result"] for item in placing} == {"dry run"}
        wait_for(lambda: bool(served.get("/api/v1/cpus/history")["points"]), served.log)
        refused = served.ask("POST", "/api/v1/restore", where="unix")
        assert refused.status == 409 and "dry run" in refused.body.decode()
        done = irqbal("history", "all", "-c", str(served.state.parent / "irqbal.yaml"))
        assert "no sample" not in done.stdout
    with serve(rest=QUICK) as served:
        wait_for(lambda: bool(_placing(served)), served.log)
        assert {item["done"] for item in _placing(served)} == {True}


def test_history_off_keeps_none() -> None:
    for words in ((), ("--dry-run",)):
        with serve(words=words, rest="interval: 300ms\nhistory: off\n") as served:
            state = served.get("/api/v1/status")["history"]
            assert not state["enabled"] and "history: off" in state["problem"]
            refused = served.ask("GET", "/api/v1/decisions")
            assert refused.code == "no-history" and "history: off" in refused.body.decode()
            assert "no history is recorded: the configuration says" in served.said()
            assert not (served.state / FILE).exists()


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A tree of a host, and a configuration for it."""
    config = tmp_path / "irqbal.yaml"
    config.write_text(f"state_dir: {tmp_path / 'state'}\n{QUICK}api: {{listen: []}}\n")
    yield copy_host("vm-8cpus", tmp_path / "tree"), config


def test_a_daemon_that_balances_takes_the_history_over(tree: tuple[Path, Path]) -> None:
    """Two processes must not write one history; the dry run gives way, and nothing is lost."""
    root, config = tree
    words = ("--root", str(root), "-c", str(config))
    script = (
        "import irqbal.api.http.listeners as one; one.RETRY = 0.5; "
        "from irqbal.cli.main import main; main()"
    )
    command = (str(Path(IRQBAL).with_name("python")), "-c", script)
    dry_log, log, late_log = (config.with_name(name) for name in ("dry", "live", "late"))
    state = config.parent / "state"
    with machine.daemon(*words, "--dry-run", log=dry_log, command=command) as dry:
        wait_for((state / FILE).exists, dry_log)
        with machine.daemon(*words, log=log, command=command) as live:
            served = Served(live.pid, free_port(), state, log)
            wait_for(lambda: "records no more" in dry_log.read_text(), dry_log)

            def both() -> bool:
                if not served.socket.exists():
                    return False
                try:
                    found = served.ask("GET", "/api/v1/decisions", where="unix")
                except (OSError, HTTPException):
                    # The dry run, which was asked, gives the socket away.
                    return False
                return found.status == 200 and {item["done"] for item in found.json} >= {
                    True,
                    False,
                }

            wait_for(both, log)
            assert dry.poll() is None
            with machine.daemon(*words, "--dry-run", log=late_log):
                wait_for(lambda: "ready: " in late_log.read_text(), late_log)
                assert "no history is recorded: another irqbal balances" in late_log.read_text()
                assert served.ask("GET", "/readyz", where="unix").status == 200, "its own socket"
        said = log.read_text()
        restore = f"irqbal restore -c {config} --root {root}"
        assert f"ending: the masks stay as they are; `{restore}` puts the original" in said
        wait_for(lambda: "this dry run records again" in dry_log.read_text(), dry_log)
    assert "ending: this was a dry run, nothing was written" in dry_log.read_text()
    store = SqliteHistory(state / FILE)
    assert store.check() == "ok"
    numbers = [item.sequence for item in store.samples(0, 1e12)]
    assert len(numbers) == len(set(numbers))
    store.close()


def test_a_dry_run_of_another_root_stays_out_of_this_hosts_history(tmp_path: Path) -> None:
    config, log = tmp_path / "irqbal.yaml", tmp_path / "log"
    config.write_text(f"{QUICK}api: {{listen: []}}\n")
    root = copy_host("vm-8cpus", tmp_path / "tree")
    home = tmp_path / "home"
    before = _history_of_this_host()
    with machine.daemon(
        "--root",
        str(root),
        "-c",
        str(config),
        "--dry-run",
        log=log,
        env={**os.environ, "XDG_STATE_HOME": str(home)},
    ):
        wait_for(lambda: "ready: " in log.read_text(), log)
        assert "no history is recorded: a dry run of another root" in log.read_text()
        assert _history_of_this_host() == before


def _history_of_this_host() -> tuple[float, int] | None:
    path = Path("/var/lib/irqbal") / FILE
    if not path.exists():
        return None
    found = path.stat()
    return found.st_mtime, found.st_size


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.root("becomes another user")
def test_an_ordinary_user_sees_his_dry_run_in_his_own_folder() -> None:
    """On this machine's own kernel: history and socket lie below $XDG_STATE_HOME."""
    home = Path(tempfile.mkdtemp(prefix="irqbal-home-"))
    os.chown(home, 65534, 65534)
    config, log = home / "irqbal.yaml", home / "log"
    port = free_port()
    config.write_text(f'{QUICK}api: {{listen: ["127.0.0.1:{port}"]}}\n')
    state = home / "irqbal"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*AS_NOBODY, IRQBAL, "daemon", "-c", str(config)],
            stdout=out,
            stderr=out,
            env={"PATH": os.environ["PATH"], "XDG_STATE_HOME": str(home), "HOME": str(home)},
        )
    try:
        wait_for(lambda: "ready: " in log.read_text() or process.poll() is not None, log)
        served = Served(process.pid, port, state, log)
        wait_for(served.socket.exists, log)
        assert served.ask("GET", "/api/v1/status", where="unix").json["dry_run"]
        wait_for((state / FILE).exists, log)
        wait_for(lambda: served.get("/api/v1/status")["history"]["enabled"], log)
        assert (state / FILE).stat().st_uid == 65534
        assert state.stat().st_mode & 0o777 == 0o700
        assert served.socket == state / "run/irqbal.sock"
    finally:
        process.terminate()
        assert process.wait(90) == 0, log.read_text()
        shutil.rmtree(home)


def test_a_dry_run_of_this_host_leaves_the_daemons_socket_alone(tmp_path: Path) -> None:
    config, log = tmp_path / "x.yaml", tmp_path / "log"
    config.write_text(
        f"state_dir: {tmp_path / 's'}\napi: {{listen: ['unix:/run/irqbal/irqbal.sock']}}\n"
    )
    with machine.daemon("-c", str(config), "--dry-run", log=log):
        wait_for(lambda: "ready: " in log.read_text(), log)
        said = log.read_text()
        assert "the API listens on no address" in said and "dry-run.sock" in said
        assert not Path("/run/irqbal/irqbal.sock").exists()
