"""Originals and overrides on a disk that is full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FULL = """
import sys
from pathlib import Path
from irqbal.errors import StateFileError
from irqbal.model.readings import Original
from irqbal.state.ledger_file import save_ledger
from irqbal.state.originals import OriginalsFile
from irqbal.state.override_file import load_overrides, save_overrides
from irqbal.model.view import Override
from irqbal.cpuset import CpuSet
from irqbal.planner.ledger import Ledger, LedgerEntry

folder = Path(sys.argv[1])
journal = OriginalsFile(folder, Path("/"), "boot")
many = [Original(f"irq {i}", i, "0-7") for i in range(500)]
journal.save(many[:1])
save_overrides(folder, [Override("kept", CpuSet.of(1))])
(folder / "hog").write_bytes(b"x" * 4096)
before = (folder / "originals.jsonl").read_bytes()
for work in (
    lambda: journal.save(many),
    lambda: save_overrides(folder, [Override(f"irq {i}", CpuSet.of(1)) for i in range(100)]),
    lambda: save_ledger(folder, "boot", Ledger({str(i): LedgerEntry(written="0-7") for i in range(200)}), {}),
):
    try:
        work()
    except StateFileError as error:
        print("refused:", error)
assert (folder / "originals.jsonl").read_bytes() == before
assert list(journal.originals()) == ["irq 0"], "nothing is relied on that was not saved"
assert list(OriginalsFile(folder, Path("/"), "boot").originals()) == ["irq 0"]
assert [item.identity for item in load_overrides(folder)] == ["kept"]
assert not list(folder.glob("*.part")), "half a file takes up the room that is missing"
(folder / "hog").unlink()
journal.save(many[:20])
assert len(OriginalsFile(folder, Path("/"), "boot").originals()) == 20
print("room again")
"""  # noqa: E501


@pytest.mark.root("mounts a small file system")
def test_without_room_nothing_is_saved_relied_on_or_damaged(tmp_path: Path) -> None:
    script = tmp_path / "full.py"
    script.write_text(FULL)
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        [
            "unshare",
            "-m",
            "sh",
            "-e",
            "-c",
            f"mount -t tmpfs -o size=16k none {folder}; exec {sys.executable} {script} {folder}",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["refused:", "refused:", "refused:", "room"]
    assert "so nothing was written" in lines[0] and "No space left" in lines[0]
