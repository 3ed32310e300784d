"""What the API answers about hosts, one or many: of these, `answers` has the names too."""

from __future__ import annotations

import msgspec

from irqbal.wire import Moment


class HostView(msgspec.Struct, frozen=True):
    """A host that this server can tell about; `seen` is when it was last heard of, null what is not
    known of it. `drifted` and `failures` are of the last 24 hours, `failed` the policies set aside;
    `remote` queues are handled off their NIC's node, `isolated` IRQs fire on isolated CPUs.
    """

    host: str
    seen: Moment | None = None
    version: str = ""
    state: str = ""
    imbalance: float | None = None
    busiest: float | None = None
    drifted: int | None = None
    refused: int | None = None
    failures: int | None = None
    failed: tuple[str, ...] = ()
    overrides: int | None = None
    cpus: int | None = None
    irqs: int | None = None
    remote: int | None = None
    isolated: int | None = None


class FindingView(msgspec.Struct, frozen=True):
    """Something on a host that is not as it should be, as of when the host was last heard of, and
    what to do.
    """

    host: str
    seen: Moment
    code: str
    irq: int | None
    text: str
    advice: str
