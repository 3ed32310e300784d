"""Overrides in the browser: any length of time, a live map, what it would do, what it did, and the
page of all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

import pytest
from playwright.sync_api import Browser, expect

import machine
from chromium import DashboardSite, WatchedPage, site, watched

SPEC = "2x4x2,nodes=2,nic=4x2,nvme=4x1,traffic=bursts,seed=3"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardSite]:
    with site(tmp_path_factory.mktemp("override"), SPEC) as found:
        machine.wait_for(lambda: found.cycles() >= 4)
        yield found


@pytest.fixture
def admin(chromium: Browser, host: DashboardSite) -> Iterator[WatchedPage]:
    with watched(chromium, host, token=host.token) as found:
        yield found
        assert found.problems == []


@pytest.mark.parametrize(("words", "length"), [("90m", 5400), ("1h30m", 5400), ("2d 12h", 216000)])
def test_any_length_of_time(
    admin: WatchedPage, host: DashboardSite, words: str, length: int
) -> None:
    page = admin.page
    irq = host.get("/irqs?device=eth0&movable=true")[0]["number"]
    admin.open(f"irq/{irq}")
    page.get_by_label("CPUs", exact=True).fill("2")
    page.get_by_label("For", exact=True).fill(words)
    page.get_by_role("button", name="Set the override").click()
    expect(page.locator(".answer")).to_contain_text("Override to 2.")
    (item,) = host.get("/overrides")
    left = datetime.fromisoformat(item["expires"]).timestamp() - datetime.now().timestamp()
    assert abs(left - length) < 120
    page.get_by_role("button", name="Clear the override").click()
    expect(page.locator(".answer")).to_contain_text("The override is cleared.")
    assert host.get("/overrides") == []


def test_nonsense_is_refused_before_anything_is_sent(
    admin: WatchedPage, host: DashboardSite
) -> None:
    page = admin.page
    sent: list[str] = []
    page.on("request", lambda asked: sent.append(asked.method))
    irq = host.get("/irqs?device=eth0&movable=true")[0]["number"]
    admin.open(f"irq/{irq}")
    page.get_by_label("CPUs", exact=True).fill("2")
    for words in ("soon", "90", "1h30", "-5m", "5 minutes"):
        page.get_by_label("For", exact=True).fill(words)
        expect(page.locator("form [role=alert]").first).to_contain_text(
            f"“{words}” is no length of time: write, for example, 90m, 2h or 7d"
        )
        page.get_by_role("button", name="Set the override").click()
    assert "PUT" not in sent and host.get("/overrides") == []


def test_the_form_lives_and_says_before_and_after(admin: WatchedPage, host: DashboardSite) -> None:
    page = admin.page
    irqs = host.get("/irqs?device=eth1&movable=true")
    irq = max(irqs, key=lambda item: item["load"])
    admin.open(f"irq/{irq['number']}")
    free = next(cpu for cpu in range(16) if str(cpu) != irq["effective"])
    page.get_by_label("CPUs", exact=True).fill(str(free))
    expect(page.locator(".expected")).to_have_text(
        re.compile(
            rf"Before and after, if it keeps its load: CPU \d+ from [\d.<]+ % to [\d.<]+ %; "
            rf"CPU {free} from [\d.<]+ % to [\d.<]+ %\."
        )
    )
    read = "() => [...document.querySelectorAll('.picker button')].map(n => n.textContent).join()"
    before = page.evaluate(read)
    page.wait_for_function(
        "before => [...document.querySelectorAll('.picker button')].map(n => n.textContent).join()"
        " !== before",
        arg=before,
    )
    # What is typed stays, whatever the map does.
    expect(page.get_by_label("CPUs", exact=True)).to_have_value(str(free))
    page.get_by_role("button", name="Set the override").click()
    expect(page.locator(".answer")).to_contain_text(
        f"The kernel accepted it. Its mask is now {free}, before it was {irq['affinity']}."
    )
    expect(page.locator(".answer")).to_contain_text(
        re.compile(r"No other IRQ was moved for it\.|In the same cycle \d+ other IRQs? w")
    )
    admin.open("overrides")
    row = page.locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(irq["name"])
    expect(row).to_contain_text(re.compile("in (60|59) min"))
    row.get_by_role("button").click()
    expect(page.locator(".answer")).to_contain_text(
        re.compile(r"The IRQ is put back to [\d,-]+ by \w+; before it was \d+\.")
    )
    expect(page.get_by_text("There are no overrides: policies place every IRQ.")).to_be_visible()


def test_what_else_moves_is_listed(admin: WatchedPage, host: DashboardSite) -> None:
    """An override onto the CPU of another queue: the policies give that queue another one."""
    page = admin.page
    irqs = host.get("/irqs?device=eth0&movable=true")
    mine, other = irqs[0], irqs[1]
    admin.open(f"irq/{mine['number']}")
    page.get_by_label("CPUs", exact=True).fill(other["effective"])
    with page.expect_response("**/override") as waiting:
        page.get_by_role("button", name="Set the override").click()
    moves = waiting.value.json()["moves"]
    expect(page.locator(".answer")).to_contain_text("Override to")
    listed = page.locator(".answer li")
    expect(listed).to_have_count(len(moves))
    for move, text in zip(moves, listed.all_inner_texts(), strict=True):
        assert text.startswith(f"{move['irq']} {move['name']} {move['from']} → {move['to']}")
        assert text.endswith(move["reason"])
    page.get_by_role("button", name="Clear the override").click()
    expect(page.locator(".answer")).to_contain_text("The override is cleared.")
