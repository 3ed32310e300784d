"""What a central server reads: a fleet's MongoDB, or the history file of one host."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec

from irqbal.central.reconstruct import pieced
from irqbal.config.mongodb_options import MongodbOptions
from irqbal.errors import HistoryError
from irqbal.findings.finding import DescribedFinding
from irqbal.findings.verify import verify_snapshot
from irqbal.history.host_status import HostFacts, LastSeen
from irqbal.history.open import open_store
from irqbal.history.samples import Decision, IrqState, Point, Sample
from irqbal.history.sqlite.store import SqliteHistory
from irqbal.history.store import Query
from irqbal.render.finding_texts import describe

UNTOLD = ("remote-queue", "queue-count")
"""Findings about nodes, of which a history file says nothing."""


class FleetStore(Protocol):
    """Reading; all methods block, and up to `threads` may be called at once. They raise
    HistoryError with a sentence.
    """

    threads: int

    def ping(self) -> None:
        """Do nothing but see that questions are answered."""

    def facts(self, since: float) -> list[HostFacts]:
        """Every host that was heard of since then, by name."""

    def line(self, host: str) -> tuple[HostFacts, dict[str, Any]] | None:
        """One host, and its daemon's own status (empty: it tells none); None: nobody knows it."""

    def findings(self, since: float, code: str) -> list[tuple[HostFacts, list[DescribedFinding]]]:
        """Hosts on which something is not as it should be; with a code, of this kind."""

    def seen(self, host: str) -> LastSeen | None:
        """A host's last cycle, if its daemon told it."""

    def heard(self, hosts: Iterable[str]) -> dict[str, float]:
        """When each of these was last heard of."""

    def newest(self, start: float, end: float, limit: int, host: str = "") -> list[Sample]:
        """The newest samples of a stretch of time, oldest first."""

    def series(self, query: Query) -> list[Point]:
        """Counts by step."""

    def decisions(
        self, start: float, end: float, identity: str = "", limit: int = 1000, host: str = ""
    ) -> list[Decision]:
        """The newest decisions first."""

    def irqs(self, host: str = "") -> list[IrqState]:
        """Every IRQ that the history knows, as it was last seen."""

    def close(self) -> None:
        """Give everything back."""


class OneFile:
    """A history file as a fleet of one host, which is called `name`: the file does not say."""

    threads = 1

    def __init__(self, url: str, state: Path, name: str) -> None:
        """Raises HistoryError with a sentence."""
        self._url, self._state, self._name = url, state, name
        self._store = self._open()
        self._opened = _which(self._store.path)
        self._facts: HostFacts | None = None

    def _open(self) -> SqliteHistory:
        store = open_store(self._url, self._state)
        assert isinstance(store, SqliteHistory)
        return store

    @contextlib.contextmanager
    def _file(self) -> Iterator[SqliteHistory]:
        """The file as it is now: another may have been put in its place."""
        now = _which(self._store.path)
        if now != self._opened:
            fresh = self._open()
            self._store.close()
            self._store, self._opened, self._facts = fresh, now, None
        try:
            yield self._store
        except sqlite3.Error as error:
            raise HistoryError(f"the history {self._store.path} cannot be read: {error}") from error

    def ping(self) -> None:
        """It is there, and a history."""
        with self._file() as store:
            store.span()

    def facts(self, since: float) -> list[HostFacts]:
        """The one host, if its file holds anything."""
        with self._file() as store:
            span = store.span()
            if span is None or span[1] < since:
                return []
            if self._facts is None or self._facts.wall != span[1]:
                seen = piece_together(self, HostFacts(self._name, span[1]))
                record = seen.record
                self._facts = HostFacts(
                    self._name,
                    span[1],
                    imbalance=record.imbalance,
                    busiest=record.busiest,
                    cpus=store.cpus(),
                    irqs=len(seen.snapshot.irqs),
                )
            return [self._facts]

    def line(self, host: str) -> tuple[HostFacts, dict[str, Any]] | None:
        """The one host."""
        found = self.facts(0.0) or [HostFacts(self._name, 0.0)]
        return (found[0], {}) if host == self._name else None

    def findings(self, since: float, code: str) -> list[tuple[HostFacts, list[DescribedFinding]]]:
        """What follows from the newest sample."""
        found = []
        for facts in self.facts(since):
            seen = piece_together(self, facts)
            items = [
                describe(item)
                for item in verify_snapshot(seen.snapshot)
                if item.code not in UNTOLD and code in ("", item.code)
            ]
            found += [(facts, items)] if items else []
        return found

    def seen(self, host: str) -> LastSeen | None:
        """The file holds samples and decisions alone."""
        return None

    def heard(self, hosts: Iterable[str]) -> dict[str, float]:
        """The end of the newest sample."""
        return {facts.host: facts.wall for facts in self.facts(0.0) if facts.host in hosts}

    def newest(self, start: float, end: float, limit: int, host: str = "") -> list[Sample]:
        """The newest samples, oldest first."""
        with self._file() as store:
            return store.newest(start, end, limit)

    def series(self, query: Query) -> list[Point]:
        """Counts by step."""
        with self._file() as store:
            return store.series(msgspec.structs.replace(query, host=""))

    def decisions(
        self, start: float, end: float, identity: str = "", limit: int = 1000, host: str = ""
    ) -> list[Decision]:
        """The newest first."""
        with self._file() as store:
            return store.decisions(start, end, identity, limit)

    def irqs(self, host: str = "") -> list[IrqState]:
        """As they were last seen."""
        with self._file() as store:
            return store.irqs()

    def close(self) -> None:
        """Close the file."""
        self._store.close()


def _which(path: Path) -> tuple[int, int]:
    """Which file lies there: (device, inode); (0, 0): none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def piece_together(store: FleetStore, facts: HostFacts) -> LastSeen:
    """A host's last cycle as far as it follows from its newest sample, states and decisions."""
    states = store.irqs(facts.host)
    until = max(facts.wall, time.time() if facts.version == "" else 0.0) + 1.0
    samples = store.newest(until - 86400.0, until, 1, facts.host)
    end = samples[-1].wall if samples else facts.wall
    return pieced(
        states,
        samples[-1] if samples else None,
        store.decisions(end - 86400.0, end + 1.0, "", 2000, facts.host),
        facts.wall,
    )


def open_fleet(url: str, options: MongodbOptions | None, state: Path, name: str) -> FleetStore:
    """`url`: mongodb://…, sqlite:///PATH or a file; empty: what the configuration ships to
    (`options`), else this host's own history. Raises ConfigError or HistoryError with a
    sentence.
    """
    if url.startswith(("mongodb://", "mongodb+srv://")):
        try:
            options = MongodbOptions.of_url(url)
        except ValueError as error:
            raise HistoryError(f"not a history's URL: {error}") from error
    elif url:
        options = None
    if options is None:
        return OneFile(url, state, name)
    try:
        from irqbal.history.mongodb.fleet import MongodbFleet
    except ImportError as error:
        raise HistoryError(
            f"MongoDB needs pymongo ({error}): pip install 'irqbal[mongodb]'"
        ) from error
    return MongodbFleet(options)
