"""The dashboard's files: what a slow line must wait for."""

from __future__ import annotations

import re
from pathlib import Path

from irqbal.api.dashboard import pages

FOLDER = Path(pages.__file__).parent
INDEX = (FOLDER / "index.html").read_text()


def needed(module: str, found: set[str] | None = None) -> set[str]:
    """A module with all that it imports, and so on, but for what it fetches later."""
    found = set() if found is None else found
    if module not in found:
        found.add(module)
        for name in re.findall(r'^import .*from "\./([\w.]+)";$', _text(module), re.M):
            needed(name, found)
    return found


def _text(module: str) -> str:
    return (FOLDER / module).read_text()


def test_the_page_asks_for_all_modules_of_now_at_once() -> None:
    preloaded = re.findall(r'rel="modulepreload" href="/dashboard/([\w.]+)"', INDEX)
    assert sorted(preloaded) == sorted(needed("main.js") | needed("view_now.js"))
    assert len(preloaded) > 10


def test_every_view_has_its_module_and_every_module_is_used() -> None:
    listed = re.search(r"Object\.fromEntries\(\[(.*?)\]", _text("main.js"))
    assert listed is not None
    views = {f"view_{name}.js" for name in re.findall(r'"(\w+)"', listed[1])}
    assert views == {path.name for path in FOLDER.glob("view_*.js")}
    used = set().union(*(needed(view) for view in views), needed("main.js"))
    vendored = {"early.js", "uPlot.iife.min.js"}
    assert used | vendored == {path.name for path in FOLDER.glob("*.js")}


def test_only_a_daemon_says_that_it_has_one_host() -> None:
    one, many = pages.page("/", central=False), pages.page("/", central=True)
    assert one is not None and many is not None
    assert pages.ONE_HOST in one.body and pages.ONE_HOST not in many.body
