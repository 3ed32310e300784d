"""The token of the dashboard: one question for all tabs, one way to forget it, and reading without
it where the server allows that.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

import machine
from chromium import DashboardSite, configure, site

REST = "interval: 1s\nhistory: {every: 1s}\n"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardSite]:
    """Everybody on the host may read."""
    with site(tmp_path_factory.mktemp("read"), "1x4,nic=2,traffic=skewed") as found:
        machine.wait_for(lambda: found.cycles() >= 2)
        yield found


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardSite]:
    """Nobody may read without a token."""
    folder = tmp_path_factory.mktemp("closed")
    config, found = configure(folder)
    config.write_text(config.read_text().replace("api: {", "api: {anonymous: none, "))
    words = ("--simulate", "1x4,nic=2,traffic=skewed", "-c", str(config))
    with machine.daemon(*words, log=folder / "log"):
        yield found


@pytest.fixture
def tabs(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser with tabs that know of each other."""
    context = chromium.new_context()
    yield context
    context.close()


def tab(tabs: BrowserContext, host: DashboardSite, view: str = "now") -> Page:
    page = tabs.new_page()
    page.goto(f"{host.base}/#/{view}")
    return page


def new_token(host: DashboardSite, name: str, scope: str = "admin") -> str:
    """A token made by the command."""
    config = str(host.state.parent / "irqbal.yaml")
    return machine.irqbal("token", "add", name, "--scope", scope, "-c", config).stdout.strip()


def revoke(host: DashboardSite, name: str) -> None:
    machine.irqbal("token", "revoke", name, "-c", str(host.state.parent / "irqbal.yaml"))


def answer(page: Page, token: str) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Token", exact=True).fill(token)
    dialog.get_by_role("button", name="Use this token").click()
    expect(dialog).to_have_count(0)


def pause(page: Page) -> None:
    """Ask for a pause: a change, which needs a token."""
    page.get_by_role("button", name="Pause…").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()


def test_one_answer_serves_all_tabs_and_those_opened_later(
    tabs: BrowserContext, closed: DashboardSite
) -> None:
    first, second = tab(tabs, closed), tab(tabs, closed, "irq")
    for page in (first, second):
        expect(page.get_by_role("dialog")).to_contain_text("A token is needed")
    answer(first, closed.token)
    expect(first.locator(".cpumap button")).to_have_count(4)
    expect(second.get_by_role("dialog")).to_have_count(0)
    expect(second.locator("tbody tr").first).to_be_visible()
    third = tab(tabs, closed, "decisions")
    third.wait_for_selector(".view[data-ready]")
    expect(third.locator("h1")).to_have_text("Decisions")
    expect(third.get_by_role("dialog")).to_have_count(0)
    for page in (first, second, third):
        expect(page.locator("#token")).to_have_text("Token: set")
        expect(page.locator("#live")).to_have_text("balancing")


def test_a_token_entered_for_a_change_is_the_other_tabs_too(
    tabs: BrowserContext, host: DashboardSite
) -> None:
    first, second = tab(tabs, host), tab(tabs, host)
    pause(second)
    answer(second, host.token)
    expect(second.locator("#banner")).to_contain_text("Paused until")
    expect(first.locator("#token")).to_have_text("Token: set")
    first.locator("#banner").get_by_role("button", name="Resume").click()
    expect(first.locator("#banner")).to_be_empty()
    expect(first.get_by_role("dialog")).to_have_count(0)


def test_what_one_tab_forgets_all_forget(tabs: BrowserContext, host: DashboardSite) -> None:
    first, second = tab(tabs, host), tab(tabs, host)
    first.get_by_role("button", name="Token", exact=True).click()
    answer(first, host.token)
    expect(second.locator("#token")).to_have_text("Token: set")
    second.get_by_role("button", name="Token: set").click()
    second.get_by_role("button", name="Forget the token").click()
    expect(second.locator(".toast")).to_have_text("The token is forgotten in all tabs.")
    for page in (first, second):
        expect(page.locator("#token")).to_have_text("Token")
        assert page.evaluate("sessionStorage.getItem('irqbal.token')") is None
    pause(first)
    expect(first.get_by_role("dialog")).to_contain_text("A token is needed")


