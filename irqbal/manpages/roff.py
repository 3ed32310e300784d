"""A page in roff's man macros, piece by piece: man(7), groff_man(7)."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PLAIN = {"\\": "\\e", "-": "\\-", "~": "\\(ti", "^": "\\(ha", "`": "\\(ga", "'": "\\(aq"}
_MARKED = re.compile(r"`([^`]+)`|(?<![\w-])(--[a-z][a-z0-9-]*|-[a-z](?![\w-]))")


def escaped(text: str) -> str:
    """Text as it is meant: no character of it is taken for roff's own. Empty for an empty text."""
    made = "".join(
        _PLAIN.get(char, char) if char.isascii() else f"\\[u{ord(char):04X}]" for char in text
    )
    return f"\\&{made}" if made[:1] == "." else made


def bold(text: str) -> str:
    """What is typed as it stands."""
    return f"\\fB{escaped(text)}\\fP"


def italic(text: str) -> str:
    """What stands for something else. A long choice may go on in the next line."""
    return f"\\fI{escaped(text)}\\fP".replace("|", "|\\:")


def inline(text: str) -> str:
    """A sentence: `code` and --options in bold."""
    parts, end = [], 0
    for found in _MARKED.finditer(text):
        parts += [escaped(text[end : found.start()]), bold(found[1] or found[2])]
        end = found.end()
    return "".join([*parts, escaped(text[end:])])


class ManualPage:
    """A manual page in the making."""

    def __init__(self, name: str, section: int, about: str, source: str, manual: str) -> None:
        self._lines = [
            '.\\" Made by `python -m irqbal.manpages` from what --help and the configuration say '
            "of themselves.",
            f'.TH "{name}" {section} "" "{escaped(source)}" "{escaped(manual)}"',
            # Left-aligned and not hyphenated: what is copied from a page should be what it says.
            ".nh",
            ".ad l",
        ]
        self.heading("NAME")
        self.add(f"{escaped(name)} \\- {inline(about)}")

    def add(self, *lines: str) -> None:
        """Lines that are roff already."""
        self._lines += lines

    def heading(self, text: str) -> None:
        self.add(f'.SH "{escaped(text)}"')

    def subheading(self, text: str) -> None:
        """A subheading, from text that is roff already."""
        self.add(f".SS {text}")

    def text(self, *paragraphs: str) -> None:
        """Paragraphs; a single newline in one is no more than a space."""
        for paragraph in paragraphs:
            self.add(".PP", inline(" ".join(paragraph.split())))

    def item(self, tag: str, text: str) -> None:
        """A tag (roff already), and what it means below it."""
        self.add(".TP", tag, inline(" ".join(text.split())) or "\\&")

    def example(self, lines: Iterable[str]) -> None:
        """Lines as they are."""
        self.add(".PP", ".RS 4", ".EX", *(escaped(line) for line in lines), ".EE", ".RE")

    def see_also(self, pages: Iterable[str]) -> None:
        """Other pages, such as irqbal(8)."""
        named = (re.fullmatch(r"(.+)(\(\d\))", page) for page in pages)
        self.heading("SEE ALSO")
        self.add(",\n".join(f"\\%{bold(found[1])}{found[2]}" for found in named if found))

    def render(self) -> str:
        return "\n".join(self._lines) + "\n"
