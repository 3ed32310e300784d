"""Texts that nobody writes: a configuration may only be refused, a kernel's file never stops
irqbal.

Each test starts from texts of the right kind and damages them: bytes are changed, cut, doubled, put
elsewhere, and numbers made absurd.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irqbal.config.reader import load, parse
from irqbal.config.schema import Config
from irqbal.cpuset import CpuSet
from irqbal.errors import ConfigError, HostError
from irqbal.kernel.capture import capture
from irqbal.kernel.events import _is_link, parse_uevent
from irqbal.kernel.files import cpus_or, int_or, mask_or
from irqbal.kernel.generic_netlink import attributes
from irqbal.kernel.host import KernelHost
from irqbal.kernel.interrupts import Interrupts
from irqbal.kernel.isolation import parse_cmdline, read_isolation
from irqbal.kernel.stat import parse_stat
from irqbal.kernel.threads import read_threads
from irqbal.model.view import Snapshot
from irqbal.planner.ledger import Ledger
from irqbal.tracking.tracker import HostTracker
from irqbal.wire import from_msgpack, to_msgpack
from trees import HOSTS, Disk, Nic, Other, Threaded, TreeSpec, Upper, make_tree


def fuzz(examples: int) -> settings:
    """Other accidents at every run."""
    return settings(
        max_examples=examples,
        derandomize=False,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


CONFIGS = (
    b"interval: 10s\ndry_run: false\nstate_dir: /var/lib/irqbal\non_exit: keep\non_drift: "
    b"reassert\n"
    b"banned_cpus: 0-3,8\n"
    b'max_moves: 64\npolicies:\n  - isolate_cores: {kernel: true, cpus: "", except: {}}\n  - '
    b"pin_irqs: {rules: []}\n"
    b'  - pin_nic_queues: {interfaces: ["*"], cpus: local, xps: true}\n  - spread_by_rate: '
    b"{min_gain: 5%}\n"
    b"observers: []\n",
    b"# a comment\npolicies:\n- spread_by_rate\n- pin_irqs:\n    rules:\n    - {irq: 'eth*', cpus: "
    b"4-7}\n"
    b'    - queue: "a b"\n'
    b"      leave: |\n        text\n        more\n...\n",
    b"a: &a {x: [1, 2, *b], y: &b ~}\n? [k]\n: !!int 0x10\n<<: *a\n%TAG ! x\n--- >-\n folded\n",
)
TOKENS = (
    b"",
    b"\0",
    b"\n",
    b"\t",
    b":",
    b": ",
    b"- ",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"-",
    b"&a ",
    b"*a",
    b"!!",
    b"%",
    b"|\n",
    b"'",
    b'"',
    b"4294967296",
    b"9" * 25,
    b"9" * 5000,
    b"-1",
    b"0x",
    b"\xff",
    b"\xc2\xb2",
    b"\xd9\xa3",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"CPU0",
    b"policies",
    b"interval: ",
    b"nan",
    b"inf",
    b"0-8191",
    b"1-0",
    b"0-3:1/2",
    b"f" * 2100,
    b"(null)",
    b"isolated",
    b"=",
    b"@",
    b" ",
)


def damaged(text: bytes, seed: int, times: int) -> bytes:
    """The text after so many small accidents."""
    chance = random.Random(seed)
    data = bytearray(text)
    for _ in range(times):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 1, 2, 5, 30)))
        what = chance.randrange(6)
        if what == 0:
            del data[at:end]
        elif what == 1:
            data[at:at] = chance.choice(TOKENS)
        elif what == 2:
            data[at:end] = chance.choice(TOKENS)
        elif what == 3 and at < len(data):
            data[at] = chance.randrange(256)
        elif what == 4:
            data[at:at] = data[at:end] * 2
        else:
            begin = chance.randrange(len(data) + 1)
            data[at:at] = data[begin : begin + 20]
    return bytes(data)


def accidents(*texts: bytes) -> st.SearchStrategy[bytes]:
    """One of the texts, damaged."""
    return st.builds(damaged, st.sampled_from(texts), st.integers(0, 2**32), st.integers(1, 8))


def _kernel_texts(path: str) -> tuple[bytes, ...]:
    return tuple(
        (HOSTS / name / path).read_bytes() for name in ("firecracker-2cpus", "vm-isolcpus-offline")
    )


# Configurations: 10,000


@fuzz(8000)
@given(accidents(*CONFIGS))
def test_config_is_read_or_refused(data: bytes) -> None:
    try:
        config = parse(data.decode("utf-8", "surrogateescape"), "f.yaml")
    except ConfigError as error:
        assert error.problems
        assert all(problem.startswith("f.yaml:") for problem in error.problems)
    else:
        assert isinstance(config, Config)


@fuzz(1500)
@given(accidents(*CONFIGS))
def test_config_file_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(data)
    with contextlib.suppress(ConfigError):
        load(path)


@fuzz(500)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parse(text, "f.yaml")


# Files of the kernel: 10,000

GIC = (
    b"           CPU0       CPU1       \n 11:    5134553    5067313     GICv3  30 Level     "
    b"arch_timer\n"
    b" 46:          0          3ITS-PCI-MSI-0000:01:00.0   1 Edge      eth0-TxRx-0, x\n"
    b"IPI0:      1302       2410   Rescheduling\nErr: 0\n"
)


@fuzz(2500)
@given(accidents(*_kernel_texts("proc/interrupts"), GIC))
def test_interrupts(data: bytes) -> None:
    found = Interrupts(BytesIO(data))
    rows = list(found)
    assert len(rows) + found.skipped <= data.count(b"\n") + 1
    assert all(row.irq is None or len(row.counts) == len(found.cpus) for row in rows)


@fuzz(2000)
@given(accidents(*_kernel_texts("proc/stat")))
def test_stat(data: bytes) -> None:
    found = parse_stat(data, range(60))
    assert all(0 <= total < 1 << 32 for total in found.totals.values())


LISTS = (b"0-3,8\n", b"0\n", b"0-2,4-7\n", b"\n", b"  (null)\n", b"0-511\n", b"0-31:2/8,40\n")
MASKS = (b"ff\n", b"00000000,0000000f\n", b"0\n", b"ffffffff,ffffffff,ffffffff\n", b"0x3\n")


@fuzz(1500)
@given(accidents(*LISTS), accidents(*MASKS))
def test_lists_and_masks(tmp_path: Path, listed: bytes, hexed: bytes) -> None:
    (tmp_path / "list").write_bytes(listed)
    (tmp_path / "mask").write_bytes(hexed)
    for name in ("list", "mask"):
        for read in (cpus_or, mask_or):
            cpus = read(tmp_path / name, CpuSet.of(1))
            assert CpuSet.parse(str(cpus)) == cpus
        int_or(tmp_path / name, 5)


UEVENTS = (
    b"add@/devices/x\0ACTION=add\0DEVPATH=/devices/x\0SUBSYSTEM=net\0INTERFACE=eth0\0SEQNUM=7\0",
    b"offline@/devices/system/cpu/cpu3\0ACTION=offline\0SUBSYSTEM=cpu\0SEQNUM=8\0",
    bytes((28, 0, 0, 0, 16, 0, 0, 0, *range(20))),
)


@fuzz(1500)
@given(accidents(*UEVENTS))
def test_netlink(data: bytes) -> None:
    assert parse_uevent(data) <= {"cpu", "device"}
    _is_link(data)
    list(attributes(data))


@fuzz(850)
@given(
    accidents(
        b"quiet isolcpus=managed_irq,domain,1-3 nohz_full=0-7:1/2 -- isolcpus=2",
        b"isolcpus=2-N nohz_full=all",
    )
)
def test_command_line(data: bytes) -> None:
    for cpus in parse_cmdline(data.decode("utf-8", "backslashreplace")).values():
        assert isinstance(cpus, CpuSet)


def _host(root: Path) -> Path:
    """A small host with everything in it."""
    spec = TreeSpec(
        nodes=2,
        isolated="3",
        nohz_full="3",
        cmdline="isolcpus=managed_irq,2",
        partitions={"a/b": ("isolated", "1")},
        uppers=(Upper("bond0", ("eth0",)),),
        devices=(
            Nic("ice", "eth0"),
            Nic("virtio_net", "eth1"),
            Disk("nvme", "nvme0"),
            Other("x", ("y",)),
        ),
        threads_running=(Threaded("irq/30-ice", "0-3", 1, 77),),
        capacity={1: 512},
    )
    make_tree(root, spec)
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host that a test leaves as it was."""
    return _host(tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host that nobody cares for."""
    return _host(tmp_path_factory.mktemp("scratch"))


def _damage_one(
    folder: Path, choice: int, seed: int, times: int, use: Callable[[Path], None]
) -> None:
    """Run with one file of the tree damaged, and put it right again."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    path = files[choice % len(files)]
    before = path.read_bytes()
    path.write_bytes(damaged(before, seed, times))
    try:
        use(path)
    finally:
        path.write_bytes(before)


@fuzz(1000)
@given(
    accidents(b"isolated\n", b"isolated invalid (x)\n", b"member\n"),
    accidents(*LISTS),
    accidents(b"0-1\n"),
)
def test_cgroups(scratch: Path, state: bytes, cpus: bytes, at_root: bytes) -> None:
    base = scratch / "sys/fs/cgroup"
    (base / "a/b/cpuset.cpus.partition").write_bytes(state)
    (base / "a/b/cpuset.cpus.effective").write_bytes(cpus)
    if len(at_root) % 2:
        (base / "cpuset.cpus.isolated").write_bytes(at_root)
    else:
        (base / "cpuset.cpus.isolated").unlink(missing_ok=True)
    for found in read_isolation(scratch).values():
        assert isinstance(found, CpuSet)


@fuzz(400)
@given(
    accidents(b"irq/30-ice\n", b"napi/eth0-8193\n"),
    accidents(b"77 (irq/30) S 2 " + b"0 " * 34 + b"3 0 0\n"),
    accidents(b"Name:\tx\nCpus_allowed_list:\t0-3\n"),
    accidents(b"77 78 \n"),
)
def test_threads(scratch: Path, comm: bytes, stat: bytes, status: bytes, children: bytes) -> None:
    for name, data in (("comm", comm), ("stat", stat), ("status", status)):
        (scratch / f"proc/77/{name}").write_bytes(data)
    (scratch / "proc/2/task/2/children").write_bytes(children)
    assert all(isinstance(thread.cpus, CpuSet) for thread in read_threads(scratch))


@fuzz(150)
@given(st.integers(0, 10**6), st.integers(0, 2**32), st.integers(1, 5))
def test_whole_host_with_one_file_damaged(folder: Path, choice: int, seed: int, times: int) -> None:
    """Only a file without which nothing can be done (the online CPUs) may make a HostError; the
    rest is done without.
    """

    def use(path: Path) -> None:
        host = KernelHost(folder)
        try:
            watch = HostTracker(host, 1.0)
            for _ in range(2):
                try:
                    snapshot = watch.look(Ledger())
                    # It goes to the policies' process so.
                    assert from_msgpack(to_msgpack(snapshot), Snapshot).irqs == snapshot.irqs
                except HostError:
                    assert path == folder / "sys/devices/system/cpu/online"
        finally:
            host.close()
        capture(folder, folder.parent / f"{folder.name}.tar.gz")

    _damage_one(folder, choice, seed, times, use)
