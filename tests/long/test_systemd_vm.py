"""The service under a real systemd, on a real kernel: installed by the script, killed, hung,
reloaded, stopped, and taken away again.

The tests are one machine's life, in this order.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import wheels
from vm.guest import state
from vm.lab import Vm, prepare

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1500)]

TOP = Path(__file__).parent.parent.parent
CLIENT = "/opt/irqbal/bin/irqbal-client unix:/run/irqbal/irqbal.sock -"
DROP_IN = "/run/systemd/system/irqbal.service.d/test.conf"
OURS = ("etc/irqbal.yaml", "var/lib/irqbal/")
"""What differs in the root after the tests: the configuration, which they edit, and the state
folder.
"""
WRITTEN = (
    r"cd /run/lab/rw/upper && find . \( -type f -o -type l -o -type c \) -printf '%P %T@ %s\n' | "
    r"sort; cd / && "
    r"find /run /tmp /dev /opt/irqbal -xdev \( -path /run/lab -o -path /run/systemd -o -path "
    r"/run/log \) -prune "
    r"-o -type f -printf '%p\n' | sort"
)


class Service:
    """What the tests ask of the guest."""

    def __init__(self, vm: Vm, script: str) -> None:
        self.vm, self.script = vm, script
        # What earlier runs left on this machine is not the service's.
        self.sh("rm -rf /var/lib/irqbal")
        self.before = state(vm).masks
        self.written_before = self.written()
        self.sh(f"cp -a {script}/made/opt/irqbal /opt/", 600)
        self.installed()
        self.written_installed = self.written()

    def sh(self, script: str, timeout: float = 300) -> str:
        return self.vm.run(script, timeout).check().stdout

    def install(self, words: str = "") -> str:
        """Run the script as somebody without a network does: packages come from a folder."""
        offline = f"export PIP_NO_INDEX=1 PIP_FIND_LINKS={self.script}/wheels"
        return self.sh(f"{offline}; sh {self.script}/etc/setup_service.sh {words} 2>&1", 900)

    def installed(self) -> str:
        return self.install(f"--from {self.script}/wheels/irqbal-*.whl")

    def written(self) -> set[str]:
        """Files of the overlay's upper folder, with time and size, and of the places that are in
        memory.
        """
        return set(self.sh(WRITTEN).splitlines())

    def show(self, name: str) -> str:
        return self.sh(f"systemctl show irqbal -p {name} --value").strip()

    def cursor(self) -> None:
        self.sh(
            "rm -f /run/lab/cursor; journalctl -u irqbal -q -n 1 --cursor-file=/run/lab/cursor > "
            "/dev/null"
        )

    def news(self) -> str:
        """What was logged since `cursor`."""
        return self.sh(
            "cp /run/lab/cursor /run/lab/c; journalctl -u irqbal -q -o cat --cursor-file=/run/lab/c"
        )

    def wait(self, text: str, seconds: float = 300) -> str:
        """Wait until the journal says this."""
        return self.until(lambda: re.search(text, self.news()) is not None, seconds)

    def until(self, condition: Callable[[], bool], seconds: float = 300) -> str:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (
                self.sh("systemctl status irqbal --no-pager; true") + self.news()
            )
            time.sleep(0.5)
        return self.news()

    def configure(self, text: str) -> None:
        self.sh(f"cat > /etc/irqbal.yaml <<'E'\n{text}\nE")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    built = wheels.wheelhouse(folder / "wheels")
    for name in wheels.needed(("pymongo",)):
        wheels._pack(importlib.metadata.distribution(name), built)
    for name in ("etc", "docs"):
        shutil.copytree(TOP / name, folder / name)
    # The environment is made out here, where Python is not emulated; the script then finds one that
    # is there already.
    env = {**wheels.environment(built), "DESTDIR": str(folder / "made"), "PIP_NO_COMPILE": "0"}
    made = [
        "sh",
        f"{folder}/etc/setup_service.sh",
        "--python",
        "/usr/bin/python3",
        "--from",
        str(next(built.glob("irqbal-*.whl"))),
    ]
    assert "nothing was started" in wheels.run(made, folder, env)
    with Vm(prepare(), append="lab.init=systemd") as vm:
        assert vm.run("cat /proc/1/comm").stdout.strip() == "systemd"
        yield Service(vm, f"/host{folder}")


def test_it_is_installed_and_becomes_ready(service: Service) -> None:
    assert [
        service.show(name) for name in ("Type", "ActiveState", "NRestarts", "UnitFileState")
    ] == ["notify", "active", "0", "enabled"]
    assert service.show("StatusText").startswith("balancing every 10s with isolate_cores")
    # The NIC is on node 1: its IRQs and, which takes CAP_NET_ADMIN, its XPS were set.
    now = state(service.vm)
    assert [now.queue(index) for index in range(4)] == [
        (str(cpu), str(cpu)) for cpu in (4, 5, 6, 7)
    ]
    assert sum(now.xps.values()) == 0xFF and all(
        now.xps[index] & 0x10 << index for index in range(4)
    ), now.xps
    assert '"ok":true' in service.sh("curl -sS -m 20 http://127.0.0.1:8080/readyz")
    assert "balancing" in service.sh(f"{CLIENT} status")


REACH = """
pid=$(systemctl show irqbal -p MainPID --value)
for path in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /sys/kernel/mm/ksm/run /sys/fs/cgroup/cgroup.procs \
    /etc/passwd /opt/irqbal/pyvenv.cfg /proc/irq/default_smp_affinity /sys/class/net/eth0/queues/tx-0/xps_cpus \
    /sys/kernel/tracing/tracing_on /run/irqbal /var/lib/irqbal; do
    nsenter -t $pid -m test -w $path && echo writes $path || echo no $path
