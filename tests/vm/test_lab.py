"""The test machine is what the tests built on it take it for."""

import errno
import json
import os
import time

import pytest

from vm.guest import PYTHON
from vm.lab import Vm, VmTimeoutError


def test_script_results_come_back(vm: Vm) -> None:
    result = vm.run("echo out; echo err >&2; exit 7")
    assert (result.returncode, result.stdout, result.stderr) == (7, "out\n", "err\n")
    assert len(vm.run("head -c 3000000 /dev/zero | tr '\\0' x").check().stdout) == 3_000_000


def test_background_job_is_not_waited_for(vm: Vm) -> None:
    started = time.monotonic()
    pid = vm.run("sleep 300 & echo $!").check().stdout.strip()
    assert time.monotonic() - started < 60
    assert vm.run(f"kill {pid}").returncode == 0
    assert vm.run(f"sleep 0.5; kill -0 {pid}").returncode != 0  # gone, not a zombie


def test_script_that_hangs_is_ended(vm: Vm) -> None:
    with pytest.raises(VmTimeoutError, match="before"):
        vm.run("echo before; sleep 61.5", timeout=2)
    assert vm.run("pgrep -fx 'sleep 61.5'").stdout == ""


def test_machine_has_nodes_queues_and_managed_irqs(vm: Vm) -> None:
    def shown(script: str) -> list[str]:
        return vm.run(script).check().stdout.split()

    assert shown("nproc; cat /sys/devices/system/node/node*/cpulist") == ["8", "0-3", "4-7"]
    # A virtio device has no numa_node of its own: its PCI parent has.
    assert shown(
        "cat /sys/class/net/eth0/device/../numa_node /sys/class/nvme/nvme0/device/numa_node"
    ) == ["1", "0"]
    assert shown("grep -cE 'virtio[0-9]+-(input|output).[0-3]$' /proc/interrupts") == ["8"]
    managed = (
        "/proc/irq/$(sed -n 's/^ *\\([0-9]*\\):.* nvme0q3$/\\1/p' "
        "/proc/interrupts)/smp_affinity_list"
    )
    # EIO says it on the older kernels, EPERM on those that show it in the file's mode, too.
    refusal = errno.EIO if vm.kernel.series == "6.1" else errno.EPERM
    assert os.strerror(refusal) in vm.run(f"echo 0 > {managed}").stderr


def test_channel_survives_the_nic_and_the_cpus(vm: Vm) -> None:
    device = vm.run("basename $(readlink -f /sys/class/net/eth0/device)").check().stdout.strip()
    vm.run(
        f"""
        set -e
        echo {device} > /sys/bus/virtio/drivers/virtio_net/unbind
        for cpu in 1 2 3 4 5 6 7; do echo 0 > /sys/devices/system/cpu/cpu$cpu/online; done
        """
    ).check()
    assert vm.run("nproc; ls /sys/class/net").stdout.split() == ["1", "lo"]
    vm.run(
        f"""
        set -e
        for cpu in 1 2 3 4 5 6 7; do echo 1 > /sys/devices/system/cpu/cpu$cpu/online; done
        echo {device} > /sys/bus/virtio/drivers/virtio_net/bind
        """
    ).check()
    vm.network_up()
    assert vm.run("nproc").stdout.strip() == "8"
    assert (
        "Combined:\t4"
        in vm.run("ethtool -L eth0 combined 2; ethtool -L eth0 combined 4; ethtool -l eth0").stdout
    )


def test_traffic_uses_the_queues(vm: Vm) -> None:
    count = (
        "awk '/virtio[0-9]+-input/ { for (i = 2; i <= 9; i++) n += $i } END { print n }' "
        "/proc/interrupts"
    )
    before = int(vm.run(count).stdout)
    vm.run("iperf3 -s -1 -D").check()
    client = vm.host_run(
        [
            "sh",
            "-c",
            "for i in 1 2 3 4 5; do sleep 1; iperf3 -c 10.99.0.2 -P 4 -t 3 && exit; done; exit 1",
        ]
    )
    assert client.returncode == 0, client
    assert int(vm.run(count).stdout) > before + 100


CHOICE = """
iperf3 -c 10.99.0.1 -p 5211 -u -R -b 400K -P 16 -t 100 > /dev/null &
flow=$!
# The host's side of the link forgets after three seconds which queue a flow was sent by, and from
# then on its hash alone chooses the queue: sixteen flows, and a look only then.
sleep 5
sums() {
    awk '/virtio[0-9]+-input/ {
        n = 0; for (i = 2; i <= 9; i++) n += $i; sub(":", "", $1); print $1, n
    }' /proc/interrupts
}
# The queue by which most flows come.
for try in $(seq 60); do
    sums > /tmp/before; sleep 0.5
    irq=$(sums | paste -d ' ' /tmp/before - |
        awk '$4 - $2 > 20 + most { most = $4 - $2; irq = $1 } END { print irq }')
    [ -n "$irq" ] && break
done
cd "/proc/irq/${irq:?no traffic}"
kept=$(cat smp_affinity_list)
put() {
    echo $1 > smp_affinity_list
    # The move is carried out with the next interrupt.
    for try in $(seq 50); do
        sleep 0.3
        case " $2 " in *" $(cat effective_affinity_list) "*) break;; esac
    done
    sleep 0.7
    cat effective_affinity_list
}
put 2 2
put 1-4 2
put 5-6 "5 6"
put 6 6
put 4-7 6
echo $kept > smp_affinity_list
kill $flow
"""


def test_the_kernel_leaves_an_irq_where_its_new_mask_allows_it(vm: Vm) -> None:
    """What a forecast takes for the likely choice of the kernel."""
    server = vm.host_start(["iperf3", "-s", "-p", "5211"])
    try:
        time.sleep(0.5)
        first, stays, chosen, moved, stays_again = vm.run(CHOICE).check().stdout.split()
    finally:
        server.kill()
        server.wait()
    assert (first, stays, moved, stays_again) == ("2", "2", "6", "6")
    assert chosen in ("5", "6")


COUNT = (
    "import json; from irqbal.kernel.queue_stats import Packets as P; p = P(); p.learn(['eth0']); "
    "print(json.dumps(list(p.read().items())))"
)


def test_packets_are_counted_by_queue_with_and_without_the_kernels_queue_statistics(
    vm: Vm,
) -> None:
    """Linux 6.1 lacks the netdev family; there virtio_net tells by `ethtool -S`."""

    def counted() -> dict[tuple[str, str, int], int]:
        return {
            tuple(key): count
            for key, count in json.loads(vm.run(f'{PYTHON} -c "{COUNT}"').check().stdout)
        }

    before = counted()
    assert set(before) == {("eth0", way, queue) for way in ("rx", "tx") for queue in range(4)}
    vm.run("busybox ping -A -c 20 10.99.0.1").check()
    after = counted()
    for way in ("rx", "tx"):
        assert sum(after[key] - before[key] for key in after if key[1] == way) >= 15
