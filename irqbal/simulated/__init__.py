"""A made-up host with the same face as the kernel's: traffic from a seed, interrupts as NAPI raises
them, and the truth to judge by.
"""

from __future__ import annotations

from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.spec import EXAMPLE, HostSpec, parse_spec
from irqbal.simulated.tree import write_tree
from irqbal.simulated.truth import Truth

__all__ = ["EXAMPLE", "HostSpec", "SimulatedHost", "Truth", "parse_spec", "write_tree"]
