"""What a central server reads: a fleet's MongoDB, or the history file of one host."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from irqbal.central.reconstruct import reconstruct_cycle
from irqbal.config.mongodb_options import MongodbOptions, is_mongodb_url
from irqbal.errors import HistoryError
from irqbal.findings.verify import verify_snapshot
from irqbal.history.host_status import HostFacts, HostFindings, KnownHost, LastCycle
from irqbal.history.open import open_store
from irqbal.history.samples import Decision, IrqState, Point, Sample
from irqbal.history.sqlite.store import SqliteHistory
from irqbal.history.store import Query
from irqbal.render.finding_texts import describe

NEEDS_TOPOLOGY = ("remote-queue", "queue-count")
"""Codes of findings about NUMA nodes, which a history file does not record."""
DAY = 86400.0
"""Seconds before a host's last contact within which its sample and decisions are searched."""
MAX_DECISIONS = 2000
"""Most decisions that are read to find each IRQ's last move."""


class FleetStore(Protocol):
    """Reads many hosts. All methods block, at most `threads` of them at the same time. They raise
    HistoryError with a sentence. Times are seconds since the epoch.
    """

    threads: int

    def ping(self) -> None:
        """Check that the store answers."""

    def facts(self, since: float) -> list[HostFacts]:
        """Every host that has shipped since then, by name."""

    def host(self, host: str) -> KnownHost | None:
        """One host; None if it is unknown."""

    def findings(self, since: float, code: str) -> list[HostFindings]:
        """The findings of hosts that have shipped since then; only those of one code if `code` is
        not empty. Hosts without findings are left out.
        """

    def last_cycle(self, host: str) -> LastCycle | None:
        """A host's last cycle; None if its daemon did not ship it."""

    def last_contacts(self, hosts: Iterable[str]) -> dict[str, float]:
        """Host -> when it last shipped."""

    def newest(self, start: float, end: float, limit: int, host: str = "") -> list[Sample]:
        """The newest `limit` samples of the window, oldest first."""

    def series(self, query: Query) -> list[Point]:
        """Counts by step."""

    def decisions(
        self, start: float, end: float, identity: str = "", limit: int = 1000, host: str = ""
    ) -> list[Decision]:
        """The newest decisions first."""

    def irqs(self, host: str = "") -> list[IrqState]:
        """The last recorded state of every IRQ."""

    def close(self) -> None:
        """Close files and connections."""


class FileFleet:
    """A history file as a fleet of one host, `name`: the file does not record the host's name."""

    threads = 1

    def __init__(self, url: str, state: Path, name: str) -> None:
        """Raises HistoryError with a sentence."""
        self._url, self._state, self._name = url, state, name
        self._store = self._open()
        self._opened = _file_id(self._store.path)
        self._facts: HostFacts | None = None

    def _open(self) -> SqliteHistory:
        store = open_store(self._url, self._state)
        assert isinstance(store, SqliteHistory)
        return store

    @contextlib.contextmanager
    def _file(self) -> Iterator[SqliteHistory]:
        """The file that has the path now: it is opened again if it was replaced."""
        now = _file_id(self._store.path)
        if now != self._opened:
            fresh = self._open()
            self._store.close()
            self._store, self._opened, self._facts = fresh, now, None
        try:
            yield self._store
        except sqlite3.Error as error:
            raise HistoryError(f"the history {self._store.path} cannot be read: {error}") from error

    def ping(self) -> None:
        """Check that the file can be read."""
        with self._file() as store:
            store.span()

    def facts(self, since: float) -> list[HostFacts]:
        """The host, if the file has samples since then."""
        with self._file() as store:
            span = store.span()
            if span is None or span[1] < since:
                return []
            if self._facts is None or self._facts.wall != span[1]:
                cycle = reconstruct_last_cycle(self, HostFacts(self._name, span[1]))
                record = cycle.record
                self._facts = HostFacts(
                    self._name,
                    span[1],
                    imbalance=record.imbalance,
                    busiest=record.busiest,
                    cpus=store.cpus(),
                    irqs=len(cycle.snapshot.irqs),
                )
            return [self._facts]

    def host(self, host: str) -> KnownHost | None:
        """The host; its file may be empty."""
        if host != self._name:
            return None
        return KnownHost(next(iter(self.facts(0.0)), HostFacts(self._name, 0.0)))

    def findings(self, since: float, code: str) -> list[HostFindings]:
        """The findings that follow from the newest sample."""
        found = []
        for facts in self.facts(since):
            items = tuple(
                describe(item)
                for item in verify_snapshot(reconstruct_last_cycle(self, facts).snapshot)
                if item.code not in NEEDS_TOPOLOGY and code in ("", item.code)
            )
            if items:
                found.append(HostFindings(facts, items))
        return found

    def last_cycle(self, host: str) -> LastCycle | None:
        """Always None: the file holds samples and decisions, no cycles."""
        return None

    def last_contacts(self, hosts: Iterable[str]) -> dict[str, float]:
        """The end of the newest sample."""
        return {facts.host: facts.wall for facts in self.facts(0.0) if facts.host in hosts}

    def newest(self, start: float, end: float, limit: int, host: str = "") -> list[Sample]:
        """The newest `limit` samples of the window, oldest first."""
        with self._file() as store:
            return store.newest(start, end, limit)

    def series(self, query: Query) -> list[Point]:
        """Counts by step."""
        with self._file() as store:
            return store.series(msgspec.structs.replace(query, host=""))

    def decisions(
        self, start: float, end: float, identity: str = "", limit: int = 1000, host: str = ""
    ) -> list[Decision]:
        """The newest decisions first."""
        with self._file() as store:
            return store.decisions(start, end, identity, limit)

    def irqs(self, host: str = "") -> list[IrqState]:
        """The last recorded state of every IRQ."""
        with self._file() as store:
            return store.irqs()

    def close(self) -> None:
        """Close the file."""
        self._store.close()


def _file_id(path: Path) -> tuple[int, int]:
    """(device, inode) of the file with this path; zeros if there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def reconstruct_last_cycle(store: FleetStore, facts: HostFacts) -> LastCycle:
    """A host's last cycle as far as it follows from its newest sample, states and decisions."""
    # Without a status (no version), `facts.wall` may be older than the newest sample.
    until = max(facts.wall, time.time() if facts.version == "" else 0.0) + 1.0
    samples = store.newest(until - DAY, until, 1, facts.host)
    end = samples[-1].wall if samples else facts.wall
    return reconstruct_cycle(
        store.irqs(facts.host),
        samples[-1] if samples else None,
        store.decisions(end - DAY, end + 1.0, "", MAX_DECISIONS, facts.host),
        facts.wall,
    )


def open_fleet(url: str, options: MongodbOptions | None, state: Path, name: str) -> FleetStore:
    """Open the store of `url`: mongodb://…, sqlite:///PATH or a file. If it is empty, open the
    MongoDB that the configuration ships to (`options`), or else the history file in the `state`
    folder. `name` is the host of a file. Raises ConfigError or HistoryError with a sentence.
    """
    if is_mongodb_url(url):
        try:
            options = MongodbOptions.from_url(url)
        except ValueError as error:
            raise HistoryError(f"{url} is not the URL of a history: {error}") from error
    elif url:
        options = None
    if options is None:
        return FileFleet(url, state, name)
    try:
        from irqbal.history.mongodb.fleet import MongodbFleet
    except ImportError as error:
        raise HistoryError(
            f"MongoDB needs pymongo ({error}): pip install 'irqbal[mongodb]'"
        ) from error
    return MongodbFleet(options)
