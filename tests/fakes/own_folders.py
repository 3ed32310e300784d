"""/run/irqbal and /var/lib/irqbal of the tests' own: a mount namespace in which both are empty.

An irqbal that is installed on this machine keeps its lock, originals, ledger, tokens and history
there. Everything that the tests start as root runs in this namespace, so that it finds none of it
and leaves none of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

INSTALLED = (Path("/run/irqbal"), Path("/var/lib/irqbal"))
"""What an installed irqbal uses."""
_RUNS = "/run/irqbal-tests.runs"
"""Every test run holds a shared lock on it; its text are the folders that one of them made."""
_TURN = "/run/irqbal-tests.turn"
"""Locked for a moment by a run that begins or ends."""

# linux/sched.h, linux/mount.h, umount2(2)
_CLONE_NEWNS, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 0x20000, 0x4000, 1 << 18, 2


class FileState(msgspec.Struct, frozen=True):
    """What tells a file that was changed or replaced from one that was not."""

    mode: int
    inode: int
    size: int
    mtime: int  # ns


class InstalledIrqbal:
    """The files of an irqbal that may be installed here, as they are outside of our namespace."""

    def __init__(self, run: Path = INSTALLED[0], state: Path = INSTALLED[1]) -> None:
        self._run = run
        # A folder that was opened before belongs to the namespace that the machine has.
        self._parents = {
            folder: os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY) for folder in (run, state)
        }
        self.before = self.listing()

    def listing(self) -> Mapping[str, FileState]:
        """Every file and folder, by path."""
        found: dict[str, FileState] = {}
        for folder, parent in self._parents.items():
            # What is not there, or closed to this user, has nothing to list.
            with contextlib.suppress(OSError):
                # An empty folder may be one that another test run made to mount over.
                if os.listdir(f"/proc/self/fd/{parent}/{folder.name}"):  # noqa: PTH208
                    found[str(folder)] = _state(os.stat(folder.name, dir_fd=parent))
                for at, folders, files, fd in os.fwalk(folder.name, dir_fd=parent):
                    for name in (*folders, *files):
                        with contextlib.suppress(FileNotFoundError):
                            state = os.stat(name, dir_fd=fd, follow_symlinks=False)
                            found[str(folder.parent / at / name)] = _state(state)
        return found

    def daemon(self) -> int | None:
        """The pid of a daemon that holds the lock of this machine."""
        parent = self._parents[self._run]
        with contextlib.suppress(OSError, ValueError):
            fd = os.open(f"{self._run.name}/lock", os.O_RDONLY, dir_fd=parent)
            with os.fdopen(fd) as file:
                pid = int(file.read(32))
            return pid if Path(f"/proc/{pid}").exists() else None
        return None

    def changed(self) -> list[str]:
        """What is there no longer, is new, or is another. A daemon that runs writes its files
        itself: then only what is gone counts.
        """
        now = self.listing()
        gone = sorted(self.before.keys() - now.keys())
        if self.daemon() is not None:
            return gone
        return gone + sorted(path for path, state in now.items() if self.before.get(path) != state)

    def close(self) -> None:
        """Give the folders back."""
        for fd in self._parents.values():
            os.close(fd)


def _state(found: os.stat_result) -> FileState:
    return FileState(found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns)


@contextlib.contextmanager
def namespace() -> Iterator[None]:
    """Move this thread, and all that it starts from now on, to a mount namespace of their own in
    which the folders are empty. Root only; there is no way back, so the folders only come and go.
    """
    with _folders_exist():
        _checked(_libc.unshare(_CLONE_NEWNS), "unshare")
        _checked(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "mount")
        with empty_folders():
            yield


@contextlib.contextmanager
def _folders_exist() -> Iterator[None]:
    """The folders are there, to be mounted over. Whoever of several test runs ends last removes
    those that the first made: the kernel takes a mount away with its folder in every namespace.
    """
    with Path(_RUNS).open("a+") as runs:
        with _turn():
            made = [folder for folder in INSTALLED if not folder.exists()]
            for folder in made:
                folder.mkdir(parents=True)
                runs.write(f"{folder}\n")
            runs.flush()
            fcntl.flock(runs, fcntl.LOCK_SH)
        try:
            yield
        finally:
            with _turn(), contextlib.suppress(BlockingIOError):
                fcntl.flock(runs, fcntl.LOCK_EX | fcntl.LOCK_NB)
                runs.seek(0)
                for name in runs.read().split():
                    with contextlib.suppress(OSError):
                        Path(name).rmdir()
                runs.truncate(0)


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    """One run at a time begins or ends."""
    with Path(_TURN).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def empty_folders() -> Iterator[None]:
    """Both folders are new and empty, and gone afterwards with all that was put there. Only within
    `namespace`.
    """
    with contextlib.ExitStack() as stack:
        for folder in INSTALLED:
            path = str(folder).encode()
            _checked(_libc.mount(b"irqbal-test", path, b"tmpfs", 0, b"mode=755"), "mount")
            stack.callback(_libc.umount2, path, _MNT_DETACH)
        yield


_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(
            number,
            f"{call}: {os.strerror(number)}: as root, the tests need a mount namespace of their "
            "own (CAP_SYS_ADMIN)",
        )
