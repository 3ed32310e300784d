"""An archive of a host: usable as a root, the same host, and without secrets."""

from __future__ import annotations

import errno
import os
import re
import stat
import tarfile
from pathlib import Path

import msgspec
import pytest

from archives import extract
from irqbal.cpuset import CpuSet
from irqbal.errors import HostError
from irqbal.kernel.archive import Entry, write_archive
from irqbal.kernel.capture import CaptureSummary, capture
from irqbal.kernel.host import KernelHost
from irqbal.kernel.isolation import read_isolation
from irqbal.kernel.redaction import BOOT_ID
from irqbal.model.queues import Queue
from irqbal.planner.ledger import Ledger
from irqbal.tracking.tracker import HostTracker
from trees import (
    EVERYTHING,
    HOSTS,
    Disk,
    Nic,
    Other,
    TreeSpec,
    copy_host,
    make_tree,
)


def _taken(root: Path, folder: Path) -> tuple[Path, CaptureSummary]:
    folder.mkdir()
    summary = capture(root, folder / "host.tar.gz")
    tree = folder / "tree"
    extract(folder / "host.tar.gz", tree)
    return tree, summary


def _view(root: Path) -> tuple[object, ...]:
    """All that irqbal sees of a host but for what goes on by itself: inodes, counts, and where
    interrupts went last.
    """
    host = KernelHost(root)
    try:
        census, topology = host.census(), host.topology()
        facts = [msgspec.structs.replace(one, inode=0, effective=CpuSet()) for one in census.irqs]
        threads = [msgspec.structs.replace(thread, cpu=0) for thread in topology.threads]
        queues: dict[int, Queue | None] = {
            irq.number: irq.queue for irq in HostTracker(host, 1.0).look(Ledger()).irqs
        }
    finally:
        host.close()
    isolation = read_isolation(root)
    rest = (
        census.default_affinity,
        census.skipped_rows,
        topology.cpus,
        topology.devices,
        topology.interfaces,
    )
    return (facts, threads, queues, isolation, *rest)


def _everything(root: Path) -> str:
    """Every name, link and text of a tree in one."""
    parts = []
    for path in sorted(root.rglob("*")):
        parts.append(str(path.relative_to(root)))
        if path.is_symlink():
            parts.append(str(path.readlink()))
        elif path.is_file():
            parts.append(path.read_bytes().decode("utf-8", "replace"))
    return "\n".join(parts)


def test_this_machine_comes_back(tmp_path: Path) -> None:
    before = _view(Path("/"))
    tree, summary = _taken(Path("/"), tmp_path / "a")
    if before != _view(Path("/")):
        # Somebody changed the host meanwhile: once more.
        before = _view(Path("/"))
        tree, summary = _taken(Path("/"), tmp_path / "b")
    assert _view(tree) == before
    assert summary.files > 50
    assert summary.bytes > 1000


@pytest.mark.parametrize("name", [path.name for path in sorted(HOSTS.iterdir()) if path.is_dir()])
def test_captured_hosts_come_back(name: str, tmp_path: Path) -> None:
    root = copy_host(name, tmp_path / "root")
    tree, summary = _taken(root, tmp_path / "a")
    assert _view(tree) == _view(root)
    assert summary.unreadable == ()


def test_made_up_host_comes_back(tmp_path: Path) -> None:
    make_tree(tmp_path / "root", EVERYTHING)
    tree, summary = _taken(tmp_path / "root", tmp_path / "a")
    assert _view(tree) == _view(tmp_path / "root")
    assert summary.unreadable == ()
    assert read_isolation(tree)["cgroup partition"] == CpuSet.of(6)
    host = KernelHost(tree)
    assert [
        (thread.pid, thread.irq, thread.interface, thread.cpu) for thread in host.topology().threads
    ] == [
        (77, 30, "", 2),
        (78, None, "eth0", 4),
    ]
    host.close()


