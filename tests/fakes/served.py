"""A whole daemon on a made-up host with its API, and requests to it: well-formed ones over TCP or
the socket, and raw ones.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

import machine

SPEC = "2x8,nodes=2,nic=8x2,nvme=8x1,traffic=skewed"
"""16 CPUs in two nodes, two NICs of eight queues, and an NVMe drive whose queues the kernel
owns.
"""


class Reply(msgspec.Struct, frozen=True):
    """An answer. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code; empty if there is none."""
        found: dict[str, dict[str, str]] = self.json if self.status >= 400 else {}
        return found.get("error", {}).get("code", "")


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float = 90) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Served(msgspec.Struct):
    """A daemon that runs: where it listens, and what it says."""

    pid: int
    port: int
    state: Path
    log: Path

    @property
    def socket(self) -> Path:
        """The daemon's own socket."""
        return self.state / "run/irqbal.sock"

    @property
    def admin(self) -> str:
        """The token that the daemon made for root."""
        return (self.state / "admin.token").read_text().strip()

    def connection(
        self, where: str = "127.0.0.1", timeout: float = 90
    ) -> http.client.HTTPConnection:
        """A new connection; `where` is an address, or `unix`."""
        if where == "unix":
            return UnixConnection(self.socket, timeout)
        return http.client.HTTPConnection(where, self.port, timeout=timeout)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        token: str = "",
        headers: Mapping[str, str] | None = None,
        where: str = "127.0.0.1",
    ) -> Reply:
        """One request, one connection. A body that is not bytes is sent as JSON."""
        given = dict(headers or {})
        if token:
            given["Authorization"] = f"Bearer {token}"
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            given.setdefault("Content-Type", "application/json")
        connection = self.connection(where)
        try:
            connection.request(method, path, data, given)
            return reply(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, **more: Any) -> Any:
        """The JSON of a GET over the daemon's own socket; anything but 200 is a failure."""
        found = self.ask("GET", path, where="unix", **more)
        assert found.status == 200, (path, found.body)
        return found.json

    def raw(self, data: bytes, seconds: float = 5, where: str = "127.0.0.1") -> bytes:
        """Send these very bytes, and return all that comes back until the server closes, or sends
        nothing for so many seconds after it began.
        """
        sock = socket.socket(
            socket.AF_UNIX if where == "unix" else socket.AF_INET, socket.SOCK_STREAM
        )
        with sock:
            sock.settimeout(machine.WAIT)
            sock.connect(str(self.socket) if where == "unix" else (where, self.port))
            with contextlib.suppress(ConnectionError):
                sock.sendall(data)
            first = b""
            with contextlib.suppress(ConnectionError):
                first = sock.recv(65536)
            sock.settimeout(seconds)
            return first + drain(sock)

    def masks(self) -> dict[int, str]:
        """The mask of every IRQ, as of a cycle that is run for the purpose."""
        assert self.ask("POST", "/api/v1/cycle", where="unix").status == 200
        return {irq["number"]: irq["affinity"] for irq in self.get("/api/v1/irqs")}

    def irq(self, movable: bool = True, index: int = 0) -> dict[str, Any]:
        """One of the IRQs that can, or cannot, be moved."""
        found: dict[str, Any] = self.get(f"/api/v1/irqs?movable={str(movable).lower()}")[index]
        return found

    def token(self, name: str, scope: str, expires: str = "") -> str:
        """A new token, made by the command."""
        words = [
            "token",
            "add",
            name,
            "--scope",
            scope,
            *(["--expires", expires] if expires else []),
        ]
        return machine.irqbal(*words, "-c", str(self.state.parent / "irqbal.yaml")).stdout.strip()

    def memory(self) -> int:
        """Resident memory of the daemon, in bytes."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        """Open file descriptors of the daemon."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def said(self) -> str:
        """The log so far."""
        return self.log.read_text()


def reply(response: http.client.HTTPResponse) -> Reply:
    """Read an answer whole."""
    body = response.read()
    return Reply(
        response.status, {name.lower(): value for name, value in response.getheaders()}, body
    )


def drain(sock: socket.socket) -> bytes:
    """All that comes until the other end closes, or the timeout."""
    found = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        while chunk := sock.recv(65536):
            found += chunk
    return found


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def serve(
    api: str = "",
    rest: str = "interval: 1s\nhistory: {every: 1s}\n",
    spec: str = SPEC,
    words: tuple[str, ...] = (),
    more_listen: str = "",
    wait: bool = True,
    command: tuple[str, ...] = (machine.IRQBAL,),
    root: Path | None = None,
) -> Iterator[Served]:
    """A daemon on a made-up host, ready. `api` are words of the section; `more_listen` further
    addresses, where PORT stands for its port; `command` runs irqbal in another way; `wait` until
    its own socket is there, and it has looked at the host; `root`: on this tree of files
    instead.
    """
    folder = Path(tempfile.mkdtemp(prefix="irqbal-api-"))
    # Other users' processes must reach the socket.
    folder.chmod(0o755)
    (folder / "state").mkdir(mode=0o755)
    port = free_port()
    listen = ", ".join(
        [f'"127.0.0.1:{port}"', *([more_listen.replace("PORT", str(port))] if more_listen else [])]
    )
    config = folder / "irqbal.yaml"
    section = f"{{listen: [{listen}]{', ' + api if api else ''}}}"
    config.write_text(f"state_dir: {folder / 'state'}\n{rest}api: {section}\n")
    log = folder / "log"
    try:
        on = ("--simulate", spec) if root is None else ("--root", str(root))
        with machine.daemon(*on, "-c", str(config), *words, log=log, command=command) as process:
            served = Served(process.pid, port, folder / "state", log)
            if wait:
                _wait_until_looked(served)
            yield served
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def serve_quick() -> contextlib.AbstractContextManager[Served]:
    """A daemon with three cycles a second, whose traffic is the same in every run."""
    return serve(rest="interval: 300ms\nhistory: {every: 10s}\n", spec=f"{SPEC},seed=3")


def _wait_until_looked(served: Served) -> None:
    machine.wait_for(
        lambda: served.socket.exists() and served.ask("GET", "/readyz", where="unix").status == 200,
        served.log,
    )