done
cat /proc/$pid/task/*/children | sed 's/^/child /'
hosts=$(systemctl show "irqbal-planner@*" -p MainPID --value)
for p in $pid $hosts; do grep -H -e ^CapEff -e ^Uid -e ^NoNewPrivs -e ^Seccomp: /proc/$p/status; done
nsenter -t $pid -m setpriv --inh-caps=-all --bounding-set=-all --no-new-privs /opt/irqbal/bin/irqbal measure --seconds 0.5
"""  # noqa: E501


def test_it_reaches_what_it_needs_and_no_more(service: Service) -> None:
    text = service.sh(REACH)
    assert re.findall(r"^writes (\S+)$", text, re.M) == [
        "/proc/irq/default_smp_affinity",
        "/sys/class/net/eth0/queues/tx-0/xps_cpus",
        "/sys/kernel/tracing/tracing_on",
        "/run/irqbal",
        "/var/lib/irqbal",
    ]
    assert len(re.findall(r"^no /", text, re.M)) == 6
    daemon, *hosts = re.findall(
        r"Uid:\t(\d+)\t.*\n.*CapEff:\t(\w+)\n.*NoNewPrivs:\t(\d)\n.*Seccomp:\t(\d)", text
    )
    # CAP_NET_ADMIN 12
    assert daemon == ("0", "0000000000001000", "1", "2")
    planner = service.sh("id -u irqbal-planner").strip()
    assert hosts == [(planner, "0" * 16, "1", "2")] and "child" not in text
    assert "SOFTIRQ" in text, "tracefs can be used"


def test_killed_it_comes_back_and_nothing_has_changed(service: Service) -> None:
    number = state(service.vm).numbers["virtio2-input.0"]
    service.sh(f"{CLIENT} override set {number} 2 --reason trying")
    before = state(service.vm)
    assert before.masks["virtio2-input.0"] == "2"
    service.cursor()
    service.sh("systemctl kill -s KILL --kill-who=main irqbal")
    text = service.wait("ready:")
    assert service.show("NRestarts") == "1" and service.show("ActiveState") == "active"
    assert "status=9/KILL" in text
    # One that nothing had placed may just have begun to fire: the disk's, of which the start itself
    # reads.
    moved = set(re.findall(r"moved IRQ (\d+) .*: (\S+) -> ", text))
    assert {mask for _, mask in moved} <= {"0-7"}, text
    after = state(service.vm)
    begun = {name for name, irq in before.numbers.items() if str(irq) in dict(moved)}
    assert {k: v for k, v in after.masks.items() if k not in begun} == {
        k: v for k, v in before.masks.items() if k not in begun
    }
    assert after.xps == before.xps and after.masks["virtio2-input.0"] == "2"
    assert "trying" in service.sh(f"{CLIENT} override list")
    service.sh(f"{CLIENT} override clear {number}")


def test_a_cycle_that_hangs_is_ended_by_the_watchdog(service: Service) -> None:
    service.sh(
        f"mkdir -p {DROP_IN.rpartition('/')[0]}; printf '[Service]\\nWatchdogSec=9\\n' > "
        f"{DROP_IN}; systemctl daemon-reload"
    )
    service.sh("systemctl restart irqbal; mkfifo /run/lab/fifo")
    pid = service.show("MainPID")
    service.cursor()
    # A read of /proc/interrupts that never returns, for this process alone; a reload has everything
    # read.
    service.sh(
        f"nsenter -t {pid} -m mount --bind /run/lab/fifo /proc/interrupts && systemctl reload "
        "irqbal"
    )
    text = service.wait(r"Watchdog timeout[^\0]*ready:")
    assert "Watchdog timeout" in text and service.show("MainPID") != pid
    service.cursor()
    service.sh(f"kill -STOP {service.show('MainPID')}")
    service.wait(r"Watchdog timeout[^\0]*ready:")
    service.sh(f"rm {DROP_IN} /run/lab/fifo; systemctl daemon-reload; systemctl restart irqbal")
    assert service.show("WatchdogUSec") == "1min"


def test_a_reload_takes_a_good_file_and_refuses_a_bad_one_whole(service: Service) -> None:
    service.cursor()
    service.configure("interval: 3s\npolicies: [pin_nic_queues]")
    service.sh("systemctl reload irqbal")
    service.wait("reload: balancing every 3s with pin_nic_queues")
    service.until(lambda: service.show("StatusText") == "balancing every 3s with pin_nic_queues")
    service.cursor()
    service.configure("interval: soon\npolicies: [pin_nic_queues]\nwhat: 1")
    pid = service.show("MainPID")
    service.sh("systemctl reload irqbal")
    text = service.wait("refused whole; the old one goes on")
    assert "/etc/irqbal.yaml:1" in text and "/etc/irqbal.yaml:3" in text
    service.until(lambda: service.show("ActiveState") == "active")
    assert (
        service.show("StatusText") == "balancing every 3s with pin_nic_queues"
        and service.show("MainPID") == pid
    )
    # A start with it is refused, and not tried again and again.
    assert service.vm.run("systemctl restart irqbal").returncode != 0
    assert [service.show(name) for name in ("ActiveState", "ExecMainStatus", "NRestarts")] == [
        "failed",
        "2",
        "0",
    ]


def test_a_stop_keeps_the_masks_or_restores_them_as_configured(service: Service) -> None:
    service.configure("interval: 3s\non_exit: keep")
    service.sh("systemctl reset-failed irqbal; systemctl restart irqbal")
    running = state(service.vm).masks
    assert running["virtio2-input.0"] == "4"
    service.sh("systemctl stop irqbal")
    assert (state(service.vm).masks, service.show("Result")) == (running, "success")
    service.configure("interval: 3s\non_exit: restore")
    service.sh("systemctl start irqbal")
    service.cursor()
    service.sh("systemctl stop irqbal")
    assert "originals put back" in service.news()
    assert (state(service.vm).masks, service.show("Result")) == (service.before, "success")
    service.configure("interval: 3s")
    service.sh("systemctl start irqbal")


def test_nothing_outside_its_folders_was_written(service: Service) -> None:
    changed = {line.split(" ")[0] for line in service.written() ^ service.written_installed}
    assert any(name.startswith("var/lib/irqbal/") for name in changed)
    # Python's caches are written by the commands that the tests themselves run.
    assert not {
        name
        for name in changed
        if not name.startswith((*OURS, "/run/irqbal/")) and not name.endswith(".pyc")
    }


HANG = """
import os, sys
from irqbal import Note, hookimpl

@hookimpl
def irqbal_place(snapshot):
    print("I hang")
    sys.stdout.flush()
    yield Note("listening: " + str(os.path.exists("/run/irqbal")))
    while True:
        pass
"""


def hosts(service: Service) -> list[str]:
    """Hosts of strangers' policies that run."""
    return service.sh(
        "systemctl list-units --plain --no-legend --state=active 'irqbal-policies@*' | cut -d ' ' "
        "-f 1"
    ).split()


def test_a_policy_that_hangs_is_ended_by_systemd_since_the_daemon_may_not(service: Service) -> None:
    packages = service.sh("echo /opt/irqbal/lib/python3*/site-packages").strip()
    service.sh(
        f"cat > {packages}/irqbal_hang.py <<'E'\n{HANG}\nE\nmkdir "
        f"{packages}/irqbal_hang-1.dist-info"
    )
    entry = "[irqbal]\nhang = irqbal_hang\n"
    service.sh(
        f"cd {packages}/irqbal_hang-1.dist-info; printf 'Metadata-Version: 2.1\nName: "
        "irqbal-hang\nVersion: 1\n' > METADATA"
    )
    service.sh(f"printf '{entry}' > {packages}/irqbal_hang-1.dist-info/entry_points.txt")
    assert hosts(service) == []
    service.cursor()
    service.configure("interval: 3s\npolicies: [hang, pin_nic_queues]")
    service.sh("systemctl reload irqbal")
    text = service.wait(r"the policy hang of irqbal-hang 1 failed \(deadline\)")
    assert "stuck" not in text
    service.until(lambda: hosts(service) == [])
    assert "I hang" in service.sh("journalctl -q -o cat -u 'irqbal-policies@*'")
    assert service.show("NRestarts") == "0" and service.show("ActiveState") == "active"
    # The daemon is killed while a policy hangs: who is left behind ends, and the next daemon has
    # one of its own.
    service.cursor()
    service.sh("systemctl reload irqbal; sleep 1.5; systemctl kill -s KILL --kill-who=main irqbal")
    service.wait(r"status=9/KILL[^\0]*the policy hang of irqbal-hang 1 failed")
    service.until(lambda: hosts(service) == [])
    service.configure(
        "interval: 3s\napi: {listen: ['10.99.0.2:8080', 'unix:/run/irqbal/irqbal.sock'], insecure: "
        "true}"
    )
    service.sh(f"rm -r {packages}/irqbal_hang*")


