"""The dashboard of `irqbal serve`, over what three hosts shipped to a real MongoDB."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from chromium import DashboardSite, browser, watched
from fleet import THREE_HOSTS, central, fill
from mongod import plain


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A central server over three hosts."""
    with plain(tmp_path_factory.mktemp("mongod")) as server:
        url = f"mongodb://127.0.0.1:{server.port}"
        fill(url, "fleet", THREE_HOSTS, time.time())
        with central(url, "fleet", tmp_path_factory.mktemp("central")) as found:
            yield found


def late(route: Route) -> None:
    """A second after it was asked for."""
    time.sleep(1)
    route.continue_()


def test_the_dashboard_shows_the_fleet_and_goes_into_a_host(base: str, tmp_path: Path) -> None:
    with browser() as chromium, watched(chromium, DashboardSite(base, tmp_path)) as shown:
        page = shown.page
        page.goto(base)
        shown.wait()
        expect(page.locator("h1")).to_have_text("Fleet")
        expect(page.locator("tbody tr")).to_have_count(3)
        expect(page.locator("tbody tr", has_text="db2")).to_contain_text("spread_by_rate set aside")
        page.get_by_label("Search hosts").fill("db")
        expect(page.get_by_text("2 of 3 hosts")).to_be_visible()
        page.get_by_label("Show also").select_option("remote-queue")
        expect(page.get_by_role("region", name="Findings").locator("tbody tr")).to_have_count(6)
        # The status may well be the last of all answers.
        page.route("**/hosts/db1/status", late)
        page.get_by_role("region", name="Hosts").get_by_role("link", name="db1").click()
        expect(page.locator(".headline")).to_contain_text("The busiest CPU")
        assert page.locator(".cpumap button").count() == 8 and "host=db1" in page.url
        expect(page.locator("#pause")).to_be_hidden()
        page.get_by_role("link", name="History").click()
        expect(page.locator(".u-wrap canvas").first).to_be_visible()
        page.get_by_label("Host", exact=True).fill("db2")
        page.get_by_label("Host", exact=True).press("Enter")
        expect(page.locator(".u-wrap canvas").first).to_be_visible()
        assert "host=db2" in page.url and shown.problems == []
