"""Commands on a terminal of their own: what it shows, and apart from it what a pipe gets."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from collections.abc import Mapping, Sequence

import msgspec

_TOKEN = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|.", re.DOTALL)
_UP = re.compile(r"\x1b\[(\d*)A")


class Shown(msgspec.Struct, frozen=True):
    """What a command wrote to standard output, a pipe, and to standard error, a terminal."""

    status: int
    out: str
    terminal: str

    @property
    def left(self) -> str:
        """What the terminal shows at the end: what was erased or written over is gone."""
        lines, row, column = [""], 0, 0
        for token in _TOKEN.findall(self.terminal):
            if token == "\r":
                column = 0
            elif token == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif up := _UP.fullmatch(token):
                row = max(0, row - int(up[1] or 1))
            elif token == "\x1b[2K":
                lines[row] = ""
            elif not token.startswith("\x1b"):
                lines[row] = lines[row][:column].ljust(column) + token + lines[row][column + 1 :]
                column += 1
        return "\n".join(lines).strip()


def run_on_terminal(
    words: Sequence[str], columns: int = 80, more: Mapping[str, str] | None = None
) -> Shown:
    """Run a command whose standard error is a terminal, to its end."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", **(more or {})}
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, text=True, env=env
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(ours)
    return Shown(process.returncode, out, shown.decode())
