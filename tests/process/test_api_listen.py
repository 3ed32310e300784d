"""Where the API listens: what is refused at the start, what is tried again, TLS, reloads, and the
socket that belongs to one daemon.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from certificates import NEW_EC, openssl
from irqbal.addresses import TcpAddress, parse_listen
from irqbal.api.http import listeners
from irqbal.config.reader import parse
from irqbal.errors import ConfigError
from machine import IRQBAL, irqbal, wait_for
from served import Served, free_port, serve

REFUSED = {
    "listen: ['0.0.0.0:8080']": "is reached from other hosts",
    "listen: ['[::]:8080']": "is reached from other hosts",
    "listen: ['192.0.2.1:8080']": "is reached from other hosts",
    "listen: ['example.org:8080']": "is reached from other hosts",
    "listen: ['127.0.0.1']": "is not an address",
    "listen: ['127.0.0.1:']": "is not an address",
    "listen: ['127.0.0.1:http']": "is not an address",
    "listen: ['127.0.0.1:65536']": "is not an address",
    "listen: ['::1:8080']": "is not an address",
    "listen: ['unix:irqbal.sock']": "must be absolute",
    f"listen: ['unix:/{'x' * 110}']": "at most 102 bytes",
    "anonymous: override": "writing without a token is not safe",
    "anonymous: admin": "writing without a token is not safe",
    "anonymous_remote: override": "writing without a token is not safe",
    "anonymous: everybody": "anonymous",
    "irq_manager_writes: always": "irq_manager_writes",
    "tls: {cert: /x}": "key",
    "listne: []": "listen",
}


@pytest.mark.parametrize("section", REFUSED)
def test_a_section_that_is_not_safe_or_not_understood_is_refused_with_line_and_reason(
    section: str,
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"interval: 1s\napi: {{{section}}}\n", "x.yaml")
    assert any(
        text.startswith("x.yaml:2: api") and REFUSED[section] in text
        for text in caught.value.problems
    ), caught.value.problems


SAFE = [
    "",
    "insecure: true, listen: ['0.0.0.0:80'], anonymous: admin",
    "listen: ['[::1]:1', '127.9.9.9:1', 'localhost:1']",
    "listen: []",
    "listen: ['0.0.0.0:1'], tls: {cert: /x, key: /y}",
    "anonymous: none",
]


@pytest.mark.parametrize("section", SAFE)
def test_a_section_that_is_safe_or_declared_insecure_is_accepted(section: str) -> None:
    parse(f"api: {{{section}}}\n", "x.yaml")


def test_addresses() -> None:
    assert parse_listen("[::1]:80") == TcpAddress("::1", 80)
    assert parse_listen("127.0.0.1:0") == TcpAddress("127.0.0.1", 0)
    assert parse_listen("unix:/run/x") is None


def test_a_daemon_does_not_start_on_a_section_that_is_not_safe(tmp_path: Path) -> None:
    config = tmp_path / "x.yaml"
    config.write_text(f"state_dir: {tmp_path / 's'}\napi: {{listen: ['0.0.0.0:1']}}\n")
    done = irqbal("daemon", "--simulate", "1x2", "-c", str(config), check=2)
    assert f"{config}:2: api" in done.stderr and "insecure: true" in done.stderr
    config.write_text(
        f"state_dir: {tmp_path / 's'}\napi: {{tls: {{cert: /nothing, key: /here}}}}\n"
    )
    done = irqbal("daemon", "--simulate", "1x2", "-c", str(config), check=2)
    assert "/nothing" in done.stderr and "cannot be used" in done.stderr


def test_a_taken_port_does_not_stop_balancing_and_is_retried() -> None:
    script = (
        f"import irqbal.api.http.listeners as it; it.RETRY = {listeners.RETRY / 20}; from "
        "irqbal.cli.main import main; main()"
    )
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with serve(
            more_listen=f'"127.0.0.1:{port}"',
            command=(str(Path(IRQBAL).with_name("python")), "-c", script),
        ) as served:
            assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in served.said()
            wait_for(lambda: served.get("/api/v1/status")["state"] == "balancing", served.log)
            other.close()
            wait_for(
                lambda: f"the dashboard listen on 127.0.0.1:{port}" in served.said(), served.log
            )
            assert Served(0, port, served.state, served.log).ask("GET", "/healthz").status == 200


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    names = ("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    openssl(*NEW_EC.split(), "-keyout", key, "-out", cert, *names)
    return cert, key


def _over_tls(
    port: int, ca: Path, path: str = "/healthz", least: ssl.TLSVersion | None = None
) -> tuple[int, bytes, str]:
    """(status, body, the certificate's name)."""
    context = ssl.create_default_context(cafile=str(ca))
    if least is not None:
        context.minimum_version = context.maximum_version = least
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert connection.sock is not None
    certificate: Any = connection.sock.getpeercert()
    body = answer.read()
    connection.close()
    return answer.status, body, dict(item[0] for item in certificate["subject"])["commonName"]


def test_tls_and_a_new_certificate_with_a_reload(tmp_path: Path) -> None:
    cert, key = _certificate(tmp_path, "first")
    with serve(f"tls: {{cert: {cert}, key: {key}}}", more_listen='"[::1]:PORT"') as served:
        assert _over_tls(served.port, cert)[::2] == (200, "first")
        assert _over_tls(served.port, cert, least=ssl.TLSVersion.TLSv1_3)[0] == 200
        assert served.get("/api/v1/status")["state"] == "balancing", "the Unix socket stays plain"
        # Who speaks plain HTTP to it gets nothing, and neither holds anything up.
        assert b"irqbal" not in served.raw(
            b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n", 2
        )
        with socket.create_connection(("127.0.0.1", served.port), 5):
            assert _over_tls(served.port, cert)[0] == 200
        (folder := tmp_path / "new").mkdir()
        new, new_key = _certificate(folder, "second")
        cert.write_bytes(new.read_bytes())
        key.write_bytes(new_key.read_bytes())
        os.kill(served.pid, signal.SIGHUP)
        wait_for(lambda: served.said().count("reload: balancing") == 1, served.log)
        assert _over_tls(served.port, new)[::2] == (200, "second")
        key.write_text("no key")
        os.kill(served.pid, signal.SIGHUP)
        wait_for(lambda: "the API goes on as before" in served.said(), served.log)
        assert _over_tls(served.port, new)[::2] == (200, "second")
        assert "Traceback" not in served.said()


def test_a_reload_moves_the_listeners_and_keeps_the_socket() -> None:
    with serve() as served:
        new = free_port()
        config = served.state.parent / "irqbal.yaml"
        text = config.read_text()
        events = served.connection()
        events.request("GET", "/api/v1/events")
        stream = events.getresponse()
        assert stream.status == 200
        config.write_text(
            text.replace(f"127.0.0.1:{served.port}", f"127.0.0.1:{new}").replace(
                "api: {", "api: {anonymous: none, "
            )
        )
        began = time.monotonic()
        os.kill(served.pid, signal.SIGHUP)
        wait_for(lambda: served.said().count("reload: balancing") == 1, served.log)
        assert time.monotonic() - began < 40
        with contextlib.suppress(http.client.IncompleteRead):
            stream.read()
        stream.close()
        events.close()
        moved = Served(served.pid, new, served.state, served.log)
        assert moved.ask("GET", "/api/v1/status").status == 401, "the new rules count"
        assert moved.ask("GET", "/healthz").status == 200
        with pytest.raises(ConnectionRefusedError):
            served.ask("GET", "/healthz")
        assert served.get("/api/v1/status")["state"] == "balancing"
        moved.ask("GET", "/api/v1/status", token="wrong")
        assert (
            "irqbal_auth_failures_total 1.0"
            in served.ask("GET", "/metrics", where="unix").body.decode()
        )


def test_a_reload_with_a_section_that_is_not_safe_changes_nothing() -> None:
    with serve() as served:
        config = served.state.parent / "irqbal.yaml"
        config.write_text(config.read_text().replace("api: {", "api: {anonymous: admin, "))
        os.kill(served.pid, signal.SIGHUP)
        wait_for(lambda: "the old one goes on" in served.said(), served.log)
        assert served.ask("POST", "/api/v1/cycle").status == 401


def test_two_daemons_do_not_take_each_others_socket() -> None:
    with serve() as first:
        path = first.socket
        inode = path.stat().st_ino
        with serve(more_listen=f'"unix:{path}"') as second:
            assert "another process listens there" in second.said()
            assert second.get("/api/v1/status")["state"] == "balancing"
            assert (
                path.stat().st_ino == inode
                and first.get("/api/v1/status")["started"]
                != second.get("/api/v1/status")["started"]
            )
        assert path.stat().st_ino == inode, "nor when it ends"
        # A second one on the same state does not start at all.
        config = str(first.state.parent / "irqbal.yaml")
        done = irqbal("daemon", "--simulate", "1x2", "-c", config, check=4)
        assert (
            f"pid {first.pid}" in done.stderr
            and first.get("/api/v1/status")["state"] == "balancing"
        )
    assert not path.exists(), "the socket goes with its daemon"


def test_a_socket_that_a_killed_daemon_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    with serve(more_listen=f'"unix:{path}"') as served:
        wait_for(lambda: path.stat().st_mode & 0o777 == 0o666, served.log)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b" 200 " in sock.recv(100)
    assert not path.exists()


def test_a_listener_that_does_not_accept_does_not_delay_the_start(tmp_path: Path) -> None:
    path = tmp_path / "deaf.sock"
    with socket.socket(socket.AF_UNIX) as deaf, socket.socket(socket.AF_UNIX) as waiting:
        deaf.bind(str(path))
        deaf.listen(0)
        waiting.connect(str(path))
        with serve(more_listen=f'"unix:{path}"') as served:
            assert served.get("/api/v1/status")["state"] == "balancing"
            assert f"cannot listen on unix:{path}" in served.said()


def test_a_file_that_is_no_socket_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("do not delete")
    with serve(more_listen=f'"unix:{path}"') as served:
        assert f"cannot listen on unix:{path}" in served.said()
    assert path.read_text() == "do not delete"


def test_a_history_that_is_damaged_or_gone_is_a_503_with_a_reason() -> None:
    with serve() as served:
        wait_for(
            lambda: bool(served.get("/api/v1/cpus/history?start=1h&step=1m")["points"]),
            served.log,
        )
        for file in served.state.glob("history.sqlite*"):
            file.write_bytes(b"x" * file.stat().st_size)
        for path in (
            "/api/v1/decisions",
            "/api/v1/cpus/history",
            "/devices/eth0/",
            "/api/v1/irqs/24/history",
        ):
            found = served.ask("GET", path, where="unix")
            assert found.status in (200, 404, 409, 503), (path, found.body)
            assert json.loads(found.body)
        assert served.get("/api/v1/status")["state"] == "balancing"
        assert "Traceback" not in served.said()


def test_status_log_and_systemd_name_a_simulated_host() -> None:
    """A demonstration is recognisable as one, and names its dashboard, its token and its files."""
    with serve(spec="1x2,nic=2x1") as served:
        spec = served.get("/api/v1/status")["simulated"]
        assert spec.startswith("1x2x1,nodes=1,nic=2x1") and "busy=30%" in spec
        said = served.said()
        assert f"on a made-up host ({spec})" in said
        assert f"the API and the dashboard listen on 127.0.0.1:{served.port}" in said
        assert f"an admin's token is in {served.state / 'admin.token'}" in said
        refused = served.ask("POST", "/api/v1/pause")
        assert refused.status == 401 and str(served.state / "admin.token") in refused.body.decode()
