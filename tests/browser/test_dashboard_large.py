"""The dashboard's every view on a host of 512 CPUs and 2,061 IRQs: accessible, at home in any
width, usable by keyboard.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser

import machine
from chromium import VIEWS, DashboardSite, WatchedPage, site, watched

pytestmark = pytest.mark.long
SPEC = "8x32x2,nodes=8,l3=8,nic=63x8,nvme=128x12,traffic=skewed"
OVERLAPS = """() => {
  const seen = [...document.querySelectorAll(
    "a, button, input, select, textarea, summary, label, h1, h2, h3, h4, h5, p, dl, ol, .matrix, .chart")].filter((node) => {
    const box = node.getBoundingClientRect();
    return box.width > 2 && box.height > 2 && node.checkVisibility({ visibilityProperty: true }) && !node.closest(".unseen, .skip");
  });
  // What scrolls inside a box of its own is cut by it; a page that is longer than the window has a head that stays.
  const cut = (node) => {
    let { left, top, right, bottom } = node.getBoundingClientRect();
    for (let outer = node.parentElement; outer; outer = outer.parentElement) {
      if (getComputedStyle(outer).overflowX === "visible") continue;
      const box = outer.getBoundingClientRect();
      [left, right] = [Math.max(left, box.left), Math.min(right, box.right)];
      [top, bottom] = [Math.max(top, box.top), Math.min(bottom, box.bottom)];
    }
    return { left, top, right, bottom };
  };
  const boxes = seen.map((node) => [node, cut(node)]);
  const bad = [];
  for (const [index, [one, a]] of boxes.entries()) {
    for (const [two, b] of boxes.slice(index + 1)) {
      if (one.contains(two) || two.contains(one) || Boolean(one.closest("#top")) !== Boolean(two.closest("#top"))) continue;
      const [wide, tall] = [Math.min(a.right, b.right) - Math.max(a.left, b.left), Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)];
      if (wide > 2 && tall > 2) bad.push([one.outerHTML.slice(0, 100), two.outerHTML.slice(0, 100)]);
    }
  }
  return bad;
}"""  # noqa: E501
STOPS = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")].filter((node) =>
  node.tabIndex >= 0 && !node.disabled && node.id !== "main" && node.checkVisibility()).length"""  # noqa: E501
STOP = """() => {
  const node = document.activeElement;
  if (node === document.body || node.dataset.visited) return null;
  node.dataset.visited = "yes";
  const styles = [node, node.closest(".editor")].filter(Boolean).map((other) => getComputedStyle(other));
  const box = node.getBoundingClientRect();
  const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  const marked = styles.some((style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
  return [node.outerHTML.slice(0, 120), inside && marked];
}"""  # noqa: E501


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardSite]:
    with site(
        tmp_path_factory.mktemp("large"), SPEC, "interval: 2s\nhistory: {every: 2s}\n"
    ) as found:
        machine.wait_for(lambda: found.cycles() >= 3)
        yield found


def opened(shown: WatchedPage, view: str) -> None:
    shown.open(view, 60)
    if view == "whatif":
        area = shown.page.get_by_label("Policies (YAML)")
        area.fill('policies:\n  - isolate_cores: {cpus: "0-31"}\n  - pin_nic_queues\n')
        shown.page.get_by_role("button", name="Plan", exact=True).click()
        shown.page.wait_for_selector(".result .cpumap", timeout=60_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    chromium: Browser, host: DashboardSite, scheme: Literal["light", "dark"]
) -> None:
    with watched(chromium, host, scheme=scheme, token=host.token) as shown:
        for view in VIEWS:
            opened(shown, view)
            assert shown.axe_findings() == [], view
        assert shown.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280, 3840])
def test_nothing_overlaps_or_runs_out_of_the_window(
    chromium: Browser, host: DashboardSite, width: int, scheme: Literal["light", "dark"]
) -> None:
    with watched(chromium, host, width=width, scheme=scheme, token=host.token) as shown:
        for view in VIEWS:
            opened(shown, view)
            assert shown.page.evaluate("document.documentElement.scrollWidth") <= width, view
            assert shown.page.evaluate(OVERLAPS)[:3] == [], view
        assert shown.problems == []


def test_tab_comes_to_every_control_and_shows_where_it_is(
    chromium: Browser, host: DashboardSite
) -> None:
    with watched(chromium, host) as shown:
        for view in VIEWS:
            shown.open(view, 60)
            page = shown.page
            # From the top: a view that opens puts the focus on its heading.
            page.evaluate(
                "document.querySelectorAll('[data-visited]').forEach((node) => delete "
                "node.dataset.visited)"
            )
            page.evaluate("document.querySelector('.skip').focus()")
            stops = []
            for _ in range(400):
                page.keyboard.press("Tab")
                stop = page.evaluate(STOP)
                if stop is None:
                    break
                stops.append(stop)
            assert [where for where, good in stops if not good] == [], view
            assert len(stops) >= page.evaluate(STOPS) - 1 and len(stops) > 8, (
                view,
                len(stops),
                page.evaluate(STOPS),
            )
