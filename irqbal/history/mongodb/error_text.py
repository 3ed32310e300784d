"""The texts of pymongo's errors, shortened for the log."""

from __future__ import annotations

from pymongo.errors import BulkWriteError

MAX_TEXT = 300
"""Most characters of an error that a log line or a message repeats."""


def describe(error: Exception) -> str:
    """What went wrong, without the driver's description of the topology, and without the documents
    that a bulk write error carries.
    """
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        errors = [*details.get("writeErrors", []), *details.get("writeConcernErrors", [])]
        texts = "; ".join(sorted({str(one.get("errmsg", "")) for one in errors}))
        return texts[:MAX_TEXT] or "a bulk write failed"
    return (str(error).split(", Timeout:")[0] or type(error).__name__)[:MAX_TEXT]
