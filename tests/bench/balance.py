"""irqbal beside irqbalance on the same made-up hosts: `make bench` prints the table, and writes it
to RESULTS.md.

A process plays the kernel: it lets time pass on a simulated host and writes what a balancer reads
(proc/stat, proc/interrupts, masks) in place, once an interval; it delivers interrupts where the
mask files say, and notes the true load. irqbal reads the tree by --root, irqbalance finds it bound
over /proc and /sys in a mount namespace of its own. Both get the same intervals and the same
traffic.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from irqbal.config.reader import parse
from irqbal.cpuset import CpuSet
from irqbal.kernel.host import KernelHost
from irqbal.service.assembly import bind, settings
from irqbal.service.cycle import COOLDOWN_INTERVALS, Balancer
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.spec import parse_spec
from irqbal.simulated.tree import write_tree
from irqbal.version import __version__

HOSTS = {
    "16 CPUs, 2 nodes": "2x8,nodes=2,nic=8x2,nvme=8x1",
    "64 CPUs": "1x32x2,nic=32x2,nvme=32x4",
    "64 CPUs, 4 L3": "2x16x2,nodes=2,l3=8,nic=32x4:mlx5_core,nvme=32x4",
    "128 CPUs": "2x32x2,nodes=2,nic=63x2,nvme=64x4",
    "512 CPUs": "8x32x2,nodes=8,nic=63x8:mlx5_core,nvme=64x23,vectors=400",
}
BOUND = (
    "proc/irq",
    "proc/interrupts",
    "proc/stat",
    "proc/softirqs",
    "sys/devices/system/cpu",
    "sys/devices/system/node",
    "sys/bus/pci/devices",
    "sys/kernel/irq",
    "sys/class/net",
)
CYCLES = 40
BEAT = 10.0
"""Seconds a cycle."""
LEARNING, STEADY = 60, 180
"""Cycles of irqbal before, and while, it is measured: half an hour, in which even the biggest host
has just one census that nobody asked for.
"""
SEED = int(os.environ.get("IRQBAL_BENCH_SEED", "7"))
TICK = os.sysconf("SC_CLK_TCK")


class MadeUpKernel:
    """Plays the kernel of one tree. Every file keeps its inode, and none gets shorter.

    `light`: masks are looked at in every tenth step, and /proc/interrupts stays as it was: for who
    reads /proc/stat ten times a second.
    """

    def __init__(
        self, folder: Path, spec: str, interval: float, made_up: float, light: bool = False
    ) -> None:
        self._light, self._steps, self.moved = light, 0, 0
        self.host = SimulatedHost(parse_spec(spec), beat=made_up)
        write_tree(self.host, folder)
        self._folder, self._interval, self._made_up = folder, interval, made_up
        self._masks = {number: line.mask for number, line in self.host.state.lines.items()}
        self._for_irqbalance()
        self.step()

    def _for_irqbalance(self) -> None:
        """What irqbalance reads besides: masks in hex."""
        cpus = self.host.topology().cpus
        for cpu in cpus:
            base = self._folder / f"sys/devices/system/cpu/cpu{cpu.number}"
            same = CpuSet(other.number for other in cpus if other.package == cpu.package)
            (base / "topology/core_siblings").write_text(same.mask() + "\n")
            (base / "topology/thread_siblings").write_text(cpu.siblings.mask() + "\n")
            shared = CpuSet(other.number for other in cpus if other.l3 == cpu.l3)
            (base / "cache/index3/shared_cpu_map").write_text(shared.mask() + "\n")
            (base / "online").write_text("1\n")
        for node in sorted({cpu.node for cpu in cpus}):
            mask = CpuSet(cpu.number for cpu in cpus if cpu.node == node).mask()
            (self._folder / f"sys/devices/system/node/node{node}/cpumap").write_text(mask + "\n")
        for device in (self._folder / "sys/bus/pci/devices").iterdir():
            (device / "local_cpus").write_text(
                CpuSet.parse((device / "local_cpulist").read_text()).mask() + "\n"
            )
            (device / "irq").write_text("0\n")

    def step(self) -> None:
        """One interval."""
        whole = not self._light or self._steps % 10 == 0
        self._steps += 1
        if whole:
            self._deliver()
        self.host.advance(self._made_up)
        counts = self.host.counts()
        lines = list(self.host.state.lines.values())
        times = counts.times
        idle = round(self.host.pulse().time * 100)
        rows = ["cpu  0 0 0 0 0 0 0 0 0 0"]
        rows += [
            f"cpu{cpu} 0 0 0 {idle:>12} 0 {times['irq'][cpu] // 10_000:>10} "
            f"{times['softirq'][cpu] // 10_000:>10} 0 0 0"
            for cpu in times["irq"]
        ]
        totals = [0] * (max(line.number for line in lines) + 1)
        for line in lines:
            totals[line.number] = sum(line.counts.values()) % (1 << 32)
        rows.append(f"intr {sum(totals):>14} {' '.join(f'{total:>10}' for total in totals)}")
        self._put("proc/stat", "\n".join(rows))
        if self._light:
            return
        cells = ["           " + "".join(f"CPU{cpu:<8}" for cpu in times["irq"])]
        for line in lines:
            row = counts.irqs[line.number]
            counted = "".join([f" {row.get(cpu, 0):>10}" for cpu in times["irq"]])
            cells.append(
                f"{line.number:>4}:{counted}  {line.chip} {line.vector}-edge  {line.action}"
            )
        self._put("proc/interrupts", "\n".join(cells))

    def _put(self, path: str, text: str) -> None:
        fd = os.open(self._folder / path, os.O_WRONLY)
        try:
            data = f"{text}\n".encode()
            os.pwrite(fd, data, 0)
            if os.fstat(fd).st_size > len(data):
                # Only once: what write_tree wrote had more rows.
                os.ftruncate(fd, len(data))
        finally:
            os.close(fd)

    def _deliver(self) -> None:
        """Masks as the balancer left them in either file."""
        self.moved = 0
        state = self.host.state
        for number, line in state.lines.items():
            base = self._folder / f"proc/irq/{number}"
            listed = CpuSet.parse((base / "smp_affinity_list").read_text())
            hexed = CpuSet.from_mask((base / "smp_affinity").read_text())
            now = listed if listed != self._masks[number] else hexed
            if now == self._masks[number] or not now & state.online:
                continue
            self.moved += 1
            self._masks[number] = line.mask = now
            if line.effective not in (now,) and not line.effective <= now:
                line.effective = CpuSet.of(min(now & state.online, key=self._load))
            (base / "smp_affinity").write_text(now.mask() + "\n")
            (base / "smp_affinity_list").write_text(f"{now}\n")
            (base / "effective_affinity_list").write_text(f"{line.effective}\n")

    def _load(self, cpu: int) -> tuple[float, int]:
        return (sum(line.effective.first == cpu for line in self.host.state.lines.values()), cpu)

    def run(self, log: Path, cycles: int) -> None:
        """In real time; a line of truth an interval."""
        with log.open("w") as out:
            for _ in range(cycles):
                begun = time.monotonic()
                self.step()
                truth = self.host.truth()
                out.write(json.dumps([truth.ratio, truth.locality, self.moved]) + "\n")
                out.flush()
                time.sleep(max(0.0, self._interval - (time.monotonic() - begun)))


def cpu_of(pids: list[int]) -> float:
    """Seconds of user and system time of these processes so far."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def irqbalance(folder: Path, interval: float) -> subprocess.Popen[bytes]:
    """Debian's, on the same tree, in a mount namespace of its own."""
    binds = " && ".join(f"mount --bind {folder}/{path} /{path}" for path in BOUND)
    command = f"{binds} && exec irqbalance --foreground --interval={max(1, round(interval))}"
    with (folder.parent / "log").open("wb") as out:
        return subprocess.Popen(["unshare", "-m", "sh", "-c", command], stdout=out, stderr=out)


