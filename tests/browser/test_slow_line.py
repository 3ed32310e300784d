"""Now on a slow line: 400 kbit/s, and 400 ms until an answer begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

import machine
from chromium import site, watched

SPEC = "8x32x2,nodes=8,l3=8,nic=63x8,nvme=128x12,traffic=skewed"
LINE = {
    "offline": False,
    "latency": 400,
    "downloadThroughput": 400_000 / 8,
    "uploadThroughput": 400_000 / 8,
}
LIMIT = 5000
"""Milliseconds. The line's own speed makes most of them, so that this is no figure of the machine;
what else runs on it is left out by taking the best of three loads.
"""


def test_now_of_512_cpus_is_ready_within_five_seconds(
    chromium: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with site(tmp_path, SPEC, "interval: 10s\nhistory: {every: 60s}\n") as host:
        machine.wait_for(lambda: host.cycles() >= 1)
        found: list[float] = []
        while len(found) < 3 and min(found, default=LIMIT) >= LIMIT:
            # A new context each: nothing is in its cache.
            with watched(chromium, host) as shown:
                client = shown.page.context.new_cdp_session(shown.page)
                client.send("Network.enable")
                client.send("Network.emulateNetworkConditions", LINE)
                shown.page.goto(f"{host.base}/#/now")
                shown.wait()
                found.append(
                    shown.page.evaluate("performance.getEntriesByName('irqbal:ready')[0].startTime")
                )
                assert shown.page.locator(".cpumap button").count() == 512
                assert shown.problems == []
        with capsys.disabled():
            times = ", ".join(f"{value:.0f}" for value in found)
            print(f"\n512 CPUs over 400 kbit/s and 400 ms: Now is ready after {times} ms")
        assert min(found) < LIMIT
