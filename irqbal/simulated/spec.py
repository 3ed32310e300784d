"""The specification of a simulated host, parsed from one line of text:
`2x32x2,nodes=2,nic=63x2,nvme=64x4,traffic=skewed,seed=1`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from irqbal.errors import ConfigError
from irqbal.simulated.drivers import NIC_DRIVERS
from irqbal.simulated.kernel_errnos import LATEST
from irqbal.simulated.traffic import EVENTS, SHAPES
from irqbal.wire import Percent, from_builtins

EXAMPLE = "2x32x2,nodes=2,nic=63x2,nvme=64x4,traffic=skewed,seed=1"
"""A complete specification, for messages."""
MAX_CPUS = 4096
"""CPUs of a host, at most: beyond, building it takes minutes."""
MAX_QUEUES = 2048
"""Queues of a device, at most: the number of MSI-X entries that PCI allows."""
MAX_DEVICES = 64
"""Devices in one part of the text, at most."""

_CPUS = re.compile(r"(\d{1,4})x(\d{1,4})(?:x(\d{1,2}))?", re.ASCII)
_DEVICES = re.compile(r"(\d{1,4})(?:x(\d{1,2}))?(?::([a-z0-9_]+))?", re.ASCII)
_VERSION = re.compile(r"(\d{1,2})\.(\d{1,3})", re.ASCII)
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%", re.ASCII)


class Nics(msgspec.Struct, frozen=True):
    """`count` identical network cards with `queues` queues each."""

    queues: int
    count: int = 1
    driver: str = "ice"

    def __str__(self) -> str:
        return f"{self.queues}x{self.count}" + (f":{self.driver}" if self.driver != "ice" else "")


class Drives(msgspec.Struct, frozen=True):
    """`count` identical NVMe drives. `queues` is the number of I/O queues, limited to the number of
    CPUs as the driver does; each drive has the admin queue q0 besides.
    """

    queues: int
    count: int = 1

    def __str__(self) -> str:
        return f"{self.queues}x{self.count}"


class HostSpec(msgspec.Struct, frozen=True):
    """A simulated host. `cores` are those of a socket, `l3` the cores that share a last-level cache
    (0: all of a socket).

    `nodes` split all cores evenly. `traffic` is one shape and any number of events. `busy` is the
    share of all CPUs' time that interrupts take on average; it is lower if the hottest queue would
    need more than one CPU. `vectors` is how many IRQs a CPU can serve. `exact`: CPU times are not
    rounded down to jiffies of 10 ms. `packets`: the NICs' drivers count packets by queue. `kernel`
    is the version whose answers to writes are given: before 6.12 only a write shows that a mask is
    the kernel's own.
    """

    sockets: int
    cores: int
    threads: int = 1
    nodes: int = 1
    l3: int = 0
    nics: tuple[Nics, ...] = ()
    drives: tuple[Drives, ...] = ()
    traffic: tuple[str, ...] = ("steady",)
    seed: int = 1
    busy: float = 0.3
    vectors: int = 200
    exact: bool = False
    packets: bool = True
    kernel: tuple[int, int] = LATEST

    @property
    def cpus(self) -> int:
        """The number of CPUs."""
        return self.sockets * self.cores * self.threads

    def __str__(self) -> str:
        parts = [f"{self.sockets}x{self.cores}x{self.threads}", f"nodes={self.nodes}"]
        parts += [f"l3={self.l3}"] if self.l3 else []
        parts += [f"nic={nics}" for nics in self.nics] + [
            f"nvme={drives}" for drives in self.drives
        ]
        parts += [
            f"traffic={'+'.join(self.traffic)}",
            f"seed={self.seed}",
            f"busy={Percent(self.busy)}",
            f"vectors={self.vectors}",
        ]
        if self.kernel != LATEST:
            parts.append(f"kernel={self.kernel[0]}.{self.kernel[1]}")
        return ",".join(
            parts + (["exact"] if self.exact else []) + ([] if self.packets else ["nopackets"])
        )


def parse_spec(text: str) -> HostSpec:
    """Parse a specification. Raises ConfigError with one sentence that names the fault, and an
    example. Without any device the host has one NIC with a queue for each core, at most 64.
    """
    first, *rest = [part.strip() for part in text.strip().split(",")]
    sockets, cores, threads = _cpus(first)
    given: dict[str, list[str]] = {}
    for part in rest:
        key, equals, value = part.partition("=")
        if part not in ("exact", "nopackets") and (key not in _READ or not equals):
            known = ", ".join(f"{name}=…" for name in _READ)
            raise _wrong(
                f"{part!r} is not known in a made-up host: there are {known}, exact and nopackets",
                EXAMPLE,
            )
        given.setdefault(key, []).append(value)
    for key, values in given.items():
        if len(values) > 1 and key not in ("nic", "nvme"):
            raise _wrong(
                f"{key} is given twice in a made-up host",
                f"{key}={values[0]}" if values[0] else key,
            )
    one = {
        key: _READ[key](values[0])
        for key, values in given.items()
        if key not in ("nic", "nvme", "exact", "nopackets")
    }
    nics = tuple(_nics(value) for value in given.get("nic", ()))
    drives = tuple(_drives(value) for value in given.get("nvme", ()))
    if not nics and not drives:
        nics = (Nics(min(64, sockets * cores)),)
    made = {
        "sockets": sockets,
        "cores": cores,
        "threads": threads,
        "nics": nics,
        "drives": drives,
        "exact": "exact" in given,
    }
    made |= {"packets": "nopackets" not in given, **one}
    spec = from_builtins(made, HostSpec)
    _check(spec)
    return spec


def _wrong(sentence: str, example: str) -> ConfigError:
    return ConfigError([f"{sentence}; for example {example}"])


def _cpus(text: str) -> tuple[int, int, int]:
    found = _CPUS.fullmatch(text)
    if found is None:
        raise _wrong(f"{text!r} is not sockets x cores x threads", "2x32x2")
    sockets, cores, threads = int(found[1]), int(found[2]), int(found[3] or 1)
    if not 0 < sockets * cores * threads <= MAX_CPUS:
        raise _wrong(
            f"{text} has {sockets * cores * threads} CPUs, and a made-up host has 1 to {MAX_CPUS}",
            "2x32x2",
        )
    return sockets, cores, threads


def _devices(text: str, key: str, example: str) -> tuple[int, int, str]:
    found = _DEVICES.fullmatch(text)
    queues, count = (int(found[1]), int(found[2] or 1)) if found is not None else (0, 0)
    if found is None or not 0 < queues <= MAX_QUEUES or not 0 < count <= MAX_DEVICES:
        raise _wrong(
            f"{key}={text} is not queues x devices (up to {MAX_QUEUES} x {MAX_DEVICES})",
            f"{key}={example}",
        )
    return queues, count, found[3] or ""


def _nics(text: str) -> Nics:
    queues, count, driver = _devices(text, "nic", "63x2 or nic=63x2:mlx5_core")
    driver = driver or "ice"
    if driver not in NIC_DRIVERS:
        raise _wrong(
            f"nic={text} names a driver that is not among {', '.join(NIC_DRIVERS)}",
            "nic=63x2:mlx5_core",
        )
    return Nics(queues, count, driver)


def _drives(text: str) -> Drives:
    queues, count, driver = _devices(text, "nvme", "64x4")
    if driver:
        raise _wrong(f"nvme={text} names a driver, and drives have none to choose", "nvme=64x4")
    return Drives(queues, count)


def _number(key: str, low: int, high: int, example: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        if (
            not text.isascii()
            or not text.isdecimal()
            or len(text) > 12
            or not low <= int(text) <= high
        ):
            raise _wrong(f"{key}={text} is not a number from {low} to {high}", f"{key}={example}")
        return int(text)

    return read


def _traffic(text: str) -> tuple[str, ...]:
    words = tuple(text.split("+"))
    known = {*SHAPES, *EVENTS}
    shapes = [word for word in words if word in SHAPES]
    if not set(words) <= known or len(shapes) > 1 or len(set(words)) < len(words):
        raise _wrong(
            f"traffic={text} is not one of {', '.join(SHAPES)}, with or without "
            f"{' and '.join(EVENTS)}",
            "traffic=skewed or traffic=skewed+unplug",
        )
    return (shapes[0] if shapes else "steady", *sorted(word for word in words if word in EVENTS))


def _kernel(text: str) -> tuple[int, int]:
    found = _VERSION.fullmatch(text)
    if found is None:
        raise _wrong(f"kernel={text} is not a version of Linux", "kernel=6.1")
    return int(found[1]), int(found[2])


def _busy(text: str) -> float:
    found = _PERCENT.fullmatch(text)
    if found is None or not 0 < float(found[1]) <= 100:
        raise _wrong(f"busy={text} is not a percentage above 0% and up to 100%", "busy=30%")
    return float(found[1]) / 100


_READ: dict[str, Callable[[str], object]] = {
    "nodes": _number("nodes", 1, 64, "2"),
    "l3": _number("l3", 1, MAX_CPUS, "8"),
    "nic": _nics,
    "nvme": _drives,
    "traffic": _traffic,
    "seed": _number("seed", 0, 10**12 - 1, "1"),
    "busy": _busy,
    "vectors": _number("vectors", 1, 4096, "200"),
    "kernel": _kernel,
}
KEYS = tuple(_READ)
"""The keys that a specification may have."""


def _check(spec: HostSpec) -> None:
    """Check what depends on several parts."""
    cores = spec.sockets * spec.cores
    if cores % spec.nodes:
        raise _wrong(
            f"{cores} cores cannot be split evenly over {spec.nodes} nodes",
            f"{spec.sockets}x{spec.cores},nodes=1",
        )
    if spec.l3 > spec.cores:
        raise _wrong(
            f"l3={spec.l3} is more than the {spec.cores} cores of a socket", f"l3={spec.cores}"
        )
    # A drive's driver reserves a vector on every CPU; each device has one vector more, and ACPI has
    # one.
    needed = 1 + sum(
        nics.count * NIC_DRIVERS[nics.driver].vectors(nics.queues) for nics in spec.nics
    )
    needed += sum(drives.count * (1 + spec.cpus) for drives in spec.drives)
    if needed > spec.cpus * spec.vectors:
        raise _wrong(
            f"the devices need {needed} interrupt vectors, and {spec.cpus} CPUs have "
            f"{spec.cpus * spec.vectors} ({spec.vectors} each)",
            f"fewer queues, or vectors={-(-needed // spec.cpus)}",
        )
