"""A tree of somebody else's, with links to what only root may read or write: nothing leaves it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import machine
from irqbal.errors import HostError
from irqbal.imported.script import ScriptAnswer, run
from irqbal.kernel.capture import capture
from irqbal.kernel.host import KernelHost
from machine import irqbal, wait_for
from trees import copy_host

SECRET = "0-3 the secret of root"


class ForeignTree:
    """A host's tree; `secret` is a file of this machine outside it."""

    def __init__(self, root: Path, secret: Path) -> None:
        self.root, self.secret = root, secret

    def lead_out(self, path: str, *, absolute: bool = True) -> None:
        """Put a link to the secret in the place of this file."""
        place = self.root / path
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        target = str(self.secret)
        place.symlink_to(target if absolute else os.path.relpath(target, place.parent))


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[ForeignTree]:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    yield ForeignTree(copy_host("vm-8cpus", tmp_path / "tree"), secret)
    assert secret.read_text() == SECRET, "it was written through a link"


def _movable(root: Path) -> list[str]:
    return [path.name for path in sorted((root / "proc/irq").iterdir()) if path.name.isdecimal()]


@pytest.mark.parametrize("absolute", [True, False])
def test_apply_writes_no_mask_through_a_link(foreign: ForeignTree, absolute: bool) -> None:
    for irq in _movable(foreign.root):
        for name in ("smp_affinity_list", "smp_affinity"):
            if (foreign.root / f"proc/irq/{irq}/{name}").exists():
                foreign.lead_out(f"proc/irq/{irq}/{name}", absolute=absolute)
    foreign.lead_out("proc/irq/default_smp_affinity", absolute=absolute)
    foreign.secret.write_text("f")
    config = foreign.secret.with_name("irqbal.yaml")
    config.write_text(f'state_dir: {foreign.secret.parent / "state"}\nbanned_cpus: "0-3"\n')
    log = config.with_name("log")
    with machine.daemon("--root", str(foreign.root), "-c", str(config), log=log):
        wait_for(lambda: "ready: " in log.read_text(), log)
    assert foreign.secret.read_text() == "f"
    foreign.secret.write_text(SECRET)


LED_OUT = (
    "proc/interrupts",
    "proc/stat",
    "proc/cmdline",
    "proc/softirqs",
    "proc/irq/31/smp_affinity_list",
    "sys/devices/system/cpu/online",
    "sys/kernel/irq/31/actions",
)


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("path", LED_OUT)
def test_nothing_is_read_through_a_link(foreign: ForeignTree, path: str, absolute: bool) -> None:
    foreign.lead_out(path, absolute=absolute)
    out = foreign.root.with_name("out.tar.gz")
    capture(foreign.root, out)
    with tarfile.open(out) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            assert file is None or b"secret of root" not in file.read(), member.name
    read = []
    with contextlib.suppress(HostError):
        host = KernelHost(foreign.root)
        for reading in (host.census, host.topology, host.pulse, host.counts, host.isolation):
            try:
                read.append(repr(reading()))
            except HostError as error:
                read.append(str(error))
        host.close()
    assert "secret of root" not in " ".join(read)


def test_no_command_shows_what_links_lead_to(foreign: ForeignTree) -> None:
    for path in LED_OUT[1:]:
        foreign.lead_out(path)
    for words in (("topology",), ("explain", "31")):
        done = irqbal(*words, "--root", str(foreign.root), check=None)
        assert "secret of root" not in done.stdout + done.stderr, words
        assert "Traceback" not in done.stderr


