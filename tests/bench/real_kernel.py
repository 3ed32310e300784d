"""irqbal beside irqbalance on one real kernel of 64 CPUs and some 550 IRQs, under iperf3 with 8
streams: `make bench-vm` prints the table.

QEMU emulates, so everything takes many times as long as on hardware, for both alike: what counts is
the ratio. CPU is user and system time of all of a balancer's processes, from /proc/PID/stat, over
the same number of cycles; what the kernel does to answer is part of it.
"""

from __future__ import annotations

import json
import os
import re
import time

from irqbal.version import __version__
from vm.guest import IRQBAL, PYTHON
from vm.lab import HOST_ADDRESS, Vm, prepare

CPUS = int(os.environ.get("IRQBAL_BENCH_VM_CPUS", "64"))
DRIVES = 7 if CPUS >= 64 else 1
BEAT = 10
"""Seconds a cycle: irqbalance's own default."""
LEARNING, STEADY = 16, 6
"""Cycles before, and during, the measurement."""
TICK = os.sysconf("SC_CLK_TCK")
STEADILY = 60 + 2 * BEAT * (LEARNING + STEADY) * 3

CONFIG = (
    f"interval: {BEAT}s\nstate_dir: /run/bench\nhistory: {{every: 60s}}\napi: {{listen: "
    f"['unix:/run/bench.sock']}}\n"
)

SPENT = r"""
import json, os, sys
def tree(pid):
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        for child in open(f"/proc/{pid}/task/{task}/children").read().split():
            found += tree(int(child))
    return found
ticks = switches = memory = 0
for pid in tree(int(sys.argv[1])):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    ticks += int(fields[11]) + int(fields[12])
    for task in os.listdir(f"/proc/{pid}/task"):
        status = open(f"/proc/{pid}/task/{task}/status").read()
        switches += sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)
    memory += int(open(f"/proc/{pid}/statm").read().split()[1]) * 4096
times = {}
for line in open("/proc/stat"):
    if line.startswith("cpu") and line[3].isdigit():
        words = line.split()
        times[words[0]] = int(words[6]) + int(words[7])
masks = {}
for number in os.listdir("/proc/irq"):
    try: masks[number] = open(f"/proc/irq/{number}/smp_affinity").read().strip()
    except OSError: pass
print(json.dumps([ticks, switches, memory, times, masks]))
"""  # noqa: E501


class GuestSample:
    """One reading of a balancer's processes and of the CPUs, in the guest."""

    def __init__(self, vm: Vm, pid: str) -> None:
        done = vm.run(f"{PYTHON} - {pid} <<'E'\n{SPENT}\nE\n", timeout=300).check()
        self.ticks, self.switches, self.memory, self.times, self.masks = json.loads(done.stdout)


def run(vm: Vm, name: str, command: str, ready: str) -> dict[str, float]:
    """Let one balancer run and settle, then watch it for STEADY cycles."""
    pid = vm.run(f"{command} > /run/{name}.log 2>&1 & echo $!", timeout=120).check().stdout.strip()
    vm.run(f"for i in $(seq 600); do {ready} && break; sleep 0.5; done", timeout=320).check()
    time.sleep(BEAT * LEARNING)
    before = GuestSample(vm, pid)
    time.sleep(BEAT * STEADY)
    after = GuestSample(vm, pid)
    ended = f"grep -q . /proc/{pid}/cmdline 2>/dev/null || exit 0"
    vm.run(
        f"kill {pid}; for i in $(seq 300); do {ended}; sleep 0.2; done; exit 1", timeout=90
    ).check()
    spent = [after.times[cpu] - before.times[cpu] for cpu in after.times]
    return {
        "ms": (after.ticks - before.ticks) / TICK / STEADY * 1000,
        "switches": (after.switches - before.switches) / STEADY,
        "mb": after.memory / 1e6,
        "moves": sum(
            after.masks[number] != mask
            for number, mask in before.masks.items()
            if number in after.masks
        ),
        "busiest": max(spent) / max(1, sum(spent)) * 100,
    }


def main() -> None:
    """Print the table for both balancers."""
    extra: list[str] = []
    for drive in range(1, DRIVES + 1):
        extra += ["-blockdev", f"driver=null-co,node-name=b{drive},size=67108864,read-zeroes=on"]
        extra += ["-device", f"nvme,serial=y{drive},drive=b{drive},bus=pcie.0"]
    with Vm(prepare(), cpus=CPUS, queues=8, extra=extra, boot_timeout=900) as vm:
        irqs = len(
            re.findall(
                r"^ *\d+:", vm.run("cat /proc/interrupts", timeout=120).check().stdout, re.MULTILINE
            )
        )
        other = vm.run("irqbalance --version").stdout.strip()
        print(
            f"A guest of {CPUS} CPUs and {irqs} IRQs, booted in {vm.boot_seconds:.0f} s; irqbal "
            f"{__version__}, {other}; ",
            end="",
        )
        print(f"{os.cpu_count()} CPUs here, load {os.getloadavg()[0]:.1f}", flush=True)
        vm.host_start(["iperf3", "-s", "-p", "5220"])
        time.sleep(1)
        vm.run(
            f"iperf3 -c {HOST_ADDRESS} -p 5220 -P 8 -t {STEADILY} > /run/iperf 2>&1 & true"
        ).check()
        one = run(
            vm, "irqbalance", f"irqbalance --foreground --interval={BEAT}", "pidof irqbalance"
        )
        vm.run(f"cat > /run/bench.yaml <<'E'\n{CONFIG}E\n").check()
        two = run(
            vm, "irqbal", f"{IRQBAL} daemon -c /run/bench.yaml", "grep -q ready: /run/irqbal.log"
        )
        assert vm.run("pidof iperf3; true").stdout.strip(), (
            "the traffic ended before the measurement did"
        )
        print("| | irqbalance | irqbal | ratio |\n| --- | --- | --- | --- |")
        for key, text in (
            ("ms", "CPU a cycle, ms (user + system)"),
            ("switches", "context switches a cycle"),
            ("mb", "resident, MB, all processes"),
            ("moves", f"masks that differ after {STEADY} steady cycles"),
            ("busiest", "busiest CPU's share of all interrupt time, %"),
        ):
            ratio = f"{two[key] / one[key]:.2f}" if one[key] else ""
            print(f"| {text} | {one[key]:.1f} | {two[key]:.1f} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
