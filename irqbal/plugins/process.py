"""Starting and ending a policy host: a child of the daemon, or an instance of a systemd unit that a
connection to its socket starts.

The unit lets the daemon run without the capabilities that it would take to give a child another
user, and to kill it.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from irqbal.errors import PolicyHostError
from irqbal.plugins import bounds
from irqbal.process.systemd import unit_of

log = logging.getLogger(__name__)

SOCKET_FOLDER_VARIABLE = "IRQBAL_POLICY_HOSTS"
"""Environment variable: the folder of the sockets `planner`, `policies` and `observers`. A
connection to one starts a policy host of that kind. Unset: hosts are children.
"""

_CREDENTIALS = struct.Struct("3i")
"""struct ucred of unix(7): pid, uid, gid."""

_CLONE_NEWPID = 0x20000000
"""A PID namespace of its own, from linux/sched.h."""

HostKind = Literal["planner", "policies", "observers"]
"""What runs in a host: irqbal's own policies and the planner, strangers' policies, or observers.
Each kind has another user.
"""


class HostProcess(Protocol):
    """The process of one policy host, and the daemon's two descriptors to it."""

    sock: socket.socket
    """The channel; not blocking."""
    output_fd: int
    """Descriptor of its standard output and error, not blocking; -1: the journal has them."""

    @property
    def pid(self) -> int | None:
        """Its process id; None: not known yet."""

    def receive(self) -> bytes:
        """The bytes that wait in `sock`; empty once the process has closed it. Raises OSError."""

    def kill(self) -> None:
        """End the process; safe from any thread, and more than once."""

    def exit_reason(self, grace: float = 0.0) -> str:
        """How the process ended, in words that follow `ended`; kills it first if it is still there
        after `grace` seconds.
        """

    def close(self) -> None:
        """Close the descriptors; call `kill` before."""


def start(kind: HostKind) -> HostProcess:
    """Start a policy host, without waiting until it is ready. Raises PolicyHostError."""
    folder = os.environ.get(SOCKET_FOLDER_VARIABLE, "")
    return UnitProcess(kind, Path(folder)) if folder else ChildProcess(kind)


