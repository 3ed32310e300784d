"""Whether systemd lets the daemon reach, and be reached at, the addresses that its configuration
names.

What a unit's IPAddressDeny= drops is dropped without a word: a client of another host, or MongoDB,
would just time out.
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
    """Log an error that tells what to do if an address of the configuration is shut out. Blocks;
    only asks where there may be a fence.
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
            "whether %s lets through %s is not known: systemctl show: %s",
            unit,
            ", ".join(wanted),
            error,
        )
        return
    shut = shut_out(wanted, done.stdout)
    if shut:
        log.error(
            "systemd drops, without a word to either side, what goes to or comes from %s: "
            "IPAddressAllow= of %s does not name it; "
            "`systemctl edit %s`, add [Service] and IPAddressAllow= with the networks that may, "
            "and restart it",
            ", ".join(shut),
            unit,
            unit,
        )


def named(config: Config) -> list[str]:
    """Every address or name of a host other than this one that the configuration rests on, in
    order, each once.
    """
    addresses = [parse_listen(text) for text in config.api.listen]
    found = [address.host for address in addresses if address is not None]
    if config.history.mongodb is not None:
        places = config.history.mongodb.url.partition("://")[2].partition("/")[0].rpartition("@")[2]
        # A socket's path comes escaped.
        found += [_host(place) for place in places.split(",") if not place.startswith("%2F")]
    return [name for name in dict.fromkeys(found) if name and not is_loopback(name)]


def shut_out(wanted: Iterable[str], text: str) -> list[str]:
    """Those of these hosts that the fence, as `systemctl show` prints it, does not let through.
    What listens on every address, and a host's name, are let through by any network but
    loopback.
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
            # Whether a name's address is denied cannot be told, but where all are, it is.
            let = beyond or not any(network.prefixlen == 0 for network in deny)
        else:
            let = any(address in network for network in allow) or not any(
                address in network for network in deny
            )
        if not let:
            shut.append(name)
    return shut


def _host(place: str) -> str:
    """Without the port."""
    return place[1:].partition("]")[0] if place.startswith("[") else place.partition(":")[0]
