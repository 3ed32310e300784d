"""The console that commands print to, and text from others made harmless for a terminal."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Literal

from rich.console import Console

from irqbal.wire import Moment

PIPED_WIDTH = 10_000
"""Columns of the output when it is piped: no line is wrapped or cut there."""


def console() -> Console:
    """Standard output, as wide as the terminal; `PIPED_WIDTH` columns wide when piped."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPED_WIDTH
    # rich still prints bold and dim under NO_COLOR; irqbal then prints no escape sequence at all.
    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    return _Console(
        width=width,
        highlight=False,
        soft_wrap=not sys.stdout.isatty(),
        # Names such as `i915[0]` or `0000:100:00.0` are neither markup nor emoji.
        markup=False,
        emoji=False,
        color_system=colours,
    )


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave a closed pipe to the command, which has its own exit status for it."""
        raise BrokenPipeError


_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Unicode's direction controls: a name that holds one could make a line read as another."""
_HARMLESS = dict.fromkeys((*range(32), *range(127, 160), *_BIDI), "�") | {
    ord("\n"): " ",
    ord("\t"): " ",
}
"""Control characters -> what is printed instead; for `str.translate`."""


def plain(text: str) -> str:
    """Text from a device, a daemon or another user, without characters that control a terminal."""
    return text.translate(_HARMLESS)


def to_the_second(moment: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, without a fraction."""
    return f"{str(Moment(moment))[:19]}Z"