class ChildProcess:
    """A child of this process, which gives up root itself."""

    def __init__(self, kind: HostKind) -> None:
        ours, theirs = socket.socketpair()
        read_end, write_end = os.pipe()
        self._lock = threading.Lock()
        try:
            self._process, self._pidfd = _Launcher(
                [
                    sys.executable,
                    "-I",
                    "-m",
                    "irqbal.plugins.policy_host",
                    str(theirs.fileno()),
                    kind,
                ],
                write_end,
                theirs.fileno(),
            ).launched()
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
        """See HostProcess."""
        return self.sock.recv(bounds.CHUNK_SIZE)

    def kill(self) -> None:
        """See HostProcess. A number may be another process's by now; a pidfd never is."""
        with self._lock, contextlib.suppress(ProcessLookupError, PermissionError):
            if self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def exit_reason(self, grace: float = 0.0) -> str:
        """See HostProcess."""
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()
            return "its conversation with irqbal, and was ended"
        status = self._process.wait()
        return f"by signal {-status}" if status < 0 else f"with status {status}"

    def close(self) -> None:
        """See HostProcess."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(bounds.KILL_COMMAND_TIMEOUT)
        self.sock.close()
        os.close(self.output_fd)
        with self._lock:
            if self._pidfd >= 0:
                os.close(self._pidfd)
                self._pidfd = -1


class _Launcher(threading.Thread):
    """Starts a child, and waits until it ends.

    It is a thread, since a new PID namespace is for the children of one thread alone
    (unshare(2)), and since the kernel ends a child with the thread that started it (prctl(2),
    PR_SET_PDEATHSIG).
    """

    def __init__(self, command: Sequence[str], output: int, channel: int) -> None:
        super().__init__(name="policy host", daemon=True)
        self._command, self._output, self._channel = command, output, channel
        self._tried = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._error: OSError | None = None

    def launched(self) -> tuple[subprocess.Popen[bytes], int]:
        """Start, and return the child and a pidfd of it. Raises OSError."""
        self.start()
        self._tried.wait()
        if self._process is None:
            raise self._error or OSError("the child was not started")
        return self._process, self._pidfd

    def run(self) -> None:
        """See Thread."""
        try:
            if os.geteuid() == 0:
                # A container may forbid it: the other parts of the confinement do not need it.
                ctypes.CDLL(None).unshare(_CLONE_NEWPID)
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                pass_fds=(self._channel,),
                start_new_session=True,
                env={"LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"},
            )
            # Before anybody waits for it: its number is its own as long as it is not reaped.
            self._pidfd = os.pidfd_open(self._process.pid)
        except OSError as error:
            self._error = error
        finally:
            self._tried.set()
        if self._process is not None:
            self._process.wait()


class UnitProcess:
    """An instance of a socket-activated unit. Its process is known from the credentials that the
    kernel attaches to its first message, which it sends before it imports any plugin.
    """

    output_fd = -1

    def __init__(self, kind: HostKind, folder: Path) -> None:
        path = folder / kind
        self.sock = socket.socket(socket.AF_UNIX)
        self._kind, self._pidfd, self._unit = kind, -1, ""
        # Guards the pidfd: `kill` may come from any thread.
        self._lock = threading.Lock()
        self.pid: int | None = None
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.sock.settimeout(bounds.EXIT_GRACE)
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
        """See HostProcess."""
        if self._pidfd >= 0:
            return self.sock.recv(bounds.CHUNK_SIZE)
        data, messages, _, _ = self.sock.recvmsg(
            bounds.CHUNK_SIZE, socket.CMSG_SPACE(_CREDENTIALS.size)
        )
        for level, kind, value in messages:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                self._identify(_CREDENTIALS.unpack(value[: _CREDENTIALS.size])[0])
        return data

    def _identify(self, pid: int) -> None:
        """Open a pidfd of the sender, and look up its unit."""
        if pid <= 0:
            return
        with contextlib.suppress(OSError):
            self._pidfd = os.pidfd_open(pid)
            self.pid = pid
            self._unit = unit_of(Path(f"/proc/{pid}/cgroup"))

    def kill(self) -> None:
        """See HostProcess."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._exited_within(bounds.EXIT_GRACE):
            return
        try:
            # This works only with CAP_KILL, as in a container; irqbal's unit does not have it.
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return
        except PermissionError:
            self._kill_through_systemd()
        if not self._exited_within(bounds.EXIT_GRACE):
            log.error(
                "a policy host (process %d, %s) is stuck and could not be ended; irqbal starts "
                "another one beside it",
                self.pid,
                self._unit or "of no unit",
            )

    def _kill_through_systemd(self) -> None:
        """Let PID 1 kill the unit instance. Its name comes from systemd and is unique: it holds the
        connection's number and the daemon's process id.
        """
        if not self._unit.startswith("irqbal-"):
            return
        try:
            subprocess.run(
                ["systemctl", "kill", "--signal=SIGKILL", "--", self._unit],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=bounds.KILL_COMMAND_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            log.warning("systemctl kill %s: %s", self._unit, error)

    def _exited_within(self, seconds: float) -> bool:
        """Whether the process exits within this time. One that is not known has sent no message, so
        it has run no plugin's code and exits at its next read.
        """
        if self._pidfd < 0:
            return True
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def exit_reason(self, grace: float = 0.0) -> str:
        """See HostProcess."""
        self._exited_within(grace)
        self.kill()
        return f"(journalctl -u 'irqbal-{self._kind}@*' has more)"

    def close(self) -> None:
        """See HostProcess."""
        with self._lock:
            self.sock.close()
            if self._pidfd >= 0:
                os.close(self._pidfd)
                self._pidfd = -1
