"""The one module that writes masks and steering.

Masks: `/proc/irq/N/smp_affinity_list` (a CPU list) and `/proc/irq/default_smp_affinity` (a hex
mask); Documentation/core-api/irq/irq-affinity.rst. Steering: `tx-N/xps_cpus`, `rx-N/rps_cpus` (hex
masks) and `rx-N/rps_flow_cnt` (entries) below `/sys/class/net/IF/queues`;
Documentation/networking/scaling.rst. `write_loop` holds the order of reading, saving and
writing, `errnos` the meaning of refusals.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.kernel.files import open_file, read_text
from irqbal.kernel.write_loop import WritableSetting
from irqbal.model.readings import DEFAULT

_Form = Literal["list", "mask", "number"]
"""How a file holds its value."""


class KernelSettings:
    """The files under one root that irqbal may write; implements `write_loop.WritableSettings`.

    In a tree of plain files the two forms of an IRQ's mask are kept in step, as the kernel does.
    """

    def __init__(self, root: Path, inode: Callable[[int], int]) -> None:
        """`inode` gives the inode of an IRQ's folder, or 0."""
        # Paths are texts: a first plan makes thousands of them.
        self._root = str(root).rstrip("/")
        self._plain = not _is_procfs(root / "proc")
        self.inode = inode

    def mask(self, irq: int) -> WritableSetting:
        """An IRQ's affinity."""
        hexed = f"{self._root}/proc/irq/{irq}/smp_affinity"
        listed = f"{hexed}_list"
        if not self._plain:
            return _FileSetting(listed, "list")
        if not _exists(listed):
            return _FileSetting(hexed, "mask", plain=True)
        return _FileSetting(listed, "list", plain=True, twin=hexed if _exists(hexed) else "")

    def default_mask(self) -> WritableSetting:
        """The affinity that new IRQs start with."""
        return _FileSetting(f"{self._root}/proc/irq/{DEFAULT}", "mask", plain=self._plain)

    def steering(self, name: str, interface: str, queue: int) -> WritableSetting:
        """XPS, RPS or RFS of one queue."""
        base = f"{self._root}/sys/class/net/{interface}/queues"
        file = {"xps": "tx-{}/xps_cpus", "rps": "rx-{}/rps_cpus", "flows": "rx-{}/rps_flow_cnt"}
        form: _Form = "number" if name == "flows" else "mask"
        path = f"{base}/{file[name].format(queue)}"
        return _FileSetting(path, form, steering=True, plain=self._plain)


class _FileSetting(msgspec.Struct, frozen=True):
    """One file. `plain`: it is no kernel's, and `twin` holds the same value as a hex mask."""

    path: str
    form: _Form
    steering: bool = False
    plain: bool = False
    twin: str = ""

    def read(self) -> str:
        """The value as a CPU list or a number; the file's own text where it is neither. Raises
        HostError.
        """
        text = read_text(self.path)
        if self.form == "number":
            return text
        try:
            return str(CpuSet.from_mask(text) if self.form == "mask" else CpuSet.parse(text))
        except ValueError:
            return text

    def write(self, value: str) -> None:
        """Write a value. Raises OSError."""
        hexed = CpuSet.parse(value).mask() if self.form == "mask" or self.twin else ""
        _write(self.path, hexed if self.form == "mask" else value, self.plain)
        if self.twin:
            _write(self.twin, hexed, self.plain)


def _is_procfs(path: Path) -> bool:
    """Whether this is the kernel's own /proc: there `self` is a link to a number."""
    try:
        return os.readlink(path / "self").isdigit()  # noqa: PTH115
    except OSError:
        return False


def _exists(path: str) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - thousands of these


def _write(path: str, text: str, plain: bool) -> None:
    """One write from the start of the file; the kernel takes a mask whole or not at all. A plain
    file is cut to length afterwards, so that no reader finds it empty.
    """
    data = f"{text}\n".encode()
    fd = open_file(path, os.O_WRONLY)
    try:
        os.write(fd, data)
        if plain:
            os.ftruncate(fd, len(data))
    finally:
        os.close(fd)
