"""The test machine's kernel, Debian's own package, and an initramfs with what boots it; both are
made once and kept.
"""

from __future__ import annotations

import fcntl
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUSYBOX = Path("/bin/busybox")
# Loaded by the initramfs, with what they depend on. Everything else can be had with modprobe in the
# guest.
MODULES = (
    *("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"),
    *("virtio_net", "nvme", "virtio_blk", "e1000e", "vmxnet3"),
)


class VmError(RuntimeError):
    """The guest could not be built, booted or talked to."""


class VmTimeoutError(VmError):
    """A script ran longer than it was allowed to; it was ended."""


@dataclass(frozen=True)
class KernelPackage:
    version: str
    image: Path
    initramfs: Path
    modules: Path  # the folder lib/modules/<version>, with modules.dep


def prepare(cache: Path | None = None) -> KernelPackage:
    """Debian's newest kernel package and an initramfs for it. What is in the cache already is not
    made again.
    """
    cache = (
        cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "irqbal-vm"
    ).resolve()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        package, package_version = _newest_package()
        tree = cache / f"{package}_{package_version.replace(':', '%')}"
        if not tree.is_dir():
            _unpack(package, package_version, tree)
        version = next((tree / "lib/modules").iterdir()).name
        modules = tree / "lib/modules" / version
        return KernelPackage(
            version, tree / f"boot/vmlinuz-{version}", _initramfs(tree, modules), modules
        )


def command(*words: str | Path, cwd: Path | None = None, timeout: float = 120) -> str:
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            timeout=timeout,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise VmError(f"{words[0]} is not installed (see the top of tests/vm/lab.py)") from error
    if done.returncode != 0:
        raise VmError(
            f"{' '.join(map(str, words))}: status {done.returncode}\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def _newest_package() -> tuple[str, str]:
    depends = command("apt-cache", "depends", "linux-image-amd64")
    package = re.search(r"Depends: (linux-image-\S+)", depends)
    shown = command("apt-cache", "show", "--no-all-versions", package[1]) if package else ""
    version = re.search(r"^Version: (\S+)", shown, re.MULTILINE)
    if package is None or version is None:
        raise VmError("apt knows no linux-image-amd64: run apt-get update")
    return package[1], version[1]


def _unpack(package: str, version: str, tree: Path) -> None:
    """Fill `tree` with the package's files; it appears only when it is complete."""
    with tempfile.TemporaryDirectory(dir=tree.parent) as folder:
        for attempt in range(4):
            try:
                command(
                    "apt-get", "download", f"{package}={version}", cwd=Path(folder), timeout=300
                )
                break
            except (VmError, subprocess.TimeoutExpired):
                if attempt == 3:
                    raise
                time.sleep(2 * (attempt + 1))
        files = Path(folder) / "files"
        command("dpkg", "-x", next(Path(folder).glob("*.deb")), files)
        modules = next((files / "lib/modules").iterdir())
        command(
            "depmod", "-b", files, modules.name
        )  # the package leaves this to its install script
        files.rename(tree)


def _module_files(modules: Path) -> list[Path]:
    """The files of MODULES and of what they need, in the order in which they can be loaded."""
    needs: dict[str, list[str]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        file, _, rest = line.partition(":")
        needs[file] = rest.split()
    by_name = {Path(file).name.split(".")[0].replace("-", "_"): file for file in needs}
    order: dict[str, None] = {}
    for name in MODULES:
        if name in by_name:  # else it is built into this kernel
            file = by_name[name]
            order.update(dict.fromkeys([*reversed(needs[file]), file]))
    return [modules / file for file in order]


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
