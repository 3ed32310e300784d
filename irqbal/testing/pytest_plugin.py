"""The pytest plugin that comes with irqbal: the fixture `irqbal_host`. It imports nothing else of
irqbal until a test uses the fixture.
"""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def irqbal_host() -> Any:
    """Makes simulated hosts: `irqbal_host("1x4,nic=8,traffic=skewed", my_policy)` is an
    irqbal.testing.Simulated.
    """
    from irqbal.testing.simulated import Simulated

    return Simulated
