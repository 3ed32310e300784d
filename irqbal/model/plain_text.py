"""Names and texts from drivers, people and plugins, without what controls a terminal. Pure."""

from __future__ import annotations

_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Unicode's direction controls: a name that holds one could make a line read as another."""
HARMLESS = dict.fromkeys((*range(32), *range(127, 160), *_BIDI), "�") | {
    ord("\n"): " ",
    ord("\t"): " ",
}
"""Control characters -> what is shown instead; for `str.translate`."""


def plain(text: str) -> str:
    """The text without characters that control a terminal."""
    return text.translate(HARMLESS)
