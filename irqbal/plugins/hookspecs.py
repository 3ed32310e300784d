"""The contract between irqbal and its policies: every hook, typed.

A policy is a module named by an entry point of the group `irqbal`; the entry point's name is the
policy's name in YAML. Implementations are decorated with `irqbal.hookimpl` and take those of the
arguments that they need, by name. All run in an unprivileged child process, one after the other,
with 2 seconds each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pluggy

from irqbal.model.plan import Limit, Note, Placement, Record, Steering
from irqbal.model.view import Device, Irq, Queue, Snapshot
from irqbal.planner.draft import Draft

API_VERSION = "1.0"
"""What policies can rest on. Another first number takes something away, another second one adds to
it.
"""

hookspec = pluggy.HookspecMarker("irqbal")
hookimpl = pluggy.HookimplMarker("irqbal")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of a policy's options. Give each field a default and `Annotated[T,
    Meta(description=…)]`.
    """


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
