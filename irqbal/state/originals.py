"""Originals and overrides on disk, each in a file of its own, fsynced before anything depends on
it.

`originals.jsonl` holds the value of every mask and setting as it was before irqbal's first write,
one JSON object a line, the first value of an identity wins. It lives under /run (for another root:
in the state folder), is keyed by boot id and root, since a boot resets all masks, and it is only
ever appended to, so that a crash can cost at most a line that was never relied on.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import JournalError, LockError
from irqbal.load.estimator import LearnedCosts
from irqbal.model.readings import Original
from irqbal.model.view import Override
from irqbal.planner.ledger import Ledger, LedgerEntry
from irqbal.wire import from_json, to_json

RUN_DIR = Path("/run/irqbal")
ORIGINALS = "originals.jsonl"
LEDGER = "ledger.json"
OVERRIDES = "overrides.json"
COSTS = "costs.json"


class Folders(msgspec.Struct, frozen=True):
    """`state` survives a boot, `run` (lock, originals, ledger) need not: a boot resets all
    masks.
    """

    state: Path
    run: Path


class _Line(msgspec.Struct, frozen=True):
    """One original with what makes it valid: the boot, and the root that it was read under."""

    boot: str
    root: str
    identity: str
    number: int | None
    value: str


class OriginalsFile:
    """The originals of one host and one boot."""

    def __init__(self, folder: Path, root: Path, boot_id: str) -> None:
        self._path = folder / ORIGINALS
        self._root = str(root.resolve())
        self._boot = boot_id
        self._known: dict[str, Original] | None = None

    def originals(self) -> dict[str, Original]:
        """What was saved, by identity; of this boot and root only. A torn or foreign line is passed
        over.
        """
        if self._known is None:
            self._known = {}
            for line in self._lines():
                if line.boot == self._boot and line.root == self._root:
                    self._known.setdefault(
                        line.identity, Original(line.identity, line.number, line.value)
                    )
        return dict(self._known)

    def save(self, originals: Sequence[Original]) -> None:
        """Put first values on disk. Raises JournalError, and then none of these may be written."""
        known = self.originals()
        fresh = [original for original in originals if original.identity not in known]
        if not fresh:
            return
        lines = [
            to_json(_Line(self._boot, self._root, item.identity, item.number, item.value)) + b"\n"
            for item in fresh
        ]
        try:
            _append(self._path, b"".join(lines))
        except OSError as error:
            raise JournalError(
                f"the original values could not be saved in {self._path} ({error.strerror}), so "
                "nothing was written; "
                "make room there, the move is tried again in the next cycle"
            ) from error
        assert self._known is not None
        for item in fresh:
            self._known.setdefault(item.identity, item)

    def keep_only(self, identities: Iterable[str]) -> None:
        """Forget what was restored: only these stay. Atomic; raises JournalError."""
        left = set(identities)
        lines = [line for line in self._lines() if line.root != self._root or line.identity in left]
        try:
            if lines:
                _replace(self._path, b"".join(to_json(line) + b"\n" for line in lines))
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise JournalError(f"{self._path} could not be rewritten: {error.strerror}") from error
        self._known = None

    def _lines(self) -> list[_Line]:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise JournalError(f"{self._path} cannot be read: {error.strerror}") from error
        lines = []
        for raw in data.split(b"\n"):
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                lines.append(from_json(raw, _Line))
        return lines


def load_overrides(folder: Path) -> tuple[Override, ...]:
    """Overrides as they were saved. Raises JournalError if the file is damaged: a person's will is
    not dropped silently.
    """
    path = folder / OVERRIDES
    try:
        return from_json(path.read_bytes(), tuple[Override, ...])
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JournalError(
            f"{path} is damaged ({error}); move it away to start without overrides"
        ) from error


def save_overrides(folder: Path, overrides: Iterable[Override]) -> None:
    """Replace the saved overrides, atomically. Raises JournalError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / OVERRIDES, to_json(tuple(overrides)))
    except OSError as error:
        raise JournalError(f"{folder / OVERRIDES} could not be saved: {error.strerror}") from error


def load_costs(folder: Path) -> LearnedCosts:
    """What was learnt of costs before; nothing, if that cannot be read: it is learnt again in a few
    minutes.
    """
    try:
        return from_json((folder / COSTS).read_bytes(), LearnedCosts)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return LearnedCosts()


def save_costs(folder: Path, learnt: LearnedCosts) -> None:
    """Keep it for the next start. Raises JournalError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / COSTS, to_json(learnt))
    except OSError as error:
        raise JournalError(f"{folder / COSTS} could not be saved: {error.strerror}") from error


class _Memory(msgspec.Struct, frozen=True):
    """The ledger with the boot whose clock its times are of, and the inode of each IRQ's folder,
    which tells lives apart.
    """

    boot: str
    ledger: Ledger
    inodes: dict[str, int]


def remember(folder: Path, boot_id: str, ledger: Ledger, inodes: Mapping[str, int]) -> None:
    """Keep the ledger beside the originals. Raises JournalError."""
    known = {identity: inodes[identity] for identity in ledger.entries if identity in inodes}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / LEDGER, to_json(_Memory(boot_id, ledger, known)))
    except OSError as error:
        raise JournalError(f"{folder / LEDGER} could not be saved: {error.strerror}") from error


def recall(folder: Path, boot_id: str, masks: Mapping[str, tuple[CpuSet, int]]) -> Ledger:
    """The ledger as far as the IRQs (identity -> mask, inode) are still what it says; empty if
    there is none of this boot.

    Generations start anew with each process, so only what is still the same life of an IRQ means
    anything.
    """
    try:
        memory = from_json((folder / LEDGER).read_bytes(), _Memory)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return Ledger()
    if memory.boot != boot_id:
        return Ledger()
    kept: dict[str, LedgerEntry] = {}
    for identity, entry in memory.ledger.entries.items():
        mask, inode = masks.get(identity, (CpuSet(), 0))
        if not inode or memory.inodes.get(identity) != inode:
            continue
        refused = int(entry.refused != 0 and entry.refused == entry.generation)
        stands = entry.written is not None and entry.written == str(mask)
        # A fight that was given up is not taken up again just because irqbal was restarted.
        if refused or stands or entry.drift:
            written = entry.written if stands else None
            kept[identity] = msgspec.structs.replace(
                entry, generation=1, refused=refused, written=written
            )
    return Ledger(kept)


class Lock:
    """One daemon a host: an flock that the kernel releases with the process. The file holds the
    holder's pid.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise LockError(
                f"{path} cannot be opened: {error.strerror}; irqbal writes masks only with this "
                "lock: run it as who may write there, or, "
                "where no mask of this machine is written (--root, --simulate), set state_dir or "
                "XDG_STATE_HOME to another folder"
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._fd, 32).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise LockError(
                f"another irqbal works on this host (pid {holder or 'unknown'}, {path}); stop it "
                "first, or use --dry-run"
            ) from None
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Give the lock back."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, 0)
        os.close(self._fd)


def holder(folder: Path) -> int | None:
    """The pid of the irqbal that holds the lock of this folder, or None."""
    try:
        fd = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        text = os.read(fd, 32).decode("ascii", "replace").strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(fd)
    return None


def _append(path: Path, data: bytes) -> None:
    """Append and fsync; what cannot be written whole is taken back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            data = b"\n" + data
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, size)
            raise
    finally:
        os.close(fd)
    _sync_folder(path.parent)


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    except OSError:
        # Half a file would take up the room that is missing.
        part.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    part.replace(path)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
