"""What a view shows stands in its URL: a reload, Back and Forward, a shared link and the navigation
lead to the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

import machine
from chromium import DashboardSite, WatchedPage, site, watched

SPEC = "2x8x2,nodes=2,nic=8x2,nvme=16x4,traffic=skewed,seed=5"
"""32 CPUs and more than a page of IRQs."""
TITLES = {"now": "Now", "irq": "IRQs", "nics": "NICs", "history": "History"} | {
    "decisions": "Decisions"
}
ZOOMED = re.compile(r"start=\d+.*end=\d+|end=\d+.*start=\d+")


class ViewState(msgspec.Struct, frozen=True):
    """A state of a view: how a person sets it, and how it is seen."""

    name: str
    view: str
    set: Callable[[Page], None]
    seen: Callable[[Page], None]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardSite]:
    with site(tmp_path_factory.mktemp("url"), SPEC) as found:
        machine.wait_for(lambda: found.cycles() >= 4)
        yield found


@pytest.fixture(scope="module")
def first(chromium: Browser, host: DashboardSite) -> Iterator[WatchedPage]:
    with watched(chromium, host) as found:
        yield found


@pytest.fixture(scope="module")
def another(chromium: Browser, host: DashboardSite) -> Iterator[WatchedPage]:
    """Another browser's page, to which links are sent."""
    with watched(chromium, host) as found:
        yield found


@pytest.fixture
def shown(first: WatchedPage, another: WatchedPage) -> Iterator[WatchedPage]:
    """A page; the test fails if it, or the other browser's, logs an error."""
    yield first
    assert first.problems == [] and another.problems == []


def drag(page: Page, name: str) -> None:
    """From the middle of this part of the page to its last fifth."""
    part = page.locator(name)
    part.scroll_into_view_if_needed()
    box = part.bounding_box()
    assert box is not None
    y = box["y"] + min(60, box["height"] / 2)
    page.mouse.move(box["x"] + box["width"] * 0.5, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, y + 3, steps=4)
    before = page.url
    page.mouse.up()
    expect(page).not_to_have_url(before)


def zoomed(page: Page) -> None:
    """The range that the URL has is shown, and nothing is updated."""
    start, end = (int(value) for value in re.findall(r"(?:start|end)=(\d+)", page.url))
    assert start < end
    clock = (
        "at => { const two = n => String(n).padStart(2, '0'); const d = new Date(at * 1000);"
        " return [d.getHours(), d.getMinutes(), d.getSeconds()].map(two).join(':'); }"
    )
    words = f"{page.evaluate(clock, start)} to {page.evaluate(clock, end)}"
    expect(page.locator("p[role=status]").first).to_contain_text(words)
    expect(page.get_by_role("button", name="Back to now")).to_have_attribute(
        "aria-pressed", "false"
    )


def zoom_by_keyboard(page: Page) -> None:
    page.get_by_role("button", name="Zoom in").focus()
    page.keyboard.press("Enter")


def only(text: str) -> Callable[[Page], None]:
    def choose(page: Page) -> None:
        page.get_by_label("Only", exact=True).fill(text)
        page.keyboard.press("Enter")

    return choose


def pick(label: str, value: str) -> Callable[[Page], None]:
    def choose(page: Page) -> None:
        page.get_by_label(label, exact=True).select_option(value)

    return choose


def value(label: str, text: str) -> Callable[[Page], None]:
    return lambda page: expect(page.get_by_label(label, exact=True)).to_have_value(text)


def both(*parts: Callable[[Page], None]) -> Callable[[Page], None]:
    def run(page: Page) -> None:
        for part in parts:
            part(page)

    return run


def text(name: str, words: str | re.Pattern[str]) -> Callable[[Page], None]:
    return lambda page: expect(page.locator(name).first).to_contain_text(words)


def heading(name: str, order: str) -> Callable[[Page], None]:
    """The column of this name sorts the table."""
    found = f"th[aria-sort={order}]"
    return lambda page: expect(page.locator(found).first).to_have_text(name)


