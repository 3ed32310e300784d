"""What the long tests share: the test machine, and a bare Debian."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from long.bare import Bare, bare_debian
from vm.conftest import kernel, vm

__all__ = ["bare", "kernel", "vm"]


@pytest.fixture
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    """A bare Debian 12, changed by nobody yet."""
    with bare_debian(tmp_path_factory) as found:
        yield found
