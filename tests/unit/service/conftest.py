"""A balancer with real policies on a made-up host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cycle_rig import Rig
from irqbal.state.originals import OriginalsFile


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(originals=OriginalsFile(tmp_path, Path("/"), "boot"))
    yield made
    made.policies.close()
