"""Writing a made-up host's tree: files, folders and links, and the files about CPUs."""

from __future__ import annotations

import os
from pathlib import Path

from irqbal.cpuset import CpuSet
from treespecs import TreeSpec


class Files:
    """A folder that is used as the root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = str(folder)
        self._folders: set[str] = set()

    def text(self, path: str) -> str:
        """A file of the tree."""
        return (self.folder / path).read_text()

    def say(self, path: str, text: str) -> None:
        """Another text in a file that only the kernel writes."""
        self._write(path, text, 0o444)

    # A tree of 512 CPUs and 2049 IRQs has some 30,000 files, so these stay away from pathlib.

    def _write(self, path: str, text: str | bytes, mode: int = 0o644) -> None:
        self._folder(path.rpartition("/")[0])
        name = f"{self._root}/{path}"
        try:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        except PermissionError:
            # Root may write what cannot be written; another user is the kernel all the same.
            os.chmod(name, mode | 0o200)  # noqa: PTH101
            fd = os.open(name, os.O_WRONLY | os.O_TRUNC)
            os.fchmod(fd, mode)
        try:
            os.write(fd, text if isinstance(text, bytes) else text.encode())
        finally:
            os.close(fd)

    def _folder(self, path: str) -> None:
        if path and path not in self._folders:
            os.makedirs(f"{self._root}/{path}", exist_ok=True)  # noqa: PTH103
            self._folders.add(path)

    def _link(self, path: str, target: str) -> None:
        """A relative link; both paths count from the tree's root."""
        parent = path.rpartition("/")[0]
        self._folder(parent)
        os.symlink(os.path.relpath(target, parent), f"{self._root}/{path}")  # noqa: PTH211


class CpuFiles(Files):
    """CPUs, nodes and isolation."""

    def __init__(self, folder: Path, spec: TreeSpec) -> None:
        super().__init__(folder)
        self.spec = spec
        self.online = CpuSet.parse(spec.online) or CpuSet(range(spec.cpus))
        self.possible = CpuSet(range(spec.cpus))
        self._write_cpus()
        self._write_isolation()

    def _write_cpus(self) -> None:
        spec, base = self.spec, "sys/devices/system/cpu"
        all_cores = spec.sockets * spec.cores
        self._write(f"{base}/possible", f"{self.possible}\n")
        self._write(f"{base}/present", f"{self.possible}\n")
        share = spec.l3_cores or spec.cores
        for core in range(all_cores):
            socket, within = divmod(core, spec.cores)
            first = socket * spec.cores + within // share * share
            last = min(first + share, (socket + 1) * spec.cores)
            l3 = CpuSet(
                cpu + thread * all_cores
                for cpu in range(first, last)
                for thread in range(spec.threads)
            )
            siblings = CpuSet(core + thread * all_cores for thread in range(spec.threads))
            for cpu in siblings:
                own = f"{base}/cpu{cpu}"
                self._write(f"{own}/topology/core_cpus_list", f"{siblings}\n")
                self._write(f"{own}/topology/physical_package_id", f"{socket}\n")
                self._write(f"{own}/cache/index3/level", "3\n")
                self._write(f"{own}/cache/index3/type", "Unified\n")
                self._write(f"{own}/cache/index3/shared_cpu_list", f"{l3}\n")
                if cpu in spec.capacity:
                    self._write(f"{own}/cpu_capacity", f"{spec.capacity[cpu]}\n")
        for node in range(spec.nodes):
            self._write(f"sys/devices/system/node/node{node}/cpulist", f"{self.node_cpus(node)}\n")
        self._write_online()

    def node_cpus(self, node: int) -> CpuSet:
        """The CPUs of a node; of -1, all."""
        if node < 0:
            return self.possible
        all_cores = self.spec.sockets * self.spec.cores
        low, high = node * all_cores // self.spec.nodes, (node + 1) * all_cores // self.spec.nodes
        return CpuSet(
            core + thread * all_cores
            for core in range(low, high)
            for thread in range(self.spec.threads)
        )

    def _write_online(self) -> None:
        self._write("sys/devices/system/cpu/online", f"{self.online}\n")
        # An offline CPU's topology and caches are gone from sysfs.
        for cpu in self.possible - self.online:
            for name in ("topology", "cache"):
                here = self.folder / f"sys/devices/system/cpu/cpu{cpu}/{name}"
                if here.exists():
                    here.rename(here.with_name(f".{name}"))
        for cpu in self.online:
            for name in ("topology", "cache"):
                hidden = self.folder / f"sys/devices/system/cpu/cpu{cpu}/.{name}"
                if hidden.exists():
                    hidden.rename(hidden.with_name(name))

    def _write_isolation(self) -> None:
        spec = self.spec
        self._write("sys/devices/system/cpu/isolated", f"{spec.isolated}\n")
        if spec.nohz_full is not None:
            self._write("sys/devices/system/cpu/nohz_full", f"{spec.nohz_full}\n")
        self._write("proc/cmdline", f"BOOT_IMAGE=/vmlinuz quiet {spec.cmdline}".rstrip() + "\n")
        if not spec.partitions and spec.cpuset_isolated is None:
            return
        self._write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu memory\n")
        if spec.cpuset_isolated is not None:
            self._write("sys/fs/cgroup/cpuset.cpus.isolated", f"{spec.cpuset_isolated}\n")
        for path, (state, cpus) in spec.partitions.items():
            self._write(f"sys/fs/cgroup/{path}/cpuset.cpus.partition", f"{state}\n")
            self._write(f"sys/fs/cgroup/{path}/cpuset.cpus.effective", f"{cpus}\n")
