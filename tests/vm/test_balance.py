"""irqbal on a real kernel with 8 CPUs, two nodes, a NIC of four queues on node 1 and managed NVMe
queues; CPU 7 is isolated.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from vm.guest import INTERVAL, IRQBAL, PYTHON, GuestState, cycles, daemon, log, soon, state, wait
from vm.image import KernelPackage
from vm.lab import GUEST_ADDRESS, HOST_ADDRESS, Vm

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def guest(kernel: KernelPackage) -> Iterator[Vm]:
    with Vm(kernel, append="isolcpus=7") as machine:
        yield machine


def _settled(seen: GuestState) -> bool:
    """Queue pairs are together on single CPUs of node 1's housekeeping CPUs, all three in use, and
    XPS covers every online CPU.
    """
    pairs = [seen.queue(index) for index in range(4)]
    if (
        not all(rx == tx and rx in ("4", "5", "6") for rx, tx in pairs)
        or len({rx for rx, _ in pairs}) != 3
    ):
        return False
    return _partition(seen, 0xFF)


def _partition(seen: GuestState, online: int) -> bool:
    """Whether the XPS sets cover these CPUs, each once."""
    union = 0
    for mask in seen.xps.values():
        if union & mask & online:
            return False
        union |= mask
    return union & online == online


def _movable(seen: GuestState) -> set[str]:
    """Everything but NVMe's queues and the timer, which are the kernel's."""
    return {name for name in seen.masks if not re.fullmatch(r"nvme0q[1-9]\d*|timer", name)}


def _traffic(vm: Vm, seconds: int = 2) -> None:
    """A little real traffic, so that every queue has a reason to fire."""
    server = vm.host_start(["iperf3", "-s", "-p", "5210"])
    time.sleep(0.5)
    for cpu in (0, 2, 4, 6):
        vm.run(
            f"taskset -c {cpu} iperf3 -c {HOST_ADDRESS} -p 5210 -t {seconds}", timeout=60
        ).check()
    server.terminate()


def test_default_policies_place_pairs_cover_xps_and_leave_nvme_and_isolated_cpus_alone(
    guest: Vm,
) -> None:
    before = state(guest)
    with daemon(guest):
        soon(lambda: _settled(state(guest)), guest)
        at_start = state(guest)
        _traffic(guest)
        after = state(guest)
        nvme = {name for name in before.masks if name.startswith("nvme0q")}
        assert {name: before.masks[name] for name in nvme} == {
            name: after.masks[name] for name in nvme
        }
        for name in _movable(after):
            _nothing_on_7(name, at_start, after)
        assert any(
            sum(after.counts[n]) > sum(at_start.counts[n]) for n in after.counts if "put." in n
        ), "no traffic, no proof"


@pytest.mark.long
def test_after_cpu_5_goes_and_comes_back_all_is_as_before(guest: Vm) -> None:
    with daemon(guest) as said:
        soon(lambda: _settled(state(guest)), guest)
        try:
            guest.run("echo 0 > /sys/devices/system/cpu/cpu5/online").check()

            def without() -> bool:
                seen = state(guest)
                pairs = [seen.queue(index) for index in range(4)]
                return all(rx == tx and rx in ("4", "6") for rx, tx in pairs) and _partition(
                    seen, 0xDF
                )

            soon(without, guest)
        finally:
            guest.run("echo 1 > /sys/devices/system/cpu/cpu5/online").check()
        soon(lambda: _settled(state(guest)), guest)
        at_rest = state(guest)
        _traffic(guest)
        after = state(guest)
        for name in _movable(after):
            _nothing_on_7(name, at_rest, after)
        assert "drift" not in said().replace("0 drifted", ""), (
            "the kernel's resets are not somebody's drift"
        )
        assert "(cpu" in said(), "the uevent must have run a cycle at once"


def _nothing_on_7(name: str, before: GuestState, after: GuestState) -> None:
    """Its mask forbids CPU 7; and once it fired, so does its effective affinity: a change waits for
    the IRQ's next interrupt, which is still raised where the IRQ was.
    """
    assert not _has(after.masks[name], 7), f"{name} may fire on CPU 7: {after.masks[name]}"
    fired = sum(after.counts[name]) - sum(before.counts[name])
    if fired:
        assert after.effective[name] != "7", f"{name} fired {fired} times"
    assert after.counts[name][7] - before.counts[name][7] <= 1, f"{name} fired on CPU 7"


def _has(cpus: str, cpu: int) -> bool:
    return any(
        int(low) <= cpu <= int(high or low) for low, high in re.findall(r"(\d+)(?:-(\d+))?", cpus)
    )


def test_ethtool_and_a_rebind_are_answered_within_two_intervals(guest: Vm) -> None:
    with daemon(guest) as said:
        soon(lambda: _settled(state(guest)), guest)
        for _ in range(3):
            guest.run("ethtool -L eth0 combined 2").check()

            def two() -> bool:
                seen = state(guest)
                pairs = [seen.queue(index) for index in range(2)]
                places = {rx for rx, _ in pairs}
                return (
                    all(rx == tx for rx, tx in pairs)
                    and len(places) == 2
                    and places <= {"4", "5", "6"}
                    and _partition(seen, 0xFF)
                )

            soon(two, guest)
            guest.run("ethtool -L eth0 combined 4").check()
            soon(lambda: _settled(state(guest)), guest)
        names = set(state(guest).masks)
        device = (
            guest.run("basename $(readlink -f /sys/class/net/eth0/device)").check().stdout.strip()
        )
        driver = "/sys/bus/virtio/drivers/virtio_net"
        guest.run(f"echo {device} > {driver}/unbind; echo {device} > {driver}/bind").check()
        guest.network_up()
        assert set(state(guest).masks) == names, "the same names as before, or this shows nothing"
        soon(lambda: _settled(state(guest)), guest)
        text = said()
        assert "another program" not in text, text
        assert "ethtool" in text, "the notification must have run a cycle"


@pytest.mark.long
def test_with_iperf3_running_there_are_no_moves_from_the_third_cycle_on(guest: Vm) -> None:
    server = guest.host_start(["iperf3", "-s", "-p", "5211"])
    time.sleep(0.5)
    guest.run(
        f"iperf3 -c {HOST_ADDRESS} -p 5211 -P 8 -t 40 > /run/iperf 2>&1 & echo started"
    ).check()
    time.sleep(2)
    try:
        with daemon(guest):
            wait(lambda: len(cycles(log(guest))) >= 12, guest)
            text = log(guest)
            assert sum(moves for _, moves in cycles(text)[:3]) > 0
            assert [moves for _, moves in cycles(text)[3:]] == [0] * (len(cycles(text)) - 3), text
        busy = state(guest)
        assert max(sum(cells) for name, cells in busy.counts.items() if "put." in name) > 1000, (
            "iperf3 must really have run"
        )
    finally:
        server.terminate()
        guest.run("while pidof iperf3; do sleep 0.5; done", timeout=60)


def test_another_writer_is_drift_and_put_back_a_kernel_reset_is_put_back_and_is_not(
    guest: Vm,
) -> None:
    with daemon(guest) as said:
        soon(lambda: _settled(state(guest)), guest)
        irq = next(
            number for name, number in state(guest).numbers.items() if name.endswith("-input.1")
        )
        guest.run(f"echo 2 > /proc/irq/{irq}/smp_affinity_list").check()
        soon(lambda: _settled(state(guest)), guest)
        assert f"drift: another program set IRQ {irq}" in said()
        drifts = said().count("drift: another program")
        # Any CPU's hotplug makes virtio_net reset all of its masks and XPS.
        guest.run(
            "echo 0 > /sys/devices/system/cpu/cpu2/online; sleep 0.3; echo 1 > "
            "/sys/devices/system/cpu/cpu2/online"
        ).check()
        soon(lambda: _settled(state(guest)), guest)
        time.sleep(INTERVAL + 1)
        assert _settled(state(guest))
        assert said().count("drift: another program") == drifts
        assert "[reset]" in said() or "[limit]" in said()


_UDP_HOST = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end = time.monotonic() + 60
while time.monotonic() < end:
    for _ in range(10):
        try: s.sendto(b"x" * 64, ("GUEST", 5300))
        except OSError: pass
    time.sleep(0.004)
""".replace("GUEST", GUEST_ADDRESS)

