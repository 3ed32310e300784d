"""Whatever the dashboard shows at a moment agrees: headline, tiles, map, tables, `status` and the
API; and no part is more than its whole.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page

import machine
from chromium import DashboardSite, site, watched

MOMENTS = 30
SPECS = {
    2: "1x2,nic=2x1",
    32: "2x8x2,nodes=2,nic=8x2,nvme=8x1",
    128: "2x32x2,nodes=2,nic=32x2,nvme=32x2",
    512: "8x32x2,nodes=8,l3=8,nic=63x8,nvme=128x12",
}
QUICK = [(2, "steady"), (32, "bursts"), (128, "hopping"), (512, "bursts")]
ALL = [(cpus, traffic) for cpus in SPECS for traffic in ("steady", "bursts", "hopping")]
CLIENT = str(Path(machine.IRQBAL).with_name("irqbal-client"))
READ = """() => {
  const tile = name => document.querySelector(`[data-tile="${name}"]`).textContent;
  return {
    headline: document.querySelector(".headline").textContent,
    busiest: tile("Busiest CPU"), over: tile("Times the least possible"), measured: tile("Measured"),
    map: Object.fromEntries([...document.querySelectorAll(".cpumap button")].map(
      node => [node.dataset.cpu, node.getAttribute("aria-label")])),
    irqs: [...document.querySelectorAll("section[aria-labelledby=irqs-title] tbody tr")].map(
      row => [row.querySelector("th").textContent, row.querySelector("[data-name=Load]").textContent]),
    wanted: globalThis.answersByMoment[document.querySelector('[data-tile="Measured"]').title],
  };
}"""  # noqa: E501
KEEP = """
const asked = globalThis.fetch;
globalThis.answersByMoment = {};
globalThis.fetch = async (...words) => {
  const answer = await asked(...words);
  if (String(words[0]).includes("/api/v1/now")) {
    const now = await answer.clone().json();
    const kept = Object.entries(globalThis.answersByMoment).slice(-1);
    globalThis.answersByMoment = Object.fromEntries(kept);
    globalThis.answersByMoment[now.status.last?.measured] = now;
  }
  return answer;
};
"""
"""Keeps the answers that the page draws now and next. Which of them it shows, it says itself: the
title of the tile Measured is the moment.
"""


class ShownHost(msgspec.Struct):
    """A daemon, its page, and the moments of it that were compared."""

    name: str
    site: DashboardSite
    page: Page
    moments: set[str] = msgspec.field(default_factory=set)


def points(text: str) -> float:
    """`58 %`, `0.4 %` or `<0.1 %` as a number of percentage points."""
    return float(re.sub(r"[^\d.]", "", text))


def compare(shown: ShownHost) -> None:
    """Compare all that the page shows now, if it is another moment than before."""
    read = shown.page.evaluate(READ)
    now = read["wanted"]
    last = now["status"]["last"]
    if last["measured"] in shown.moments:
        return
    where = f"{shown.name} at {last['measured']}"
    busiest = 100 * last["busiest"]
    if last["imbalance"] > 0 and "No interrupt takes" not in read["headline"]:
        headline = re.search(r"CPU, (\d+), spends (\S+) %", read["headline"])
        assert headline is not None, read["headline"]
        assert abs(points(headline[2]) - busiest) <= 1, where
        assert abs(points(read["busiest"]) - busiest) <= 1, where
        cell = re.search(r"([\d.<]+) % load", read["map"][headline[1]])
        assert cell is not None
        assert abs(points(cell[1]) - points(headline[2])) <= 1, where
    hottest = max(points(found[1]) for found in cells(read["map"].values()))
    assert abs(hottest - busiest) <= 1, (where, hottest, busiest)
    loads = {cpu["number"]: cpu["load"] for cpu in now["cpus"]}
    for number, label in read["map"].items():
        for found in cells([label]):
            assert abs(points(found[1]) - 100 * loads[int(number)]) <= 1, (where, label)
    shares = {str(irq["number"]): irq["load"] for irq in now["irqs"]}
    assert read["irqs"], where
    for name, text in read["irqs"]:
        assert abs(points(text) - 100 * shares[name.split()[0]]) <= 1, (where, name)
    parts = dict.fromkeys(loads, 0.0)
    for irq in now["irqs"]:
        if re.fullmatch(r"\d+", irq["effective"]):
            parts[int(irq["effective"])] += irq["load"]
    for number, load in loads.items():
        assert parts[number] <= load + 1e-5, (where, number)
    shown.moments.add(last["measured"])


def cells(labels: Any) -> list[re.Match[str]]:
    """The loads in these labels of the map; CPUs that are offline have none."""
    return [found for label in labels if (found := re.search(r"([\d.<]+) % load", label))]


def agrees_with_status(shown: ShownHost) -> bool:
    """Whether the client's status was of the moment that the page shows; it then says the same."""
    port = shown.site.base.rpartition(":")[2]
    done = subprocess.run(
        [CLIENT, "127.0.0.1", port, "-o", "json", "status"], capture_output=True, check=True
    )
    last = json.loads(done.stdout)["last"]
    read = shown.page.evaluate(READ)
    if read["wanted"]["status"]["last"]["measured"] != last["measured"]:
        return False
    assert abs(points(read["busiest"]) - 100 * last["busiest"]) <= 1
    return True


def watch(chromium: Browser, folder: Path, combinations: Sequence[tuple[int, str]]) -> None:
    """Compare 30 moments of each host, all hosts side by side."""
    with contextlib.ExitStack() as stack:
        hosts = []
        for cpus, traffic in combinations:
            spec = f"{SPECS[cpus]},traffic={traffic},seed=7"
            inside = folder / f"{cpus}-{traffic}"
            inside.mkdir()
            found = stack.enter_context(site(inside, spec, "interval: 1s\nhistory: {every: 10s}\n"))
            page = stack.enter_context(watched(chromium, found))
            page.page.add_init_script(KEEP)
            machine.wait_for(lambda found=found: found.cycles() >= 2)
            page.open("now?as=table&idle=show")
            hosts.append(ShownHost(f"{cpus} CPUs, {traffic}", found, page.page))
        end = time.monotonic() + 900
        while any(len(shown.moments) < MOMENTS for shown in hosts):
            assert time.monotonic() < end, [(one.name, len(one.moments)) for one in hosts]
            for shown in hosts:
                compare(shown)
            time.sleep(0.15)
        for shown in hosts:
            machine.wait_for(lambda shown=shown: agrees_with_status(shown))


def test_all_that_is_shown_at_a_moment_agrees(chromium: Browser, tmp_path: Path) -> None:
    watch(chromium, tmp_path, QUICK)


@pytest.mark.long
@pytest.mark.parametrize("cpus", SPECS)
def test_all_that_is_shown_agrees_under_any_traffic(
    chromium: Browser, tmp_path: Path, cpus: int
) -> None:
    watch(chromium, tmp_path, [combination for combination in ALL if combination[0] == cpus])
