"""Turns waiting records into batches of BSON documents. Blocks; runs on the history thread."""

from __future__ import annotations

import logging
import time

import bson
import msgspec
from bson.errors import InvalidDocument

from irqbal.history.host_status import HostStatus, status_documents
from irqbal.history.mongodb.documents import (
    CellNumbering,
    Document,
    Layout,
    decision_document,
    host_document,
    sample_document,
)
from irqbal.history.samples import Decision, Sample
from irqbal.history.store import Outbox

log = logging.getLogger(__name__)

MAX_BATCH = 1_000_000
"""Most bytes of documents in a batch: only one is held in memory. One record may be larger."""
MAX_ITEMS = 1000
"""Most records in a batch."""
MAX_DOCUMENT = 16 * 1024 * 1024 - 16 * 1024
"""Most bytes of a document: MongoDB's limit of 16 MiB, less 16 KiB for what the server adds."""


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the next batch is made for.

    `numbering` is that of the batch before; None if there was none, or if it failed. `with_host`:
    include the host's document even if no IRQ changed. `status` is the host's status to ship.
    """

    host: str
    numbering: CellNumbering | None = None
    with_host: bool = False
    status: HostStatus | None = None


class Batch(msgspec.Struct, kw_only=True):
    """BSON documents for each collection.

    `documents` are those of `samples` and `decisions`, `status` those of `fleet` and `views`, by
    collection; `host` is the one of `hosts`, or empty. `layouts` are what the samples refer to, by
    id. `sequences` are all records that the batch covers; `refused` says for some of them why they
    cannot be documents.
    """

    numbering: CellNumbering
    sequences: list[int] = []
    documents: dict[str, list[bytes]]
    layouts: dict[str, Layout] = {}
    host: bytes = b""
    status: dict[str, bytes] = {}
    refused: list[str] = []
    size: int = 0


def next_batch(outbox: Outbox, request: BatchRequest) -> Batch | None:
    """The oldest waiting records as a batch; None if nothing waits."""
    items = outbox.pending(MAX_BATCH, MAX_ITEMS)
    if not items:
        return None
    host = request.host
    if request.numbering is None:
        numbering = CellNumbering(host, outbox.states())
    else:
        numbering = request.numbering.copy()
    batch = Batch(
        numbering=numbering,
        documents={"samples": [], "decisions": []},
        status=_encoded_status(host, request.status),
    )
    with_host = request.with_host
    for item in items:
        with_host = with_host or (isinstance(item, Sample) and bool(item.states))
        if not _add(batch, host, item):
            break
    if with_host:
        batch.host = bson.encode(host_document(host, outbox.states(), time.time()))
    return batch


def _add(batch: Batch, host: str, item: Sample | Decision) -> bool:
    """Add a record to the batch; False if it does not fit any more."""
    if isinstance(item, Decision):
        return _encode_into(batch, "decisions", item, decision_document(host, item))
    batch.numbering.appear(item.states)
    layout = batch.numbering.layout
    if not _encode_into(batch, "samples", item, sample_document(host, item, layout)):
        return False
    batch.layouts[layout.id] = layout
    batch.numbering.vanish(item.states)
    return True


def _encode_into(batch: Batch, name: str, item: Sample | Decision, document: Document) -> bool:
    """Add a document to the collection `name`; False if it does not fit any more. A record that
    cannot be a document counts as shipped, with the reason in `refused`.
    """
    raw, refused = b"", ""
    try:
        raw = bson.encode(document)
        if len(raw) > MAX_DOCUMENT:
            raise InvalidDocument(f"{len(raw)} bytes are more than MongoDB takes as one document")
    except (InvalidDocument, OverflowError, UnicodeError) as error:
        raw = b""
        refused = f"record {item.sequence} of boot {item.boot} cannot be a document: {error}"
    if batch.sequences and batch.size + len(raw) > MAX_BATCH:
        return False
    if raw:
        batch.documents[name].append(raw)
        batch.size += len(raw)
    if refused:
        batch.refused.append(refused)
    batch.sequences.append(item.sequence)
    return True


def _encoded_status(host: str, status: HostStatus | None) -> dict[str, bytes]:
    """The documents of the host's status by collection. None if they cannot be encoded: records
    must not wait for them.
    """
    if status is None:
        return {}
    try:
        return {
            name: bson.encode(document) for name, document in status_documents(host, status).items()
        }
    except (InvalidDocument, OverflowError, TypeError, ValueError) as error:
        log.error("MongoDB: the status of this host is not shipped: %s", error)
        return {}
