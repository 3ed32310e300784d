"""The simulated kernel refuses writes as a real one of its version does."""

from __future__ import annotations

import errno
import json

import pytest

from irqbal.kernel.errnos import refusal_of
from irqbal.simulated.kernel_errnos import shows_owned, write_errnos
from vm.guest import PYTHON
from vm.lab import Vm

pytestmark = pytest.mark.vm

WRITES = """
import json, os, re, sys

rows = open("/proc/interrupts").read()
number = {
    name: re.search(rf"^ *(\\d+):.* {name}$", rows, re.M)[1]
    for name in ("nvme0q3", r"virtio\\d+-input\\.0")
}
owned, movable = (f"/proc/irq/{irq}" for irq in number.values())

def answer(path, text):
    try:
        with open(path, "w", buffering=1) as file:
            file.write(text)
    except OSError as error:
        return error.errno
    return 0

print(json.dumps({
    "owned": answer(f"{owned}/smp_affinity_list", "0"),
    "owned_mode": os.stat(f"{owned}/smp_affinity_list").st_mode & 0o777,
    "no_online_cpu": answer(f"{movable}/smp_affinity_list", "7"),
    "beyond_list": answer(f"{movable}/smp_affinity_list", "100000"),
    "beyond_mask": answer(f"{movable}/smp_affinity", "1" + "0" * 4000),
    "missing": answer("/proc/irq/4000/smp_affinity_list", "0"),
}))
"""


def test_each_refusal_has_this_kernels_errno(vm: Vm) -> None:
    kernel = tuple(map(int, vm.run("uname -r").check().stdout.split(".")[:2]))
    vm.run("echo 0 > /sys/devices/system/cpu/cpu7/online").check()
    try:
        seen = json.loads(vm.run(f"{PYTHON} - <<'E'\n{WRITES}\nE").check().stdout)
    finally:
        vm.run("echo 1 > /sys/devices/system/cpu/cpu7/online").check()
        vm.network_up()
    assert len(kernel) == 2
    errnos = write_errnos((kernel[0], kernel[1]))
    names = {name: errno.errorcode.get(number, number) for name, number in seen.items()}
    assert seen["owned_mode"] == (0o444 if shows_owned((kernel[0], kernel[1])) else 0o644), names
    for name in ("owned", "no_online_cpu", "beyond_list", "beyond_mask", "missing"):
        assert errno.errorcode[seen[name]] == errno.errorcode[getattr(errnos, name)], names
    # A list and a mask with impossible CPUs are refused differently, and mean the same.
    both = (OSError(seen[name], "") for name in ("beyond_list", "beyond_mask"))
    assert {refusal_of(error, False).code for error in both} == {"beyond"}
