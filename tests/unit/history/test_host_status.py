"""The last cycle of a host as a document, also of the form before this one."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

import builders as b
from irqbal.history.host_status import LastCycle, last_cycle_of
from irqbal.model.plan import Plan, Record
from irqbal.wire import to_msgpack


def _document(cycle: LastCycle, **fields: Any) -> dict[str, Any]:
    return {"_id": "host", "body": zlib.compress(to_msgpack(cycle)), **fields}


def test_a_document_of_the_form_before_keeps_its_queues() -> None:
    """An IRQ had one queue or none, under the key `queue`."""
    snapshot = b.host(b.cpus(2), b.nic("eth0", 2), b.lone("i8042"))
    record = Record(1, 2.0, 0.0, "tick", False, Plan())
    cycle = LastCycle(1000.0, snapshot, record, {32: 7})
    assert last_cycle_of(_document(cycle, form=2)) == cycle
    old = msgspec.msgpack.decode(to_msgpack(cycle))
    for irq in old["snapshot"]["irqs"]:
        (irq["queue"],) = irq.pop("queues") or [None]
        del irq["evidence"]
    read = last_cycle_of({"_id": "host", "body": zlib.compress(msgspec.msgpack.encode(old))})
    assert read is not None and read.totals == {32: 7}
    assert [irq.queues for irq in read.snapshot.irqs] == [irq.queues for irq in snapshot.irqs]
    assert last_cycle_of({"_id": "host", "body": b"rubbish"}) is None
    strange: object
    for strange in (7, [], {"snapshot": 7}, {"snapshot": {"irqs": 7}}, {"snapshot": {"irqs": [7]}}):
        body = zlib.compress(msgspec.msgpack.encode(strange))
        assert last_cycle_of({"_id": "host", "body": body}) is None, strange
        assert last_cycle_of({"_id": "host", "body": body, "form": 2}) is None, strange
    assert last_cycle_of({"_id": "host", "body": "text"}) is None
