"""Tokens, TLS and listening over a restart: what `irqbal-client` does where it is not simply let
in.
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import machine
import served
from calls import CLIENT, Done, call
from certificates import NEW_EC, openssl
from irqbal.client import access
from irqbal.client.http import Client, Target
from irqbal.wire import Moment


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority of our own, and a certificate for localhost that it signed."""
    folder = tmp_path_factory.mktemp("keys")

    def new(subject: str, words: str) -> None:
        openssl(*NEW_EC.split(), "-subj", f"/CN={subject}", *words.split(), folder=folder)

    new("ours", "-keyout ca.key -out ca.pem -addext keyUsage=critical,keyCertSign,cRLSign")
    new("another", "-keyout other.key -out other.pem")
    new(
        "localhost",
        "-keyout key.pem -out cert.pem -CA ca.pem -CAkey ca.key "
        "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 "
        "-addext basicConstraints=critical,CA:FALSE -addext authorityKeyIdentifier=keyid",
    )
    return folder


@pytest.fixture(scope="module")
def daemon(keys: Path) -> Iterator[served.Served]:
    """With TLS on TCP."""
    with served.serve(api=f"tls: {{cert: {keys / 'cert.pem'}, key: {keys / 'key.pem'}}}") as found:
        yield found


@pytest.fixture(autouse=True)
def no_token_of_this_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(access, "ADMIN_TOKEN", tmp_path / "none")


def tls(daemon: served.Served, keys: Path, *words: str, env: dict[str, str] | None = None) -> Done:
    return call("localhost", str(daemon.port), "--ca", str(keys / "ca.pem"), *words, env=env)


# TLS


def test_tls_with_an_authority_of_our_own(daemon: served.Served, keys: Path) -> None:
    assert tls(daemon, keys, "status").status == 0
    assert call(
        "--tls", "localhost", str(daemon.port), "status", "--ca", str(keys / "ca.pem"), "-o", "json"
    ).json["host"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tls"], "its certificate is not trusted"),
        (["--ca", "other.pem"], "its certificate is not trusted"),
        (["--ca", "ca.key"], "cannot be used"),
        ([], "speaks TLS, and plain HTTP was sent: it was not answered; add --tls"),
    ],
)
def test_a_server_that_cannot_be_checked_is_not_asked(
    daemon: served.Served, keys: Path, words: list[str], said: str
) -> None:
    filled = [str(keys / word) if "." in word else word for word in words]
    done = call("localhost", str(daemon.port), *filled, "status")
    assert (done.status, done.out) == (3, "")
    assert said in done.err


@pytest.fixture(scope="module")
def plain_daemon() -> Iterator[served.Served]:
    """Without TLS."""
    with served.serve() as found:
        yield found


@pytest.mark.parametrize("words", ["status", "watch", "override list"])
def test_tls_to_a_server_of_plain_http_fails_at_once(
    plain_daemon: served.Served, words: str
) -> None:
    started = time.monotonic()
    done = call("127.0.0.1", str(plain_daemon.port), "--tls", "--timeout", "600", *words.split())
    # A second is seen; the timeout would be ten minutes.
    assert time.monotonic() - started < 30
    assert (done.status, done.out) == (3, "")
    assert done.err == (
        f"irqbal-client: the server at 127.0.0.1:{plain_daemon.port} speaks plain HTTP, and TLS "
        "was asked for: nothing was sent; leave --tls and --ca out\n"
    )


def test_plain_http_to_a_server_of_tls_fails_at_once_for_a_stream_too(
    daemon: served.Served,
) -> None:
    done = call("localhost", str(daemon.port), "--timeout", "600", "watch")
    assert (done.status, done.out) == (3, "")
    assert "speaks TLS, and plain HTTP was sent" in done.err
    assert "Check that the daemon runs" not in done.err


