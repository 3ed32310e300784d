"""Findings: one for each cause, the worst first; none where the host is as its policies want."""

from __future__ import annotations

from pathlib import Path

import msgspec

import builders as b
from irqbal.findings.finding import Finding
from irqbal.findings.verify import Context, verify
from irqbal.model.plan import Kept, Plan
from irqbal.model.view import Snapshot, TxQueue
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.render.finding_texts import describe
from irqbal_policies.pin_nic_queues import PinNicQueues
from irqbal_policies.pin_nic_queues import irqbal_place as pin_place
from looking import look
from trees import NamedNic, TreeSpec, make_tree

ENABLED = frozenset({"isolate_cores", "pin_nic_queues", "spread_by_rate"})


def _codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def _remote() -> Snapshot:
    """A NIC on node 0 whose two hot queues are both on CPU 3 of node 1."""
    queues = ("eth0-TxRx-0", "eth0-TxRx-1")
    return b.host(
        b.cpus(4, nodes=2),
        b.nic("eth0", 2),
        at=dict.fromkeys(queues, "3"),
        loads=dict.fromkeys(queues, 0.2),
    )


def test_an_irq_that_the_plan_moves_is_told_off_once() -> None:
    snapshot = _remote()
    pin = b.Says(
        "pin_nic_queues",
        place=lambda snapshot, draft: pin_place(snapshot, draft, PinNicQueues(xps=False)),
    )
    made, _ = b.planned(b.changed(snapshot, settling=True), Ledger(), Settings(), pin)
    assert len(made.moves) == 2
    assert _codes(verify(snapshot, Context(plan=made))) == ["mask", "mask"]


def test_an_irq_that_its_policy_keeps_elsewhere_is_where_it_should_be() -> None:
    snapshot = _remote()
    kept = tuple(
        Kept(irq.number, "pin_irqs", irq.affinity, "rule 1") for irq in snapshot.irqs if irq.queue
    )
    found = verify(snapshot, Context(plan=Plan(kept=kept), enabled=ENABLED))
    assert _codes(found) == []


def test_nobody_is_told_to_enable_what_is_enabled() -> None:
    for enabled in (None, frozenset[str](), ENABLED):
        for finding in verify(_remote(), Context(enabled=enabled)):
            told = [name for name in ENABLED if f"enable {name}" in describe(finding).advice]
            assert not told or not enabled
    found = verify(_remote(), Context(enabled=ENABLED))
    assert _codes(found) == ["remote-queue", "remote-queue"]
    assert "`exclude`" in describe(found[0]).advice


def test_queue_counts_are_of_cores_unless_siblings_are_used() -> None:
    """Two queues, on a node of two cores with two threads each."""
    snapshot = b.host(b.cpus(4, threads=2), b.nic("eth0", 2), at={"eth0-TxRx-1": "1"})
    assert _codes(verify(snapshot, Context())) == []
    found = verify(snapshot, Context(siblings=True))
    assert _codes(found) == ["queue-count"] and found[0].severity == "notice"
    assert "2 queues for 4 usable CPUs" in describe(found[0]).text


def test_queues_that_are_not_recognised(tmp_path: Path) -> None:
    nic = NamedNic("mystery", tuple(f"strange{n}" for n in range(5)), rx=4, tx=4, node=0)
    snapshot = look(make_tree(tmp_path, TreeSpec(devices=(nic,))))
    (found,) = [one for one in verify(snapshot, Context()) if one.code == "unknown-queues"]
    assert found.severity == "warning" and found.subject.name == "eth0"
    text = describe(found)
    assert "eth0 (mystery) has 4 active queues" in text.text and "24 (strange0)" in text.text
    assert "irqbal_identify" in text.advice and "irqbal capture" in text.advice


def test_vectors_that_are_not_recognised_stay_near_and_apart(tmp_path: Path) -> None:
    """Also beside queues that are; a policy that names the interface says so."""
    names = (*(f"strange{n}" for n in range(3)), "eth0-rx-0")
    nic = NamedNic("mystery", names, rx=4, tx=4, node=1)
    tree = make_tree(tmp_path, TreeSpec(sockets=2, cores=4, nodes=2, devices=(nic,)))
    options = PinNicQueues(interfaces=("eth*",))
    pin = b.Says("pin", place=lambda snapshot, draft: pin_place(snapshot, draft, options))
    made = b.plan(look(tree), pin)
    homes = [str(move.after) for move in made.moves]
    assert sorted(homes) == ["4", "5", "6", "7"]
    assert [note.text for _, note in made.notes if "not known which IRQs serve 3" in note.text]


def test_a_nic_without_vectors_of_its_own_is_no_riddle(tmp_path: Path) -> None:
    """netvsc's queues arrive through the VMBus; an interface that is down, a bond."""
    nic = NamedNic("hv_netvsc", (), folder="f8615163-df3e-46c5-913f-f2d2f965ed0e")
    snapshot = look(make_tree(tmp_path, TreeSpec(devices=(nic,))))
    assert _codes(verify(snapshot, Context())) == []


def test_a_wireless_card_has_no_queues_to_recognise(tmp_path: Path) -> None:
    nic = NamedNic("iwlwifi", ("iwlwifi:default_queue", "iwlwifi:queue_1"), interface="wlan0")
    tree = make_tree(tmp_path, TreeSpec(devices=(nic,)))
    assert "unknown-queues" in _codes(verify(look(tree), Context()))
    (tree.folder / "sys/class/net/wlan0/phy80211").mkdir()
    assert _codes(verify(look(tree), Context())) == []


def test_a_program_that_may_write_is_worth_a_look_until_masks_change() -> None:
    writers = ("tuned is running (pid 7)", "irqbalance is running (pid 8)")
    assert {"possible-writer", "writer"} <= set(_codes(verify(_remote(), Context(writers=writers))))
    drifted = _codes(verify(_remote(), Context(writers=writers, drifted=True)))
    assert drifted.count("writer") == 2


def test_warnings_come_first() -> None:
    snapshot = _remote()
    snapshot = msgspec.structs.replace(
        snapshot,
        interfaces=tuple(
            msgspec.structs.replace(one, tx=(TxQueue(),) * 3) for one in snapshot.interfaces
        ),
    )
    found = verify(snapshot, Context(writers=("tuned is running",), drifted=True))
    order = [finding.severity for finding in found]
    assert order == sorted(order, key=lambda severity: severity != "warning")
    assert {"unknown-queues", "writer", "shared-core"} <= set(_codes(found))
