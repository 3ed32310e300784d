"""Pictures of every view of the dashboard for the documents, from a made-up host: `make screenshots`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser

from browser import Site, browser, site, watched

SPEC = "2x16x2,nodes=2,nic=16x2,nvme=32x2,traffic=skewed"
LARGE = "8x32x2,nodes=8,l3=8,nic=63x8,nvme=128x12,traffic=skewed"
OUT = Path(__file__).parent.parent / "docs/screenshots"
RECORDED = 60.0
"""Seconds of history that the charts show."""
PLAN = """policies:
  - isolate_cores: {cpus: "0-3,32-35"}
  - pin_nic_queues: {cpus: local, smt: use}
  - spread_by_rate: {min_gain: 2%}
"""


def take(
    chromium: Browser, host: Site, view: str, name: str, width: int = 1280, scheme: Literal["light", "dark"] = "light", tallest: int = 1800,
) -> None:  # fmt: skip
    """One view as a picture, cut at `tallest` pixels."""
    with watched(chromium, host, width, 900, scheme, host.token) as shown:
        page = shown.page
        shown.open(view, 60)
        if view == "whatif":
            page.get_by_label("Policies (YAML)").fill(PLAN)
            page.get_by_role("button", name="Plan", exact=True).click()
            page.wait_for_selector(".result .cpumap")
        if view.startswith("irq/"):
            for cpu in (5, 6):
                page.locator(f".picker [data-cpu='{cpu}']").click()
            page.get_by_label("Reason").fill("measuring latency, ask Ada")
            page.get_by_role("button", name="Set the override").click()
            page.wait_for_selector(".answer .box")
        page.wait_for_timeout(1500)
        if view.startswith("irq/"):
            shown.open(view)
            page.wait_for_timeout(2500)
        page.mouse.move(2, 2)
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        page.set_viewport_size({"width": width, "height": min(tallest, page.evaluate("document.documentElement.scrollHeight"))})
        page.wait_for_timeout(700)
        page.screenshot(path=OUT / f"{name}.png")
        if shown.problems:
            sys.exit(f"{view}: {shown.problems}")
        print(OUT / f"{name}.png")


def main() -> None:
    """All of them."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        root = Path(folder)
        (root / "large").mkdir()
        with site(root, SPEC) as host:
            time.sleep(RECORDED)
            for view in ("now", "nics", "whatif"):
                take(chromium, host, view, view)
            take(chromium, host, "irq/34", "irq")
            take(chromium, host, "decisions?kind=move", "decisions", tallest=1000)
            take(chromium, host, "history?for=60", "history")
            take(chromium, host, "now", "now-dark", scheme="dark")
            take(chromium, host, "now", "now-phone", width=390, tallest=2400)
        with site(root / "large", LARGE, "interval: 2s\n") as host:
            time.sleep(6)
            take(chromium, host, "now", "now-512-cpus", width=1920)


if __name__ == "__main__":
    main()