def test_a_root_that_is_named_relatively_is_not_left_either(foreign: ForeignTree) -> None:
    for irq in _movable(foreign.root):
        for name in ("smp_affinity_list", "smp_affinity"):
            if (foreign.root / f"proc/irq/{irq}/{name}").exists():
                foreign.lead_out(f"proc/irq/{irq}/{name}")
    config = foreign.secret.with_name("irqbal.yaml")
    config.write_text(f'state_dir: {foreign.secret.parent / "state"}\nbanned_cpus: "0-3"\n')
    for root in (".", "./", "../tree"):
        done = subprocess.run(
            [machine.IRQBAL, "apply", "--root", root, "-c", str(config)],
            cwd=foreign.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "secret of root" not in done.stdout + done.stderr, root
        assert foreign.secret.read_text() == SECRET, root


def test_a_fifo_in_a_tree_keeps_nobody_waiting(foreign: ForeignTree) -> None:
    for path in ("proc/stat", "proc/irq/31/smp_affinity_list"):
        (foreign.root / path).unlink()
        os.mkfifo(foreign.root / path)
    for words in (("topology",), ("capture", str(foreign.root.with_name("out.tar.gz")))):
        irqbal(*words, "--root", str(foreign.root), timeout=60, check=None)


def test_a_folder_that_leads_out_is_empty(foreign: ForeignTree) -> None:
    outside = foreign.secret.with_name("outside")
    (outside / "77").mkdir(parents=True)
    (outside / "77/smp_affinity_list").write_text("0-7")
    for name in ("31", "32"):
        (foreign.root / f"sys/kernel/irq/{name}").rename(foreign.root / f"moved-{name}")
        (foreign.root / f"sys/kernel/irq/{name}").symlink_to(outside)
    done = irqbal("topology", "--json", "--root", str(foreign.root))
    assert '"77"' not in done.stdout


def test_import_irqbalance_reads_nothing_outside(foreign: ForeignTree) -> None:
    foreign.lead_out("etc/default/irqbalance")
    foreign.secret.write_text("IRQBALANCE_ARGS=--banmod=secretmodule\n")
    done = irqbal("import-irqbalance", "--root", str(foreign.root), check=None)
    assert "secretmodule" not in done.stdout + done.stderr
    foreign.secret.write_text(SECRET)
    (foreign.root / "etc/default/irqbalance").unlink()
    (foreign.root / "etc/systemd/system/irqbalance.service.d").mkdir(parents=True)
    foreign.lead_out("etc/systemd/system/irqbalance.service.d/x.conf")
    done = irqbal("import-irqbalance", "--root", str(foreign.root), check=None)
    assert "secret of root" not in done.stdout + done.stderr


def test_a_policy_script_of_a_tree_is_of_that_tree(foreign: ForeignTree) -> None:
    """Not this machine's program of that name."""
    script = foreign.secret.with_name("script")
    script.write_text("#!/bin/sh\necho ban=true\n")
    script.chmod(0o755)
    default = foreign.root / "etc/default/irqbalance"
    default.parent.mkdir(parents=True)
    default.write_text(f"IRQBALANCE_ARGS=--policyscript={script}\n")
    done = irqbal("import-irqbalance", "--root", str(foreign.root), check=None)
    assert "leave: true" not in done.stdout and "No such file" in done.stdout
    inside = foreign.root / str(script).lstrip("/")
    inside.parent.mkdir(parents=True)
    inside.write_text("#!/bin/sh\necho ban=true\n")
    inside.chmod(0o755)
    done = irqbal("import-irqbalance", "--root", str(foreign.root), check=None)
    assert "leave: true" in done.stdout, done.stdout
    inside.unlink()
    inside.symlink_to(script)
    done = irqbal("import-irqbalance", "--root", str(foreign.root), check=None)
    assert "leave: true" not in done.stdout


@pytest.mark.root("only root has something to hide")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has something to hide")
def test_a_script_that_only_root_reads_has_no_readable_copy(tmp_path: Path) -> None:
    """It reaches its process by descriptor: while it runs, no copy of it has a name."""
    tmp_path.chmod(0o700)
    script, mark = tmp_path / "script", "xyzzy-plugh-42"
    script.write_text(
        f"#!/bin/sh\n# {mark}\n[ $0 = /proc/self/fd/3 ] || readlink $0 >&2\n"
        "(echo x >> $0) 2>/dev/null && exit 3\nsleep 1\necho ban=true\n"
    )
    script.chmod(0o700)
    answers: list[ScriptAnswer] = []
    before, seen = set(Path("/tmp").glob("irqbal-script-*/*")), set[Path]()
    worker = threading.Thread(target=lambda: answers.extend(run(script, {7: "/sys"})))
    worker.start()
    while worker.is_alive():
        for folder in (Path("/tmp"), Path("/dev/shm"), Path("/run")):
            seen |= set(folder.glob("irqbal-script-*/*"))
        time.sleep(0.02)
    worker.join()
    assert answers[0].output == "ban=true\n", answers
    assert seen <= before
