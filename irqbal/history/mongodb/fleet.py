"""Many hosts' histories in MongoDB, for a central server: what the store of one host has, and how
all of them are now.

Every query names a host, or a time from which on hosts must have been heard of: that is what its
indexes, and a sharded cluster's router, can make use of. Needs pymongo, and is imported only where
MongoDB is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pymongo import ReadPreference
from pymongo.read_concern import ReadConcern

from irqbal.config.mongodb_options import MongodbOptions
from irqbal.findings.finding import DescribedFinding
from irqbal.history.host_status import HostFacts, LastSeen, facts_of, findings_of, seen_of
from irqbal.history.mongodb.documents import date, sample_of
from irqbal.history.mongodb.store import MongodbHistory
from irqbal.history.samples import Sample

POOL = 8
"""Connections: one a thread that reads."""
LINE = {name: 1 for name in HostFacts.__struct_fields__ if name != "host"}


class MongodbFleet(MongodbHistory):
    """Reads any host's history, and lists them. Unless the URL names another `readPreference`,
    members that are not primary answer, so that people's questions neither burden the one that
    takes the samples, nor wait until another is elected.
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
        """See that a member answers from which this reads."""
        with self._told():
            self._database.command("ping", read_preference=self._database.read_preference)

    def facts(self, since: float) -> list[HostFacts]:
        """Every host that was heard of since then, by name; of one whose daemon tells nothing of
        itself, only when that was.
        """
        recent = {"time": {"$gte": date(since)}}
        with self._told():
            found = {
                one["_id"]: facts_of(one) for one in self._database["fleet"].find(recent, LINE)
            }
            # Answered from the index alone: these documents are long.
            others = self._database["hosts"].find(recent, {"_id": 1, "time": 1})
            found |= {
                one["_id"]: HostFacts(one["_id"], one["time"].timestamp())
                for one in others
                if one["_id"] not in found
            }
        return [found[name] for name in sorted(found)]

    def line(self, host: str) -> tuple[HostFacts, dict[str, Any]] | None:
        """One host in a line, and its daemon's own status (empty: it tells none). None: nobody
        knows it.
        """
        with self._told():
            one = self._database["fleet"].find_one({"_id": host}, LINE | {"status": 1})
            if one is not None:
                return facts_of(one), one.get("status", {})
            old = self._database["hosts"].find_one({"_id": host}, {"time": 1})
        return None if old is None else (HostFacts(host, old["time"].timestamp()), {})

    def findings(self, since: float, code: str) -> list[tuple[HostFacts, list[DescribedFinding]]]:
        """Hosts heard of since then on which something is not as it should be, with what that is;
        with a code, of this kind.
        """
        match: dict[str, Any] = {"time": {"$gte": date(since)}, "findings.0": {"$exists": True}}
        if code:
            match["findings.code"] = code
        with self._told():
            found = [
                (facts_of(one), findings_of(one))
                for one in self._database["fleet"].find(match, LINE | {"findings": 1})
            ]
        wanted = [
            (facts, [item for item in items if code in ("", item.code)]) for facts, items in found
        ]
        return sorted(wanted, key=lambda pair: pair[0].host)

    def seen(self, host: str) -> LastSeen | None:
        """A host's last cycle, whole, if its daemon told it in a way that this version reads."""
        with self._told():
            found = self._database["views"].find_one({"_id": host}, {"body": 1})
        return None if found is None else seen_of(found)

    def heard(self, hosts: Iterable[str]) -> dict[str, float]:
        """When each of these was last heard of."""
        with self._told():
            return {
                one["_id"]: one["wall"]
                for one in self._database["fleet"].find(
                    {"_id": {"$in": sorted(hosts)}}, {"wall": 1}
                )
            }

    def newest(self, start: float, end: float, limit: int, host: str = "") -> list[Sample]:
        """The newest samples of a stretch of time, oldest first."""
        match = self._bounds(self._named(host), start, end) | {"wall": {"$gte": start, "$lt": end}}
        with self._told():
            found = list(
                self._database["samples"]
                .find(match)
                .sort([("host", -1), ("time", -1)])
                .limit(limit)
            )
        return [sample_of(one, self._names(one["host"], one["layout"])) for one in reversed(found)]
