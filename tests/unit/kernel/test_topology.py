"""CPUs, nodes, caches, and every source of isolation."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError
from irqbal.kernel.isolation import parse_cmdline, read_isolation, read_partitions
from irqbal.kernel.topology import read_cpus, read_nodes, read_online
from trees import TreeSpec, copy_host, make_tree


def test_sockets_cores_threads_nodes_and_caches(tmp_path: Path) -> None:
    make_tree(
        tmp_path, TreeSpec(sockets=2, cores=4, threads=2, nodes=4, l3_cores=2, capacity={1: 512})
    )
    cpus = {cpu.number: cpu for cpu in read_cpus(tmp_path)}
    assert len(cpus) == 16
    assert [cpus[n].package for n in (0, 3, 4, 7, 8, 15)] == [0, 0, 1, 1, 0, 1]
    assert [cpus[n].node for n in range(16)] == [0, 0, 1, 1, 2, 2, 3, 3] * 2
    assert cpus[10].siblings == CpuSet.of(2, 10)
    assert cpus[10].core == 2
    assert [cpus[n].l3 for n in range(8)] == [0, 0, 2, 2, 4, 4, 6, 6]
    assert cpus[15].l3 == 6
    assert (cpus[1].capacity, cpus[2].capacity) == (512, 1024)


def test_offline_cpu_keeps_what_was_known_of_it(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(cores=4, threads=2, nodes=2))
    known = {cpu.number: cpu for cpu in read_cpus(tmp_path)}
    tree.set_online("0-4,6-7")
    gone = read_cpus(tmp_path, known)[5]
    assert not gone.online
    assert (gone.node, gone.core, gone.siblings) == (known[5].node, 1, CpuSet.of(1, 5))
    stranger = read_cpus(tmp_path)[5]
    assert (stranger.online, stranger.core, stranger.siblings) == (False, 5, CpuSet.of(5))
    tree.set_online("0-7")
    assert read_cpus(tmp_path, known) == tuple(known.values())


def test_offline_cpu_of_a_real_kernel(tmp_path: Path) -> None:
    root = copy_host("vm-isolcpus-offline", tmp_path)
    cpus = read_cpus(root)
    assert [cpu.number for cpu in cpus if not cpu.online] == [3]
    assert [cpu.number for cpu in cpus if cpu.isolated] == [7]
    assert [cpu.node for cpu in cpus if cpu.online] == [0, 0, 0, 1, 1, 1, 1]


def test_kernel_without_nodes(tmp_path: Path) -> None:
    assert read_nodes(tmp_path) == {}


def test_l2_is_no_l3(tmp_path: Path) -> None:
    """Where a CPU has no third level, its cores count as its own group: an L2 is shared by siblings
    alone, or by clusters.
    """
    make_tree(tmp_path, TreeSpec(cores=2))
    for cpu in (0, 1):
        (tmp_path / f"sys/devices/system/cpu/cpu{cpu}/cache/index3/level").write_text("2\n")
    assert [cpu.l3 for cpu in read_cpus(tmp_path)] == [0, 1]


@pytest.mark.parametrize("text", ["", "x", "\n", " (null)"])
def test_no_online_cpus_is_an_error(tmp_path: Path, text: str) -> None:
    make_tree(tmp_path, TreeSpec())
    (tmp_path / "sys/devices/system/cpu/online").write_text(text)
    with pytest.raises(HostError):
        read_online(tmp_path)


def test_package_minus_one_is_the_only_package(tmp_path: Path) -> None:
    """arm64 and riscv guests answer -1."""
    make_tree(tmp_path, TreeSpec(cores=1))
    (tmp_path / "sys/devices/system/cpu/cpu0/topology/physical_package_id").write_text("-1\n")
    assert read_cpus(tmp_path)[0].package == 0


# Isolation


def _isolated(folder: Path, spec: TreeSpec) -> dict[int, str]:
    make_tree(folder, spec)
    return {cpu.number: cpu.isolated for cpu in read_cpus(folder) if cpu.isolated}


def test_isolcpus_shows_in_isolated(tmp_path: Path) -> None:
    assert _isolated(tmp_path, TreeSpec(isolated="2-3")) == {2: "the kernel", 3: "the kernel"}


def test_nohz_full(tmp_path: Path) -> None:
    assert _isolated(tmp_path, TreeSpec(nohz_full="1")) == {1: "nohz_full"}


@pytest.mark.parametrize("text", ["", "  (null)", "(null)"])
def test_nohz_full_that_names_none(tmp_path: Path, text: str) -> None:
    assert _isolated(tmp_path, TreeSpec(nohz_full=text)) == {}


def test_managed_irq_leaves_isolated_empty(tmp_path: Path) -> None:
    """`isolcpus=managed_irq,3` does not isolate the scheduler's domain: only the command line tells
    of it.
    """
    assert _isolated(tmp_path, TreeSpec(cmdline="isolcpus=managed_irq,3")) == {
        3: "isolcpus=managed_irq"
    }


def test_partition_of_a_cgroup(tmp_path: Path) -> None:
    partitions = {
        "rt.slice": ("isolated", "2"),
        "rt.slice/other": ("root", "1"),
        "broken": ("isolated invalid (Cpu list in cpuset.cpus not exclusive)", "3"),
        "plain": ("member", "0"),
        "a/b/c": ("isolated", "0"),
    }
    assert _isolated(tmp_path, TreeSpec(partitions=partitions)) == {
        0: "cgroup partition",
        2: "cgroup partition",
    }


def test_newer_kernels_tell_at_the_root(tmp_path: Path) -> None:
    spec = TreeSpec(cpuset_isolated="1,3", partitions={"x": ("isolated", "2")})
    assert _isolated(tmp_path, spec) == {1: "cgroup partition", 3: "cgroup partition"}


def test_partition_whose_effective_cpus_are_empty(tmp_path: Path) -> None:
    """All of its CPUs are offline: what was asked for still counts."""
    make_tree(tmp_path, TreeSpec(partitions={"x": ("isolated", "")}))
    (tmp_path / "sys/fs/cgroup/x/cpuset.cpus").write_text("3\n")
    assert read_partitions(tmp_path / "sys/fs/cgroup") == CpuSet.of(3)


def test_v1_hierarchy_has_no_partitions(tmp_path: Path) -> None:
    make_tree(tmp_path, TreeSpec(partitions={"x": ("isolated", "2")}))
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").unlink()
    assert read_partitions(tmp_path / "sys/fs/cgroup") == CpuSet()


def test_hybrid_hierarchy_has_v2_below_unified(tmp_path: Path) -> None:
    make_tree(tmp_path, TreeSpec(partitions={"x": ("isolated", "2")}))
    (tmp_path / "sys/fs/cgroup").rename(tmp_path / "sys/fs/unified")
    (tmp_path / "sys/fs/cgroup").mkdir()
    (tmp_path / "sys/fs/unified").rename(tmp_path / "sys/fs/cgroup/unified")
    assert read_isolation(tmp_path) == {"cgroup partition": CpuSet.of(2)}


def test_first_source_names_a_cpu(tmp_path: Path) -> None:
    spec = TreeSpec(isolated="1", nohz_full="1-2", cmdline="isolcpus=domain,1 nohz_full=1-2")
    assert _isolated(tmp_path, spec) == {1: "the kernel", 2: "nohz_full"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("quiet isolcpus=7", {"isolcpus=": "7"}),
        ("isolcpus=nohz,domain,managed_irq,1-3,5", {"isolcpus=nohz,domain,managed_irq": "1-3,5"}),
        ("nohz_full=0-7:2/4", {"nohz_full=": "0-1,4-5"}),
        ("nohz_full=1 nohz_full=2", {"nohz_full=": "1-2"}),
        ("isolcpus=", {}),
        ("isolcpus=managed_irq", {}),
        ("isolcpus=lots", {}),
        ("xisolcpus=1 my.isolcpus=2", {}),
        ("init=/bin/sh -- isolcpus=3", {}),
        ("", {}),
    ],
)
def test_command_lines(text: str, found: dict[str, str]) -> None:
    assert {key: str(cpus) for key, cpus in parse_cmdline(text).items()} == found


def test_last_cpu_may_be_called_n(tmp_path: Path) -> None:
    assert _isolated(tmp_path, TreeSpec(cmdline="isolcpus=2-N")) == {2: "isolcpus=", 3: "isolcpus="}


def test_all_cpus_may_be_called_all(tmp_path: Path) -> None:
    assert set(_isolated(tmp_path, TreeSpec(cmdline="nohz_full=all"))) == {0, 1, 2, 3}


def test_number_beyond_64_bits_is_none(tmp_path: Path) -> None:
    make_tree(tmp_path, TreeSpec(capacity={0: 10**30, 1: 512}))
    assert [cpu.capacity for cpu in read_cpus(tmp_path)[:2]] == [1024, 512]


def test_hybrid_cpus_without_cpu_capacity(tmp_path: Path) -> None:
    """Efficient CPUs are slower than performance ones; where the kernel has capacities, these
    count.
    """
    tree = make_tree(tmp_path, TreeSpec(cores=4))
    for name, cpus in (("cpu_core", "0-1"), ("cpu_atom", "2-3")):
        (tree.folder / f"sys/devices/{name}").mkdir(parents=True)
        (tree.folder / f"sys/devices/{name}/cpus").write_text(f"{cpus}\n")
    found = [cpu.capacity for cpu in read_cpus(tree.folder)]
    assert found[0] == found[1] > found[2] == found[3]
    (tree.folder / "sys/devices/system/cpu/cpu2/cpu_capacity").write_text("700\n")
    assert read_cpus(tree.folder)[2].capacity == 700
