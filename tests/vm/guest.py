"""What tests ask of a guest in which irqbal runs."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from vm.lab import Vm

IRQBAL = str(Path(sys.executable).with_name("irqbal"))
PYTHON = sys.executable
INTERVAL = 2.0
PATIENCE = 400.0
"""Seconds that a guest may take for anything: QEMU emulates its CPUs, so that a busy machine needs
minutes to start Python in it.
"""

_SHOW = (
    "grep -s . /proc/irq/*/smp_affinity_list /proc/irq/*/effective_affinity_list "
    "/sys/kernel/irq/*/actions "
    "/sys/class/net/eth0/queues/tx-*/xps_cpus; cat /proc/interrupts"
)


class GuestState(msgspec.Struct, frozen=True):
    """Masks and effective CPUs by action, XPS masks by queue, and the count in each CPU's column by
    action.
    """

    masks: dict[str, str]
    effective: dict[str, str]
    xps: dict[int, int]
    counts: dict[str, list[int]]
    numbers: dict[str, int]

    def queue(self, index: int) -> tuple[str, str]:
        """The masks of a queue's Rx and Tx IRQs."""
        found = {
            name.split("-")[1]: mask
            for name, mask in self.masks.items()
            if re.fullmatch(r"virtio\d+-(in|out)put\.\d+", name)
        }
        return found[f"input.{index}"], found[f"output.{index}"]


def state(vm: Vm) -> GuestState:
    """Look at the guest."""
    text = vm.run(_SHOW).check().stdout
    files: dict[str, dict[int, str]] = {
        "smp_affinity_list": {},
        "effective_affinity_list": {},
        "actions": {},
    }
    xps, counts = {}, {}
    for line in text.splitlines():
        path, _, value = line.partition(":")
        parts = path.split("/")
        if parts[-1] in files:
            files[parts[-1]][int(parts[-2])] = value
        elif parts[-1] == "xps_cpus":
            xps[int(parts[-2].removeprefix("tx-"))] = int(value.replace(",", ""), 16)
        else:
            found = re.match(r"\s*\d+:((?:\s+\d+)+)\s+\S+\s+\S+\s+(.*)", line)
            if found:
                counts[found[2].strip().replace(", ", ",")] = [
                    int(cell) for cell in found[1].split()
                ]
    names = files["actions"]
    masks = {name: files["smp_affinity_list"][number] for number, name in names.items()}
    effective = {
        name: files["effective_affinity_list"].get(number, "") for number, name in names.items()
    }
    return GuestState(
        masks, effective, xps, counts, {name: number for number, name in names.items()}
    )


def log(vm: Vm) -> str:
    """The daemon's log so far."""
    return vm.run("cat /run/test/log").check().stdout


@contextlib.contextmanager
def daemon(vm: Vm, config: str = "") -> Iterator[Callable[[], str]]:
    """irqbal's daemon in the guest, ready; ended by its pid. Gives a function that returns what was
    logged since it was ready.
    """
    text = f"interval: {INTERVAL:g}s\n{config}"
    start = f"mkdir -p /run/test; cat > /run/test/c.yaml <<'E'\n{text}\nE\n"
    start += f"rm -f /run/irqbal/ledger.json; {IRQBAL} daemon -c /run/test/c.yaml --debug > /run/test/log 2>&1 & echo $!"  # noqa: E501
    pid = int(vm.run(start).check().stdout)
    try:
        wait(lambda: "ready:" in log(vm), vm)
        begin = len(log(vm))
        yield lambda: log(vm)[begin:]
    finally:
        vm.run(
            f"kill {pid}; for i in $(seq 100); do kill -0 {pid} 2>/dev/null || break; sleep 0.1; "
            "done"
        )


def wait(condition: Callable[[], bool], vm: Vm) -> None:
    """Poll until the condition holds; fails with the log's end."""
    begin = time.monotonic()
    while time.monotonic() - begin < PATIENCE:
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError(f"not within {PATIENCE:.0f} s; {state(vm).masks}\n{log(vm)[-4000:]}")


def soon(condition: Callable[[], bool], vm: Vm) -> None:
    """As `wait`; and the last move came within two intervals and the cycle that was under way,
    counted in the log's cycles: a guest's seconds depend on how busy this machine is.
    """
    begin = len(log(vm))
    wait(condition, vm)
    said = log(vm)[begin:]
    assert ticks_before_last_move(said) <= 2, said


def ticks_before_last_move(text: str) -> int:
    """How many cycles of a debug log ran before the one that made the last moves, without those
    that an event began at once (such a cycle asks for a census).
    """
    found = re.findall(r"cycle \d+ \(([^)]*)\): (\d+) moves", text)
    last = max((at for at, (_, moves) in enumerate(found) if moves != "0"), default=0)
    return sum("a census was requested" not in trigger for trigger, _ in found[:last])


def cycles(text: str) -> list[tuple[int, int]]:
    """(cycle, moves) of each cycle in a debug log."""
    return [
        (int(cycle), int(moves))
        for cycle, moves in re.findall(r"cycle (\d+) \([^)]*\): (\d+) moves", text)
    ]