def turn(name: str, times: int = 1) -> Callable[[Page], None]:
    def click(page: Page) -> None:
        for _ in range(times):
            page.locator("thead button", has_text=re.compile(f"^{name}$")).first.press("Enter")

    return click


def filled(label: str, words: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_label(label, exact=True).fill(words)


def press(label: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_label(label, exact=True).press("Space")


def checked(label: str, yes: bool = True) -> Callable[[Page], None]:
    return lambda page: expect(page.get_by_label(label, exact=True)).to_be_checked(checked=yes)


NOW_FILTER = "Filter IRQs by device, policy or name"
STATES = [
    ViewState("zoom over the chart", "history?for=60", lambda page: drag(page, ".u-over"), zoomed),
    ViewState("zoom over the map", "history?for=60", lambda page: drag(page, ".heat"), zoomed),
    ViewState("zoom by keyboard", "history?for=300&device=eth0", zoom_by_keyboard, zoomed),
    ViewState(
        *("range, show and stacked", "history"),
        both(pick("The last", "60"), pick("Show", "softirqs"), pick("Stacked", "cpu")),
        both(value("The last", "60"), value("Show", "softirqs"), value("Stacked", "cpu")),
    ),
    ViewState(
        *("one IRQ", "history", only("IRQ 34")),
        both(value("Only", "IRQ 34"), text("main h2", "by IRQ 34")),
    ),
    ViewState(
        *("one NIC", "history", only("eth1")),
        both(value("Only", "eth1"), value("Stacked", "irq"), text("main h2", "by eth1")),
    ),
    ViewState("one CPU", "history", only("CPU 3"), value("Only", "CPU 3")),
    ViewState(
        *("filter, idle, sort", "irq"),
        both(filled("Filter IRQs", "eth1"), press("hide idle"), turn("Rate")),
        both(
            value("Filter IRQs", "eth1"),
            text("tbody th", "eth1"),
            checked("hide idle"),
            heading("Rate", "descending"),
        ),
    ),
    ViewState(
        *("more rows", "irq", lambda page: page.get_by_role("button", name="Show more").click()),
        lambda page: expect(page.locator("tbody tr").nth(60)).to_be_visible(),
    ),
    ViewState("sort", "nics", turn("Hottest queue"), heading("Hottest queue", "descending")),
    ViewState("queues", "nics/eth0", turn("Queue", 2), heading("Queue", "descending")),
    ViewState(
        *("search and IRQ", "decisions", both(filled("Search", "eth1"), filled("IRQ", "34"))),
        both(
            *(value("Search", "eth1"), value("IRQ", "34")),
            text("p [role=status]", re.compile("^1 found")),
        ),
    ),
    ViewState(
        *("kind, policy, time", "decisions"),
        both(pick("Kind", "steering"), pick("Policy", "pin_irqs"), pick("The last", "30d")),
        both(value("Kind", "steering"), value("Policy", "pin_irqs"), value("The last", "30d")),
    ),
    ViewState(
        *("filter, order, idle, CPU", "now"),
        both(
            *(filled(NOW_FILTER, "eth1"), press("busiest first"), press("hide idle")),
            lambda page: page.locator(".cpumap [data-cpu='5']").press("Enter"),
        ),
        both(
            *(value(NOW_FILTER, "eth1"), checked("busiest first", False)),
            *(checked("hide idle", False), text(".detail h3", re.compile("^CPU 5$"))),
        ),
    ),
    ViewState(
        *("table", "now", lambda page: page.get_by_role("button", name="as a table").click()),
        text("[aria-labelledby=irqs-title] tbody tr", "eth"),
    ),
]


def everywhere(shown: WatchedPage, another: WatchedPage, state: ViewState) -> None:
    """After a reload, in another browser, and after the way back, the state is the same."""
    page, seen = shown.page, state.seen
    address = page.url
    page.reload()
    shown.wait()
    seen(page)
    assert page.url == address
    name = state.view.partition("?")[0]
    page.locator("nav").get_by_text("Policies").click()
    expect(page.locator("h1")).to_have_text("Policies")
    if name in TITLES:
        page.locator("nav").get_by_text(TITLES[name], exact=True).click()
        shown.wait()
        seen(page)
        assert page.url == address
        page.go_back()
    page.go_back()
    shown.wait()
    seen(page)
    page.go_forward()
    expect(page.locator("h1")).to_have_text("Policies")
    another.page.goto("about:blank")
    another.page.goto(address)
    another.wait()
    seen(another.page)
    assert another.page.url == address


@pytest.mark.parametrize("state", STATES, ids=[f"{one.view} {one.name}" for one in STATES])
def test_a_state_of_a_view_stands_in_its_url(
    shown: WatchedPage, another: WatchedPage, state: ViewState
) -> None:
    shown.open(state.view)
    before = shown.page.url
    state.set(shown.page)
    state.seen(shown.page)
    assert shown.page.url != before
    everywhere(shown, another, state)


@pytest.mark.parametrize("over", [".u-over", ".heat"])
def test_back_undoes_a_zoom_and_forward_repeats_it(shown: WatchedPage, over: str) -> None:
    page = shown.page
    shown.open("history?for=60&by=cpu")
    before = page.url
    drag(page, over)
    expect(page).to_have_url(ZOOMED)
    zoomed(page)
    once = page.url
    drag(page, over)
    expect(page).not_to_have_url(once)
    twice = page.url
    for address in (once, before):
        page.go_back()
        shown.wait()
        assert page.url == address
    expect(page.get_by_role("button", name="Back to now")).to_have_attribute("aria-pressed", "true")
    for address in (once, twice):
        page.go_forward()
        shown.wait()
        assert page.url == address
        zoomed(page)


def test_zooming_ends_where_a_range_holds_no_samples_and_later_never_narrows_it(
    shown: WatchedPage,
) -> None:
    page = shown.page
    shown.open("history?for=60")
    for _ in range(9):
        page.get_by_role("button", name="Zoom in").click()
    zoomed(page)
    assert page.locator(".box.bad").count() == 0
    shown.open("history?for=300")
    page.get_by_role("button", name="Earlier").click()
    for _ in range(4):
        page.get_by_role("button", name="Later").click()
    zoomed(page)
    start, end = (int(found) for found in re.findall(r"(?:start|end)=(\d+)", page.url))
    assert abs(end - start - 300) <= 1
    page.get_by_role("button", name="Back to now").click()
    assert "start=" not in page.url


@pytest.mark.parametrize("view", ["irq", "nics", "nics/eth1"])
def test_each_heading_sorts_and_the_url_keeps_it(shown: WatchedPage, view: str) -> None:
    page = shown.page
    shown.open(view)
    names = page.locator("thead button").all_inner_texts()
    assert len(names) >= 6
    sorted_by = {}
    for name in names:
        # Two clicks: where the first one sorts is the default of one column.
        turn(name, 2)(page)
        order = page.locator("th[aria-sort]").get_attribute("aria-sort")
        sorted_by[page.url] = (name, order or "")
    assert len(sorted_by) == len(names)
    for address, (name, order) in sorted_by.items():
        page.goto(address)
        expect(page.locator("th[aria-sort]")).to_have_text(name)
        heading(name, order)(page)


def test_words_that_were_just_typed_are_not_lost(shown: WatchedPage) -> None:
    """The search waits for the next key; the URL does not."""
    page = shown.page
    shown.open("decisions")
    page.get_by_label("Search").fill("eth0")
    page.locator("nav").get_by_text("Policies").click()
    expect(page.locator("h1")).to_have_text("Policies")
    page.locator("nav").get_by_text("Decisions").click()
    expect(page.get_by_label("Search")).to_have_value("eth0")
    expect(page.locator("p [role=status]")).to_contain_text("16 found")
