"""`cost: measured` and threaded NAPI on a real kernel: what the kernel measured is taken over, and
nothing of it stays.
"""

from __future__ import annotations

import json
import re
import time

import pytest

from vm.guest import IRQBAL, PYTHON
from vm.lab import HOST_ADDRESS, Vm

pytestmark = pytest.mark.vm

TRACEFS = "/sys/kernel/tracing"
LEFT = f"ls {TRACEFS}/instances; grep -o '^irqbal[a-z_]*' {TRACEFS}/synthetic_events; true"
CONFIG = (
    "interval: 1s\ncost: {cost}\nstate_dir: /run/measured\napi: {{listen: "
    "['unix:/run/measured.sock']}}\n"
)
DISK = "taskset -c 3 dd if=/dev/nvme0n1 of=/dev/null bs=4k count=300 iflag=direct 2>/dev/null"


def _start(vm: Vm, cost: str = "measured") -> str:
    """The daemon's process id."""
    vm.run(f"cat > /run/measured.yaml <<'E'\n{CONFIG.format(cost=cost)}E\n").check()
    done = vm.run(
        f"{IRQBAL} daemon -c /run/measured.yaml > /run/measured.log 2>&1 & echo $!"
    ).check()
    return done.stdout.strip()


def _end(vm: Vm, pid: str) -> None:
    # Nobody waits for it there: it stays a zombie, which has no command line.
    vm.run(
        f"kill {pid}; for i in $(seq 300); do grep -q . /proc/{pid}/cmdline 2>/dev/null || exit 0; "
        "sleep 0.1; done; exit 1"
    ).check()


def _until(vm: Vm, condition: str, seconds: int = 120) -> None:
    end = time.monotonic() + seconds
    while not vm.run(f"{condition} && echo yes; true").stdout.startswith("yes"):
        assert time.monotonic() < end, vm.run("cat /run/measured.log").stdout
        time.sleep(0.5)


def test_the_daemon_measures_while_a_disk_works_and_leaves_nothing(vm: Vm) -> None:
    pid = _start(vm)
    try:
        vm.run(
            f"(while grep -q . /proc/{pid}/cmdline 2>/dev/null; do {DISK}; done) > /dev/null 2>&1 "
            "& true"
        ).check()
        _until(vm, "grep -q 'measured the' /run/measured.log")
        said = vm.run("cat /run/measured.log").stdout
        found = re.search(r"measured the interrupt costs of (\d+) IRQs in ([0-9.]+) s", said)
        assert found and 0.9 < float(found[2]) < 10 and int(found[1]) >= 1, said
        assert vm.run(LEFT).stdout == ""
        ask = (
            f"{PYTHON} -c 'from irqbal.client.cli.main import main; main()' "
            "unix:/run/measured.sock - "
            "--output json irqs"
        )
        irqs = json.loads(vm.run(ask, timeout=60).check().stdout)
        # Tenths of a millisecond an interrupt under emulation; 5 µs is what is believed of
        # interrupts whose time nobody ever saw.
        drives = [irq for irq in irqs if "nvme" in irq["name"]]
        busy = [irq for irq in drives if irq["rate"] > 50]
        seen = [(irq["name"], irq["rate"], irq["load"], irq["total"]) for irq in drives]
        assert busy and all(irq["load"] / irq["rate"] > 8e-6 for irq in busy), seen
    finally:
        _end(vm, pid)
    assert "Traceback" not in vm.run("cat /run/measured.log").stdout


def test_after_a_kill_in_the_window_the_next_daemon_takes_it_away_even_if_it_does_not_measure(
    vm: Vm,
) -> None:
    pid = _start(vm)
    armed = (
        f"grep -q onmatch {TRACEFS}/instances/irqbal/events/irq/softirq_exit/trigger 2>/dev/null"
    )
    vm.run(
        f"for i in $(seq 2000); do {armed} && break; sleep 0.05; done; {armed}; kill -9 {pid}",
        timeout=150,
    ).check()
    assert "irqbal" in vm.run(LEFT).stdout.split()
    pid = _start(vm, "learnt")
    try:
        _until(
            vm,
            f"! ls {TRACEFS}/instances | grep -q irqbal && ! grep -q irqbal "
            f"{TRACEFS}/synthetic_events",
        )
    finally:
        _end(vm, pid)


_THREADS = """
import json, time
from irqbal.kernel.host import KernelHost
from irqbal.planner.ledger import Ledger
from irqbal.tracking.tracker import HostTracker
watch = HostTracker(KernelHost(), 1.0)
for _ in range(6):
    time.sleep(1)
    seen = watch.look(Ledger())
print(json.dumps([[t.name for t in seen.threads], {c.number: c.threads for c in seen.cpus if c.threads}]))
"""  # noqa: E501


def test_threaded_napi_is_the_load_of_the_cpus_that_its_threads_ran_on(vm: Vm) -> None:
    vm.network_up()
    server = vm.host_start(["iperf3", "-s", "-p", "5213"])
    try:
        vm.run("echo 1 > /sys/class/net/eth0/threaded").check()
        vm.run(
            f"sleep 1; iperf3 -c {HOST_ADDRESS} -p 5213 -R -P 4 -t 200 > /run/iperf 2>&1 & true"
        ).check()
        names, cpus = json.loads(
            vm.run(f"sleep 3; {PYTHON} - <<'E'\n{_THREADS}\nE\n", timeout=120).check().stdout
        )
        assert any(name.startswith("napi/eth0-") for name in names)
        assert cpus and 0.02 < sum(cpus.values()) < 8, cpus
    finally:
        server.terminate()
        vm.run("echo 0 > /sys/class/net/eth0/threaded; kill $(pidof iperf3); true")
