"""The dashboard of `irqbal serve`, over what three hosts shipped to a real MongoDB."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from chromium import DashboardSite, WatchedPage, browser, watched
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


def test_each_view_s_state_survives_with_its_host(base: str, tmp_path: Path) -> None:
    """A reload, another browser, Back, and the way over the fleet."""
    with browser() as chromium, watched(chromium, DashboardSite(base, tmp_path)) as shown:
        page = shown.page
        page.goto(base)
        shown.wait()
        page.get_by_label("Search hosts").fill("db")
        page.get_by_label("Show also").select_option("remote-queue")
        page.get_by_role("region", name="Hosts").get_by_role("button", name="Host").click()
        fleet = page.url
        for words in ("q=db", "code=remote-queue", "sort=host"):
            assert words in fleet

        def fleet_is_shown() -> None:
            shown.wait()
            assert page.url == fleet
            expect(page.get_by_label("Search hosts")).to_have_value("db")
            expect(page.get_by_text("2 of 3 hosts")).to_be_visible()
            hosts = page.get_by_role("region", name="Hosts")
            expect(hosts.locator("th[aria-sort=ascending]")).to_have_text("Host")
            findings = page.get_by_role("region", name="Findings").locator("tbody tr")
            expect(findings).to_have_count(6)

        fleet_is_shown()
        page.reload()
        fleet_is_shown()
        page.get_by_role("region", name="Hosts").get_by_role("link", name="db1").click()
        expect(page.locator(".headline")).to_contain_text("The busiest CPU")
        page.locator("nav").get_by_text("History").click()
        page.get_by_label("The last", exact=True).select_option("300")
        page.get_by_label("Stacked", exact=True).select_option("cpu")
        expect(page.locator(".u-legend")).to_contain_text("CPU ")
        before = page.url
        assert "host=db1" in before
        page.get_by_role("button", name="Zoom in").click()
        expect(page).to_have_url(re.compile("start="))
        zoomed = page.url
        page.go_back()
        shown.wait()
        assert page.url == before
        page.go_forward()
        shown.wait()
        assert page.url == zoomed

        def history_is_shown(seen: WatchedPage) -> None:
            seen.wait()
            assert seen.page.url == zoomed
            expect(seen.page.get_by_label("Stacked", exact=True)).to_have_value("cpu")
            expect(seen.page.get_by_label("Host", exact=True)).to_have_value("db1")
            expect(seen.page.locator(".u-legend")).to_contain_text("CPU ")

        page.reload()
        history_is_shown(shown)
        with watched(chromium, DashboardSite(base, tmp_path)) as other:
            other.page.goto(zoomed)
            history_is_shown(other)
            assert other.problems == []
        # Now, and History in four states.
        for _ in range(5):
            page.go_back()
        fleet_is_shown()
        for _ in range(5):
            page.go_forward()
        history_is_shown(shown)
        page.locator("nav").get_by_text("Fleet").click()
        expect(page.locator("h1")).to_have_text("Fleet")
        page.locator("nav").get_by_text("History").click()
        expect(page.locator("h1")).to_have_text("History")
        history_is_shown(shown)
        page.locator("nav").get_by_text("Fleet").click()
        page.get_by_label("Search hosts").fill("db")
        page.locator("nav").get_by_text("Decisions").click()
        expect(page.locator("h1")).to_have_text("Decisions")
        page.locator("nav").get_by_text("Fleet").click()
        expect(page.get_by_label("Search hosts")).to_have_value("db")
        assert shown.problems == []
