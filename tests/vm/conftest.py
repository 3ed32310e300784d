"""One test machine for all tests in this folder, because it takes some ten seconds to boot."""

from collections.abc import Iterator

import pytest

from vm.lab import Vm, prepare


@pytest.fixture(scope="session")
def vm() -> Iterator[Vm]:
    """A running guest. A test puts back what it changed in it."""
    with Vm(prepare()) as machine:
        yield machine