def test_capture_of_a_capture_is_the_same_file(tmp_path: Path) -> None:
    tree, _ = _taken(copy_host("firecracker-2cpus", tmp_path / "root"), tmp_path / "a")
    _taken(tree, tmp_path / "b")
    data = (tmp_path / "a/host.tar.gz").read_bytes()
    assert data == (tmp_path / "b/host.tar.gz").read_bytes()
    # Nor does gzip's own header tell when.
    assert data[4:8] == b"\0\0\0\0"


def test_read_only_masks_stay_read_only(tmp_path: Path) -> None:
    made = make_tree(tmp_path / "root", TreeSpec(devices=(Disk("nvme", "nvme0"),)))
    tree, _ = _taken(tmp_path / "root", tmp_path / "a")
    for action, mode in (("nvme0q0", 0o644), ("nvme0q1", 0o444)):
        path = tree / f"proc/irq/{made.number(action)}/smp_affinity_list"
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_links_are_relative_and_lead_to_folders_of_the_tree(tmp_path: Path) -> None:
    tree, _ = _taken(Path("/"), tmp_path / "a")
    links = [path for path in tree.rglob("*") if path.is_symlink()]
    assert links
    for link in links:
        assert not link.readlink().is_absolute()
        assert link.resolve().is_relative_to(tree.resolve())
        assert link.exists()


def test_no_secrets(tmp_path: Path) -> None:
    mac, guid = "0a1b2c3d4e5f", "7870298b-8daa-4d51-84fc-1234567890ab"
    made = make_tree(
        tmp_path / "root",
        TreeSpec(
            cmdline=f"isolcpus=3 root=UUID={guid} secret=abc nr_cpus=8 isolcpus=$(x) -- threadirqs",
            partitions={f"kubepods/pod{guid}": ("isolated", "2"), "member": ("member", "1")},
            devices=(Nic("igb", f"enx{mac}"), Other("x", (f"dev@{guid}", "at 0A:1B:2C:3D:4E:5F"))),
        ),
    )
    root = tmp_path / "root"
    (root / "sys/class/net" / f"enx{mac}" / "address").write_text("0a:1b:2c:3d:4e:5f\n")
    (root / "proc/sys/kernel/hostname").write_text("somebodys-host\n")
    (root / "proc/4321").mkdir()
    (root / "proc/4321/comm").write_text("somebodys-program\n")
    (root / "proc/stat").write_text((root / "proc/stat").read_text() + "btime 1700000000\n")
    tree, _ = _taken(root, tmp_path / "a")
    everything = _everything(tree).lower()
    for word in (mac, "0a:1b", guid, "somebody", "secret", "uuid=", "kubepods", "btime", "$(x)"):
        assert word not in everything
    assert (tree / "proc/cmdline").read_text() == "isolcpus=3 nr_cpus=8\n"
    assert (tree / "proc/sys/kernel/random/boot_id").read_text() == f"{BOOT_ID}\n"
    # What was replaced is still one name everywhere, so that the NIC is found by its vectors'
    # names.
    host = KernelHost(tree)
    found = {
        irq.number: irq.queue for irq in HostTracker(host, 1.0).look(Ledger()).irqs if irq.queue
    }
    host.close()
    assert found.keys() == made.queues().keys()
    (name,) = {queue.name for queue in found.values()}
    assert re.fullmatch(r"enx0{11}\d", name)
    assert (tree / "sys/class/net" / name).is_symlink()


def test_this_machines_secrets_stay_behind(tmp_path: Path) -> None:
    tree, _ = _taken(Path("/"), tmp_path / "a")
    everything = _everything(tree)
    secrets = [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.uname().nodename]
    secrets += [path.read_text().strip() for path in Path("/sys/class/net").glob("*/address")]
    for secret in secrets:
        # A host that is called `vm` would be found in any text.
        if len(secret) > 6 and secret.strip("0:"):
            assert secret not in everything
    pids = {path.name for path in (tree / "proc").iterdir() if path.name.isdecimal()}
    assert all(
        pid == "2" or (tree / f"proc/{pid}/comm").read_text().startswith(("irq/", "napi/"))
        for pid in pids
    )


