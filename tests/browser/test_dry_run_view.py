"""The dashboard of a dry run: what would be done is never told as done; and What if, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

import machine
from chromium import DashboardSite, WatchedPage, configure, watched

SPEC = "2x4x2,nodes=2,nic=4x2,nvme=4x1,traffic=skewed,seed=3"
DONE = re.compile(
    r"(?<!not )(?<!be )\b(was|were|has been|have been|is|are) (moved|put|set|placed)\b"
    r"|^(moved|set|written)$"
    r"|Recent moves|changes? of .* made in cycle",
    re.IGNORECASE | re.MULTILINE,
)
"""Words that tell something as done."""
ONE_CPU = 'policies:\n  - pin_irqs: {rules: [{irq: "*eth*", cpus: 0}]}\n'
MISTAKES = """policies:
  - isolate_coes
  - pin_irqs: {rules: [{irq: "a", cpus: 0-}]}
  - pin_nic_queues: {interfaces: 5}
  - spread_by_rate: {min_gain: much}
  - pin_irqs: {rulez: []}
"""


@pytest.fixture(scope="module")
def dry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardSite]:
    folder = tmp_path_factory.mktemp("dry")
    config, host = configure(folder)
    words = ("--simulate", SPEC, "-c", str(config), "--dry-run")
    with machine.daemon(*words, log=folder / "log"):
        machine.wait_for(lambda: host.cycles() >= 4)
        machine.wait_for(lambda: bool(host.get("/decisions")))
        yield host


@pytest.fixture
def shown(chromium: Browser, dry: DashboardSite) -> Iterator[WatchedPage]:
    with watched(chromium, dry, token=dry.token) as found:
        yield found
        assert [text for text in found.problems if "422" not in text] == []


def settings(plan: Any) -> int:
    return len(plan["cycle"]["steering"]) + (plan["cycle"]["default"] is not None)


def near(text: str, value: float) -> bool:
    """Whether a figure of the page is this one, up to what changes between two cycles."""
    found = re.search(r"[\d.]+", text)
    return found is not None and abs(float(found[0]) - value) <= max(0.15 * value, 0.02)


def test_now_says_what_would_be_made(shown: WatchedPage, dry: DashboardSite) -> None:
    page = shown.page
    shown.open("now")
    plan = dry.get("/plan")
    moves = len(plan["cycle"]["moves"])
    box = page.get_by_role("region", name="What would be changed")
    assert moves == 8
    expect(box.locator(".verdict")).to_have_text(
        f"{moves} moves and {settings(plan)} settings would be made."
    )
    expect(page.locator("#live")).to_have_text("dry run: nothing is changed")
    words = page.locator("h2").all_inner_texts()
    assert "What would be moved, and why" in words
    tiles = dict(
        zip(box.locator("dt").all_inner_texts(), box.locator("dd").all_inner_texts(), strict=True)
    )
    forecast = plan["forecast"]
    assert near(tiles["Busiest CPU, now"], 100 * forecast["busiest_now"]), (tiles, forecast)
    assert near(tiles["Busiest CPU, with the plan"], 100 * forecast["busiest_likely"]), (
        tiles,
        forecast,
    )
    assert near(
        tiles["Times the least possible, now"].removeprefix("× "), forecast["imbalance_now"]
    )
    box.get_by_role("link", name="The list, with reasons").click()
    expect(page.locator("h1")).to_have_text("Plan")


def test_the_plan_has_reasons_and_the_forecast_of_the_api(
    shown: WatchedPage, dry: DashboardSite
) -> None:
    page = shown.page
    shown.open("plan")
    plan = dry.get("/plan")
    expect(page.locator(".verdict")).to_have_text(
        f"8 moves and {settings(plan)} settings would be made; this is a dry run."
    )
    rows = page.get_by_role("region", name="Moves").locator("tbody tr")
    expect(rows).to_have_count(8)
    by_irq = {move["irq"]: move for move in plan["cycle"]["moves"]}
    for row in rows.all():
        cells = row.locator("th, td").all_inner_texts()
        move = by_irq[int(cells[0].split()[0])]
        assert cells[1:4] == [move["from"], move["to"], move["policy"]] and cells[4]
        assert cells[5] == "not done: dry run"
    page.get_by_role("region", name="Moves").get_by_role("button", name="By").click()
    assert "sort=by" in page.url
    page.reload()
    shown.wait()
    expect(page.locator("th[aria-sort=ascending]").first).to_have_text("By")
    # The sentence has figures, which change; its words do not.
    shape = re.sub(r"[\d.]+", "#", plan["outlook"])
    outlook = page.locator("section.box > p").nth(1)
    assert re.sub(r"[\d.]+", "#", outlook.inner_text()) == shape
    expect(page.locator(".cpumap button")).to_have_count(16)
    hottest = max(plan["forecast"]["cpus"], key=lambda cpu: cpu["likely"])
    page.locator(f".cpumap [data-cpu='{hottest['number']}']").hover()
    expect(page.locator(".tip")).to_contain_text("likely load")
    shown_load = page.locator(".tip").inner_text().split("likely load ")[1]
    assert near(shown_load, 100 * hottest["likely"]), (shown_load, hottest)


@pytest.mark.parametrize(
    "view", ["now?as=table&idle=show", "irq", "irq/ice-eth1-TxRx-0", "nics", "nics/eth0",
             "decisions", "history", "plan"]
)  # fmt: skip
def test_nothing_is_told_as_done(shown: WatchedPage, view: str) -> None:
    page = shown.page
    shown.open(view)
    page.wait_for_timeout(500)
    closed = page.locator(".cycles details:not([open]) > summary")
    for _ in range(min(3, closed.count())):
        closed.first.click()
    text = page.locator("main").inner_text()
    told = [match[0] for match in DONE.finditer(text)]
    assert told == [], (told, text)
    if view.startswith(("irq", "now", "decisions", "plan")):
        assert "would" in text


def test_decisions_are_marked(shown: WatchedPage, dry: DashboardSite) -> None:
    page = shown.page
    shown.open("decisions?kind=move")
    first = page.locator(".cycles details").last
    expect(first.locator("summary")).to_contain_text("8 moves that would be made")
    if first.get_attribute("open") is None:
        first.locator("summary").click()
    expect(first.locator("[data-name=What]").first).to_be_visible()
    assert set(first.locator("[data-name=What]").all_inner_texts()) == {"would move"}
    assert set(first.locator("[data-name=Result]").all_inner_texts()) == {"not done: dry run"}


def test_what_if_says_that_it_is_worse_and_keeps_the_result(shown: WatchedPage) -> None:
    page = shown.page
    shown.open("whatif")
    area = page.get_by_label("Policies (YAML)")
    area.fill(ONE_CPU)
    area.press("Control+Enter")
    worse = page.locator(".result .warn")
    expect(worse).to_have_text(
        re.compile(
            r"Worse than today’s policies: the busiest CPU would have [\d.]+ % "
            r"\([\d.]+ times the least possible\) instead of [\d.]+ % "
            r"\([\d.]+ times the least possible\)\."
        )
    )
    words = worse.inner_text()
    fresh, old = (float(found) for found in re.findall(r"([\d.]+) % \(", words))
    assert fresh > old
    page.locator("nav").get_by_text("Decisions").click()
    expect(page.locator("h1")).to_have_text("Decisions")
    page.locator("nav").get_by_text("What if").click()
    expect(worse).to_have_text(words)
    expect(area).to_have_value(ONE_CPU)
    page.reload()
    shown.wait()
    expect(area).to_have_value(ONE_CPU)


def test_all_mistakes_of_a_configuration_are_shown_at_once(shown: WatchedPage) -> None:
    page = shown.page
    shown.open("whatif")
    page.get_by_label("Policies (YAML)").fill(MISTAKES)
    page.get_by_role("button", name="Plan", exact=True).click()
    problems = page.locator(".result .box.bad li")
    expect(problems).to_have_count(5)
    lines = [text.split(":")[0] for text in problems.all_inner_texts()]
    assert sorted(lines) == [f"Line {number}" for number in range(2, 7)]
    problems.nth(3).locator("button").click()
    chosen = "area => area.value.slice(area.selectionStart, area.selectionEnd)"
    number = int(lines[3].split()[1])
    assert page.get_by_label("Policies (YAML)").evaluate(chosen) == MISTAKES.split("\n")[number - 1]
