"""One test machine of each kernel for all tests in this folder, because it takes some ten seconds
to boot.
"""

from collections.abc import Iterator

import pytest

from vm.image import KernelPackage, prepare
from vm.lab import Vm

NEWER_KERNELS = [pytest.param(series, marks=pytest.mark.long) for series in ("6.12", "7.3")]
KERNELS = ["6.1", *NEWER_KERNELS]


@pytest.fixture(scope="session", params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> KernelPackage:
    """Debian 12's own kernel, which every run tests, and newer ones."""
    return prepare(request.param)


@pytest.fixture(scope="session")
def vm(kernel: KernelPackage) -> Iterator[Vm]:
    """A running guest. A test puts back what it changed in it."""
    with Vm(kernel) as machine:
        yield machine
