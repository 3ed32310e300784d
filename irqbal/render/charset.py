"""Whether a stream shows characters beyond ASCII, and what stands for them where it does not."""

from __future__ import annotations

import codecs
import locale
import os
from typing import TextIO

from rich.cells import cell_len

_STAND_INS = str.maketrans(
    {
        "━": "#",
        "─": "-",
        "│": "|",
        "┃": "|",
        "├": "|",
        "┣": "|",
        "└": "`",
        "┗": "`",
        "▲": "^",
        "▼": "v",
        "▶": ">",
        "…": "~",
        "“": '"',
        "”": '"',
        "’": "'",
        "•": "*",
        **dict.fromkeys("╭╮╰╯┌┐┘", "+"),
        **dict(zip("▁▂▃▄▅▆▇█", "_.:-=+*#", strict=True)),
        **dict.fromkeys("▏▎▍▌▋▊▉", "|"),
    }
)
"""What irqbal draws with -> ASCII of the same width."""


def shows_unicode(stream: TextIO) -> bool:
    """Whether the stream's encoding and the locale are UTF-8."""
    try:
        encoding = codecs.lookup(stream.encoding or "ascii").name
    except LookupError:
        return False
    # In the locale C Python itself turns to UTF-8, and the terminal does not.
    return encoding == "utf-8" and _locale_is_utf8()


def _locale_is_utf8() -> bool:
    named = next((value for name in _VARIABLES if (value := os.environ.get(name))), "")
    # A locale that is not installed here still says what the terminal shows.
    if named.lower().endswith(("utf-8", "utf8")):
        return True
    return locale.nl_langinfo(locale.CODESET).upper() == "UTF-8"


_VARIABLES = ("LC_ALL", "LC_CTYPE", "LANG")
"""Environment variables that name the locale of characters, the strongest first."""


def to_ascii(text: str) -> str:
    """Text of the same width in ASCII; what has no stand-in becomes question marks."""
    if text.isascii():
        return text
    return "".join(
        char if char.isascii() else "?" * cell_len(char) for char in text.translate(_STAND_INS)
    )
