"""For authors of policies: snapshots in one expression, a simulated host to balance, and a check of
the contract.

    from irqbal.testing import check_policy, cpus, host, nic

irqbal also brings a pytest plugin with the fixture `irqbal_host`, which makes such a host:
`irqbal_host("1x4,nic=8", my_policy)`. The names in `__all__` are public: they change only as
docs/plugins.md says.
"""

from __future__ import annotations

from irqbal.testing.build import (
    HostPart,
    Maker,
    applied,
    changed,
    cpus,
    host,
    irq_of,
    lone,
    moves_of,
    nic,
    nvme,
    over,
    refusals,
)
from irqbal.testing.contract import BrokenPromise, ContractFinding, check_policy, examine
from irqbal.testing.simulated import Simulated, ask

__all__ = [
    "BrokenPromise",
    "ContractFinding",
    "HostPart",
    "Maker",
    "Simulated",
    "applied",
    "ask",
    "changed",
    "check_policy",
    "cpus",
    "examine",
    "host",
    "irq_of",
    "lone",
    "moves_of",
    "nic",
    "nvme",
    "over",
    "refusals",
]
