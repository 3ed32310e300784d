"""Made-up hosts with something to mend: a daemon on a tree whose kernel runs, with whatever its
administrator got wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

import machine
from chromium import DashboardSite, configure
from installed import InstalledSite
from places import TOP
from trees import Disk, NamedNic, Nic, Threaded, Tree, TreeSpec, make_tree

SPEC = TreeSpec(
    sockets=2,
    cores=4,
    threads=2,
    nodes=2,
    isolated="3",
    devices=(
        Nic("ice", "eth0", queues=5, node=0),
        Disk("nvme", "nvme0", queues=1, node=0, managed=False),
        NamedNic("strange", ("strange-a", "strange-b"), "eth9", rx=2, tx=2, node=1),
    ),
    threads_running=(
        Threaded("irq/25-ice-eth0-TxRx-0", "0-15", 3, 77),
        Threaded("napi/eth0-8193", "0-15", 3, 78),
    ),
)
"""Node 0 has CPUs 0-3 and 8-11; CPU 9 is the second thread of CPU 1's core."""
HOT = 0.9
"""Seconds of CPU that eth0's first queue takes in a second."""
PLACES = {
    "ice-eth0-TxRx-0": "1",
    "ice-eth0-TxRx-1": "5",
    "ice-eth0-TxRx-2": "3",
    "ice-eth0-TxRx-3": "9",
    "nvme0q1": "8",
}
"""A queue that fills its CPU, one on another node than its card's, one on an isolated CPU, and one
on the core of the first.
"""
PINNED = "ice-eth0-TxRx-4"
"""The one IRQ that irqbal places: on CPU 8, beside the disk's queue."""


class TroubledHost(msgspec.Struct):
    """A daemon, its page, its tree, and how irqbal's commands are run on the same host."""

    site: DashboardSite
    tree: Tree
    config: Path
    log: Path
    command: tuple[str, ...]
    pid: int

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The JSON that the API answers, asked as root."""
        request = urllib.request.Request(
            f"{self.site.base}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.site.token}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=machine.WAIT) as answer:
            return json.load(answer)

    def codes(self) -> set[str]:
        """The codes of what is found now."""
        return {item["code"] for item in self.ask("GET", "/findings")["findings"]}

    def irqbal(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of irqbal's on this host."""
        first, *rest = words
        return subprocess.run(
            [*self.command, first, "--root", str(self.tree.folder), "-c", str(self.config), *rest],
            check=False,
            capture_output=True,
            text=True,
            timeout=machine.WAIT,
        )


@contextlib.contextmanager
def moving(tree: Tree, folder: Path, loads: dict[str, float]) -> Iterator[None]:
    """The kernel's part: these IRQs fire 1000 times a second, and take so many seconds of CPU in a
    second.
    """
    numbers = {tree.number(action): load for action, load in loads.items()}
    spec = folder / "spec.json"
    spec.write_text(
        json.dumps(
            {
                "rates": dict.fromkeys(numbers, 1000.0),
                "costs": {number: load / 1000 for number, load in numbers.items()},
                "cpus": tree.spec.cpus,
                "noise": 0,
                "seed": 1,
            }
        )
    )
    words = [sys.executable, str(TOP / "tests/fakes/mover.py"), str(tree.folder), str(spec)]
    mover = subprocess.Popen(words, stdout=subprocess.PIPE)
    try:
        assert mover.stdout is not None and mover.stdout.readline() == b"moving\n"
        yield
    finally:
        mover.terminate()
        mover.wait(machine.WAIT)
        if mover.stdout is not None:
            mover.stdout.close()


@contextlib.contextmanager
def readable_site() -> Iterator[InstalledSite]:
    """An installation that policies' own users may read."""
    folder = Path(tempfile.mkdtemp(prefix="irqbal-site-"))
    folder.chmod(0o755)
    try:
        yield InstalledSite(folder)
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def on_tree(
    folder: Path,
    tree: Tree,
    rest: str,
    *options: str,
    command: tuple[str, ...] = (machine.IRQBAL,),
) -> Iterator[TroubledHost]:
    """A daemon on this tree. `rest` is the configuration but for its folder and the API."""
    config, site = configure(folder, rest)
    log = folder / "log"
    words = ("--root", str(tree.folder), "-c", str(config), *options)
    with machine.daemon(*words, log=log, command=command) as process:
        yield TroubledHost(site, tree, config, log, command, process.pid)


@contextlib.contextmanager
def troubled(folder: Path) -> Iterator[TroubledHost]:
    """A daemon on SPEC, with two policies that fail, and none that would place queues."""
    tree = make_tree(folder / "tree", SPEC)
    for action, cpus in PLACES.items():
        tree.place(action, cpus)
    loads = dict.fromkeys(PLACES, 0.06) | {"ice-eth0-TxRx-0": HOT, PINNED: 0.06}
    rest = (
        "interval: 1s\nhistory: {every: 1s}\npolicies:\n"
        f"  - pin_irqs: {{rules: [{{irq: {PINNED}, cpus: 8}}]}}\n  - licensed\n  - newer\n"
    )
    with readable_site() as found, moving(tree, folder, loads):
        found.install("licensed", "raise RuntimeError('its licence has ended')")
        found.install("newer", "IRQBAL_API = '9'\n")
        python = (str(found.python), "-m", "irqbal")
        with on_tree(folder, tree, rest, command=python) as host:
            yield host


@contextlib.contextmanager
def killed_planner(host: TroubledHost) -> Iterator[None]:
    """The planner's process dies as soon as it is there, as by a machine without memory."""
    stop = threading.Event()

    def kill() -> None:
        while not stop.wait(0.02):
            for children in Path(f"/proc/{host.pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    for pid in map(int, children.read_text().split()):
                        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        stop.set()
        killer.join()
