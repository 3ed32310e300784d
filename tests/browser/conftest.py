"""The browser of the tests in this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

import chromium as browsers


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's browser. Of one module, since while it is open no loop of asyncio's can run in this
    thread.
    """
    with browsers.browser() as found:
        yield found
