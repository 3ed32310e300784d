"""Where a test lies says what it needs (CONTRIBUTING.md): its folder gives it its markers. No test
touches what an irqbal uses that is installed on this machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

from own_folders import InstalledIrqbal, namespace
from places import TESTS

# How long an example takes is the machine's matter.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

ROOT = os.geteuid() == 0
_VM_IS_ROOTS = pytest.mark.root("the virtual machine has a network namespace and a tap device")
MARKERS = {
    "system": [pytest.mark.root("moves this machine's interrupts")],
    "vm": [pytest.mark.vm],
    "long": [pytest.mark.long],
}
"""The markers of all tests below a folder."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by folder; skip for ordinary users what only root may do. As root nothing is skipped."""
    for item in items:
        for mark in MARKERS.get(_folder(item), ()):
            item.add_marker(mark)
        if item.get_closest_marker("vm"):
            item.add_marker(_VM_IS_ROOTS)
        only_root = item.get_closest_marker("root")
        if only_root is not None and not ROOT:
            item.add_marker(pytest.mark.skip(reason=f"needs root: {only_root.args[0]}"))


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""


@pytest.fixture(scope="session", autouse=True)
def installed_irqbal() -> Iterator[InstalledIrqbal]:
    """What an installed irqbal uses, held to what it was when all tests are done."""
    installed = InstalledIrqbal()
    yield installed
    changed = installed.changed()
    installed.close()
    assert not changed, f"the tests changed what an installed irqbal uses: {changed}"


@pytest.fixture(scope="session", autouse=True)
def own_folders(
    request: pytest.FixtureRequest, installed_irqbal: InstalledIrqbal
) -> Iterator[None]:
    """As root, /run/irqbal and /var/lib/irqbal are the tests' own. Unit tests start no daemon, so a
    run of them alone asks for no namespace: it needs no privilege.
    """
    if ROOT and any(_folder(item) != "unit" for item in request.session.items):
        with namespace():
            yield
    else:
        yield
