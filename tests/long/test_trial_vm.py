"""Trials on a real kernel under iperf3: the sign is right, and whatever happens the masks are as
before.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from vm.guest import IRQBAL
from vm.lab import HOST_ADDRESS, Vm

pytestmark = [pytest.mark.vm, pytest.mark.timeout(7200)]

CONFIG = "interval: 2s\nstate_dir: /run/trial-state\n"
PILED = (
    "policies:\n  - pin_irqs: {rules: [{queue: 'eth0/*', cpus: '4'}]}\n"
    "interval: 2s\nstate_dir: /run/trial-state\n"
)
MASKS = "grep -H . /proc/irq/*/smp_affinity_list /sys/class/net/eth0/queues/*/?ps_cpus 2>/dev/null"
WORDS = "--window 3s --settle 1s --windows 14 --learn 16"


@pytest.fixture(scope="module")
def busy(vm: Vm) -> Iterator[Vm]:
    """Sixteen streams over all four queues: so few packets that NAPI goes to sleep in between, for
    while it polls, it stays on its CPU wherever its IRQ is.
    """
    servers = [vm.host_start(["iperf3", "-s", "-p", str(5230 + at)]) for at in range(4)]
    time.sleep(1)
    for at in range(4):
        vm.run(
            f"iperf3 -c {HOST_ADDRESS} -p {5230 + at} -u -R -b 400K -l 400 -P 4 -t 7000 "
            "> /dev/null 2>&1 & true"
        ).check()
    # All queues on one CPU, before irqbal is ever started.
    vm.run(
        "for n in $(grep -oP '^ *\\K\\d+(?=:.*put\\.)' /proc/interrupts); do echo 4 > "
        "/proc/irq/$n/smp_affinity_list; done"
    ).check()
    defaults = "policies: [isolate_cores, pin_nic_queues, spread_by_rate]\n"
    vm.run(f"printf %s '{defaults}' > /run/trial-defaults.yaml").check()
    vm.run(f"echo '{CONFIG}' > /run/trial.yaml; cat > /run/piled.yaml <<'E'\n{PILED}E\n").check()
    time.sleep(3)
    yield vm
    vm.run("kill $(pidof iperf3); true")
    for server in servers:
        server.terminate()


def trial(vm: Vm, words: str) -> dict[str, Any]:
    """A trial without a daemon, as JSON."""
    done = vm.run(f"{IRQBAL} trial {words} --json", timeout=1200)
    assert done.stdout.startswith("{"), (done.stdout, done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("run", range(5))
def test_queues_on_one_cpu_are_worse_than_the_defaults(busy: Vm, run: int) -> None:
    before = busy.run(MASKS).stdout
    found = trial(busy, f"-c /run/trial.yaml {WORDS}")
    first = found["result"]["compared"][0]
    print(found["summary"])
    assert first["measure"] == "busiest" and first["effect"] < 0, found["summary"]
    measures = {item["measure"] for item in found["result"]["compared"]}
    assert measures >= {"rescheduling", "switches", "stalled", "run-delay", "per-packet"}
    assert busy.run(MASKS).stdout == before


@pytest.mark.parametrize("run", range(5))
def test_the_other_way_around_has_the_other_sign(busy: Vm, run: int) -> None:
    before = busy.run(MASKS).stdout
    found = trial(busy, f"-c /run/piled.yaml --against /run/trial-defaults.yaml {WORDS}")
    print(found["summary"])
    assert found["result"]["compared"][0]["effect"] > 0, found["summary"]
    assert busy.run(MASKS).stdout == before


@pytest.mark.parametrize("seconds", [24, 32, 41])
def test_after_a_kill_in_any_window_restore_puts_everything_back(busy: Vm, seconds: int) -> None:
    before = busy.run(MASKS).stdout
    busy.run(
        f"{IRQBAL} trial -c /run/trial.yaml --window 5s --settle 1s --windows 100 --learn 20 "
        f"> /run/trial.log 2>&1 & sleep {seconds}; kill -9 $!; true",
        timeout=300,
    ).check()
    busy.run(f"{IRQBAL} restore -c /run/trial.yaml", timeout=120).check()
    assert busy.run(MASKS).stdout == before