def test_what_the_unit_drops_is_said_and_the_drop_in_lets_it_through(service: Service) -> None:
    asks = ["curl", "-sS", "-m", "5", "http://10.99.0.2:8080/readyz"]
    service.cursor()
    service.sh("systemctl reload irqbal")
    service.wait("systemd silently drops packets to and from 10.99.0.2")
    assert service.vm.host_run(asks).returncode == 28, "timed out"
    service.sh(
        f"mkdir -p {DROP_IN.rpartition('/')[0]}; printf "
        f"'[Service]\\nIPAddressAllow=10.99.0.0/24\\n' > {DROP_IN}"
    )
    service.cursor()
    service.sh("systemctl daemon-reload; systemctl restart irqbal")
    assert '"ok":true' in service.vm.host_run(asks).check().stdout
    assert "silently drops" not in service.news()
    service.configure("interval: 3s")
    service.sh(f"rm {DROP_IN}; systemctl daemon-reload; systemctl restart irqbal")


def test_the_journal_reads_well(service: Service) -> None:
    lines = [
        json.loads(line)
        for line in service.sh("journalctl -u irqbal -q -o json _COMM=irqbal").splitlines()
    ]
    entries = [(str(line["MESSAGE"]), int(line["PRIORITY"])) for line in lines]
    assert len(entries) > 20
    assert {priority for _, priority in entries} == {3, 6} | {
        priority for _, priority in entries
    } & {4}
    for message, priority in entries:
        assert not re.match(r"\d{4}-\d\d|<\d>| *File |Traceback|\w+Error:", message), message
        assert "\n" not in message and "Traceback" not in message
        assert priority == 6 or not message.startswith(("moved", "ready")), message
    assert all(priority == 3 for message, priority in entries if "refused whole" in message)


