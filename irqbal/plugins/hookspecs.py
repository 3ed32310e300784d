"""The contract between irqbal and its policies: every hook, typed.

A policy is a module named by an entry point of the group `irqbal`; the entry point's name is the
policy's name in YAML. Implementations are decorated with `irqbal.hookimpl` and take those of the
arguments that they need, by name. All run in an unprivileged child process, one after the other,
with 2 seconds each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pluggy

from irqbal.model.draft import Draft
from irqbal.model.plan import Limit, Note, Placement, Record, Steering
from irqbal.model.policy import Options
from irqbal.model.view import Device, Irq, Queue, Snapshot

hookspec = pluggy.HookspecMarker("irqbal")
hookimpl = pluggy.HookimplMarker("irqbal")


@hookspec(firstresult=True)
def irqbal_options() -> type[Options] | None:
    """The type of this policy's options; called once, when the configuration is read."""


@hookspec(firstresult=True)
def irqbal_limit(snapshot: Snapshot, options: Any) -> Iterable[Limit | Note] | None:
    """CPUs that some or all IRQs may not use; called once a cycle, before any placement is asked
    for.
    """


@hookspec(firstresult=True)
def irqbal_place(
    snapshot: Snapshot, draft: Draft, options: Any
) -> Iterable[Placement | Steering | Note] | None:
    """Where IRQs should go; called once a cycle, in the order of the YAML. The first policy that
    claims an IRQ owns it.
    """


@hookspec(firstresult=True)
def irqbal_identify(irq: Irq, device: Device) -> Queue | None:
    """The queue that an IRQ serves, for a driver whose naming irqbal does not know; called once a
    generation.
    """


@hookspec(firstresult=True)
def irqbal_cycle_done(record: Record, options: Any) -> None:
    """What a cycle did, for observers; called after the kernel was written, in a child of its own,
    which has the network.
    """
