"""Checks whether systemd's IP filter lets through the addresses that the configuration names.

A unit's IPAddressDeny= drops packets silently: a client on another host, or the connection to
MongoDB, would just time out.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from irqbal.addresses import is_loopback, parse_listen
from irqbal.config.schema import Config
from irqbal.process.systemd import unit_of

log = logging.getLogger(__name__)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def check(config: Config) -> None:
    """Log an error with the remedy if the filter of this process's unit drops an address of the
    configuration. Blocks. `systemctl` is called only if the process runs in a unit.
    """
    wanted = named(config)
    if not wanted or "INVOCATION_ID" not in os.environ:
        return
    unit = unit_of(Path("/proc/self/cgroup"))
    if not unit:
        return
    try:
        done = subprocess.run(
            ["systemctl", "show", "--property=IPAddressAllow,IPAddressDeny", "--", unit],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning(
            "systemctl show %s failed: %s; irqbal does not know whether the unit's IP filter lets "
            "through %s",
            unit,
            error,
            ", ".join(wanted),
        )
        return
    shut = shut_out(wanted, done.stdout)
    if shut:
        log.error(
            "systemd silently drops packets to and from %s: "
            "IPAddressAllow= of %s does not name it; "
            "run `systemctl edit %s`, add [Service] and IPAddressAllow= with the allowed networks, "
            "and restart the unit",
            ", ".join(shut),
            unit,
            unit,
        )


def named(config: Config) -> list[str]:
    """The addresses and host names in the configuration that are not loopback, each once."""
    addresses = [parse_listen(text) for text in config.api.listen]
    found = [address.host for address in addresses if address is not None]
    if config.history.mongodb is not None:
        places = config.history.mongodb.url.partition("://")[2].partition("/")[0].rpartition("@")[2]
        # The path of a Unix socket is percent-encoded.
        found += [_host(place) for place in places.split(",") if not place.startswith("%2F")]
    return [name for name in dict.fromkeys(found) if name and not is_loopback(name)]


def shut_out(wanted: Iterable[str], text: str) -> list[str]:
    """Those of these hosts that the filter does not let through. `text` is the output of `systemctl
    show`. A host name, and an address that listens everywhere (`0.0.0.0`), count as let through if
    any network but loopback is allowed.
    """
    rules: dict[str, list[Network]] = {"IPAddressAllow": [], "IPAddressDeny": []}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key in rules:
            rules[key] = [ipaddress.ip_network(word, strict=False) for word in value.split()]
    allow, deny = rules["IPAddressAllow"], rules["IPAddressDeny"]
    beyond = any(not network.is_loopback for network in allow)
    shut = []
    for name in wanted:
        try:
            address = ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            address = None
        if address is None or address.is_unspecified:
            # Names cannot be checked unless everything is denied.
            let = beyond or not any(network.prefixlen == 0 for network in deny)
        else:
            let = any(address in network for network in allow) or not any(
                address in network for network in deny
            )
        if not let:
            shut.append(name)
    return shut


def _host(place: str) -> str:
    """The host of `host:port` or `[address]:port`."""
    return place[1:].partition("]")[0] if place.startswith("[") else place.partition(":")[0]
