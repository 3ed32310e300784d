"""pin_irqs: places IRQs by rules, the first that matches counts."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

import builders as b
from irqbal.cpuset import CpuSet
from irqbal.model.plan import Plan
from irqbal.model.view import Snapshot
from irqbal.problems import LocatedProblem, Node, decode
from irqbal_policies.pin_irqs import PinIrqs, Rule, irqbal_options, irqbal_place

HOST = b.host(
    b.cpus(8, nodes=2),
    b.nic("eth0", 2, pairs=True, extra=["eth0"]),
    b.nic("eth1", 1, node=1, driver="ice"),
    b.nvme("nvme0", 1, node=1, managed=False),
    b.lone("i8042", "acpi,ttyS0"),
)


def pin(*rules: Rule) -> b.Says:
    return b.Says("pin_irqs", place=lambda snapshot, draft: irqbal_place(snapshot, PinIrqs(rules)))


def moved(*rules: Rule, snapshot: Snapshot = HOST) -> dict[str, str]:
    return b.moves_of(b.plan(snapshot, pin(*rules)), snapshot)


def notes(made: Plan) -> list[str]:
    return [note.text for _, note in made.notes]


@pytest.mark.parametrize(
    ("globs", "actions"),
    [
        ({"irq": "i8042"}, ["i8042"]),
        ({"irq": "eth0-rx-*"}, ["eth0-rx-0", "eth0-rx-1"]),
        ({"irq": "32"}, ["eth0-rx-0"]),
        ({"irq": "ttyS0"}, ["acpi,ttyS0"]),
        ({"queue": "eth0/rx-*"}, ["eth0-rx-0", "eth0-rx-1"]),
        ({"queue": "eth[01]/*-0"}, ["eth0-rx-0", "eth0-tx-0", "eth1-TxRx-0"]),
        ({"queue": "nvme0/io-*"}, ["nvme0q1"]),
        ({"device": "0000:20:*"}, ["eth0", "eth0-rx-0", "eth0-rx-1", "eth0-tx-0", "eth0-tx-1"]),
        ({"driver": "ice"}, ["eth1-TxRx-0"]),
        ({"driver": "nvme"}, ["nvme0q0", "nvme0q1"]),
        ({"interface": "eth1"}, ["eth1-TxRx-0"]),
        ({"interface": "nvme*"}, ["nvme0q0", "nvme0q1"]),
        ({"interface": "eth0", "irq": "*-0"}, ["eth0-rx-0", "eth0-tx-0"]),
    ],
)
def test_a_rule_is_by_irq_queue_device_driver_or_interface(
    globs: dict[str, Any], actions: list[str]
) -> None:
    assert sorted(moved(Rule(**globs, cpus=b.s("3")))) == actions


def test_globs_tell_upper_from_lower_case() -> None:
    assert moved(Rule(irq="I8042", cpus=b.s("3"))) == {}


def test_an_irq_of_no_device_matches_no_rule_by_device() -> None:
    assert "i8042" not in moved(Rule(device="*", cpus=b.s("3")))
    assert "i8042" not in moved(Rule(driver="*", cpus=b.s("3")))


def test_cpus_are_where_the_irqs_go() -> None:
    assert moved(Rule(irq="i8042", cpus=b.s("1-2"))) == {"i8042": "1-2"}


def test_node_local_is_the_irqs_own_node() -> None:
    rules = Rule(queue="*", node="local")
    assert moved(rules) == {
        "eth0-rx-0": "0-3",
        "eth0-tx-0": "0-3",
        "eth0-rx-1": "0-3",
        "eth0-tx-1": "0-3",
        "eth1-TxRx-0": "4-7",
        "nvme0q1": "4-7",
    }


def test_node_local_of_an_irq_without_node_is_every_cpu() -> None:
    assert (
        moved(Rule(irq="i8042", node="local"), snapshot=b.host(b.cpus(8, nodes=2), b.lone("i8042")))
        == {}
    )


def test_a_node_is_its_online_cpus() -> None:
    snapshot = b.host(b.cpus(8, nodes=2, offline="5"), b.lone("i8042"))
    assert moved(Rule(irq="i8042", node="1"), snapshot=snapshot) == {"i8042": "4,6-7"}


def test_a_node_that_is_not_there_is_said_once() -> None:
    made = b.plan(HOST, pin(Rule(irq="*", node="7")))
    assert not made.moves and not made.refused
    ((_, note),) = made.notes
    assert "this host has no node 7" in note.text and "its nodes are 0" in note.advice


def test_a_rule_by_the_driver_of_a_virtio_device() -> None:
    devices = tuple(replace(one, function="virtio_net") for one in HOST.devices)
    snapshot = replace(HOST, devices=devices)
    rules = (Rule(driver="virtio_net", leave=True), Rule(irq="*", cpus=b.s("1")))
    made = b.plan(snapshot, pin(*rules))
    assert {irq.device for irq in snapshot.irqs if irq.number in {m.irq for m in made.moves}} <= {
        None
    }


def test_what_is_left_is_not_touched_whoever_else_wants_it() -> None:
    policies = (
        pin(Rule(irq="i8042", leave=True)),
        pin(Rule(irq="i8042", cpus=b.s("3"))),
        b.limit("7"),
    )
    assert "i8042" not in b.moves_of(b.plan(HOST, *policies), HOST)


def test_the_first_rule_that_matches_counts() -> None:
    rules = (Rule(irq="eth0-rx-1", cpus=b.s("2")), Rule(irq="eth0-*", cpus=b.s("1")))
    assert moved(*rules) == {"eth0-rx-0": "1", "eth0-tx-0": "1", "eth0-rx-1": "2", "eth0-tx-1": "1"}


def test_the_reason_names_the_rule() -> None:
    (move,) = b.plan(
        HOST, pin(Rule(irq="nothing", cpus=b.s("1")), Rule(irq="i8042", cpus=b.s("1")))
    ).moves
    assert move.reason == "rule 2 (irq: i8042)"


def test_a_rule_that_matches_nothing_is_told() -> None:
    (text,) = notes(
        b.plan(HOST, pin(Rule(irq="i8042", cpus=b.s("1")), Rule(driver="mlx5*", cpus=b.s("1"))))
    )
    assert text == "rule 2 (driver: mlx5*) does nothing: no IRQ matches it"


def test_a_rule_behind_a_wider_one_is_told() -> None:
    (text,) = notes(
        b.plan(HOST, pin(Rule(irq="*", cpus=b.s("1")), Rule(irq="i8042", cpus=b.s("2"))))
    )
    assert "rule 2" in text and "earlier rules match all of its IRQs" in text


def test_no_rules_do_nothing() -> None:
    assert b.plan(HOST, pin()) == Plan()


def test_an_unmovable_irq_is_refused_with_the_reason() -> None:
    snapshot = b.host(b.cpus(4), b.nvme("nvme0", 1))
    made = b.plan(snapshot, pin(Rule(irq="nvme0q1", cpus=b.s("3"))))
    assert b.refusals(made, snapshot) == {"nvme0q1": "unmovable"}
    assert b.MANAGED in made.refused[0].reason


def test_it_is_at_rest_once_applied() -> None:
    policy = pin(Rule(queue="*", node="local"), Rule(irq="*", cpus=b.s("1")))
    later, ledger = b.applied(HOST, b.plan(HOST, policy))
    assert not b.plan(later, policy, ledger=ledger).moves


# Options


def test_its_options_are_pin_irqs() -> None:
    assert irqbal_options() is PinIrqs


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"cpus": b.s("1")}, "needs one of irq, queue, device, driver, interface"),
        ({"irq": "a"}, "needs just one of cpus, node, leave"),
        ({"irq": "a", "cpus": b.s("1"), "leave": True}, "needs just one of cpus, node, leave"),
        ({"irq": "a", "cpus": b.s("1"), "node": "0"}, "needs just one of cpus, node, leave"),
        ({"irq": "a", "cpus": CpuSet()}, "cpus is empty"),
        ({"irq": "a", "node": "near"}, "must be local, or a number"),
        ({"irq": "a", "node": "-1"}, "must be local, or a number"),
        ({"irq": "a", "node": "²"}, "must be local, or a number"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_a_sentence(
    fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        Rule(**fields)


def test_rules_are_read_from_yaml_with_their_line() -> None:
    def rule(line: int, **fields: str) -> Node:
        return Node(line, {key: Node(line, value) for key, value in fields.items()})

    problems: list[LocatedProblem] = []
    good = Node(
        1, {"rules": Node(2, [rule(3, irq="i8042", cpus="0-1"), rule(4, queue="*", leave="true")])}
    )
    assert decode(good, PinIrqs, "pin_irqs", problems) == PinIrqs(
        (Rule(irq="i8042", cpus=b.s("0-1")), Rule(queue="*", leave=True))
    )
    assert not problems
    bad = Node(1, {"rules": Node(2, [rule(3, irq="i8042"), rule(4, queue="*", leaf="true")])})
    assert decode(bad, PinIrqs, "pin_irqs", problems) is None
    assert [(problem.line, problem.key) for problem in problems] == [
        (3, "pin_irqs.rules[0]"),
        (4, "pin_irqs.rules[1].leaf"),
    ]
