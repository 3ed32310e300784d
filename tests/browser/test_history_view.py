"""History in the browser: the heat map, the chart, its marks: they show what the API has."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

import machine
from chromium import DashboardSite, WatchedPage, configure, site, watched
from irqbal.history.samples import Sample, Series
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import WritableSqliteHistory

SPEC = "2x4x2,nodes=2,nic=4x2,nvme=4x1,traffic=skewed,seed=3"
"""16 CPUs, of which few have load; IRQ 22 is the first queue of a NIC."""
HEAT, CHART = ".heat canvas", ".u-wrap canvas"
GUTTER = 56
"""What the heat map leaves for its labels, in pixels."""
PINNED = """
policies:
  - pin_irqs: {rules: [{irq: "nvme0q*", cpus: 1}]}
  - pin_nic_queues
"""
PAINTED = """([name, from, until, y]) => {
  const canvas = document.querySelector(name);
  const context = canvas.getContext("2d");
  const ratio = devicePixelRatio;
  const line = context.getImageData(Math.round(from * ratio), Math.round(y * ratio), Math.max(1, Math.round((until - from) * ratio)), 1).data;
  const corner = [...context.getImageData(1, canvas.height - 2, 1, 1).data];
  let painted = 0;
  for (let at = 0; at < line.length; at += 4) if (corner.some((part, index) => part !== line[at + index])) painted++;
  return painted / (line.length / 4);
}"""  # noqa: E501
"""The share of a line of the canvas, from one x to another at this y, that is not its ground."""


class PastHost(msgspec.Struct, frozen=True):
    """A host to which everything happened that History marks."""

    site: DashboardSite
    start: int
    end: int

    @property
    def range(self) -> str:
        """The time in which it happened, for the URL."""
        return f"start={self.start}&end={self.end}"


def put_override(host: DashboardSite, irq: int) -> None:
    request = urllib.request.Request(
        f"{host.base}/api/v1/irqs/{irq}/override",
        json.dumps({"cpus": "5", "reason": "a test", "expires_in": None}).encode(),
        {"Authorization": f"Bearer {host.token}", "Content-Type": "application/json"},
        method="PUT",
    )
    urllib.request.urlopen(request, timeout=60).close()


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PastHost]:
    """Moves at the start, then an override, then a configuration that asks for too much."""
    folder = tmp_path_factory.mktemp("past")
    config, host = configure(folder)
    start = int(time.time()) - 2
    with machine.daemon("--simulate", SPEC, "-c", str(config), log=folder / "log") as process:
        machine.wait_for(lambda: host.cycles() >= 4)
        put_override(host, host.get("/irqs?device=eth0&movable=true")[0]["number"])
        cycles = host.cycles()
        machine.wait_for(lambda: host.cycles() >= cycles + 3)
        config.write_text(config.read_text() + PINNED)
        os.kill(process.pid, signal.SIGHUP)
        machine.wait_for(lambda: bool(host.get("/decisions?kind=refusal")))
        cycles = host.cycles()
        machine.wait_for(lambda: host.cycles() >= cycles + 3)
        yield PastHost(host, start, int(time.time()) - 1)


@pytest.fixture
def shown(chromium: Browser, past: PastHost) -> Iterator[WatchedPage]:
    with watched(chromium, past.site) as found:
        yield found
        assert found.problems == []


def share(value: float) -> str:
    """A load as the dashboard writes it."""
    percent = value * 100
    if percent <= 0:
        return "0 %"
    if percent < 0.1:
        return "<0.1 %"
    return f"{percent:.1f} %" if percent < 10 else f"{percent:.0f} %"


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def loads(past: PastHost, by: str = "cpu", more: str = "") -> list[dict[str, Any]]:
    """The points that the page asks for in this range."""
    iso = [datetime.fromtimestamp(at).astimezone().isoformat() for at in (past.start, past.end)]
    start, end = (text.replace("+", "%2B") for text in iso)
    query = f"what=load&by={by}&start={start}&end={end}&step=1s{more}"
    found: list[dict[str, Any]] = past.site.get(f"/cpus/history?{query}")["points"]
    return found


def box_of(page: Page, name: str) -> dict[str, float]:
    part = page.locator(name)
    part.scroll_into_view_if_needed()
    box = part.bounding_box()
    assert box is not None
    return {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}


def test_the_heat_map_shows_every_cpu_with_the_api_s_values(
    shown: WatchedPage, past: PastHost
) -> None:
    page = shown.page
    shown.open(f"history?{past.range}")
    expect(page.locator("main h2").first).to_have_text("Load of each CPU")
    points = loads(past)
    last = points[-1]
    page.locator(".heat").focus()
    page.keyboard.press("End")
    for number in range(16):
        lines = page.locator(".tip > *").all_inner_texts()
        value = share(last["counts"].get(str(number), 0) / 1e6 / last["seconds"])
        assert lines[0] == f"CPU {number}" and lines[1].endswith(f": {value}"), (lines, value)
        page.keyboard.press("ArrowDown")
    expect(page.locator(".tip strong")).to_have_text("CPU 15")
    expect(page.locator("[aria-live=polite].unseen")).to_contain_text("CPU 15")
    # The same by mouse, at the moment of another point.
    busiest = max(last["counts"], key=last["counts"].get)
    point = points[len(points) // 2]
    box = box_of(page, ".heat")
    tall = (page.locator(".heat canvas").bounding_box() or box)["height"]
    middle = (seconds(point["at"]) + 0.5 - past.start) / (past.end - past.start)
    page.mouse.move(
        box["x"] + GUTTER + middle * (box["width"] - GUTTER),
        box["y"] + (int(busiest) + 0.5) * (tall - 20) / 16,
    )
    expect(page.locator(".tip strong")).to_have_text(f"CPU {busiest}")
    value = share(point["counts"].get(busiest, 0) / 1e6 / point["seconds"])
    expect(page.locator(".tip")).to_contain_text(f": {value}")
    # Enter on a CPU shows it alone.
    page.locator(".heat").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Only", exact=True)).to_have_value(re.compile("^CPU "))


def test_rates_softirqs_squeezes_and_drops_by_choice(shown: WatchedPage, past: PastHost) -> None:
    page = shown.page
    shown.open(f"history?{past.range}&what=interrupts")
    expect(page.locator("main h2").first).to_have_text("Interrupts a second of each CPU")
    page.locator(".heat").focus()
    expect(page.locator(".tip")).to_contain_text(re.compile(r"\d( [kM])?/s$"))
    for what, words in (
        ("softirqs", "Softirqs a second"),
        ("squeezes", "Softirqs out of budget, a second"),
        ("drops", "Dropped packets, a second"),
    ):
        page.get_by_label("Show", exact=True).select_option(what)
        expect(page.locator("main h2").first).to_have_text(f"{words} of each CPU")
        expect(page.locator(".holder").first).to_contain_text(re.compile("^$|has no"))
        assert page.locator(".box.bad").count() == 0
        if what == "softirqs":
            expect(page.locator(".u-legend")).to_contain_text("NET_RX")
            expect(page.get_by_label("Stacked", exact=True)).to_have_value("kind")


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("by=device", ["eth0", "eth1"]),
        ("by=irq", ["eth0-TxRx-0", "eth1-TxRx-3"]),
        ("by=cpu", ["CPU 0", "CPU 5"]),
        ("by=kind", ["softirq"]),
        ("device=eth1", ["eth1-TxRx-0"]),
        ("irq=ice-eth1-TxRx-1", ["CPU "]),
        ("cpu=5", ["eth"]),
    ],
)
def test_what_the_chart_is_stacked_by(
    shown: WatchedPage, past: PastHost, query: str, lines: list[str]
) -> None:
    shown.open(f"history?{past.range}&{query}")
    for line in lines:
        expect(shown.page.locator(".u-legend")).to_contain_text(line)
    assert shown.page.locator(".box.bad").count() == 0


def test_the_csv_has_the_values_of_the_api(shown: WatchedPage, past: PastHost) -> None:
    page = shown.page
    shown.open(f"history?{past.range}&by=device")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    header, *rows = csv.reader(io.StringIO(waiting.value.path().read_text()))
    assert header[0] == "at" and all(name.endswith(" (share of a CPU)") for name in header[1:])
    points = {seconds(point["at"]): point for point in loads(past, "device")}
    filled = [row for row in rows if any(row[1:])]
    assert len(filled) == len(points) >= 5
    for row in filled:
        point = points[seconds(row[0])]
        whole = sum(point["counts"].values()) / 1e6 / point["seconds"]
        assert abs(sum(float(cell) for cell in row[1:]) - whole) < 1e-4


def marks(past: PastHost) -> dict[str, dict[str, Any]]:
    """One decision of a cycle of each kind."""
    found = past.site.get("/decisions?start=1h")
    by_kind = {kind: next(item for item in found if item["kind"] == kind) for kind in
               ("refusal", "override")}  # fmt: skip
    return {
        "bad": by_kind["refusal"],
        "person": by_kind["override"],
        "move": next(item for item in found if item["cause"] == "start"),
    }


@pytest.mark.parametrize(
    ("kind", "words"),
    [("bad", "refusal"), ("person", "override"), ("move", "8 moves")],
)
def test_a_mark_tells_its_cycle_and_unfolds_it(
    shown: WatchedPage, past: PastHost, kind: str, words: str
) -> None:
    page = shown.page
    shown.open(f"history?{past.range}")
    expect(page.locator(".cycles summary").nth(2)).to_be_visible()
    decision = marks(past)[kind]
    box = box_of(page, ".u-over")
    part = (seconds(decision["at"]) - past.start) / (past.end - past.start)
    at = (box["x"] + part * box["width"], box["y"] + 40)
    page.mouse.move(*at)
    expect(page.locator(".tip strong")).to_contain_text(words)
    page.mouse.click(*at)
    unfolded = page.locator(".cycles details[open]")
    expect(unfolded).to_have_count(1)
    expect(unfolded.locator("summary")).to_be_focused()
    expect(unfolded.locator("summary")).to_contain_text(words)
    expect(unfolded.locator("tbody tr").first).to_be_visible()
    assert "start=" in page.url and f"end={past.end}" in page.url


def test_a_cycle_begins_with_what_went_wrong(shown: WatchedPage, past: PastHost) -> None:
    page = shown.page
    shown.open("decisions?start=1h")
    newest = page.locator(".cycles details").first
    # The only cycle of an hour has unfolded by itself.
    if newest.get_attribute("open") is None:
        newest.locator("summary").click()
    expect(newest.locator("[data-name=What]").first).to_be_visible()
    kinds = newest.locator("[data-name=What]").all_inner_texts()
    assert kinds[0] == "refused" and len(set(kinds)) > 1
    assert kinds == sorted(kinds, key=lambda kind: kind != "refused")


def test_a_live_update_keeps_the_cursor_and_does_not_end_a_drag(
    shown: WatchedPage, past: PastHost
) -> None:
    page = shown.page
    shown.open("history?for=300")
    page.evaluate(
        "globalThis.drawn = 0; new MutationObserver(() => { drawn++; })"
        ".observe(document.querySelector('.holder'), { childList: true })"
    )
    page.locator(".heat").focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.wait_for_function("() => drawn >= 1")
    expect(page.locator(".heat")).to_be_focused()
    expect(page.locator(".tip strong")).to_have_text("CPU 3")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".tip strong")).to_have_text("CPU 4")
    box = box_of(page, ".heat")
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 30)
    drawn = page.evaluate("drawn")
    # Longer than the time between two updates.
    page.wait_for_timeout(6500)
    assert page.evaluate("drawn") == drawn
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 30)
    page.mouse.up()
    expect(page).to_have_url(re.compile("start="))


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardSite]:
    """A day of samples, one each five minutes, in which the daemon was down from ten to six hours
    ago.
    """
    folder = tmp_path_factory.mktemp("day")
    (folder / "state").mkdir(mode=0o755)
    fill_day(folder / "state" / FILE, time.time())
    rest = "interval: 1s\nhistory: {every: 5m}\n"
    with site(folder, "1x4,nic=2,traffic=skewed", rest) as found:
        machine.wait_for(lambda: found.cycles() >= 1)
        yield found


def fill_day(path: Path, now: float) -> None:
    store = WritableSqliteHistory(path)
    values = {Series("time", "softirq", cpu): 30_000_000 * (cpu + 1) for cpu in range(4)} | {
        Series("load", f"0000:3b:00.0/vector {queue}/eth0-TxRx-{queue}", queue): 30_000_000
        for queue in range(2)
    }
    for ago in range(86_400, 0, -300):
        if 6 * 3600 < ago <= 10 * 3600:
            continue
        store.add_sample(Sample(store.next_sequence(), "a-boot", now - ago, 300.0, values))
    store.close()


PLACES = {
    HEAT: "(() => [56, document.querySelector('.heat').clientWidth - 56, 4])()",
    CHART: "(() => { const over = document.querySelector('.u-over').getBoundingClientRect();"
    " const all = document.querySelector('.u-wrap canvas').getBoundingClientRect();"
    " return [over.left - all.left, over.width, over.bottom - all.top - 8]; })()",
}
"""Where time begins on a canvas, how wide it is, and a height at which data is painted."""


def painted(page: Page, name: str, ago: tuple[float, float], length: float) -> float:
    """The share of this time, in seconds ago, that a canvas has painted."""
    start, wide, bottom = page.evaluate(PLACES[name])
    from_x, until_x = (start + wide * (1 - at / length) for at in ago)
    return float(page.evaluate(PAINTED, [name, from_x, until_x, bottom]))


def test_a_day_in_which_the_daemon_was_down_has_a_gap(
    chromium: Browser, day: DashboardSite
) -> None:
    with watched(chromium, day) as shown:
        page = shown.page
        shown.open("history?for=86400&by=kind")
        hours = [(at * 3600.0, (at - 2) * 3600.0) for at in (23, 14, 9, 4)]
        for name in (HEAT, CHART):
            shares = [painted(page, name, ago, 86_400) for ago in hours]
            # Lines of the grid cross the chart's gap.
            assert min(shares[0], shares[1], shares[3]) > 0.9 and shares[2] < 0.1, (name, shares)
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Download CSV").click()
        _, *rows = csv.reader(io.StringIO(waiting.value.path().read_text()))
        empty = [row for row in rows if not any(row[1:])]
        assert len(empty) == 1
        assert abs(time.time() - seconds(empty[0][0]) - 10 * 3600) < 900
        # The browser advises against what this test does with the canvas.
        assert [text for text in shown.problems if "willReadFrequently" not in text] == []


def test_samples_that_are_rarer_than_steps_fill_the_heat_map(
    chromium: Browser, day: DashboardSite
) -> None:
    """As with the configuration's default, a sample a minute, in the chart of 15 minutes."""
    with watched(chromium, day) as shown:
        shown.open("history?for=3600&by=kind")
        expect(shown.page.locator("p[role=status]").first).to_contain_text("one each 5 min")
        assert painted(shown.page, HEAT, (3000, 600), 3600) > 0.95
