"""What pages that stay open hold: it must not grow."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, CDPSession

import machine
from chromium import site, watched

pytestmark = pytest.mark.long
SPEC = "2x16x2,nodes=2,nic=16x2,nvme=16x2,traffic=bursts,seed=3"
OPEN = ("now", "history?for=60", "decisions")
ROOM = {"JSHeapUsedSize": 1_500_000, "Nodes": 400, "JSEventListeners": 60}
"""What a page may hold more at the end than at first: the rows of what was decided since."""


def held(session: CDPSession) -> dict[str, float]:
    """What the page holds after its garbage was collected."""
    session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return {item["name"]: item["value"] for item in metrics if item["name"] in ROOM}


@pytest.mark.parametrize(("first", "last"), [(20, 60), (120, 600)], ids=["a minute", "ten"])
def test_pages_that_stay_open_do_not_grow(
    chromium: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str], first: int, last: int
) -> None:
    """Three pages side by side; `first`, `last`: seconds after which they are measured."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(site(tmp_path, SPEC))
        machine.wait_for(lambda: host.cycles() >= 3)
        pages = {}
        for view in OPEN:
            shown = stack.enter_context(watched(chromium, host))
            shown.open(view)
            session = shown.page.context.new_cdp_session(shown.page)
            session.send("Performance.enable")
            pages[view] = (shown, session)
        start = time.monotonic()
        found = []
        for moment in (first, last):
            while time.monotonic() < start + moment:
                next(iter(pages.values()))[0].page.wait_for_timeout(1000)
            found.append({view: held(session) for view, (_, session) in pages.items()})
        with capsys.disabled():
            for view in OPEN:
                print(
                    f"\n{view}: {found[0][view]} after {first} s, {found[1][view]} after {last} s"
                )
        for view, (shown, _) in pages.items():
            assert shown.problems == []
            for name, room in ROOM.items():
                before, after = found[0][view][name], found[1][view][name]
                assert after <= before * 1.1 + room, (view, name, before, after)
