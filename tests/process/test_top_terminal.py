"""`irqbal-client top` in tmux, as people run it: over TCP and the socket, at two sizes and in
between.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import machine
import served
from calls import CLIENT, process

NAMES = {"question_mark": "?", "slash": "/", "pageup": "page up", "pagedown": "page down"}


def test_the_help_has_every_key() -> None:
    from textual.binding import Binding

    from irqbal.client.top.app import Top
    from irqbal.client.top.cursor_pane import CursorPane
    from irqbal.client.top.dialogs import HELP

    bindings: list[Any] = [*Top.BINDINGS, *CursorPane.BINDINGS]
    keys = {
        key
        for binding in bindings
        if isinstance(binding, Binding)
        for key in binding.key.split(",")
    }
    assert len(keys) > 20
    said = HELP.replace("F1", "f1").replace(",", " ").replace(";", " ").split("LOAD:")[0]
    missing = [
        key for key in keys if f" {NAMES.get(key, key)} " not in f" {' '.join(said.split())} "
    ]
    assert missing == []
    assert len(HELP.split("\n")) <= 22 and max(len(line) for line in HELP.split("\n")) <= 74, (
        "it fits on 80x24"
    )


@pytest.fixture(scope="module")
def daemon() -> Iterator[served.Served]:
    with served.serve_quick() as found:
        yield found


class TerminalSession:
    """A tmux server of its own with one window."""

    def __init__(self, folder: Path, width: int, height: int, *words: str) -> None:
        self._socket = folder / "tmux"
        self._run(
            "-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height), *words
        )

    def _run(self, *words: str) -> str:
        env = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            ["tmux", "-S", str(self._socket), *words],
            check=True,
            capture_output=True,
            text=True,
            env=env,
        ).stdout

    def text(self) -> str:
        return self._run("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        self._run("resize-window", "-x", str(width), "-y", str(height))

    def has(self, *words: str) -> str:
        end = time.monotonic() + machine.WAIT
        while not all(word in (text := self.text()) for word in words):
            assert time.monotonic() < end, text
            time.sleep(0.05)
        return text

    def has_no(self, word: str) -> None:
        end = time.monotonic() + machine.WAIT
        while word in (text := self.text()):
            assert time.monotonic() < end, text
            time.sleep(0.05)

    def ended(self) -> bool:
        return (
            subprocess.run(
                ["tmux", "-S", str(self._socket), "has-session"], capture_output=True, check=False
            ).returncode
            != 0
        )

    def close(self) -> None:
        subprocess.run(
            ["tmux", "-S", str(self._socket), "kill-server"], capture_output=True, check=False
        )


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_in_tmux(daemon: served.Served, tmp_path: Path, way: str) -> None:
    where = ("127.0.0.1", str(daemon.port)) if way == "tcp" else (f"unix:{daemon.socket}", "-")
    session = TerminalSession(tmp_path, 80, 24, CLIENT, *where, "top")
    try:
        text = session.has("balancing", "LOAD %▼", "? help", "q quit")
        # As many lines as there are, all full to the bottom: keys stand on the last one.
        assert len(text.rstrip("\n").split("\n")) == 24 and text.rstrip("\n").split("\n")[
            -1
        ].startswith("? help")
        session.press("?")
        session.has("up down j k", "isolated.")
        session.press("q")
        session.resize(200, 60)
        session.has("node 1 ", "CPU 15 ", "REASON", "queue 3 of eth1")
        session.press("p")
        session.has("Pause irqbal on", "y pauses it")
        session.press("y")
        if way == "tcp":
            session.has("this needs a token with the scope admin")
            session.press("Escape")
            # With a key that follows at once it would be another one, Alt and that key.
            session.has_no("enter sends it")
        else:
            session.has("paused: the daemon writes nothing")
            assert daemon.get("/api/v1/status")["paused"]
            session.press("p")
            session.has("resumed", "balancing")
        session.resize(80, 24)
        session.press("q")
        end = time.monotonic() + machine.WAIT
        while not session.ended():
            assert time.monotonic() < end, session.text()
            time.sleep(0.05)
    finally:
        session.close()


def test_without_a_terminal_or_a_daemon(daemon: served.Served) -> None:
    done = process("127.0.0.1", str(daemon.port), "top", stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "top needs a terminal" in done.stderr
    code, out = on_terminal("127.0.0.1", str(served.free_port()), "top")
    assert code == 3 and "does not answer" in out


def test_on_a_terminal(daemon: served.Served) -> None:
    code, out = on_terminal("127.0.0.1", str(daemon.port), "top", keys=b"q", after="balancing")
    assert code == 0 and "ice-eth1" in out and "Traceback" not in out


def test_on_a_terminal_that_cannot_draw(daemon: served.Served) -> None:
    for term, named in (("dumb", "TERM=dumb"), ("", "TERM is not set")):
        code, out = on_terminal("127.0.0.1", str(daemon.port), "top", env={"TERM": term})
        assert code == 2 and named in out and "`top -b` prints text" in out
        assert "\x1b" not in out


def test_so_many_readings(daemon: served.Served) -> None:
    code, out = on_terminal("127.0.0.1", str(daemon.port), "top", "-n", "2", "-d", "0.2")
    assert code == 0 and "balancing" in out


@pytest.mark.parametrize(
    "env",
    [{"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "ascii"}],
    ids=["locale", "stream"],
)
def test_where_nothing_but_ascii_is_shown(daemon: served.Served, env: dict[str, str]) -> None:
    words = ("127.0.0.1", str(daemon.port), "top")
    code, out = on_terminal(*words, env=env, keys=b"tfqq", after="###")
    assert code == 0 and out.isascii()
    assert "LOAD %v" in out


def test_ctrl_z_and_fg(daemon: served.Served, tmp_path: Path) -> None:
    session = TerminalSession(tmp_path, 80, 24, "bash", "--norc", "-i")
    try:
        session.press(f"PS1='ready> '; {CLIENT} 127.0.0.1 {daemon.port} top", "Enter")
        session.has("balancing", "q quit")
        session.press("C-z")
        text = session.has("Stopped", "ready>")
        assert "q quit" not in text
        # The shell has its terminal back, with its echo.
        session.press("echo $((6 * 7))", "Enter")
        session.has("echo $((6 * 7))", "\n42\n")
        session.press("fg", "Enter")
        text = session.has("balancing", "? help", "q quit", "LOAD %▼")
        assert len(text.rstrip("\n").split("\n")) == 24 and "ready>" not in text
        session.press("n")
        session.has("REMARKS", "rxtx-7")
        session.press("q")
        session.has("ready>")
    finally:
        session.close()


def test_ctrl_z_where_no_shell_could_wake_it(daemon: served.Served) -> None:
    """It goes on, and ends with the key that follows."""
    words = ("127.0.0.1", str(daemon.port), "top")
    code, out = on_terminal(*words, keys=b"\x1aq", after="balancing")
    assert code == 0 and "Traceback" not in out


def on_terminal(
    *words: str, keys: bytes = b"", after: str = "", env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """The command on a terminal and in a session of its own; `keys` are pressed once `after` is
    seen.
    """
    ours, theirs = pty.openpty()
    out = b""
    try:
        child = subprocess.Popen(
            [CLIENT, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **(env or {})},
        )
        os.close(theirs)
        end = time.monotonic() + machine.WAIT
        with contextlib.suppress(OSError):
            while select.select([ours], [], [], max(0.0, end - time.monotonic()))[0] and (
                chunk := os.read(ours, 65536)
            ):
                out += chunk
                if keys and after.encode() in out and b"LOAD" in out:
                    os.write(ours, keys)
                    keys = b""
        if time.monotonic() >= end:
            child.kill()
        return child.wait(machine.WAIT), out.decode("utf-8", "replace")
    finally:
        os.close(ours)
