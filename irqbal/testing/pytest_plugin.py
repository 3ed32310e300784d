"""The pytest plugin that comes with irqbal: the fixture `irqbal_host`. Nothing else of irqbal is
imported until a test asks for it.
"""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def irqbal_host() -> Any:
    """A maker of made-up hosts: `irqbal_host("1x4,nic=8,traffic=skewed", my_policy)` gives an
    irqbal.testing.Simulated.
    """
    from irqbal.testing.simulated import Simulated

    return Simulated
