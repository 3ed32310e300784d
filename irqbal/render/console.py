"""The console that commands print to, and text from others made harmless for a terminal."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, Literal

import click

from irqbal.model.plain_text import HARMLESS, plain
from irqbal.wire import Moment

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "PIPED_WIDTH",
    "cell_text",
    "console",
    "echo",
    "echo_json",
    "error_console",
    "json_text",
    "plain",
    "shows_progress",
    "to_the_second",
]

PIPED_WIDTH = 10_000
"""Columns of the output when it is piped: no line is wrapped or cut there."""


def console() -> Console:
    """Standard output, as wide as the terminal; `PIPED_WIDTH` columns wide when piped."""
    from irqbal.render.pipe_console import PipeConsole

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPED_WIDTH
    # rich still prints bold and dim under NO_COLOR; irqbal then prints no escape sequence at all.
    colours: Literal["auto"] | None = None if _no_colours() else "auto"
    return PipeConsole(
        width=width,
        highlight=False,
        soft_wrap=not sys.stdout.isatty(),
        # Names such as `i915[0]` or `0000:100:00.0` are neither markup nor emoji.
        markup=False,
        emoji=False,
        color_system=colours,
    )


def error_console() -> Console:
    """Standard error, for what passes: progress, questions. Results go to `console()`."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def shows_progress() -> bool:
    """Whether standard error is a terminal on which a line can be written over. NO_COLOR means no
    escape sequence at all.
    """
    return sys.stderr.isatty() and not _no_colours() and os.environ.get("TERM") != "dumb"


def _no_colours() -> bool:
    return bool(os.environ.get("NO_COLOR"))


_ESCAPES = {code: f"\\u{code:04x}" for code in HARMLESS if code not in (9, 10, 13)}
"""Characters that control a terminal -> their escapes in JSON, but for line breaks."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""With these a spreadsheet's formulas begin (owasp.org, CSV injection)."""
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print lines of text without characters that control a terminal."""
    click.echo("\n".join(plain(line) for line in text.split("\n")), err=err, nl=nl)


def echo_json(data: bytes | str) -> None:
    """Print JSON, in which such characters are escapes."""
    click.echo(json_text(data))


def json_text(data: bytes | str) -> str:
    """JSON in which such characters are escapes."""
    text = data if isinstance(data, str) else data.decode()
    return text.translate(_ESCAPES)


def cell_text(text: str) -> str:
    """A cell of a CSV file: without control characters, and no formula to a spreadsheet."""
    text = plain(text)
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def to_the_second(moment: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, without a fraction."""
    return f"{str(Moment(moment))[:19]}Z"
