"""The page of trials: the one that runs, its distributions, its verdict, and its end by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

import machine
from chromium import DashboardSite, site, watched

SPEC = "2x8,nodes=2,nic=8x2,nvme=8x1,traffic=skewed"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardSite]:
    with site(tmp_path_factory.mktemp("trials"), SPEC, "interval: 1s\n") as found:
        machine.wait_for(lambda: found.cycles() >= 4)
        yield found


def start(host: DashboardSite, **body: Any) -> str:
    """The id of a new trial."""
    name: str = host.send("POST", "/trials", body)["id"]
    return name


def test_a_trial_is_shown_while_it_runs_and_ended_by_hand(
    chromium: Browser, host: DashboardSite
) -> None:
    with watched(chromium, host, token=host.token) as admin:
        page = admin.page
        admin.open("trials")
        expect(page.get_by_text("There was no trial on this host yet.")).to_be_visible()
        start(host, window="10m", windows=40, settle="0s")
        expect(page.get_by_role("heading", name="Window 1 of 40")).to_be_visible()
        expect(page.locator("#banner")).to_contain_text("A trial runs")
        page.get_by_role("button", name="End it now").click()
        expect(page.get_by_role("heading", name="Ended early")).to_be_visible()
        expect(page.locator("#banner")).not_to_contain_text("A trial runs")
        assert admin.problems == []


def test_the_distributions_and_the_verdict_are_those_of_the_api(
    chromium: Browser, host: DashboardSite
) -> None:
    name = start(host, window="1s", windows=14, settle="0s")
    machine.wait_for(
        lambda: host.send("POST", f"/trials/{name}/beat", {})["phase"] == "ended", seconds=120
    )
    trial = host.get(f"/trials/{name}")
    with watched(chromium, host) as shown:
        page = shown.page
        shown.open(f"trials?id={name}")
        expect(page.locator("p.verdict")).to_have_text(trial["summary"])
        expect(page.locator("circle.dot-a")).to_have_count(7)
        expect(page.locator("circle.dot-b")).to_have_count(7)
        rows = page.locator("table.cards tbody tr")
        expect(rows).to_have_count(len(trial["result"]["compared"]))
        busiest = trial["result"]["compared"][0]
        expect(rows.first.locator("[data-name=A]")).to_have_text(f"{100 * busiest['a']:.1f} %")
        assert "windows" in (page.locator("figure svg").get_attribute("aria-label") or "")
        assert shown.problems == []


def test_an_earlier_trial_has_an_address_of_its_own(chromium: Browser, host: DashboardSite) -> None:
    first = host.get("/trials")[-1]
    with watched(chromium, host) as shown:
        shown.open("trials")
        shown.page.get_by_role("link", name="Ended early").click()
        expect(shown.page.get_by_role("region", name=f"Trial {first['id']}")).to_be_visible()
        assert first["id"] in shown.page.url
        shown.page.reload()
        expect(shown.page.get_by_role("region", name=f"Trial {first['id']}")).to_be_visible()
