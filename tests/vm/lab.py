"""A real Debian kernel under QEMU to try IRQ balancing on: 8 CPUs, 2 NUMA nodes, a 4-queue NIC and
an NVMe drive.

The guest's root is this machine's root, read-only over 9p with a tmpfs overlay, so Python, the
checkout and its venv are at the same paths. What the guest writes is lost at its end. It has its
own /tmp and /run; this machine's are at /host/tmp and /host/run. The overlay may not notice what
changes on this machine while the guest runs: read such files below /host.

    with Vm(prepare("6.12"), append="isolcpus=7") as vm:
        print(vm.run("cat /proc/interrupts").check().stdout)

From a shell: `python tests/vm/lab.py -c 'nproc'` or `python tests/vm/lab.py script.sh`, with
`--kernel 7.3` for another kernel than Debian 12's own.

Needs root and Debian's qemu-system-x86, busybox-static, kmod, cpio, iproute2 and ethtool (and
iperf3 for traffic). It always emulates (TCG), as nested KVM is not dependable. The emulated network
is one tap device in a network namespace of its own.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import itertools
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Literal

from vm.image import HERE, SUITES, KernelPackage, prepare
from vm.programs import VmError, VmTimeoutError, command

__all__ = [
    "DEBIANS_QEMU",
    "GUEST_ADDRESS",
    "HOST_ADDRESS",
    "GuestResult",
    "KernelPackage",
    "Vm",
    "VmError",
    "VmTimeoutError",
    "prepare",
]

DEBIANS_QEMU = ("qemu-system-x86_64",)
HOST_ADDRESS = "10.99.0.1"
GUEST_ADDRESS = "10.99.0.2"
INTERFACE = "eth0"  # there is no udev in the guest, so the kernel's own name stays
ANSWER_GRACE = 60.0  # an emulated guest on a busy machine can be this late with an answer
_STALL = "kthread timer wakeup didn't happen"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class GuestResult:
    returncode: int
    stdout: str
    stderr: str

    def check(self) -> GuestResult:
        """Itself, or an error that shows both outputs."""
        if self.returncode != 0:
            raise VmError(
                f"status {self.returncode}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"
            )
        return self


def _qemu_words(vm: Vm, channel: int) -> list[str]:
    half, many = vm.cpus // 2, vm.cpus > 32
    values: dict[str, object] = {"vm": vm, "channel": channel, "vectors": 2 * vm.queues + 2}
    values |= {"half": half, "last0": half - 1, "last1": vm.cpus - 1}
    values |= {
        "irqchip": ",kernel-irqchip=split" if many else "",
        "x2apic": ",+x2apic" if many else "",
    }
    words = shlex.split((HERE / "machine.args").read_text(), comments=True)
    return [*vm.qemu, *(word.format_map(values) for word in words), *vm.extra]


@dataclass(eq=False)
class Vm:
    """A running guest. Enter it as a context; leaving ends QEMU, everything in its namespace and
    the namespace.

    cpus: an even number, two sockets and two NUMA nodes of half each. queues: of the NIC. append:
    for the kernel's command line. extra: more words for QEMU. qemu: the words that start it.
    threads: `single` emulates all CPUs in turn. With `multi`, a CPU may run an old translation of
    code that another one has just rewritten.
    Another device needs its bus named: bus=pcie.0 is on no node; for a node, give it a root port of
    its own, "-device pcie-root-port,id=rp3,bus=n1,slot=3,chassis=3" and bus=rp3 (n0: node 0). QEMU
    ends together with the thread that entered the context, so keep that thread.
    """

    kernel: KernelPackage
    append: str = ""
    cpus: int = 8
    queues: int = 4
    extra: Sequence[str] = ()
    qemu: Sequence[str] = DEBIANS_QEMU
    threads: Literal["multi", "single"] = "multi"
    boot_timeout: float = 0  # seconds; 0 is a generous time for this many CPUs
    boot_seconds: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        if self.cpus < 2 or self.cpus % 2:
            raise ValueError("cpus must be even")
        self.boot_timeout = self.boot_timeout or 120 + 10 * self.cpus
        self.namespace = f"irqbal-vm-{os.getpid()}-{next(_numbers)}"
        self._cleanup = contextlib.ExitStack()
        self._lock = threading.Lock()
        self._buffer = b""
        self._last_id = 0

    def __enter__(self) -> Vm:
        if os.geteuid() != 0:
            raise VmError("the test machine needs root (a network namespace and a tap device)")
        for more in (2, 1, 0):
            with contextlib.ExitStack() as stack:
                started = time.monotonic()
                self._start(stack)
                try:
                    self.run("true", timeout=self.boot_timeout)
                except VmError as error:
                    # An emulated CPU now and then loses its timer for good while it is started, or
                    # QEMU itself ends with a segmentation fault.
                    died = isinstance(error.__cause__, ConnectionError)
                    if more and (died or _STALL in str(error)):
                        print(f"{error}\n{self.namespace}: booted again", file=sys.stderr)
                        continue
                    raise
                self.boot_seconds = time.monotonic() - started
                self._set_up()
                self._cleanup = stack.pop_all()
                break
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def _start(self, stack: contextlib.ExitStack) -> None:
        self.folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{self.namespace}-"))
        )
        self.console = self.folder / "console.log"
        with (self.folder / "nvme.img").open("wb") as image:
            image.truncate(256 << 20)
        stack.enter_context(_namespace(self.namespace))
        self._channel, theirs = socket.socketpair()
        stack.callback(self._channel.close)
        with theirs, (self.folder / "qemu.log").open("wb") as log:
            qemu = self._popen(_qemu_words(self, theirs.fileno()), log, (theirs.fileno(),))
        stack.callback(_end, qemu)

    def _set_up(self) -> None:
        """What needs the host's tools: the network, and this kernel's modules where modprobe looks
        for them.
        """
        folder = f"/host{self.kernel.modules}"
        self.run(
            f"hostname irqbal-vm; mkdir -p /lib/modules && ln -sfn {folder} /lib/modules/",
            self.boot_timeout,
        ).check()
        # A checkout or venv below this machine's /tmp or /run is hidden by the guest's own: show it
        # at the same path.
        for path in {str(Path(__file__).resolve().parents[2]), sys.prefix}:
            shown = f"mkdir -p {path} && mount --bind /host{path} {path}"
            self.run(
                f"[ -e {path}/pyproject.toml ] || [ -e {path}/bin/python ] || {{ {shown}; }}"
            ).check()
        self.network_up()

    def network_up(self) -> None:
        """Give the guest's NIC its address and all its queues: at the start, and again after a
        rebind of its driver.
        """
        self.run(
            f"""
            set -e
            ip link set lo up
            ip link set {INTERFACE} up
            ip addr replace {GUEST_ADDRESS}/24 dev {INTERFACE}
            ethtool -L {INTERFACE} combined {self.queues} || [ $? = 80 ]  # 80: it has that many already
            """,  # noqa: E501
            self.boot_timeout,
        ).check()

    def run(self, script: str, timeout: float = 60) -> GuestResult:
        """Run a bash script in the guest, as root, in /, with no input.

        It returns when the script ends, whatever it left running in the background. A script that
        takes longer than `timeout` is ended with its whole process group, and VmTimeoutError is
        raised.
        """
        with self._lock:
            self._last_id += 1
            number = self._last_id
            text = base64.b64encode(script.encode()).decode()
            started = time.monotonic()
            deadline = started + timeout + ANSWER_GRACE
            try:
                self._channel.settimeout(timeout + ANSWER_GRACE)
                self._channel.sendall(f"{number} {timeout:.1f} {text}\n".encode())
                result = self._answer(number, deadline)
            except OSError as error:
                raise VmError(f"no answer from the guest: {error!r}\n{self.diagnosis()}") from error
        # timeout(1) answers 124, or 137 when it had to kill; a script may use these too.
        if result.returncode in (124, 137) and time.monotonic() - started >= timeout:
            raise VmTimeoutError(
                f"not done in {timeout} s\n--- stdout\n{result.stdout}\n--- stderr\n{result.stderr}"
            )
        return result

    def _answer(self, number: int, deadline: float) -> GuestResult:
        while True:
            while b"\n" not in self._buffer:
                self._receive(deadline)
            line, _, self._buffer = self._buffer.partition(b"\n")
            answered, status, out, err = map(int, line.split())
            while len(self._buffer) < out + err:
                self._receive(deadline)
            body, self._buffer = self._buffer[: out + err], self._buffer[out + err :]
            if answered == number:  # an older answer belongs to a call that had given up
                return GuestResult(
                    status, body[:out].decode(errors="replace"), body[out:].decode(errors="replace")
                )

    def _receive(self, deadline: float) -> None:
        self._channel.settimeout(max(0.01, deadline - time.monotonic()))
        data = self._channel.recv(1 << 16)
        if not data:
            raise ConnectionResetError("QEMU has ended")
        self._buffer += data

    def diagnosis(self) -> str:
        """The end of the guest's console and of what QEMU said."""
        paths = (self.console, self.folder / "qemu.log")
        return "\n--- QEMU\n".join(
            path.read_text(errors="replace")[-4000:] for path in paths if path.exists()
        )

    def host_run(self, words: Sequence[str], timeout: float = 60) -> GuestResult:
        """Run a command of this machine in the network namespace at the other end of the guest's
        NIC.
        """
        done = subprocess.run(
            self._inside(words),
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            capture_output=True,
            check=False,
        )
        out, err = (data.decode(errors="replace") for data in (done.stdout, done.stderr))
        return GuestResult(done.returncode, out, err)

    def host_start(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command there, such as ["iperf3", "-s"], that is ended with the guest. Its output
        is dropped.
        """
        process = self._popen(words, subprocess.DEVNULL, ())
        self._cleanup.callback(_end, process)
        return process

    def _inside(self, words: Sequence[str]) -> list[str]:
        # `ip netns exec` and setpriv both become the command, so its pid is the one that Popen
        # knows; and nothing outlives a harness that was killed.
        return ["ip", "netns", "exec", self.namespace, "setpriv", "--pdeathsig", "KILL", *words]

    def _popen(
        self, words: Sequence[str], output: IO[bytes] | int, keep: tuple[int, ...]
    ) -> subprocess.Popen[bytes]:
        words = self._inside(words)
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=keep
        )


@contextlib.contextmanager
def _namespace(name: str) -> Iterator[None]:
    """A network namespace with the tap device. At the end its processes, all of them ours, are
    ended by their pids.
    """
    _sweep()
    command("ip", "netns", "add", name)
    try:
        command("ip", "-n", name, "link", "set", "lo", "up")
        command("ip", "-n", name, "tuntap", "add", "dev", "tap0", "mode", "tap", "multi_queue")
        command("ip", "-n", name, "addr", "add", f"{HOST_ADDRESS}/24", "dev", "tap0")
        command("ip", "-n", name, "link", "set", "tap0", "up")
        yield
    finally:
        for pid in command("ip", "netns", "pids", name).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        command("ip", "netns", "delete", name)


def _sweep() -> None:
    """Remove the namespaces and folders of harnesses that were killed: their names hold the pid."""
    for path in [
        *Path("/run/netns").glob("irqbal-vm-*"),
        *Path(tempfile.gettempdir()).glob("irqbal-vm-*"),
    ]:
        if Path("/proc", path.name.split("-")[2]).exists():
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            subprocess.run(
                ["ip", "netns", "delete", path.name], capture_output=True, timeout=60, check=False
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)  # so that the guest is taken down


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Boot a test machine, run a shell script in it, exit with its status."
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("script", nargs="?", type=Path, help="file with a bash script")
    what.add_argument("-c", dest="command", help="the script itself")
    parser.add_argument(
        "--append", default="", help="more for the kernel's command line, such as isolcpus=7"
    )
    parser.add_argument("--kernel", choices=SUITES, default="6.1")
    parser.add_argument("--cpus", type=int, default=8)
    parser.add_argument(
        "--timeout", type=float, default=600, help="seconds for the script, without the boot"
    )
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _leave)
    script = options.command if options.command is not None else options.script.read_text()
    kernel = prepare(options.kernel, options.cache)
    with Vm(kernel, append=options.append, cpus=options.cpus) as vm:
        print(f"booted {vm.kernel.version} in {vm.boot_seconds:.1f} s", file=sys.stderr)
        result = vm.run(script, timeout=options.timeout)
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
