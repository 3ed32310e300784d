"""A bare Debian (12, unless another suite is named) in a folder, for tests of what a person's
machine lacks: made by debootstrap from the mirror that this machine uses.

Commands run in it as they would on a machine of its own, with namespaces for mounts and processes:
what they start ends with them, and what they mount nobody else sees. The kernel, and so its IRQs,
is this machine's.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent.parent
SUITE = "bookworm"
UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
ENTER = """
set -e
# The root of a mount, as a machine's is: programs that change mounts in turn take no other.
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount -t sysfs sys "$1/sys"
mount --rbind /dev "$1/dev"
root=$1
shift
exec chroot "$root" /usr/bin/env -i "$@"
"""
"""The first word is the folder; what follows are variables and the command."""
BOOT = """
set -e
root=$1
shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
# systemd would set the kernel up for all: only what irqbal writes, /proc/irq, may be written.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sys "$root/sys"
mount -t tmpfs -o mode=755 none "$root/dev"
for name in null zero full random urandom tty; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
for name in fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -s "${name#*:}" "$root/dev/${name%%:*}"; done
mount -t tmpfs -o mode=755 none "$root/run"
for name in tmp dev/shm; do mount -t tmpfs -o mode=1777 none "$root/$name"; done
mount -t tmpfs none "$root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
exec chroot "$root" /usr/bin/env -i "$@"
"""  # noqa: E501
"""A machine that systemd runs, as in a container."""
UNCONDITIONAL = "etc/systemd/system/irqbal.service.d/container.conf"
"""The unit does not start in containers, which have no IRQs to themselves; this one borrows the
machine's.
"""
POLICY = (
    "#!/bin/sh\n# The kernel's IRQs are somebody else's: no service starts by being "
    "installed, irqbalance above all.\nexit 101\n"
)


class Bare:
    """A root folder of its own. Removed by whoever gave the folder."""

    def __init__(self, folder: Path, suite: str = SUITE) -> None:
        self.root = folder / "root"
        self._init = 0
        # Hard links would let one test change another's files.
        subprocess.run(
            ["cp", "-a", "--reflink=auto", _base(folder.parent, suite), self.root], check=True
        )
        self._env = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
            **_pip(self.root),
        }

    def words(self, script: str, **env: str) -> list[str]:
        """The command that runs a script in here, for whoever wants to start it himself."""
        within = [
            *(f"{name}={value}" for name, value in {**self._env, **env}.items()),
            "sh",
            "-euc",
            script,
        ]
        if self._init:
            spaces = ["nsenter", f"--target={self._init}", "--mount", "--pid", "--cgroup", "--uts"]
            return [*spaces, "chroot", str(self.root), "/usr/bin/env", "-i", *within]
        return [*UNSHARE, "sh", "-c", ENTER, "sh", str(self.root), *within]

    @contextlib.contextmanager
    def booted(self) -> Iterator[None]:
        """Meanwhile systemd runs in here, and what is run is run beside its services. It must be
        installed.
        """
        words = [
            *UNSHARE,
            "--cgroup",
            "--uts",
            "sh",
            "-c",
            BOOT,
            "sh",
            str(self.root),
            "container=lxc",
            f"PATH={self._env['PATH']}",
        ]
        (self.root / UNCONDITIONAL).parent.mkdir(parents=True, exist_ok=True)
        (self.root / UNCONDITIONAL).write_text("[Unit]\nConditionVirtualization=\n")
        process = subprocess.Popen(
            [*words, "/lib/systemd/systemd", "--show-status=0"], stdin=subprocess.DEVNULL
        )
        try:
            end = time.monotonic() + 60
            while not re.search(
                "running|degraded",
                self.run("systemctl is-system-running", check=None) if self._init else "",
            ):
                assert process.poll() is None and time.monotonic() < end, "systemd does not come up"
                time.sleep(0.2)
                self._init = _child(process.pid)
            yield
        finally:
            self._init = 0
            process.kill()
            process.wait()

    def run(self, script: str, timeout: float = 600, check: int | None = 0, **env: str) -> str:
        """What a script wrote, and its errors; it must end with this status."""
        done = subprocess.run(
            self.words(script, **env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout,
            errors="replace",
        )
        assert check is None or done.returncode == check, (
            f"{script}\nended with {done.returncode}\n{done.stdout[-6000:]}"
        )
        return done.stdout

    def install(self, *packages: str) -> None:
        """Packages of Debian; given three tries, since a mirror may falter."""
        words = (
            "apt-get update -qq && apt-get install -y -qq --no-install-recommends "
            f"{' '.join(packages)}"
        )
        self.run(f"for try in 1 2 3; do {words} && exit 0; sleep 5; done; exit 1")

    def copy_source(self, place: str) -> Path:
        """The checkout as it is now, without what git does not know; its path outside."""
        known = subprocess.run(
            ["git", "-C", TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in filter(None, known.split("\0")):
            if not (TOP / name).is_symlink() and not (TOP / name).exists():
                continue  # deleted, and not yet committed
            target = self.root / place.lstrip("/") / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, target, follow_symlinks=False)
        return self.root / place.lstrip("/")


@contextlib.contextmanager
def bare_debian(factory: pytest.TempPathFactory, suite: str = SUITE) -> Iterator[Bare]:
    """One that nobody has changed yet. It grows to half a gigabyte and more, so it goes at the
    end.
    """
    folder = factory.mktemp("bare")
    try:
        yield Bare(folder, suite)
    finally:
        shutil.rmtree(folder)


def _child(pid: int) -> int:
    """The first process of the namespace; 0 before systemd is what runs in it."""
    for found in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if Path(f"/proc/{found}/comm").read_text().strip() == "systemd":
            return int(found)
    return 0


def mirror() -> str:
    """Where this machine has Debian's packages from."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    text = "\n".join(
        path.read_text() for path in files if path.suffix in (".list", ".sources") and path.exists()
    )
    found = re.search(rf"^URIs: *(\S+)\nSuites: *{SUITE}\b", text, re.M) or re.search(
        rf"^deb +(?:\[.*?\] +)?(\S+) +{SUITE} ", text, re.M
    )
    return found[1] if found else "http://deb.debian.org/debian"


