"""Calls of `irqbal-client`: within this process, because most of a process's time is its start, or
as one.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from irqbal.client.cli import main as cli

CLIENT = str(Path(sys.executable).with_name("irqbal-client"))


class Done(msgspec.Struct, frozen=True):
    """What a call printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output, decoded."""
        return json.loads(self.out)

    @property
    def csv(self) -> list[dict[str, str]]:
        """The output as rows by the header's names; every row must have as many cells as the
        header.
        """
        header, *rows = csv.reader(io.StringIO(self.out))
        assert len(set(header)) == len(header), header
        return [dict(zip(header, row, strict=True)) for row in rows]


def call(*words: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Done:
    """Run the command with these words."""
    out, err = (
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)
    )
    streams: dict[str, Any] = {
        "stdout": out,
        "stderr": err,
        "stdin": io.StringIO(stdin),
        "argv": ["irqbal-client", *words],
    }
    with (
        mock.patch.multiple(sys, **streams),
        mock.patch.dict("os.environ", {"IRQBAL_TOKEN": "", **(env or {})}),
    ):
        status: object = 0
        try:
            cli.main()
        except SystemExit as end:
            status = end.code
    assert isinstance(status, int)
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return Done(status, *texts)


def process(
    *words: str, env: Mapping[str, str] | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    """The same as a process of its own."""
    return subprocess.run(
        [CLIENT, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **(env or {})},
        **more,
    )
