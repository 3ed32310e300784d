"""Errors say what happened and what to do, and are no tracebacks."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from irqbal.cli.main import cli
from irqbal.errors import IrqbalError


@pytest.mark.parametrize(
    ("words", "happened", "to_do"),
    [
        ("plan --root {tmp}", "this is no Linux host", "--root names a folder with proc/"),
        ("measure --root {tmp}", "there is no tracefs", "mount -t tracefs"),
        ("history 24 -c {tmp}/c.yaml", "there is no history at", "name another with --store"),
        ("import-irqbalance {tmp}/c.yaml", "nothing was converted", "/etc/default/irqbalance"),
        ("export x.txt", "nothing was written", "add --format"),
        ("plan --seconds nan", "nan is not a number", "from 0.05 to 3600"),
        ("poll inf", "inf is not in the range", "3600"),
        ("measure --seconds nan", "nan is not a number", "to 60"),
        ("policies --doctor --json", "--doctor prints a report", "leave --json out"),
        ("token revoke -c {tmp}/c.yaml x", "there is no token named x", "token list"),
        ("token add", "Missing argument", "NAME"),
    ],
)
def test_an_error_says_what_to_do(
    words: str, happened: str, to_do: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("errors")
    (folder / "c.yaml").write_text(f"state_dir: {folder}\n")
    done = CliRunner().invoke(cli, words.format(tmp=folder).split())
    assert done.exit_code
    text = done.output
    if not isinstance(done.exception, SystemExit):
        assert isinstance(done.exception, IrqbalError)
        text += str(done.exception)
    assert happened in text and to_do in text