@functools.cache
def _base(folder: Path, suite: str) -> Path:
    """Made once; every test has a copy."""
    base = folder / f"debian-{suite}"
    script = (
        f"for try in 1 2 3; do rm -rf {base}; debootstrap --variant=minbase {suite} {base} "
        f"{mirror()} && exit 0; sleep 5; done; exit 1"
    )
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (base / "usr/sbin/policy-rc.d").write_text(POLICY)
    (base / "usr/sbin/policy-rc.d").chmod(0o755)
    for name in ("/etc/resolv.conf", "/etc/hosts"):
        shutil.copy(name, base / name.lstrip("/"))
    for path in Path("/etc/apt/apt.conf.d").glob("*prox*"):
        shutil.copy(path, base / "etc/apt/apt.conf.d")
    # Debian's certificates, once installed, are joined by these.
    shutil.copytree(
        "/usr/local/share/ca-certificates",
        base / "usr/local/share/ca-certificates",
        dirs_exist_ok=True,
    )
    return base


def _pip(root: Path) -> dict[str, str]:
    """How pip reaches its index from this machine: an index, a proxy, a certificate of its own."""
    wanted = re.compile(r"PIP_(INDEX_URL|TRUSTED_HOST|PROXY|CERT)|https?_proxy")
    found = {name: value for name, value in os.environ.items() if wanted.fullmatch(name)}
    config = Path("/etc/pip.conf")
    certificates = [Path(found["PIP_CERT"])] if "PIP_CERT" in found else []
    if config.exists():
        shutil.copy(config, root / "etc/pip.conf")
        certificates += [
            Path(name) for name in re.findall(r"^cert *= *(\S+)", config.read_text(), re.M)
        ]
    for path in certificates:
        target = root / str(path).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return found
