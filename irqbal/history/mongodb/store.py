"""Reads histories from MongoDB, for commands and central servers. All calls block.

Every query names a host and a time, so that it is answered from an index. This module needs
pymongo, and is imported only if a MongoDB URL is used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from irqbal.config.mongodb_options import MongodbOptions, driver_arguments
from irqbal.errors import HistoryError
from irqbal.history.mongodb.documents import date, decision_of, irqs_of, sample_of, states_of
from irqbal.history.mongodb.error_text import describe
from irqbal.history.samples import Decision, IrqState, Point, Sample
from irqbal.history.store import Query

MAX_PROJECTED = 100
"""Most IRQs whose counts a query selects one by one; for more it reads whole samples."""
MOST_NAMED = 8
"""Hosts that an error names."""
MAX_LAYOUTS = 5000
"""Most layouts in memory: a fleet has a few for each host."""
SUMS = {
    "wall": 1,
    "seconds": 1,
    "layout": 1,
    "cpus": 1,
    "clock": 1,
    **{
        name: {"$cond": [{"$eq": [{"$type": "$cpus"}, "missing"]}, f"${name}", "$$REMOVE"]}
        for name in ("irqs", "others")
    },
}
"""Projection for lines by CPU: the sums; for samples of older versions, without sums, the IRQs."""
EDGE = 0.001
"""Seconds by which a query of dates, which hold milliseconds, is widened; the exact `wall` is
compared afterwards.
"""


class MongodbHistory:
    """The histories of many hosts. `host` is used by queries that name none; if it is empty too,
    there must be only one host.
    """

    def __init__(self, options: MongodbOptions | str, host: str = "", pool: int = 2) -> None:
        """`options` are from the configuration, or a URL whose path names the database; `pool` is
        the most connections. Raises ConfigError or HistoryError with a sentence.
        """
        if isinstance(options, str):
            try:
                options = MongodbOptions.from_url(options)
            except ValueError as error:
                raise HistoryError(f"not a history's URL: {error}") from error
        self._url = options.redacted_url()
        with self._errors_named():
            self._client: MongoClient[Any] = MongoClient(
                **driver_arguments(options) | {"maxPoolSize": pool}
            )
        self._database = self._client.get_database(
            options.database, read_concern=ReadConcern("majority")
        )
        self._host = host
        self._layouts: dict[str, dict[str, str]] = {}

    def hosts(self) -> list[str]:
        """Every host that has shipped records and is not expired. Raises HistoryError."""
        with self._errors_named():
            return sorted(
                one["_id"]
                for one in self._database["hosts"].find({"time": {"$gte": date(0)}}, {"_id": 1})
            )

    def series(self, query: Query) -> list[Point]:
        """Counts by step; a sample belongs to the step in which it ends. Raises HistoryError."""
        if query.step <= 0:
            return []
        host = self._named(query.host)
        projection, count = self._counting(host, query)
        steps: dict[float, tuple[float, dict[str, int]]] = {}
        for document in self._find(host, query.start, query.end, projection):
            wall = document["wall"]
            if not query.start + 1e-6 < wall <= query.end or document.get("clock") == "wrong":
                continue
            start = query.start + (wall - query.start - 1e-6) // query.step * query.step
            covered, counts = steps.get(start, (0.0, {}))
            count(document, counts)
            steps[start] = (covered + document["seconds"], counts)
        if not any(counts for _, counts in steps.values()):
            return []
        return [Point(start, seconds, counts) for start, (seconds, counts) in sorted(steps.items())]

    def _counting(
        self, host: str, query: Query
    ) -> tuple[dict[str, Any] | None, Callable[[Mapping[str, Any], dict[str, int]], None]]:
        """The parts of a sample's document that a series needs (None: all), and what adds a
        document to a step's counts.
        """
        identities = None if query.identities is None else set(query.identities)
        sums = identities is None and query.by == "cpu"

        def count_irqs(document: Mapping[str, Any], counts: dict[str, int]) -> None:
            if sums and "cpus" in document:
                _count(counts, "", document["cpus"], True)
                return
            for name, cells in irqs_of(document, self._names(host, document["layout"])):
                if identities is None or name in identities:
                    _count(counts, name, cells, query.by == "cpu")

        def count_sample(document: Mapping[str, Any], counts: dict[str, int]) -> None:
            sample = sample_of(document, self._names(host, document["layout"]))
            for series, value in sample.values.items():
                key = query.line_of(series)
                if key is not None and value:
                    counts[key] = counts.get(key, 0) + value

        if not query.only_irq_counts:
            return None, count_sample
        return SUMS if sums else self._projection(host, query.identities), count_irqs

    def decisions(
        self, start: float, end: float, identity: str = "", limit: int = 1000, host: str = ""
    ) -> list[Decision]:
        """The newest decisions first. Raises HistoryError."""
        match: dict[str, Any] = self._bounds(self._named(host), start, end)
        match["wall"] = {"$gte": start, "$lt": end}
        if identity:
            match["identity"] = identity
        with self._errors_named():
            found = (
                self._database["decisions"]
                .find(match)
                .sort([("time", -1), ("sequence", -1)])
                .limit(limit)
            )
            return [decision_of(document) for document in found]

    def irqs(self, host: str = "") -> list[IrqState]:
        """The last recorded state of every IRQ. Raises HistoryError."""
        with self._errors_named():
            found = self._database["hosts"].find_one({"_id": self._named(host)})
        return [] if found is None else list(states_of(found))

    def samples(self, start: float, end: float, host: str = "") -> Iterator[Sample]:
        """Samples as they were recorded, oldest first. Raises HistoryError."""
        host = self._named(host)
        for document in self._find(host, start, end, None):
            if start <= document["wall"] < end:
                yield sample_of(document, self._names(host, document["layout"]))

    def span(self, host: str = "") -> tuple[float, float] | None:
        """(first, last) time that samples cover. Raises HistoryError."""
        match = {"host": self._named(host)}
        with self._errors_named():
            ends = [
                self._database["samples"].find_one(
                    match, {"wall": 1, "seconds": 1}, sort=[("host", order), ("time", order)]
                )
                for order in (1, -1)
            ]
        first, last = ends
        return None if not first or not last else (first["wall"] - first["seconds"], last["wall"])

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # Inside

    def _named(self, host: str) -> str:
        """The host that a query means. Raises HistoryError if that is not clear."""
        if host or self._host:
            return host or self._host
        hosts = self.hosts()
        if len(hosts) == 1:
            return str(hosts[0])
        if not hosts:
            raise HistoryError(
                f"the history at {self._url} holds no host yet: check `history: mongodb:` of the "
                "hosts that are to ship to it"
            )
        some = ", ".join(hosts[:MOST_NAMED]) + (", …" if len(hosts) > MOST_NAMED else "")
        raise HistoryError(
            f"the history at {self._url} holds {len(hosts)} hosts: name one with --recorded-by "
            f"({some})"
        )

    def _bounds(self, host: str, start: float, end: float) -> dict[str, Any]:
        return {"host": host, "time": {"$gte": date(start - EDGE), "$lte": date(end + EDGE)}}

    def _find(
        self, host: str, start: float, end: float, projection: Mapping[str, Any] | None
    ) -> Iterator[Mapping[str, Any]]:
        with self._errors_named():
            cursor = (
                self._database["samples"]
                .find(self._bounds(host, start, end), projection)
                .sort([("host", 1), ("time", 1)])
            )
            with contextlib.closing(cursor):
                yield from cursor

    def _names(self, host: str, layout: str) -> dict[str, str]:
        """A layout's number -> identity. Layouts never change, so they are cached."""
        names = self._layouts.get(layout)
        if names is None:
            with self._errors_named():
                found = self._layout_collection.find_one({"host": host, "_id": layout})
            names = {} if found is None else found["names"]
            if len(self._layouts) >= MAX_LAYOUTS:
                self._layouts.clear()
            self._layouts[layout] = names
        return names

    def _projection(self, host: str, identities: tuple[str, ...] | None) -> dict[str, Any] | None:
        """The projection for these IRQs: every number that they ever had, and `others`."""
        base = {"wall": 1, "seconds": 1, "layout": 1, "others": 1, "clock": 1}
        if identities is None:
            return base | {"irqs": 1}
        wanted = set(identities)
        with self._errors_named():
            layouts = list(self._layout_collection.find({"host": host}))
        self._layouts.update((one["_id"], one["names"]) for one in layouts)
        numbers = {key for one in layouts for key, name in one["names"].items() if name in wanted}
        if len(numbers) > MAX_PROJECTED:
            return base | {"irqs": 1}
        return base | {f"irqs.{key}": 1 for key in sorted(numbers)}

    @property
    def _layout_collection(self) -> Collection[Any]:
        return self._database["layouts"]

    @contextlib.contextmanager
    def _errors_named(self) -> Iterator[None]:
        """Turn the driver's errors into HistoryErrors that name the history."""
        try:
            yield
        except PyMongoError as error:
            raise HistoryError(
                f"the history at {self._url} cannot be read: {describe(error)}"
            ) from error


def _count(counts: dict[str, int], name: str, cells: Mapping[str, int], by_cpu: bool) -> None:
    """Add an IRQ's counts by CPU (`cells`) to `counts`, by CPU or under its name."""
    for cpu, count in cells.items():
        if count:
            key = cpu if by_cpu else name
            counts[key] = counts.get(key, 0) + int(count)
