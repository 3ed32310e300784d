"""The cost of the whole daemon with API, history and metrics: memory, time to the first write, and
CPU time and context switches of a day at rest.

`make bench` prints it. irqbalance runs beside it on the same tree, in a mount namespace of its own;
a second irqbal ships its history to a MongoDB of its own.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import debian_irqbalance
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.spec import parse_spec
from mongod import plain
from served import UnixConnection
from tree_kernel import KernelProcess
from wheels import _pack, needed, wheelhouse

HOSTS = {
    "64 CPUs": "2x16x2,nodes=2,nic=63x2,nvme=64x3",
    "512 CPUs": "2x128x2,nodes=8,l3=8,nic=127x16,nvme=1",
}
BEAT = 10
"""Seconds a cycle."""
SETTLING, RESTING = 300, 120
"""Seconds before, and during, the measurement at rest: rates are constant, and no IRQ is moved."""


def installed(folder: Path) -> Path:
    """Install irqbal with its dependencies alone, and return the command. The tests' dependencies
    would be imported by some of irqbal's own, and cost memory.
    """
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    wheels = wheelhouse(folder / "wheels")
    for name in needed(("pymongo",)):
        _pack(importlib.metadata.distribution(name), wheels)
    subprocess.run(
        [
            folder / "venv/bin/pip",
            "install",
            "--quiet",
            "--no-index",
            "--find-links",
            wheels,
            "irqbal[mongodb]",
        ],
        check=True,
    )
    return folder / "venv/bin/irqbal"


def tree_of(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            found += tree_of(int(child))
    return found


def spent(pids: list[int]) -> tuple[float, int]:
    """(CPU seconds, context switches) of all their threads so far."""
    seconds, switches = 0.0, 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            seconds += int((task / "schedstat").read_text().split()[0]) / 1e9
            switches += sum(
                int(line.split()[1])
                for line in (task / "status").read_text().splitlines()
                if "ctxt_switches" in line
            )
    return seconds, switches


def memory(pid: int) -> tuple[float, float]:
    """(resident, of it private) in MB."""
    lines = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    )
    kilobytes = {key: int(value.split()[0]) for key, value in lines.items()}
    return kilobytes["Rss"] / 1000, (kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]) / 1000


def start(name: str, base: Path, command: Path, url: str) -> subprocess.Popen[bytes]:
    """Start a balancer by its name in the table."""
    if name == "irqbalance":
        return debian_irqbalance.start(base / "tree", base / "log", BEAT)
    config = base / "c.yaml"
    ship = f"history: {{mongodb: {{url: '{url}', database: irqbal}}}}\n" if url else ""
    config.write_text(
        f"interval: {BEAT}s\nstate_dir: {base}/state\napi: {{listen: "
        f"['unix:{base}/socket']}}\n{ship}"
    )
    with (base / "irqbal.log").open("wb") as out:
        return subprocess.Popen(
            [command, "daemon", "-c", str(config), "--root", str(base / "tree")],
            stdout=out,
            stderr=out,
        )


def scrape(path: Path) -> None:
    """Request what a monitor requests: the daemon loads some libraries at the first request."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            for asked in ("/metrics", "/api/v1/status", "/api/v1/irqs"):
                connection = UnixConnection(path)
                connection.request("GET", asked)
                assert connection.getresponse().read()
                connection.close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("irqbal does not answer")


def measure(name: str, spec: str, command: Path) -> None:
    """Measure one balancer, and print its row."""
    with contextlib.ExitStack() as stack:
        base = Path(tempfile.mkdtemp(prefix="irqbal-bench-"))
        stack.callback(shutil.rmtree, base)
        server = stack.enter_context(plain(base / "db")) if name.endswith("MongoDB") else None
        url = f"mongodb://127.0.0.1:{server.port}" if server is not None else ""
        row(name, spec, command, base, url)


def row(name: str, spec: str, command: Path, base: Path, url: str) -> None:
    """The same in an existing folder."""
    # irqbalance needs /proc/interrupts, which takes seconds to write for the large host.
    light = name != "irqbalance"
    kernel = KernelProcess(base, spec, 0.5 if light else BEAT, light=light)
    masks = list((base / "tree/proc/irq").glob("[0-9]*/smp_affinity*"))
    old = {path: path.read_bytes() for path in masks}
    begun = time.monotonic()
    process = start(name, base, command, url)
    try:
        while (
            not (first := any(path.read_bytes() != text for path, text in old.items()))
            and time.monotonic() < begun + 40
        ):
            time.sleep(0.002)
        written = f"{time.monotonic() - begun:.2f}" if first else "none in 40 s"
        if name != "irqbalance":
            scrape(base / "socket")
        time.sleep(SETTLING)
        if process.poll() is not None:
            said = "".join(path.read_text(errors="replace")[-300:] for path in base.glob("*log"))
            print(
                f"| {name} | ended by itself with status {process.returncode}: {said.strip()} | "
                f"{written} | | | |",
                flush=True,
            )
            return
        pids = tree_of(process.pid)
        before = spent(pids)
        time.sleep(RESTING)
        after = spent(pids)
        resident = " + ".join(f"{whole:.1f} ({own:.1f})" for whole, own in map(memory, pids))
        day = 86400 / RESTING
        seconds, switches = (after[0] - before[0]) * day, (after[1] - before[1]) * day
        print(
            f"| {name} | {resident} | {written} | {seconds:.0f} | {switches / 1000:.0f} | "
            f"{os.getloadavg()[0]:.1f} |",
            flush=True,
        )
    finally:
        process.terminate()
        process.wait()
        kernel.stop()


def main() -> None:
    """Measure all balancers on both hosts."""
    with tempfile.TemporaryDirectory(prefix="irqbal-bench-") as folder:
        command = installed(Path(folder))
        for name, shape in HOSTS.items():
            spec = f"{shape},traffic=skewed,seed=3"
            irqs = len(SimulatedHost(parse_spec(spec)).state.lines)
            print(f"\n{name} × {irqs} IRQs, a cycle in {BEAT} s")
            print(
                "| | resident MB (private) | start to first write, s | a day: CPU s | thousand "
                "context switches | load here |"
            )
            print("| --- | --- | --- | --- | --- | --- |", flush=True)
            for who in sys.argv[1:] or ("irqbalance", "irqbal", "irqbal, MongoDB"):
                measure(who, spec, command)


if __name__ == "__main__":
    main()