def test_a_revoked_token_reads_on_without_it_and_a_change_asks(
    tabs: BrowserContext, host: DashboardSite
) -> None:
    page = tab(tabs, host)
    page.get_by_role("button", name="Token", exact=True).click()
    answer(page, new_token(host, "passing"))
    expect(page.locator("#token")).to_have_text("Token: set")
    revoke(host, "passing")
    expect(page.locator("#banner")).to_contain_text(
        "The server no longer accepts your token: it expired or was revoked. You read without it;"
    )
    expect(page.locator("#token")).to_have_text("Token: not accepted")
    expect(page.get_by_role("dialog")).to_have_count(0)
    # Reading goes on: cycles are counted, and other views open.
    cycle = page.locator("[data-tile='Last cycle']")
    before = cycle.inner_text()
    expect(cycle).not_to_have_text(before)
    page.locator("nav").get_by_text("IRQs").click()
    expect(page.locator("tbody tr").first).to_be_visible()
    pause(page)
    expect(page.get_by_role("dialog")).to_contain_text("Another token is needed")
    answer(page, host.token)
    expect(page.locator("#banner")).to_contain_text("Paused until")
    page.locator("#banner").get_by_role("button", name="Resume").click()
    expect(page.locator("#banner")).to_be_empty()
    expect(page.locator("#token")).to_have_text("Token: set")


def test_a_revoked_token_can_be_forgotten(tabs: BrowserContext, host: DashboardSite) -> None:
    page = tab(tabs, host)
    page.get_by_role("button", name="Token", exact=True).click()
    answer(page, new_token(host, "brief", "override"))
    revoke(host, "brief")
    page.locator("#banner").get_by_role("button", name="Forget it").click()
    expect(page.locator("#banner")).to_be_empty()
    expect(page.locator("#token")).to_have_text("Token")
    expect(page.locator(".cpumap button")).to_have_count(4)


def test_a_revoked_token_asks_where_nobody_reads_without_one(
    tabs: BrowserContext, closed: DashboardSite
) -> None:
    page = tab(tabs, closed)
    answer(page, new_token(closed, "short", "read"))
    expect(page.locator(".cpumap button")).to_have_count(4)
    revoke(closed, "short")
    expect(page.get_by_role("dialog")).to_contain_text("Another token is needed")
    answer(page, closed.token)
    expect(page.locator("#live")).to_have_text("balancing")
    expect(page.locator("#token")).to_have_text("Token: set")


def test_cancel_stops_the_question_for_reads_until_a_change_or_a_person_asks(
    tabs: BrowserContext, closed: DashboardSite
) -> None:
    page = tab(tabs, closed)
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.locator("#banner")).to_contain_text("oken")
    expect(page.locator("main .box")).to_be_visible()
    page.locator("nav").get_by_text("IRQs").click()
    page.wait_for_selector(".view.irq[data-ready]")
    expect(page.locator("main .box")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator("#banner").get_by_role("button", name="Enter a token").click()
    answer(page, closed.token)
    expect(page.locator("tbody tr").first).to_be_visible()
    expect(page.locator("#banner")).to_be_empty()
    expect(page.locator("#live")).to_have_text("balancing")


def test_a_token_from_another_tab_opens_a_view_that_was_refused(
    tabs: BrowserContext, closed: DashboardSite
) -> None:
    refused = tab(tabs, closed, "irq")
    refused.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(refused.locator("main .box")).to_be_visible()
    asked = tab(tabs, closed)
    answer(asked, closed.token)
    expect(refused.locator("tbody tr").first).to_be_visible()
    expect(refused.locator("#banner")).to_be_empty()
