"""For authors of policies: snapshots in one expression, a made-up host to balance, and a check of
the contract.

    from irqbal.testing import check_policy, cpus, host, nic

Installed with irqbal, it is a pytest plugin too: the fixture `irqbal_host` makes a host,
`irqbal_host("1x4,nic=8", my_policy)`. Like `irqbal` itself this module is public: what stands in
`__all__` goes away only as docs/plugins.md says.
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
