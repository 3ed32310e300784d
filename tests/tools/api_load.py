"""Many clients at once, most of them rude: `python tests/tools/api_load.py SECONDS`, as `make load`
does, prints how the cycles fared.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import sys
import threading
import time
from datetime import datetime

import msgspec

from served import SPEC, Served, serve

SLOW = 200
"""Connections that send a byte a second."""
RATE = 1000
"""Requests a second."""
CLIENTS = 25
PATHS = (
    "/api/v1/status",
    "/api/v1/irqs",
    "/metrics",
    "/api/v1/cpus",
    "/api/v1/irqs?device=eth0",
    "/api/v1/irqs/25",
    "/api/v1/irqs/25/explain",
    "/api/v1/overrides",
    "/nowhere",
    "/api/v1/irqs?device=%d",
    "/api/v1/plan",
    "/cpu_count",
)


class Figures(msgspec.Struct, frozen=True):
    """What came of it. Times in seconds; memory in bytes, more than before; `gap` is the longest
    between two cycles.
    """

    asked: int
    answered: int
    failed: int
    median: float
    p99: float
    cycles: int
    gap: float
    memory: int
    descriptors: int

    def __str__(self) -> str:
        return (
            f"{self.asked} requests, {self.answered} answered, {self.failed} failed; median "
            f"{self.median * 1000:.1f} ms, "
            f"p99 {self.p99 * 1000:.1f} ms; {self.cycles} cycles, at most {self.gap:.3f} s apart; "
            f"{self.memory / 1e6:+.1f} MB, {self.descriptors:+d} descriptors"
        )


class Watcher(threading.Thread):
    """Listens to the events on the daemon's own socket, and notes when each cycle began."""

    def __init__(self, served: Served) -> None:
        super().__init__(daemon=True)
        self._connection = served.connection("unix", 60)
        self.moments: list[float] = []

    def run(self) -> None:
        self._connection.request("GET", "/api/v1/events")
        answer = self._connection.getresponse()
        with contextlib.suppress(OSError, ValueError, AttributeError):
            for line in answer:
                if line.startswith(b"data: "):
                    self.moments.append(
                        datetime.fromisoformat(json.loads(line[6:])["at"]).timestamp()
                    )
        answer.close()

    def stop(self) -> None:
        """End it."""
        if self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self.join(5)
        self._connection.close()

    def gap(self) -> float:
        """The longest time between two cycles."""
        return max(
            later - before for before, later in zip(self.moments, self.moments[1:], strict=False)
        )


async def _slow(served: Served, until: float) -> None:
    """A header that takes for ever."""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nX: ")
        while time.monotonic() < until and not reader.at_eof():
            writer.write(b"x")
            await asyncio.sleep(1)
        writer.close()


async def _client(
    served: Served, until: float, times: list[float], failed: list[int], rate: float, seed: int
) -> None:
    source = random.Random(seed)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1 << 22)
    due = time.monotonic() + source.random() / rate
    while due < until:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        path = source.choice(PATHS).replace("%d", str(source.randrange(10**6)))
        began = time.monotonic()
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line[15:])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            await reader.readexactly(length)
            times.append(time.monotonic() - began)
        except (OSError, asyncio.IncompleteReadError):
            failed.append(1)
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1 << 22)
        due = max(due + 1 / rate, time.monotonic() - 1)
    writer.close()


async def _all(served: Served, seconds: float, rate: int) -> tuple[list[float], int]:
    until = time.monotonic() + seconds
    times: list[float] = []
    failed: list[int] = []
    slow = [asyncio.create_task(_slow(served, until)) for _ in range(SLOW)]
    await asyncio.gather(
        *(_client(served, until, times, failed, rate / CLIENTS, seed) for seed in range(CLIENTS))
    )
    await asyncio.gather(*slow)
    return times, len(failed)


def load(served: Served, seconds: float, rate: int = RATE) -> Figures:
    """Run it; the daemon's interval is one second."""
    watcher = Watcher(served)
    watcher.start()
    time.sleep(1.5)
    memory, descriptors = served.memory(), served.descriptors()
    times, failed = asyncio.run(_all(served, seconds, rate))
    time.sleep(1.5)
    watcher.stop()
    more = served.memory() - memory, served.descriptors() - descriptors
    times.sort()
    return Figures(
        len(times) + failed,
        len(times),
        failed,
        times[len(times) // 2],
        times[int(len(times) * 0.99)],
        len(watcher.moments),
        watcher.gap(),
        *more,
    )


def main() -> None:
    """Print the figures of a small host and of a large one."""
    for spec in (SPEC, "2x64x2,nodes=2,nic=63x4,nvme=64x2,traffic=skewed"):
        with serve(spec=spec) as served:
            print(f"{spec}: {load(served, float(sys.argv[1]))}", flush=True)


if __name__ == "__main__":
    main()