class Clock:
    """Seconds, as the made-up kernel has them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def by_irqbal(spec: str) -> dict[str, float]:
    """The balancer and its policy host on the tree, ten seconds a cycle in no time; the whole CPU
    time of both.
    """
    base = Path(tempfile.mkdtemp(prefix="irqbal-bench-"))
    folder, clock = base / "tree", Clock()
    kernel = MadeUpKernel(folder, spec, 0.0, BEAT)
    config = parse("", "(defaults)")
    policies = bind(config, "(defaults)")
    host = KernelHost(folder, lambda originals: None, clock)
    balancer = Balancer(host, policies, settings(config, COOLDOWN_INTERVALS), BEAT, dry_run=False)
    balancer.first_look()
    truth, spent = [], []
    child = float("nan")
    try:
        for cycle in range(LEARNING + STEADY):
            clock.now += BEAT
            kernel.step()
            truth.append((kernel.host.truth().ratio, kernel.host.truth().locality, kernel.moved))
            if cycle == LEARNING:
                child = cpu_of([policies.pid or 0])
            begun = time.process_time()
            balancer.run_cycle("tick")
            spent.append(time.process_time() - begun)
        steady = sum(spent[LEARNING:]) + cpu_of([policies.pid or 0]) - child
    finally:
        policies.close()
        host.close()
        shutil.rmtree(base)
    resting = statistics.median(spent[LEARNING:])
    return figures(truth) | {"cpu_ms": steady / STEADY * 1000, "rest_ms": resting * 1000}


def by_irqbalance(spec: str, interval: float) -> dict[str, float]:
    """The real program in real time; CPU time of the second half."""
    base = Path(tempfile.mkdtemp(prefix="irqbal-bench-"))
    folder = base / "tree"
    words = ["kernel", str(folder), spec, str(interval), str(base / "truth"), str(CYCLES + 8)]
    kernel = subprocess.Popen([sys.executable, __file__, *words])
    try:
        wait((base / "truth").exists)
        process = irqbalance(folder, interval)
        try:
            time.sleep(interval * CYCLES / 2)
            before, at = cpu_of([process.pid]), time.monotonic()
            time.sleep(interval * CYCLES / 2)
            seconds, passed = cpu_of([process.pid]) - before, time.monotonic() - at
            if process.poll() is not None:
                raise SystemExit(f"irqbalance ended: {(base / 'log').read_text()[-500:]}")
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        kernel.wait()
        truth = [tuple(json.loads(line)) for line in (base / "truth").read_text().splitlines()]
        shutil.rmtree(base)
    return figures(truth) | {"cpu_ms": seconds / (passed / interval) * 1000}


def figures(truth: list[tuple[float, float, int]]) -> dict[str, float]:
    """`early`: after the third cycle that follows the first moves; `over`: share of cycles since
    above 1.2 times the bound; `rest`: moves in the last forty cycles.
    """
    begun = next((at for at, row in enumerate(truth) if row[2]), 0)
    later = truth[begun + 3 :]
    return {
        "early": later[0][0],
        "ratio": statistics.median(row[0] for row in later),
        "over": statistics.mean(row[0] > 1.2 for row in later),
        "locality": statistics.mean(row[1] for row in later),
        "moves": sum(row[2] for row in truth),
        "rest": sum(row[2] for row in truth[-40:]),
    }


def wait(ready: object) -> None:
    """Until it is so; a minute at most."""
    assert callable(ready)
    end = time.monotonic() + 120
    while not ready():
        if time.monotonic() > end:
            raise SystemExit("the made-up kernel did not start")
        time.sleep(0.05)


def table(traffic: str) -> Iterator[str]:
    """A row a host and balancer."""
    heads = (
        "| host | balancer | CPU a cycle, ms | busiest CPU ÷ bound after 3 cycles | median since |"
    )
    yield f"{heads} cycles above 1.2 | own node | moves | in the last 40 |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    wanted = os.environ.get("IRQBAL_BENCH_HOSTS", "")
    for name, shape in (
        (name, shape) for name, shape in HOSTS.items() if not wanted or name in wanted.split(";")
    ):
        spec = f"{shape},traffic={traffic},seed={SEED}"
        irqs = len(SimulatedHost(parse_spec(spec)).state.lines)
        # A big tree takes its made-up kernel a while to write.
        theirs = by_irqbalance(spec, 1.0 if irqs < 450 else 4.0)
        ours = by_irqbal(spec)
        for who, got in (("irqbalance", theirs), ("irqbal", ours)):
            resting = f" ({got['rest_ms']:.1f} at rest)" if "rest_ms" in got else ""
            yield (
                f"| {name} × {irqs} IRQs | {who} | {got['cpu_ms']:.1f}{resting} | "
                f"{got['early']:.2f} | {got['ratio']:.2f} | "
                f"{got['over'] * 100:.0f} % | {got['locality']:.2f} | {got['moves']:.0f} | "
                f"{got['rest']:.0f} |"
            )
        # Less than a tick of the clock is not a figure.
        ratio = f"{ours['cpu_ms'] / theirs['cpu_ms']:.2f}" if theirs["cpu_ms"] >= 0.5 else "-"
        yield f"| | irqbal ÷ irqbalance | {ratio} | | | | | | |"


def main() -> None:
    """`kernel …` plays the kernel; else the whole table."""
    if sys.argv[1:2] == ["kernel"]:
        folder, spec, interval, log, cycles, *light = sys.argv[2:]
        MadeUpKernel(Path(folder), spec, float(interval), float(interval), bool(light)).run(
            Path(log), int(cycles)
        )
        return
    version = subprocess.run(
        ["irqbalance", "--version"], capture_output=True, text=True, check=False
    )
    print(
        f"irqbal {__version__}, {(version.stdout + version.stderr).strip()}, Linux "
        f"{platform.release()}, {os.cpu_count()} CPUs"
    )
    for traffic in sys.argv[1:] or ("skewed", "steady", "hopping"):
        print(f"\n{traffic}:")
        for row in table(traffic):
            print(row, flush=True)


if __name__ == "__main__":
    main()
