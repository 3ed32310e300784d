"""Somebody deletes the state folder below a running daemon: it is said, made anew, and nothing that
the daemon knows is lost.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import SqliteHistory
from machine import IRQBAL, wait_for
from served import Served, serve

_SCRIPT = (
    "import irqbal.service.upkeep as it; it.EVERY = 0.3; from irqbal.cli.main import main; main()"
)


def _numbers(served: Served) -> set[int]:
    store = SqliteHistory(served.state / FILE)
    try:
        return {item.sequence for item in store.samples(0, 1e12)}
    finally:
        store.close()


def test_a_deleted_state_folder_is_made_anew_with_what_was_in_it() -> None:
    command = (str(Path(IRQBAL).with_name("python")), "-c", _SCRIPT)
    rest = "interval: 300ms\nhistory: {every: 300ms}\n"
    with serve(rest=rest, command=command) as served:
        irq = next(item["number"] for item in served.get("/api/v1/irqs") if item["movable"])
        body = {"cpus": "1", "reason": "kept"}
        assert served.ask("PUT", f"/api/v1/irqs/{irq}/override", body, where="unix").status == 200
        wait_for(lambda: len(_numbers(served)) > 5, served.log)
        before, admin = _numbers(served), served.admin
        for path in list(served.state.iterdir()):
            if path.name == "run":
                continue
            path.unlink(missing_ok=True)
        run = served.state.with_name("run-kept")
        # The run folder of a made-up host lies in there, too; that of a real one does not.
        (served.state / "run").rename(run)
        served.state.rmdir()
        wait_for(lambda: "was deleted below this daemon" in served.said(), served.log)
        with contextlib.suppress(FileExistsError):
            (served.state / "run").symlink_to(run)
        wait_for((served.state / "overrides.json").exists, served.log)
        assert "kept" in (served.state / "overrides.json").read_text()
        wait_for(lambda: (served.state / FILE).exists() and _numbers(served) > before, served.log)
        assert served.state.stat().st_mode & 0o777 == 0o700
        assert served.admin != admin
        assert "with all that was in it" in served.said()
        assert served.said().count("was deleted below this daemon") == 1
        shutil.rmtree(run, ignore_errors=True)


_DEAD_MOUNT = """
import os, subprocess, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
state, other = folder / "state", folder / "other"
other.mkdir()
state.mkdir()
subprocess.run(["mount", "--bind", str(other), str(state)], check=True)
other.rmdir()
from irqbal.state.folders import Folders
from irqbal.service.state_watch import StateWatch
print(StateWatch(None, Folders(state, folder), None)._make_anew())
"""


@pytest.mark.root("mounts in a namespace of its own")
def test_below_the_unit_it_says_what_to_run(tmp_path: Path) -> None:
    """There the folder is a mount, which stays, deleted, whatever is done beneath it."""
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", _DEAD_MOUNT, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "it is a mount of a folder that was deleted\n"