_UDP_GUEST = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("GUEST", 5300))
s.settimeout(30)
n = 0
while True:
    _, peer = s.recvfrom(100)
    n += 1
    if n % 50 == 1: s.sendto(b"y", peer)
""".replace("GUEST", GUEST_ADDRESS)


@pytest.mark.long
def test_a_heavy_tcp_flow_is_parted_from_a_busy_udp_one(guest: Vm) -> None:
    """Few interrupts and much time against many and little: only a balancer that counts time sees
    which is which.
    """
    with daemon(guest):
        soon(lambda: _settled(state(guest)), guest)
        seen = state(guest)
        homes = {index: seen.queue(index)[0] for index in range(4)}
        first, second = next(
            (a, b) for a in range(4) for b in range(a + 1, 4) if homes[a] == homes[b]
        )
        # The guest sends from a CPU of the queue's XPS set, and the tap answers on the queue that
        # it saw the flow on.
        tcp_cpu, udp_cpu = (_low(seen.xps[queue]) for queue in (first, second))
        server = guest.host_start(["iperf3", "-s", "-p", "5212"])
        time.sleep(0.5)
        guest.run(
            f"taskset -c {udp_cpu} {PYTHON} - > /run/udp 2>&1 <<'E' &\n{_UDP_GUEST}\nE\ntrue"
        ).check()
        time.sleep(2)
        blaster = guest.host_start([PYTHON, "-c", _UDP_HOST])
        guest.run(
            f"taskset -c {tcp_cpu} iperf3 -c {HOST_ADDRESS} -p 5212 -t 50 > /run/iperf 2>&1 & true"
        ).check()
        try:
            time.sleep(3)
            begin = state(guest)
            time.sleep(3)
            end = state(guest)
            udp_queue, tcp_queue = _busiest(begin, end)
            assert {udp_queue, tcp_queue} == {first, second}, (
                f"traffic went to queues {udp_queue}, {tcp_queue}, not {first}, {second}"
            )

            def parted() -> bool:
                now = state(guest)
                return now.queue(first)[0] != now.queue(second)[0]

            wait(parted, guest)
            assert "spread_by_rate" in log(guest)
        finally:
            for process in (server, blaster):
                process.terminate()
            guest.run("kill $(pidof iperf3) $(pgrep -f 'python.* -$') 2>/dev/null; true")


def _low(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _busiest(begin: GuestState, end: GuestState) -> tuple[int, int]:
    """The two queues that fired most between two looks."""
    fired: dict[int, int] = {}
    for name, cells in end.counts.items():
        found = re.fullmatch(r"virtio\d+-(?:in|out)put\.(\d+)", name)
        if found:
            fired[int(found[1])] = (
                fired.get(int(found[1]), 0) + sum(cells) - sum(begin.counts[name])
            )
    ranked = sorted(fired, key=lambda queue: -fired[queue])
    return ranked[0], ranked[1]


@pytest.mark.long
def test_every_source_of_isolation_is_seen(kernel: KernelPackage) -> None:
    with Vm(kernel, append="isolcpus=managed_irq,7 nohz_full=6") as machine:
        machine.run(
            "mkdir /sys/fs/cgroup/rt; echo +cpuset > /sys/fs/cgroup/cgroup.subtree_control;"
            "echo 5 > /sys/fs/cgroup/rt/cpuset.cpus; echo isolated > "
            "/sys/fs/cgroup/rt/cpuset.cpus.partition"
        ).check()
        assert (
            machine.run("cat /sys/fs/cgroup/rt/cpuset.cpus.partition").stdout.strip() == "isolated"
        )
        tree = machine.run(f"{IRQBAL} topology", timeout=120).check().stdout
        assert "CPU 7 (isolated by isolcpus=managed_irq)" in tree
        assert "CPU 6 (isolated by nohz_full)" in tree
        assert "CPU 5 (isolated by cgroup partition)" in tree
        with daemon(machine):
            soon(lambda: state(machine).queue(0) == ("4", "4"), machine)
            seen = state(machine)
            assert all(seen.queue(index) == ("4", "4") for index in range(4)), (
                "node 1 has one CPU left"
            )