def test_a_server_that_is_slow_to_shake_hands_is_waited_for(keys: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys / "cert.pem", keys / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            first, _ = server.accept()
            # The client asks meanwhile whether this is plain HTTP.
            other, _ = server.accept()
            other.recv(100)
            other.close()
            with context.wrap_socket(first, server_side=True) as tls:
                tls.recv(65536)
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = str(server.getsockname()[1])
        done = call("localhost", port, "--ca", str(keys / "ca.pem"), "override", "list")
        thread.join(5)
    assert (done.status, done.err) == (0, "")


# Tokens


def test_without_a_token_reading_goes_and_writing_does_not(
    daemon: served.Served, keys: Path
) -> None:
    done = tls(daemon, keys, "pause")
    assert done.status == 1
    assert "this needs a token with the scope admin" in done.err
    assert "IRQBAL_TOKEN" in done.err


def test_a_token_by_file_and_by_environment_and_the_file_wins(
    daemon: served.Served, keys: Path, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(daemon.admin + "\n")
    assert tls(daemon, keys, "pause", "--token-file", str(file)).status == 0
    assert tls(daemon, keys, "resume", env={"IRQBAL_TOKEN": daemon.admin}).status == 0
    assert (
        tls(daemon, keys, "resume", "--token-file", str(file), env={"IRQBAL_TOKEN": "wrong"}).status
        == 0
    )
    wrong = tls(daemon, keys, "resume", env={"IRQBAL_TOKEN": "wrong"})
    assert wrong.status == 1
    assert "not valid" in wrong.err
    lesser = tls(daemon, keys, "resume", env={"IRQBAL_TOKEN": daemon.token("reader", "read")})
    assert lesser.status == 1
    assert "token reader has the scope read" in lesser.err


@pytest.mark.parametrize("text", ["", "two words", "tökén", "a\r\nX-Evil: 1"])
def test_a_file_that_holds_no_token_is_a_mistake(text: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    done = call("localhost", "1", "status", "--token-file", str(file))
    assert done.status == 2
    assert str(file) in done.err


def test_root_finds_the_local_token_by_itself(
    daemon: served.Served, keys: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(access, "ADMIN_TOKEN", daemon.state / "admin.token")
    assert tls(daemon, keys, "pause").status == 0
    assert tls(daemon, keys, "resume").status == 0
    stale = tmp_path / "stale"
    stale.write_text("of-another-daemon")
    monkeypatch.setattr(access, "ADMIN_TOKEN", stale)
    assert tls(daemon, keys, "status").status == 0
    done = tls(daemon, keys, "pause")
    assert done.status == 1
    # What the daemon said first tells what to do.
    assert "this needs a token with the scope admin" in done.err


def test_the_local_token_is_for_root_s_daemon_on_this_host_alone(
    daemon: served.Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "ADMIN_TOKEN", daemon.state / "admin.token")
    assert access.local_token(Target("127.0.0.1", daemon.port)) == daemon.admin
    assert access.local_token(Target("192.0.2.1", daemon.port)) == ""
    assert access.local_token(Target("127.0.0.1", served.free_port())) == ""
    assert access.local_token(Target(path=str(daemon.socket))) == daemon.admin
    # Another user took the port while the daemon was down.
    monkeypatch.setattr(access, "_listeners", lambda port: iter([65534]))
    assert access.local_token(Target("127.0.0.1", daemon.port)) == ""


def test_a_token_is_not_sent_where_none_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A reading command shows no token that nobody gave it."""
    file = tmp_path / "admin.token"
    file.write_text("secret")
    monkeypatch.setattr(access, "ADMIN_TOKEN", file)
    with listener(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]") as (port, heard):
        assert call("127.0.0.1", str(port), "irqs").status == 0
    assert b"secret" not in heard[0]
    assert heard[0].startswith(b"GET /api/v1/irqs HTTP/1.1\r\n")


@contextlib.contextmanager
def listener(answer: bytes, times: int = 1) -> Iterator[tuple[int, list[bytes]]]:
    """Answers this to whoever asks; what it heard."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(times):
                connection, _peer = server.accept()
                with connection:
                    heard.append(connection.recv(65536))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], heard
        thread.join(5)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>", "is not irqbal's"),
        (
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\n<html></html>",
            "is not irqbal's: 404",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "is not irqbal's"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\xff\xfe", "does not answer"),
        (b"SSH-2.0-OpenSSH\r\n", "does not answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"[" * 200_000, "is not irqbal's"),
        (b"", "does not answer"),
    ],
)
def test_somebody_else_answers(answer: bytes, said: str) -> None:
    with listener(answer) as (port, _heard):
        done = call("127.0.0.1", str(port), "status")
    assert (done.status, done.out) == (3, "")
    assert said in done.err


def test_the_servers_clock_is_compared_with_this_one() -> None:
    """An hour behind, as its header says; what says nothing leaves the clocks equal."""
    an_hour_ago = email.utils.formatdate(time.time() - 3600, usegmt=True).encode()
    for header, skew in ((b"Date: " + an_hour_ago + b"\r\n", -3600.0), (b"", 0.0)):
        answer = b"HTTP/1.1 200 OK\r\n" + header + b"Content-Length: 2\r\n\r\n[]"
        with listener(answer) as (port, _heard):
            client = Client(Target("127.0.0.1", port))
            assert client.fetch("irqs") == b"[]"
        assert client.clock_skew == pytest.approx(skew, abs=60)


def test_nothing_comes_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = call("127.0.0.1", str(silent.getsockname()[1]), "--timeout", "0.2", "status")
    assert done.status == 3
    assert "no answer within 0.2 s" in done.err


def test_what_others_write_does_not_command_the_terminal() -> None:
    body = json.dumps(
        {"error": {"code": "x", "message": "\x1b]0;owned\x07 no", "candidates": ["\x1b[2J"]}}
    ).encode()
    with listener(b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)) as (
        port,
        _heard,
    ):
        done = call("127.0.0.1", str(port), "status")
    assert done.status == 1
    assert "\x1b" not in done.err


# Watching


@pytest.fixture
def watching() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts calls that go on; those that still run are ended."""
    running: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        running.append(
            subprocess.Popen(
                [*HEEDING, CLIENT, *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


HEEDING = (
    sys.executable,
    "-c",
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], "
    "sys.argv[1:])",
)
"""Before a command: Ctrl-C ends it also where these tests run in a background that ignores it."""
Watching = Callable[..., subprocess.Popen[str]]


def test_watch_follows_over_a_restart_and_ends_with_ctrl_c(
    tmp_path: Path, watching: Watching
) -> None:
    port = served.free_port()
    config = tmp_path / "irqbal.yaml"
    config.write_text(
        f"interval: 500ms\nstate_dir: {tmp_path / 'state'}\napi: {{listen: ['127.0.0.1:{port}']}}\n"
    )

    def daemon(log: str) -> contextlib.AbstractContextManager[object]:
        return machine.daemon("--simulate", served.SPEC, "-c", str(config), log=tmp_path / log)

    with daemon("first"):
        machine.wait_for(
            lambda: call("127.0.0.1", str(port), "cycle", env={"IRQBAL_TOKEN": ""}).status != 3
        )
        watch = watching("127.0.0.1", str(port), "watch", "--json")
        assert watch.stdout is not None
        assert json.loads(watch.stdout.readline())["cycle"]
    assert watch.stderr is not None
    said = watch.stderr.readline()
    # It tries in vain at first.
    time.sleep(1.5)
    assert watch.poll() is None
    with daemon("second"):
        again = watch.stderr.readline()
        began = time.time()
        while Moment.parse(json.loads(watch.stdout.readline())["at"]) < began:
            pass
        watch.send_signal(signal.SIGINT)
        _, rest = watch.communicate(timeout=90)
    assert watch.returncode == 0
    assert "waiting for it to come back" in said
    assert (again, rest) == ("irqbal-client: connected again\n", "")


def test_watch_has_a_line_a_cycle_and_a_line_a_move(
    daemon: served.Served, watching: Watching
) -> None:
    watch = watching(f"unix:{daemon.socket}", "-", "watch", "-n", "2")
    as_csv = watching(f"unix:{daemon.socket}", "-", "watch", "-o", "csv", "-n", "2")
    machine.wait_for(
        lambda: (
            daemon.get("/api/v1/status") and len(connections(watch)) and len(connections(as_csv))
        ),
    )
    try:
        assert (
            call(
                f"unix:{daemon.socket}", "-", "override", "set", "25", "6", "--reason", "watched"
            ).status
            == 0
        )
        shown, said = watch.communicate(timeout=90)
        rows, _ = as_csv.communicate(timeout=90)
    finally:
        call(f"unix:{daemon.socket}", "-", "override", "clear", "25")
    assert (watch.returncode, as_csv.returncode, said) == (0, 0, "")
    assert "-> 6 [written]  override: watched" in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if not line.startswith("    "))
    assert rows.startswith("at,cycle,what,irq,")
    assert ",override,watched," in rows


def connections(process: subprocess.Popen[str]) -> list[str]:
    """The sockets that this process has open."""
    found = []
    for path in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(path).startswith("socket:"):  # noqa: PTH115
                found.append(path.name)
    return found


def test_watch_of_nobody_ends_at_once() -> None:
    assert call("127.0.0.1", "1", "watch").status == 3


def test_ctrl_c_while_waiting_for_an_answer(watching: Watching) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        waiting = watching("127.0.0.1", str(silent.getsockname()[1]), "status")
        connection, _ = silent.accept()
        with connection:
            connection.recv(100)
            waiting.send_signal(signal.SIGINT)
            _, said = waiting.communicate(timeout=90)
    assert waiting.returncode == 130
    assert "Traceback" not in said


def test_a_client_in_code_is_what_the_command_uses(daemon: served.Served) -> None:
    from irqbal.api.contract import responses

    client = Client(Target(path=str(daemon.socket)))
    assert client.ask("status", responses.Status).irqs == 28
    assert next(client.events()).startswith(b'{"cycle":')
