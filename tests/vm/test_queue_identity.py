"""irqbal's queue of each NIC IRQ is held against what the kernel itself says of its queues, for
NICs of several drivers on each kernel.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from vm.conftest import NEWER_KERNELS
from vm.guest import IRQBAL, PYTHON
from vm.image import KernelPackage
from vm.lab import DEBIANS_QEMU, Vm
from vm.nics import nic_words
from vm.qemu import newer_qemu

pytestmark = pytest.mark.timeout(1800)

MODELS = ("e1000e", "vmxnet3", "e1000")
NEWER_MODELS = ("igb",)
"""What only QEMU 10 emulates. Linux 6.1 has no family to ask, and boots less surely there."""
READER = Path(__file__).with_name("netdev_queues.py")
INTERFACES = """
import json, os
base = "/sys/class/net"
found = {}
for name in os.listdir(base):
    if os.path.exists(f"{base}/{name}/device"):
        driver = os.path.basename(os.readlink(f"{base}/{name}/device/driver"))
        found[name] = {"driver": driver, "queues": os.listdir(f"{base}/{name}/queues")}
print(json.dumps(found))
"""
TELLS_IRQS: dict[str, set[str]] = {"6.1": set(), "6.12": set(), "7.3": {"e1000", "e1000e", "igb"}}
"""The drivers that tell the kernel which IRQ each queue has, by kernel."""
TX_APART = {"e1000e"}
"""Drivers that tell the IRQ of Rx for the Tx queue too, although Tx has an IRQ of its own: its
handler cleans the queue without NAPI (e1000_intr_msix_tx), and NAPI is all that the kernel asks of.
"""

Ends = frozenset[tuple[str, int]]
"""The ends of queues that an IRQ serves: `rx` or `tx`, and the queue."""


class Seen(msgspec.Struct, frozen=True):
    """One look at the guest. `drivers` is by interface; `present` are the queues in use of each
    interface; `told` and `ours` are what each IRQ serves, by (interface, IRQ), as the kernel tells
    and as irqbal says; `names` are the IRQs' actions. `queues_with_napi` counts by driver.
    """

    has_family: bool
    drivers: dict[str, str]
    present: dict[str, Ends]
    told: dict[tuple[str, int], Ends]
    ours: dict[tuple[str, int], Ends]
    names: dict[int, str]
    queues_with_napi: dict[str, int]
    evidence: dict[int, str]

    def kinds(self, driver: str) -> set[str]:
        """What the IRQs of a driver's queues are by irqbal: `rx`, `tx` or `rxtx`."""
        return {
            "".join(sorted({way for way, _ in ends}))
            for (name, _), ends in self.ours.items()
            if self.drivers[name] == driver
        }


def look(vm: Vm, names: dict[int, str] | None = None) -> Seen:
    """Ask the kernel, by a reader of its own, and irqbal, which sees these `names` of IRQs instead
    of their own.
    """
    interfaces = json.loads(vm.run(f"{PYTHON} - <<'E'\n{INTERFACES}\nE").check().stdout)
    kernel = json.loads(vm.run(f"{PYTHON} {READER}").check().stdout)
    command = f"{IRQBAL} topology --json"
    if names:
        binds = "".join(
            f"echo '{name}' > /run/name-{irq}; "
            f"mount --bind /run/name-{irq} /sys/kernel/irq/{irq}/actions; "
            for irq, name in names.items()
        )
        command = f"unshare -m sh -ec '{binds.replace(chr(39), chr(34))} {command}'"
    irqbal = json.loads(vm.run(command, timeout=240).check().stdout)
    drivers = {name: one["driver"] for name, one in interfaces.items()}
    irq_of = {(name, napi): irq for name, napi, irq in kernel["napis"]}
    told: dict[tuple[str, int], set[tuple[str, int]]] = {}
    with_napi: dict[str, int] = {}
    for name, way, queue, napi in kernel["queues"]:
        if napi is not None:
            with_napi[drivers[name]] = with_napi.get(drivers[name], 0) + 1
            irq = irq_of[name, napi]
            if irq is not None:
                told.setdefault((name, irq), set()).add((way, queue))
    ours: dict[tuple[str, int], set[tuple[str, int]]] = {}
    for one in irqbal["irqs"]:
        for queue in one["queues"]:
            if queue["name"] in drivers and queue["active"]:
                ways = {"rx": ("rx",), "tx": ("tx",), "rxtx": ("rx", "tx")}[queue["kind"]]
                ends = ours.setdefault((queue["name"], one["number"]), set())
                ends |= {(way, queue["index"]) for way in ways}
    return Seen(
        has_family=kernel["family"],
        drivers=drivers,
        present={
            name: frozenset(
                (found[1], int(found[2]))
                for entry in one["queues"]
                if (found := re.fullmatch(r"(rx|tx)-(\d+)", entry))
            )
            for name, one in interfaces.items()
        },
        told={key: frozenset(ends) for key, ends in told.items()},
        ours={key: frozenset(ends) for key, ends in ours.items()},
        evidence={one["number"]: one["evidence"] for one in irqbal["irqs"]},
        names={one["number"]: one["action"] for one in irqbal["irqs"]},
        queues_with_napi=with_napi,
    )


