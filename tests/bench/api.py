"""Response times of the API on a large host: 512 CPUs and 2049 IRQs, all active, a cycle a second.
`make bench` prints it; nothing is asserted.

The host is a tree of files whose counters another process advances, so that the daemon has the same
work as on a real host.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import platform
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import tornado

from served import Served, serve
from tree_kernel import KernelProcess

HOST = "2x128x2,nodes=8,l3=8,nic=127x16,nvme=1,traffic=skewed,seed=1"
"""16 NICs with 127 queues and one more vector each, a drive, and ACPI's interrupt."""
SECONDS = 12.0
LEARNING = 100.0
"""Seconds before the measurement: at first the daemon plans in most cycles, which makes answers
slower.
"""
TARGETS = {"/api/v1/irqs": 50.0, "/api/v1/status": 5.0}
"""Targets for the 99th percentile, in milliseconds."""
PATHS = (
    *TARGETS,
    "/api/v1/cpus",
    "/api/v1/devices",
    "/api/v1/plan",
    "/api/v1/irqs?device=eth3",
    "/api/v1/irqs/100",
    "/api/v1/irqs/100/explain",
    "/metrics",
    "/api/v1/openapi.json",
    "/healthz",
)


def measure(served: Served, path: str) -> tuple[int, float, float, float, int]:
    """(answers, median, p99, worst in milliseconds, bytes). The pauses between are random, so that
    every moment of a cycle is met.
    """
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    source = random.Random(path)
    times = []
    size = 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        began = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        size = len(answer.read())
        assert answer.status == 200, path
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(source.uniform(0.0, 0.05))
    connection.close()
    times.sort()
    return len(times), times[len(times) // 2], times[int(len(times) * 0.99)], times[-1], size


@contextlib.contextmanager
def moving() -> Iterator[Path]:
    """A tree whose counters move."""
    folder = Path(tempfile.mkdtemp(prefix="irqbal-bench-"))
    kernel = KernelProcess(folder, HOST, 0.1, light=True)
    try:
        yield kernel.tree
    finally:
        kernel.stop()
        shutil.rmtree(folder)


def main() -> None:
    """Print one line for each path."""
    with moving() as tree, serve(root=tree, rest="interval: 1s\n") as served:
        status = served.get("/api/v1/status")
        print(
            f"Python {platform.python_version()}, Tornado {tornado.version}; {os.cpu_count()} CPUs "
            f"here, load {os.getloadavg()[0]:.1f}"
        )
        print(f"A host of {status['cpus']} CPUs and {status['irqs']} IRQs, a cycle a second")
        time.sleep(LEARNING)
        print(
            "| path | answers | kB | median ms | p99 ms | worst ms | target | of it |\n| --- | --- "
            "| --- | --- | --- | --- | --- | --- |"
        )
        for path in PATHS:
            count, median, p99, worst, size = measure(served, path)
            target = TARGETS.get(path)
            end = "|  |" if target is None else f"{target:.0f} | {p99 / target * 100:.0f} % |"
            print(
                f"| {path} | {count} | {size / 1000:.0f} | {median:.2f} | {p99:.2f} | {worst:.2f} "
                f"| {end}",
                flush=True,
            )
        last = served.get("/api/v1/status")["last"]
        print(
            f"a cycle took {last['seconds'] * 1000:.1f} ms; {served.memory() / 1e6:.0f} MB resident"
        )


if __name__ == "__main__":
    main()