def test_uuid_in_a_devices_path_becomes_a_number(tmp_path: Path) -> None:
    """Hyper-V's devices are named so."""
    make_tree(tmp_path / "root", TreeSpec())
    real = tmp_path / "root/sys/devices/LNXSYSTM:00/7870298b-8daa-4d51-84fc-1234567890ab/net/eth0"
    real.mkdir(parents=True)
    (real / "operstate").write_text("up\n")
    (tmp_path / "root/sys/class/net").mkdir(parents=True)
    (tmp_path / "root/sys/class/net/eth0").symlink_to(real)
    tree, _ = _taken(tmp_path / "root", tmp_path / "a")
    assert (tree / "sys/class/net/eth0/operstate").read_text() == "up\n"
    assert "00000000-0000-0000-0000-000000000001" in str((tree / "sys/class/net/eth0").readlink())


def test_unreadable_files_are_left_out_and_counted(tmp_path: Path) -> None:
    make_tree(tmp_path / "root", TreeSpec(devices=(Nic("igb"),)))
    (tmp_path / "root/proc/softirqs").unlink()
    (tmp_path / "root/proc/softirqs").mkdir()
    tree, summary = _taken(tmp_path / "root", tmp_path / "a")
    assert summary.unreadable == ("proc/softirqs",)
    assert not (tree / "proc/softirqs").exists()


def test_link_that_leads_out_of_the_root_is_left_out(tmp_path: Path) -> None:
    make_tree(tmp_path / "root", TreeSpec(devices=(Nic("igb"),)))
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/operstate").write_text("secret\n")
    (tmp_path / "root/sys/class/net/evil").symlink_to(tmp_path / "outside")
    tree, summary = _taken(tmp_path / "root", tmp_path / "a")
    assert summary.unreadable == ("sys/class/net/net1",)
    assert "secret" not in _everything(tree)


def test_folder_in_place_of_a_link(tmp_path: Path) -> None:
    """Trees made by hand, or copied without links."""
    make_tree(tmp_path / "root", TreeSpec(devices=(Nic("igb"),)))
    net = tmp_path / "root/sys/class/net/veth0"
    (net / "queues/rx-0").mkdir(parents=True)
    (net / "queues/rx-0/rps_cpus").write_text("1\n")
    tree, _ = _taken(tmp_path / "root", tmp_path / "a")
    assert _view(tree) == _view(tmp_path / "root")


def test_root_may_be_a_link(tmp_path: Path) -> None:
    make_tree(tmp_path / "root", TreeSpec(devices=(Nic("igb"),)))
    (tmp_path / "link").symlink_to("root")
    tree, _ = _taken(tmp_path / "link", tmp_path / "a")
    assert _view(tree) == _view(tmp_path / "root")


def test_what_is_no_host_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no Linux host"):
        capture(tmp_path, tmp_path / "x.tar.gz")
    assert not (tmp_path / "x.tar.gz").exists()


@pytest.mark.parametrize(
    ("name", "target"), [("../evil", ""), ("/tmp/evil", ""), ("a/b", "../../evil"), ("a", "/evil")]
)
def test_archive_cannot_write_outside_of_its_folder(tmp_path: Path, name: str, target: str) -> None:
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo(name)
        if target:
            member.type, member.linkname = tarfile.SYMTYPE, target
        tar.addfile(member)
    with pytest.raises(tarfile.TarError):
        extract(tmp_path / "evil.tar.gz", tmp_path / "tree")
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "tree").exists()


def test_an_archive_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    out = tmp_path / "host.tar.gz"
    out.write_bytes(b"old")

    class Broken(dict[str, Entry]):
        def __getitem__(self, path: str) -> Entry:
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        write_archive(out, Broken({"a": Entry(0o644, b"x")}))
    assert out.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["host.tar.gz"]
