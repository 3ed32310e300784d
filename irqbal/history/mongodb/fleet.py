"""Many hosts' histories in MongoDB, for a central server, and how the hosts are now.

Every query names a host, or a time since which hosts must have shipped: the indexes, and the router
of a sharded cluster, can use either. This module needs pymongo, and is imported only if a MongoDB
URL is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pymongo import ReadPreference
from pymongo.read_concern import ReadConcern

from irqbal.config.mongodb_options import MongodbOptions
from irqbal.history.host_status import (
    HostFacts,
    HostFindings,
    KnownHost,
    LastCycle,
    facts_of,
    findings_of,
    last_cycle_of,
)
from irqbal.history.mongodb.documents import date, sample_of
from irqbal.history.mongodb.store import MongodbHistory
from irqbal.history.samples import Sample

POOL = 8
"""Most connections: one for each thread that reads."""
FACTS = {name: 1 for name in HostFacts.__struct_fields__ if name != "host"}
"""Projection of a document in `fleet` to `HostFacts`."""


class MongodbFleet(MongodbHistory):
    """Reads any host's history, and lists the hosts.

    Unless the URL has a `readPreference`, secondary members answer: queries then neither load the
    primary, which takes the samples, nor wait for the election of another.
    """

    threads = POOL

    def __init__(self, options: MongodbOptions) -> None:
        """Raises ConfigError or HistoryError with a sentence."""
        super().__init__(options, pool=POOL)
        if "readpreference=" not in options.url.lower():
            self._database = self._client.get_database(
                options.database,
                read_concern=ReadConcern("majority"),
                read_preference=ReadPreference.SECONDARY_PREFERRED,
            )

    def ping(self) -> None:
        """Check that a member answers from which this reads. Raises HistoryError."""
        with self._errors_named():
            self._database.command("ping", read_preference=self._database.read_preference)

    def facts(self, since: float) -> list[HostFacts]:
        """Every host that has shipped since then (seconds since the epoch), by name. If its daemon
        does not ship a status, only the time is known.
        """
        recent = {"time": {"$gte": date(since)}}
        with self._errors_named():
            found = {
                one["_id"]: facts_of(one) for one in self._database["fleet"].find(recent, FACTS)
            }
            # This projection is answered from the index alone: the documents are long.
            others = self._database["hosts"].find(recent, {"_id": 1, "time": 1})
            found |= {
                one["_id"]: HostFacts(one["_id"], one["time"].timestamp())
                for one in others
                if one["_id"] not in found
            }
        return [found[name] for name in sorted(found)]

    def host(self, host: str) -> KnownHost | None:
        """One host; None if it is unknown. Raises HistoryError."""
        with self._errors_named():
            one = self._database["fleet"].find_one(
                {"_id": host}, FACTS | {"status": 1, "findings": 1}
            )
            if one is not None:
                return KnownHost(facts_of(one), one.get("status", {}), tuple(findings_of(one)))
            old = self._database["hosts"].find_one({"_id": host}, {"time": 1})
        return None if old is None else KnownHost(HostFacts(host, old["time"].timestamp()))

    def findings(self, since: float, code: str) -> list[HostFindings]:
        """The findings of hosts that have shipped since then, by host; only those of one code if
        `code` is not empty. Hosts without findings are left out.
        """
        match: dict[str, Any] = {"time": {"$gte": date(since)}, "findings.0": {"$exists": True}}
        if code:
            match["findings.code"] = code
        with self._errors_named():
            found = [
                HostFindings(
                    facts_of(one),
                    tuple(item for item in findings_of(one) if code in ("", item.code)),
                )
                for one in self._database["fleet"].find(match, FACTS | {"findings": 1})
            ]
        return sorted(found, key=lambda item: item.facts.host)

    def last_cycle(self, host: str) -> LastCycle | None:
        """A host's last cycle; None if it was not shipped, or this version cannot read it."""
        with self._errors_named():
            found = self._database["views"].find_one({"_id": host}, {"body": 1})
        return None if found is None else last_cycle_of(found)

    def last_contacts(self, hosts: Iterable[str]) -> dict[str, float]:
        """Host -> when it last shipped its status, in seconds since the epoch."""
        with self._errors_named():
            return {
                one["_id"]: one["wall"]
                for one in self._database["fleet"].find(
                    {"_id": {"$in": sorted(hosts)}}, {"wall": 1}
                )
            }

    def newest(self, start: float, end: float, limit: int, host: str = "") -> list[Sample]:
        """The newest `limit` samples of the window, oldest first."""
        match = self._bounds(self._named(host), start, end) | {"wall": {"$gte": start, "$lt": end}}
        with self._errors_named():
            found = list(
                self._database["samples"]
                .find(match)
                .sort([("host", -1), ("time", -1)])
                .limit(limit)
            )
        return [sample_of(one, self._names(one["host"], one["layout"])) for one in reversed(found)]