def models(kernel: KernelPackage) -> tuple[str, ...]:
    """The NICs of a kernel's guest beside virtio_net."""
    return MODELS if kernel.series == "6.1" else (*MODELS, *NEWER_MODELS)


@pytest.fixture(scope="module")
def nics(kernel: KernelPackage) -> Iterator[Vm]:
    """A guest with NICs of several drivers, all of them up: only then has a queue its IRQ."""
    names = models(kernel)
    qemu = DEBIANS_QEMU if set(names).isdisjoint(NEWER_MODELS) else newer_qemu()
    with Vm(kernel, extra=nic_words(names), qemu=qemu) as machine:
        machine.run(
            "for one in /sys/class/net/*; do ip link set $(basename $one) up || exit; done"
        ).check()
        yield machine


@pytest.fixture(scope="module")
def seen(nics: Vm) -> Seen:
    return look(nics)


def test_every_driver_is_there_and_up(nics: Vm, seen: Seen) -> None:
    assert sorted(seen.drivers.values()) == sorted(["virtio_net", *models(nics.kernel)])
    for name in seen.drivers:
        assert nics.run(f"cat /sys/class/net/{name}/flags").check().stdout.strip() == "0x1003"


def test_the_drivers_that_tell_their_queues_irqs(nics: Vm, seen: Seen) -> None:
    """What is known of this kernel, so that the comparisons below are not empty unnoticed."""
    assert seen.has_family == (nics.kernel.series != "6.1")
    tell = {seen.drivers[name] for name, _ in seen.told}
    assert tell == TELLS_IRQS[nics.kernel.series], (seen.told, seen.queues_with_napi)


def test_irqbals_queue_is_the_one_that_the_kernel_tells(nics: Vm, seen: Seen) -> None:
    _compare(seen)


def test_every_queue_in_use_has_one_irq_for_each_way(seen: Seen) -> None:
    """Where the kernel tells no IRQ, its queues in sysfs tell how many there must be."""
    for name, driver in seen.drivers.items():
        assert _served(seen, name) == sorted(seen.present[name]), (driver, seen.names)


@pytest.mark.parametrize("queues", [1, 4, 8])
@pytest.mark.parametrize("kernel", NEWER_KERNELS, indirect=True, scope="session")
def test_igbs_queues_with_irqs_of_their_own_and_shared(nics: Vm, seen: Seen, queues: int) -> None:
    """Up to four queues, igb has an IRQ for each way; with more, one for both."""
    name = next(name for name, driver in seen.drivers.items() if driver == "igb")
    nics.run(f"ethtool -L {name} combined {queues} || [ $? = 80 ]").check()
    now = look(nics)
    assert now.kinds("igb") == ({"rxtx"} if queues > 4 else {"rx", "tx"}), now.names
    assert len(now.present[name]) == 2 * queues
    assert _served(now, name) == sorted(now.present[name])
    _compare(now)


@pytest.mark.parametrize("kernel", NEWER_KERNELS, indirect=True, scope="session")
def test_names_that_say_the_contrary_change_nothing_where_the_kernel_tells(
    nics: Vm, seen: Seen
) -> None:
    """The names of each interface's queues, the other way round. Where the kernel tells nothing,
    they are all that irqbal has.
    """
    name = next(name for name, driver in seen.drivers.items() if driver == "igb")
    nics.run(f"ethtool -L {name} combined 8 || [ $? = 80 ]").check()
    right = look(nics)
    irqs = sorted(irq for interface, irq in right.ours if interface == name)
    swapped = dict(zip(irqs, [right.names[irq] for irq in reversed(irqs)], strict=True))
    assert len(irqs) == 8 and swapped != {irq: right.names[irq] for irq in irqs}
    scrambled = look(nics, swapped)
    assert {irq: scrambled.names[irq] for irq in irqs} == swapped
    same = {irq: scrambled.ours[name, irq] == right.ours[name, irq] for irq in irqs}
    assert all(same.values()) if nics.kernel.series == "7.3" else not any(same.values())


def _served(seen: Seen, interface: str) -> list[tuple[str, int]]:
    return sorted(end for (name, _), ends in seen.ours.items() for end in ends if name == interface)


def _compare(seen: Seen) -> None:
    for key, told in seen.told.items():
        name, irq = key
        driver = seen.drivers[name]
        right = {end for end in told if driver not in TX_APART or end[0] == "rx"}
        assert seen.ours.get(key) == frozenset(right), (driver, irq, seen.names[irq])
        assert seen.evidence[irq] == "netlink"
