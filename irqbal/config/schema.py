"""What the configuration may hold: frozen structs with every key's default, range and description.

The manual page irqbal.yaml(5) is made from these descriptions. Options of policies are not typed
here but stay trees with line numbers (`problems.Node`): only the policy host imports policies, so
only it knows their option types.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from irqbal.addresses import is_loopback, parse_listen
from irqbal.config.mongodb_options import MongodbOptions
from irqbal.cpuset import CpuSet
from irqbal.problems import Node
from irqbal.wire import Duration

MIN_INTERVAL, MAX_INTERVAL = Duration(0.1), Duration(3600)
"""Bounds of `interval` and of `history.every`: below, reading the kernel costs more than a cycle
can gain; above, rates are averages of too long a time to act on.
"""
INTERVAL_RANGE = "100ms to 1h"
"""The same bounds in words."""
DEFAULT_POLICIES = ("isolate_cores", "pin_irqs", "pin_nic_queues", "spread_by_rate")
"""The policies, in order, if the key `policies` is absent."""

Anonymous = Literal["none", "read", "override", "admin"]
"""What a request without a token may do; each word includes those before it."""


class Retention(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    rename={"five_minutes": "5m", "hour": "1h"},
):
    """How long the history is kept, in seconds."""

    raw: Annotated[Duration, Meta(description="samples as recorded")] = Duration(48 * 3600)
    five_minutes: Annotated[Duration, Meta(description="sums over 5 minutes")] = Duration(
        30 * 86400
    )
    hour: Annotated[Duration, Meta(description="sums over an hour, and decisions")] = Duration(
        2 * 365 * 86400
    )


class HistoryOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The history; `history: off` is short for `history: {record: false}`."""

    SWITCH: ClassVar[str] = "record"

    record: Annotated[
        bool, Meta(description="whether there is one; history: off is short for false")
    ] = True
    every: Annotated[Duration, Meta(description="time between two samples; 100 ms to 1 h")] = (
        Duration(60)
    )
    keep: Annotated[Retention, Meta(description="how long it is kept")] = Retention()
    mongodb: Annotated[
        MongodbOptions | None,
        Meta(description="a MongoDB that the history is shipped to as well; null: none"),
    ] = None

    def __post_init__(self) -> None:
        """Raises ValueError with a sentence."""
        if not MIN_INTERVAL <= self.every <= MAX_INTERVAL:
            raise ValueError(f"every is {self.every}; it must be {INTERVAL_RANGE}")


class TlsOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """TLS of the API's TCP addresses."""

    cert: Annotated[str, Meta(description="file with the certificate and its chain, PEM")]
    key: Annotated[str, Meta(description="file with the private key, PEM")]


class ApiOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The API, the dashboard and the metrics."""

    listen: Annotated[
        tuple[str, ...],
        Meta(
            description="addresses: HOST:PORT, [IPv6]:PORT or unix:PATH; a daemon that writes "
            "masks also listens on its own socket, which with --root lies below state_dir"
        ),
    ] = ("127.0.0.1:8080", "unix:/run/irqbal/irqbal.sock")
    tls: Annotated[
        TlsOptions | None,
        Meta(description="certificate and key for the TCP addresses; null: plain HTTP"),
    ] = None
    anonymous: Annotated[
        Anonymous,
        Meta(description="what is allowed without a token on loopback and the Unix socket"),
    ] = "read"
    anonymous_remote: Annotated[
        Anonymous, Meta(description="what is allowed without a token from other addresses")
    ] = "none"
    hosts: Annotated[
        tuple[str, ...],
        Meta(description="names of this host that requests may use, besides its addresses"),
    ] = ()
    irq_manager_writes: Annotated[
        Literal["token", "loopback"],
        Meta(
            description="whether irq_manager's client, which cannot send a token, may set masks "
            "from loopback"
        ),
    ] = "token"
    insecure: Annotated[
        bool,
        Meta(
            description="start even if tokens would cross the network unencrypted, or requests "
            "without a token may write"
        ),
    ] = False

    def __post_init__(self) -> None:
        """Raises ValueError with a sentence."""
        addresses = {text: parse_listen(text) for text in self.listen}
        if self.insecure:
            return
        if {self.anonymous, self.anonymous_remote} & {"override", "admin"}:
            raise ValueError(
                "writing without a token is not safe: use `anonymous: read`, or set `insecure: "
                "true`"
            )
        remote = [
            text
            for text, address in addresses.items()
            if address is not None and not is_loopback(address.host)
        ]
        if remote and self.tls is None:
            raise ValueError(
                f"{remote[0]} is reached from other hosts, and without `tls` tokens would cross "
                "the network unencrypted: set `tls`, listen on 127.0.0.1, or set `insecure: true`"
            )


class ConfiguredPolicy(msgspec.Struct, frozen=True):
    """One item of `policies` or `observers`: a name and its options as written."""

    name: str
    options: Node


class ConfigKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The top-level keys other than `policies` and `observers`."""

    interval: Annotated[Duration, Meta(description="time between two cycles; 100 ms to 1 h")] = (
        Duration(10)
    )
    dry_run: Annotated[bool, Meta(description="plan and report, but write nothing")] = False
    state_dir: Annotated[
        str,
        Meta(
            description="folder for files that must survive a restart; not root: under "
            "$XDG_STATE_HOME"
        ),
    ] = ""
    on_exit: Annotated[
        Literal["keep", "restore"],
        Meta(description="at exit, keep the masks, or restore the originals"),
    ] = "keep"
    on_drift: Annotated[
        Literal["reassert", "respect"],
        Meta(description="when another program changes a mask: write it again, or leave it"),
    ] = "reassert"
    banned_cpus: Annotated[CpuSet, Meta(description="CPUs that no IRQ may use")] = CpuSet()
    cost: Annotated[
        Literal["learnt", "measured"],
        Meta(
            description="how the CPU time of an interrupt is found: learnt from CPU times; or also "
            "measured with tracefs, one second every 10 minutes"
        ),
    ] = "learnt"
    max_moves: Annotated[
        int,
        Meta(
            ge=1,
            description="most moves in a cycle; overrides, limits, new generations, and the cycles "
            "1, 2, 3, 6 and 12 after a start or a hotplug, which learn costs, are exempt",
        ),
    ] = 64
    history: Annotated[HistoryOptions, Meta(description="what is recorded, and for how long")] = (
        HistoryOptions()
    )
    api: Annotated[ApiOptions, Meta(description="the API: addresses and permissions")] = (
        ApiOptions()
    )


class Config(ConfigKeys, frozen=True, forbid_unknown_fields=True):
    """The whole configuration. `policies` are in the order in which they claim IRQs."""

    policies: tuple[ConfiguredPolicy, ...] = ()
    observers: tuple[ConfiguredPolicy, ...] = ()
