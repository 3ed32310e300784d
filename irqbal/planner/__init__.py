"""The planner: claims, limits, budget, ledger, explanations. Pure: proposals in, a plan out."""

from __future__ import annotations

from irqbal.planner.check import check
from irqbal.planner.decide import decide
from irqbal.planner.draft import Claim, Draft, Drafting, Settings
from irqbal.planner.drift import Changes, find_changes
from irqbal.planner.ledger import Entry, Ledger, after, holding
from irqbal.planner.steering import distance, share_out

__all__ = [
    "Changes",
    "Claim",
    "Draft",
    "Drafting",
    "Entry",
    "Ledger",
    "Settings",
    "after",
    "check",
    "decide",
    "distance",
    "find_changes",
    "holding",
    "share_out",
]