def test_installed_again_then_removed_and_nothing_is_left(service: Service) -> None:
    service.sh("echo '# mine' >> /etc/irqbal.yaml")
    assert "irqbal runs:" in service.installed()
    assert (
        "# mine" in service.sh("cat /etc/irqbal.yaml") and service.show("ActiveState") == "active"
    )
    assert state(service.vm).masks["virtio2-input.0"] == "4"
    assert "Kept: /etc/irqbal.yaml" in service.install("--remove")
    assert state(service.vm).masks == service.before, "the original masks"
    assert service.vm.run("systemctl status irqbal").returncode == 4, "no such unit"
    assert not service.sh(
        "systemctl list-units --all --plain --no-legend 'irqbal*' 'system-irqbal*.socket'"
    ).strip()
    service.install("--remove --purge")
    service.install("--remove --purge")
    left = {line.split(" ")[0] for line in service.written() ^ service.written_before}
    # What Debian's own tools changed: the users, who may own files; irqbalance, which is disabled;
    # Python's caches.
    expected = (
        r"etc/(passwd|group|shadow|gshadow)-?|etc/\.pwd\.lock|etc/(rc\d\.d|systemd/system)/.*irqbalance.*|/run/irqbal/.*|.*\.pyc|"
        r"var/lib/systemd/.*"
    )
    assert not {name for name in left if not re.fullmatch(expected, name)}
