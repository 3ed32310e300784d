"""The test machine's kernels, Debian's own packages, and an initramfs with what boots each; all are
made once and kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import lzma
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vm.packages import Apt, newest_kept, suite, this_machine
from vm.programs import VmError, command

HERE = Path(__file__).resolve().parent
BUSYBOX = Path("/bin/busybox")
# Loaded by the initramfs, with what they depend on. Everything else can be had with modprobe in the
# guest. virtio_net comes before the other NICs, so that its interface is eth0.
MODULES = (
    *("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"),
    *("virtio_net", "nvme", "virtio_blk", "e1000", "e1000e", "igb", "vmxnet3"),
)
SUITES = {"6.1": "", "6.12": "bookworm-backports", "7.3": "trixie-backports"}
"""Where each kernel series comes from: a suite of Debian's archive, or this machine's own apt."""


@dataclass(frozen=True)
class KernelPackage:
    series: str
    version: str
    image: Path
    initramfs: Path
    modules: Path  # the folder lib/modules/<version>, with modules.dep


def prepare(series: str = "6.1", cache: Path | None = None) -> KernelPackage:
    """Debian's kernel of a series and an initramfs for it. What is in the cache already is not made
    again: of this machine's own kernel the newest that apt knows, of the others the one that was
    downloaded first, which needs no network.
    """
    with cache_folder(cache) as folder:
        tree = _kernel_tree(series, folder)
        version = next((tree / "lib/modules").iterdir()).name
        modules = tree / "lib/modules" / version
        image = tree / f"boot/vmlinuz-{version}"
        # Since 7.x the image is among the modules.
        image = image if image.exists() else modules / "vmlinuz"
        return KernelPackage(series, version, image, _initramfs(tree, modules), modules)


@contextlib.contextmanager
def cache_folder(cache: Path | None = None) -> Iterator[Path]:
    """The folder of everything that is made once; nobody else makes anything meanwhile."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = (cache or base / "irqbal-vm").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _kernel_tree(series: str, cache: Path) -> Path:
    """The folder of a kernel's files, made if it is not there."""
    if SUITES[series]:
        kept = newest_kept(cache, f"linux-image-{series}.*")
        if kept is not None:
            return kept
        apt = suite(SUITES[series], cache)
        apt.update()
    else:
        apt = this_machine()
    package = _image_package(apt, series)
    tree = cache / f"{package}_{apt.version(package).replace(':', '%')}"
    if not tree.is_dir():
        # Since 7.x the image package has only dependencies: its binary, its modules and its base.
        release = package.removeprefix("linux-image-")
        parts = [name for name in apt.depends(package) if name.endswith(f"-{release}")]
        apt.unpack([package, *parts], tree, _finish)
    return tree


def _image_package(apt: Apt, series: str) -> str:
    offered = [name for name in apt.depends("linux-image-amd64") if name.startswith("linux-image-")]
    for name in offered:
        if name.startswith(f"linux-image-{series}."):
            return name
    raise VmError(
        f"{apt.name} has no Linux {series} but {' '.join(offered) or 'none'}: run apt-get update, "
        "or name another suite in tests/vm/image.py"
    )


def _finish(files: Path) -> None:
    """What a package leaves to the machine on which it is installed."""
    if not (files / "lib").exists():
        (files / "lib").symlink_to("usr/lib")
    modules = next((files / "lib/modules").iterdir())
    command("depmod", "-b", files, modules.name)


def _module_files(modules: Path) -> list[Path]:
    """The files of MODULES and of what they need, in the order in which they can be loaded."""
    needs: dict[str, list[str]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        file, _, rest = line.partition(":")
        needs[file] = rest.split()
    by_name = {_name(file): file for file in needs}
    built_in = {_name(line) for line in (modules / "modules.builtin").read_text().split()}
    order: dict[str, None] = {}
    for name in MODULES:
        if name in by_name:
            file = by_name[name]
            order.update(dict.fromkeys([*reversed(needs[file]), file]))
        elif name not in built_in:
            raise VmError(f"this kernel has no module {name}: {modules}")
    return [modules / file for file in order]


def _name(file: str) -> str:
    return Path(file).name.split(".")[0].replace("-", "_")


def _initramfs(tree: Path, modules: Path) -> Path:
    scripts = {name: (HERE / f"{name}.sh").read_bytes() for name in ("init", "agent")}
    key = hashlib.sha256(
        repr((sorted(scripts.items()), MODULES, BUSYBOX.stat().st_mtime_ns)).encode()
    ).hexdigest()[:12]
    image = tree / f"initramfs-{key}.cpio"
    if image.exists():
        return image
    with tempfile.TemporaryDirectory(dir=tree) as folder:
        root = Path(folder) / "root"
        (root / "bin").mkdir(parents=True)
        (root / "modules").mkdir()
        shutil.copy(BUSYBOX, root / "bin/busybox")
        (root / "init").write_bytes(scripts["init"])
        (root / "init").chmod(0o755)
        (root / "agent.sh").write_bytes(scripts["agent"])
        for number, file in enumerate(_module_files(modules)):
            data = lzma.decompress(file.read_bytes()) if file.suffix == ".xz" else file.read_bytes()
            (root / f"modules/{number:03}-{file.name.split('.')[0]}.ko").write_bytes(data)
        made = Path(folder) / "cpio"
        command("sh", "-c", f"find . | cpio --quiet -o -H newc > {made}", cwd=root)
        made.rename(image)
    return image
