"""The commands' colours: on a terminal, and none in a pipe."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

from rich.cells import cell_len

import machine
from trees import Disk, Nic, TreeSpec, make_tree

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(width: int, *command: str, **env: str) -> str:
    """What the command writes on a terminal of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
    }
    child = subprocess.Popen(
        [machine.IRQBAL, *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**kept, "TERM": "xterm-256color", **env},
    )
    os.close(theirs)
    out = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(ours, 65536):
            out += chunk
    os.close(ours)
    assert child.wait(20) == 0
    return out.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colours_and_a_pipe_none(tmp_path: Path) -> None:
    nic, disk = Nic("ice", "eth0", queues=4, node=1), Disk("nvme", "nvme0", queues=4, node=0)
    root = str(
        make_tree(
            tmp_path / "tree",
            TreeSpec(sockets=2, cores=4, nodes=2, isolated="7", devices=(nic, disk)),
        ).folder
    )
    config = tmp_path / "irqbal.yaml"
    config.write_text(f"state_dir: {tmp_path / 'state'}\n")
    for command in (
        ("plan", "--seconds", "0.05"),
        ("explain", "ice-eth0-TxRx-1", "--seconds", "0.05"),
        ("topology",),
    ):
        wanted = (*command, "--root", root, "-c", str(config))
        coloured = on_terminal(80, *wanted)
        # Bold heads and a colour.
        assert "\x1b[1m" in coloured and re.search(r"\x1b\[(1;)?3[0-9]m", coloured), command
        lines = ESCAPE.sub("", coloured).splitlines()
        assert len(lines) > 5 and all(cell_len(line.rstrip()) <= 80 for line in lines)
        piped = machine.irqbal(*wanted).stdout
        assert "\x1b" not in piped and "ice-eth0-TxRx-1" in piped
        if command[0] == "plan":
            assert "\x1b" not in on_terminal(80, *wanted, NO_COLOR="1")
            assert "\x1b" not in on_terminal(80, *wanted, TERM="dumb")
