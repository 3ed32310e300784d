"""Linux' sources from Debian, and what they say of drivers: the names under which these register,
the texts from which they build the names of their interrupts, and which vectors they let the kernel
spread.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from vm.image import cache_folder
from vm.packages import suite, this_machine
from vm.programs import command

SUITES = {"6.1": "", "7.3": "trixie-backports"}
"""Where each version's sources come from: a suite of Debian's archive, or this machine's own apt.
"""
_NAME = re.compile(r'\.(?:drv_)?name\s*=\s*(?:\(char \*\)\s*)?(?:"([^"]*)"|(\w+))')
_TEXT = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(.+)", re.MULTILINE)
_VARIABLE = re.compile(r"\bchar\s*(?:\*\s*(?:const\s*)?)?(\w+)\s*(?:\[\w*\])?\s*=\s*([^;]+);")
_OBJECTS = re.compile(r"^obj-\S+\s*[+:]?=((?:[^\n\\]|\\\n)*)", re.MULTILINE)
_REQUEST = re.compile(r"\b(?:devm_|pci_)?request_(?:threaded_|any_context_|percpu_)?irq\s*\(")
_SPREAD_BY_KERNEL = re.compile(r"\bPCI_IRQ_AFFINITY\b|\bstruct irq_affinity\b")


def sources(version: str, cache: Path | None = None) -> Path:
    """The folder of a version's sources, with `drivers` (without gpu) and `include/linux`. What is
    in the cache already is not downloaded again.
    """
    with cache_folder(cache) as folder:
        package = f"linux-source-{version}"
        tree = folder / package
        if not tree.is_dir():
            apt = suite(SUITES[version], folder) if SUITES[version] else this_machine()
            if SUITES[version]:
                apt.update()
            apt.unpack([package], tree, _unpack)
        return tree / package


def _unpack(files: Path) -> None:
    archive = next(files.glob("usr/src/*.tar.xz"))
    words = ["--exclude=*/drivers/gpu", "--wildcards", "*/drivers/*", "*/include/linux/*"]
    command("tar", "-xJf", archive, "-C", files, *words, timeout=1200)
    archive.unlink()


class DriverSource:
    """Some files of drivers that belong together, with their makefiles."""

    def __init__(self, files: Iterable[Path], makefiles: Iterable[Path]) -> None:
        self._text = "\n".join(path.read_text(errors="replace") for path in files)
        self._makefiles = [path.read_text() for path in makefiles]

    @cached_property
    def modules(self) -> set[str]:
        """What KBUILD_MODNAME may be here (scripts/Makefile.lib, name-fix)."""
        return {
            re.sub("[-,]", "_", word[:-2])
            for text in self._makefiles
            for words in _OBJECTS.findall(text)
            for word in words.split()
            if word.endswith(".o")
        }

    @cached_property
    def driver_names(self) -> set[str]:
        """Every name in a struct, drivers' among them."""
        found: set[str] = set()
        for literal, word in _NAME.findall(self._text):
            found |= {literal} if literal else self._values(word)
        # A driver of xenbus without a name has that of the first device that it serves.
        found |= set(re.findall(r'struct xenbus_device_id \w+\[\] = \{\s*\{ "(\w+)"', self._text))
        return found

    @cached_property
    def _definitions(self) -> dict[str, set[str]]:
        """What each macro and each variable of characters is defined as."""
        found: dict[str, set[str]] = {}
        for pattern in (_MACRO, _VARIABLE):
            for word, value in pattern.findall(self._text):
                found.setdefault(word, set()).add(value)
        return found

    def _values(self, word: str, depth: int = 0) -> set[str]:
        """The texts that a macro or a variable may stand for."""
        if word == "KBUILD_MODNAME":
            return self.modules
        found: set[str] = set()
        for value in self._definitions.get(word, ()):
            text, other = _TEXT.search(value), re.match(r"\s*(\w+)", value)
            if text is not None:
                found.add(text[1])
            elif other is not None and depth < 4:
                found |= self._values(other[1], depth + 1)
        return found

    @cached_property
    def texts(self) -> str:
        """All that a name of an interrupt may be made of."""
        return "\n".join([*_TEXT.findall(self._text), *self.driver_names, *self.modules])

    @property
    def requests_irqs(self) -> bool:
        """Whether it asks for interrupts."""
        return _REQUEST.search(self._text) is not None

    @property
    def lets_kernel_spread(self) -> bool:
        """Whether it asks for managed vectors."""
        return _SPREAD_BY_KERNEL.search(self._text) is not None
