"""The contract between irqbal and its plugins: every hook, with its types.

A plugin is a module that an installed distribution names in the entry-point group `irqbal`; the
entry point's name is the plugin's name in the YAML. A hook is a function decorated with
`irqbal.hookimpl` that takes those of the hook's arguments that it needs, by name. Hooks run in an
unprivileged process, one after the other, each with a deadline of 2 seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pluggy

from irqbal.model.draft import Draft
from irqbal.model.plan import Limit, Note, Placement, Record, Steering
from irqbal.model.policy import Needs, Options
from irqbal.model.queues import Queue
from irqbal.model.view import Device, Irq, Snapshot

HOOKS = (
    "irqbal_options",
    "irqbal_limit",
    "irqbal_place",
    "irqbal_identify",
    "irqbal_needs",
    "irqbal_cycle_done",
)
"""The names of all hooks below."""

hookspec = pluggy.HookspecMarker("irqbal")
hookimpl = pluggy.HookimplMarker("irqbal")


@hookspec(firstresult=True)
def irqbal_options() -> type[Options] | None:
    """The type of this plugin's options; called when the configuration is read."""


@hookspec(firstresult=True)
def irqbal_limit(snapshot: Snapshot, options: Any) -> Iterable[Limit | Note] | None:
    """CPUs that some or all IRQs may not use; called once a cycle, for all policies before any
    placement.
    """


@hookspec(firstresult=True)
def irqbal_place(
    snapshot: Snapshot, draft: Draft, options: Any
) -> Iterable[Placement | Steering | Note] | None:
    """Where IRQs should go; called once a cycle, in the order of the YAML. The first policy that
    places an IRQ owns it.
    """


@hookspec(firstresult=True)
def irqbal_identify(irq: Irq, device: Device) -> Queue | None:
    """The queue that an IRQ serves, for a driver whose naming irqbal does not know; called once a
    generation.
    """


@hookspec(firstresult=True)
def irqbal_needs(options: Any) -> Needs | None:
    """What this policy depends on, and when it wants the next plan; called once, when its options
    are read. Without this hook it depends on everything, and wants no plan of its own.
    """


@hookspec(firstresult=True)
def irqbal_cycle_done(record: Record, options: Any) -> None:
    """What a cycle did, for observers; called after the writes, in a process of their own with
    network access.
    """
