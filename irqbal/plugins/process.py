"""How a policy host comes to be and is ended: a child of the daemon's, or a unit of systemd's own,
reached through its socket.

As a unit it needs nothing of the daemon's power: the daemon then does without the capabilities that
making a child another user, and ending it, would take.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Protocol

from irqbal.errors import PolicyHostError
from irqbal.process.systemd import unit_of

log = logging.getLogger(__name__)

FOLDER = "IRQBAL_POLICY_HOSTS"
"""Environment variable: the folder of the sockets `policies` and `observers`, behind each of which
a connection starts a policy host.
"""
GRACE = 0.5
"""Seconds in which a host that is not stuck ends by itself once the daemon hangs up."""
LEAST_PIECE = 1 << 20

_CREDENTIALS = struct.Struct("3i")

Kind = Literal["policies", "observers"]


class Process(Protocol):
    """One policy host, and the two ends that the daemon has of it."""

    sock: socket.socket
    output_fd: int
    """Descriptor of what it prints, not blocking; -1: somebody else has that."""

    @property
    def pid(self) -> int | None:
        """Its process id; None: not known yet."""

    def receive(self) -> bytes:
        """What there is to be read from `sock`; nothing once it is gone. Raises OSError."""

    def kill(self) -> None:
        """End it; safe from any thread, and more than once."""

    def exit_reason(self, grace: float = 0.0) -> str:
        """After `kill`, or when it ended by itself: how it did. `grace`: seconds in which it may
        still do so by itself.
        """

    def close(self) -> None:
        """Give its descriptors back."""


def start(kind: Kind, packages: Iterable[str]) -> Process:
    """A policy host, which takes a while to be ready. `packages`: the top-level packages that it is
    to load. Raises PolicyHostError.
    """
    folder = os.environ.get(FOLDER, "")
    return Unit(kind, Path(folder)) if folder else Child(kind, packages)


class Child:
    """A child of this process, which gives up root by itself."""

    def __init__(self, kind: Kind, packages: Iterable[str]) -> None:
        ours, theirs = socket.socketpair()
        read_end, write_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-m",
                    "irqbal.plugins.policy_host",
                    str(theirs.fileno()),
                    kind,
                    *packages,
                ],
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env={"LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"},
            )
        except OSError as error:
            ours.close()
            os.close(read_end)
            raise PolicyHostError(f"the policy host could not be started: {error}") from error
        finally:
            theirs.close()
            os.close(write_end)
        os.set_blocking(read_end, False)
        ours.setblocking(False)
        self.sock, self.output_fd = ours, read_end

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._process.pid

    def receive(self) -> bytes:
        """See Process."""
        return self.sock.recv(LEAST_PIECE)

    def kill(self) -> None:
        """See Process."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def exit_reason(self, grace: float = 0.0) -> str:
        """See Process."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self.kill()
        status = self._process.wait()
        return f"by signal {-status}" if status < 0 else f"with status {status}"

    def close(self) -> None:
        """See Process."""
        self._process.wait()
        self.sock.close()
        os.close(self.output_fd)


class Unit:
    """An instance of a socket-activated unit. Who it is the kernel tells with its first message,
    sent before it loads anything.
    """

    output_fd = -1

    def __init__(self, kind: Kind, folder: Path) -> None:
        path = folder / kind
        self.sock = socket.socket(socket.AF_UNIX)
        self._kind, self._pidfd, self._unit = kind, -1, ""
        # Guards the pidfd: `kill` may come from any thread.
        self._lock = threading.Lock()
        self.pid: int | None = None
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.sock.settimeout(GRACE)
        try:
            self.sock.connect(str(path))
        except OSError as error:
            self.sock.close()
            raise PolicyHostError(
                f"no policy host can be started through {path} ({error.strerror or error}): "
                f"systemctl start irqbal-{kind}.socket"
            ) from error
        self.sock.setblocking(False)

    def receive(self) -> bytes:
        """See Process."""
        if self._pidfd >= 0:
            return self.sock.recv(LEAST_PIECE)
        data, notes, _, _ = self.sock.recvmsg(LEAST_PIECE, socket.CMSG_SPACE(_CREDENTIALS.size))
        for level, kind, value in notes:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                self._know(_CREDENTIALS.unpack(value[: _CREDENTIALS.size])[0])
        return data

    def _know(self, pid: int) -> None:
        """Hold on to the process, and look up which unit it is of."""
        if pid <= 0:
            return
        with contextlib.suppress(OSError):
            self._pidfd = os.pidfd_open(pid)
            self.pid = pid
            self._unit = unit_of(Path(f"/proc/{pid}/cgroup"))

    def kill(self) -> None:
        """See Process."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._gone(GRACE):
            return
        try:
            # Where irqbal has the capability, as under another supervisor; the unit leaves it to
            # systemd.
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return
        except PermissionError:
            self._ask_systemd()
        if not self._gone(GRACE):
            log.error(
                "a policy host (process %d, %s) is stuck and could not be ended; irqbal starts "
                "another one beside it",
                self.pid,
                self._unit or "of no unit",
            )

    def _ask_systemd(self) -> None:
        """Have PID 1 end the unit. The name is one of systemd's own making: it holds the
        connection's number and our process id.
        """
        if not self._unit.startswith("irqbal-"):
            return
        try:
            subprocess.run(
                ["systemctl", "kill", "--signal=SIGKILL", "--", self._unit],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=10,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            log.warning("systemctl kill %s: %s", self._unit, error)

    def _gone(self, seconds: float) -> bool:
        """Whether the process ends within this time; one that never said a word has run nobody's
        code, and ends when it reads.
        """
        if self._pidfd < 0:
            return True
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def exit_reason(self, grace: float = 0.0) -> str:
        """See Process."""
        self._gone(grace)
        self.kill()
        return f"(journalctl -u 'irqbal-{self._kind}@*' has more)"

    def close(self) -> None:
        """See Process."""
        with self._lock:
            self.sock.close()
            if self._pidfd >= 0:
                os.close(self._pidfd)
                self._pidfd = -1
