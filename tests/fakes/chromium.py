"""Debian's Chromium over Playwright: pages that report what went wrong in them, on a daemon with a
made-up host.
"""

from __future__ import annotations

import contextlib
import json
import os
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

import machine
from places import TOP
from served import free_port

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = TOP / "tests/browser/axe.min.js"
VIEWS = (
    *("now", "irq", "irq/34", "nics", "nics/eth0", "history", "decisions"),
    *("overrides", "policies", "plan", "whatif", "trials"),
)


class DashboardSite(msgspec.Struct):
    """A daemon's page: where it is, and root's token."""

    base: str
    state: Path

    @property
    def token(self) -> str:
        """May do everything."""
        return (self.state / "admin.token").read_text().strip()

    def cycles(self) -> int:
        """How many cycles the daemon has run."""
        last = self.get("/plan")["cycle"]
        return int(last["cycle"]) if last else 0

    def get(self, path: str) -> Any:
        """The API's answer to this path below /api/v1, with its query, read without a token."""
        with urllib.request.urlopen(f"{self.base}/api/v1{path}", timeout=60) as answer:
            return json.load(answer)

    def send(self, method: str, path: str, body: object) -> Any:
        """The API's answer to a change, with root's token."""
        request = urllib.request.Request(
            f"{self.base}/api/v1{path}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


class WatchedPage(msgspec.Struct):
    """A page, and what it complained about: its errors, and requests to other hosts."""

    page: Page
    base: str
    problems: list[str]

    def open(self, view: str, ready: float = 60) -> None:
        """Go to a view, and wait until it shows data."""
        address = f"{self.base}/#/{view}"
        if self.page.url == address:
            self.page.reload()
        else:
            # Where only the hash changes, the old view's mark must not pass for the new one's.
            self.page.evaluate(
                "document.querySelector('[data-ready]')?.removeAttribute('data-ready')"
            )
            self.page.goto(address)
        self.wait(ready)

    def wait(self, ready: float = 60) -> None:
        """Until the view shows data, or an error."""
        self.page.wait_for_selector(".view[data-ready]", timeout=ready * 1000)

    def axe_findings(self, rules: Mapping[str, object] | None = None) -> list[tuple[str, str, str]]:
        """What axe finds serious on the page: rule, element and advice. `rules`: axe's options."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate(
            "async rules => (await axe.run({ resultTypes: ['violations'], ...rules })).violations",
            rules or {},
        )
        return [
            (
                item["id"],
                item["nodes"][0]["html"][:200],
                item["nodes"][0]["failureSummary"][:300],
            )
            for item in found
            if item["impact"] in ("serious", "critical")
        ]


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """One Chromium with a profile of its own."""
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield found
        finally:
            found.close()


@contextlib.contextmanager
def watched(
    chromium: Browser,
    site: DashboardSite,
    width: int = 1280,
    height: int = 900,
    scheme: Literal["light", "dark"] = "light",
    token: str = "",
    scale: float = 1,
) -> Iterator[WatchedPage]:
    """A page in a context of its own. `scale`: device pixels to one of the page's, as with zoom."""
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=scale
    )
    page = context.new_page()
    mine = WatchedPage(page, site.base, [])

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            mine.problems.append(f"{message.type}: {message.text}")

    def asked(request: Request) -> None:
        address = urlsplit(request.url)
        if (
            address.scheme not in ("blob", "data")
            and f"{address.scheme}://{address.netloc}" != site.base
        ):
            mine.problems.append(f"asked for {request.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: mine.problems.append(f"{error}\n{error.stack}"))
    page.on("request", asked)
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation', event => console.error('CSP', "
        "event.violatedDirective))"
    )
    if token:
        page.add_init_script(f"sessionStorage.setItem('irqbal.token', '{token}')")
    try:
        yield mine
    finally:
        context.close()


def configure(
    folder: Path, rest: str = "interval: 1s\nhistory: {every: 1s}\n"
) -> tuple[Path, DashboardSite]:
    """A configuration with a port of its own."""
    port, config = free_port(), folder / "irqbal.yaml"
    config.write_text(
        f'state_dir: {folder / "state"}\n{rest}api: {{listen: ["127.0.0.1:{port}"]}}\n'
    )
    return config, DashboardSite(f"http://127.0.0.1:{port}", folder / "state")


@contextlib.contextmanager
def site(
    folder: Path, spec: str, rest: str = "interval: 1s\nhistory: {every: 1s}\n"
) -> Iterator[DashboardSite]:
    """A daemon on a made-up host, and its page."""
    config, found = configure(folder, rest)
    with machine.daemon("--simulate", spec, "-c", str(config), log=folder / "log"):
        yield found
