"""`originals.jsonl`: each mask and setting as it was before irqbal's first write.

One JSON object a line; the first value of an identity wins. Every line names the boot id and the
root that it was read under, because a boot resets all masks. The file lies in the `run` folder. New
values are only appended, so a crash can tear only a line on which no write depends yet.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from irqbal.errors import StateFileError
from irqbal.model.readings import Original
from irqbal.state import durable
from irqbal.state.state_file import read_file
from irqbal.wire import from_json, to_json

ORIGINALS = "originals.jsonl"
"""File name, in the `run` folder."""


class _Line(msgspec.Struct, frozen=True):
    """One original, with the boot id and the root for which it is valid."""

    boot: str
    root: str
    identity: str
    number: int | None
    value: str


class OriginalsFile:
    """The originals of one host, one root and one boot."""

    def __init__(self, folder: Path, root: Path, boot_id: str) -> None:
        self._path = folder / ORIGINALS
        self._root = str(root.resolve())
        self._boot = boot_id
        self._known: dict[str, Original] | None = None
        """Cache of the file; None: read it at the next use."""

    def originals(self) -> dict[str, Original]:
        """The saved values of this boot and root, by identity. Skips lines that are damaged or
        belong to another boot or root. Raises StateFileError if the file cannot be read.
        """
        return dict(self._load())

    def save(self, originals: Sequence[Original]) -> None:
        """Save the values whose identity is new; return after fsync.

        Raises StateFileError: then nothing was saved, and the caller must not write these masks.
        """
        known = self._load()
        fresh = [original for original in originals if original.identity not in known]
        if not fresh:
            return
        lines = [
            to_json(_Line(self._boot, self._root, item.identity, item.number, item.value)) + b"\n"
            for item in fresh
        ]
        try:
            durable.append(self._path, b"".join(lines))
        except OSError as error:
            raise StateFileError(
                f"the original values could not be saved in {self._path} ({error.strerror}), so "
                "nothing was written; free space there: irqbal retries in the next cycle"
            ) from error
        for item in fresh:
            known.setdefault(item.identity, item)

    def keep_only(self, identities: Iterable[str]) -> None:
        """Delete the values of all other identities under this root, because they were restored.

        Lines of other roots stay. Atomic. Raises StateFileError: then the file is unchanged.
        """
        left = set(identities)
        lines = [line for line in self._lines() if line.root != self._root or line.identity in left]
        try:
            if lines:
                durable.replace(self._path, b"".join(to_json(line) + b"\n" for line in lines))
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise StateFileError(
                f"{self._path} could not be rewritten: {error.strerror}"
            ) from error
        self._known = None

    def _load(self) -> dict[str, Original]:
        if self._known is None:
            known: dict[str, Original] = {}
            for line in self._lines():
                if line.boot == self._boot and line.root == self._root:
                    known.setdefault(
                        line.identity, Original(line.identity, line.number, line.value)
                    )
            self._known = known
        return self._known

    def _lines(self) -> list[_Line]:
        lines = []
        for raw in (read_file(self._path) or b"").split(b"\n"):
            # A line that was torn by a crash, or that somebody else wrote, hides no other.
            with contextlib.suppress(msgspec.DecodeError, ValueError, RecursionError):
                lines.append(from_json(raw, _Line))
        return lines
