"""What the panes of `top` show of an answer: NICs with their queues, decisions by cycle, the head,
and all of it in ASCII.
"""

from __future__ import annotations

import pytest

from client_answers import cpu, decision, device, finding, findings, irq, queue, status
from irqbal.api.contract import responses
from irqbal.client.top import cycles, fitting, head, nics
from irqbal.client.top.groups import GroupedRow
from irqbal.client.top.reading import Reading
from irqbal.cpuset import CpuSet
from irqbal.render.charset import to_ascii
from irqbal.wire import Moment

ETH = responses.InterfaceView(
    "eth0",
    up=True,
    tx=(responses.TxView(CpuSet.parse("0-1")), responses.TxView(None, by_rxqs=True)),
    rx=(responses.RxView(CpuSet(), 0), responses.RxView(CpuSet.parse("1"), 0)),
)


def row(rows: list[GroupedRow], number: int | None) -> dict[str, str]:
    """The cells of the row about this IRQ, by the columns' keys."""
    found = next(one for one in rows if one.cells and one.irq == number)
    return dict(zip((column.key for column in nics.COLUMNS), found.cells, strict=True))


def nic_rows(
    *irqs: responses.IrqView, found: responses.FindingsAnswer | None = None
) -> list[GroupedRow]:
    return nics.nic_rows(
        Reading(
            status=status(),
            irqs=irqs,
            cpus=(cpu(0), cpu(1), cpu(2, node=1)),
            devices=(device(ETH, irqs=tuple(one.number for one in irqs)),),
            findings=found,
        )
    )


def test_a_queue_has_its_irq_its_cpus_and_its_steering() -> None:
    rows = nic_rows(
        irq(8, queue("eth0", 1), effective=CpuSet.parse("1"), rate=12.5, load=0.25),
        irq(7, queue("eth0", 0)),
        irq(9),
    )
    assert [one.irq for one in rows if one.cells] == [7, 8, 9]
    assert rows[0].title.startswith("eth0  node 0  12.5/s  25.00 %  2 rx and 2 tx queues, 2 IRQs")
    assert row(rows, 7) == {
        "queue": "  rxtx-0",
        "irq": "7",
        "cpus": "0",
        "on": "0",
        "node": "0",
        "rate": "0.0",
        "load": "0.00",
        "xps": "0-1",
        "rps": "-",
        "remarks": "",
    }
    second = row(rows, 8)
    assert (second["on"], second["xps"], second["rps"]) == ("1", "by rx queue", "1")
    assert row(rows, 9)["remarks"] == "no queue"


def test_a_remote_queue_and_one_that_cannot_be_moved_say_so() -> None:
    rows = nic_rows(
        irq(7, queue("eth0", 0), effective=CpuSet.parse("2"), local=False, rate=9.0, override=True),
        irq(8, queue("eth0", 1), movable=False, unmovable="managed by the kernel"),
    )
    assert row(rows, 7)["node"] == "1"
    assert row(rows, 7)["remarks"] == "! remote: its NIC is on node 0; override"
    assert row(rows, 8)["remarks"] == "cannot be moved: managed by the kernel"


def test_an_interface_whose_queues_are_not_recognised_says_so() -> None:
    unknown = findings(finding("unknown-queues", "interface", "eth0"))
    rows = nic_rows(irq(7, rate=5.0), irq(8), found=unknown)
    assert rows[0].title.startswith("eth0  ! queues not recognised  ")
    assert row(rows, 7)["remarks"] == "not recognised"
    assert row(rows, 8)["remarks"] == "no queue"
    # Its queues are steered all the same.
    assert [one.cells[0].strip() for one in rows if one.cells and one.irq is None] == [
        "tx-0",
        "tx-1",
        "rx-1",
    ]


def test_decisions_stand_by_cycle_and_what_failed_first() -> None:
    rows = cycles.decision_rows(
        [
            decision(9, "move", 5),
            decision(9, "refusal", 4, result=""),
            decision(9, "move", 3, result="refused", done=False, reason="EIO"),
            decision(8, "failure", None, result=""),
        ]
    )
    assert [one.title.partition("  ")[0] or one.irq for one in rows] == [
        "cycle 9",
        3,
        4,
        5,
        "cycle 8",
        None,
    ]
    assert "2 moves, 1 refusal  ! 1 failed" in rows[0].title
    assert [one.cells[0] for one in rows if one.cells] == [
        "! move",
        "  refusal",
        "  move",
        "! failure",
    ]
    assert len({one.key for one in rows}) == len(rows)


def test_a_dry_run_is_no_failure() -> None:
    assert not cycles.failed(decision(1, "move", 5, result="planned", done=False))


def test_the_verdict_is_a_word_and_a_sentence() -> None:
    state = head.HeadState(
        target="x", status=status(measured=1.0), findings=findings(verdict="look")
    )
    text = head.head(state, 80)
    assert text.plain.split("\n")[2] == " LOOK  A sentence."
    without = head.HeadState(target="x", status=status(measured=1.0))
    assert text.plain.startswith(head.head(without, 80).plain)
    assert head.head(without, 80).plain.count("\n") == 1


def test_an_old_measurement_has_its_age() -> None:
    state = head.HeadState(target="x", status=status(measured=1.0), age=41.6)
    assert "measured 42 s ago" in head.head(state, 80).plain


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("pane", ["irqs", "nics", "decisions"])
def test_the_keys_fit(width: int, pane: str) -> None:
    text = head.keys(True, pane, width).plain
    assert len(text) <= width
    assert text.startswith("? help") and text.endswith("q quit") and "p resume" in text
    assert ("i IRQs" in text) == (pane != "irqs")


def test_cells_are_cut_to_their_width() -> None:
    assert fitting.cell("ice-eth1-TxRx-13", 9, ends=True) == "ice-…x-13"
    assert fitting.cell("\x1b[31mred", 5) == "\ufffd[31…"
    column = fitting.FittedColumn
    columns = [
        column(key="a", head="A"),
        column(key="b", head="B", drop=1),
        column(key="c", head="C", least=3, free=True),
    ]
    sizes = {"a": 4, "b": 4, "c": 20}
    assert [(one.key, size) for one, size in fitting.fit(columns, sizes, 14)] == [
        ("a", 4),
        ("b", 4),
        ("c", 4),
    ]
    assert [one.key for one, _size in fitting.fit(columns, sizes, 10)] == ["a", "c"]


def test_ascii_has_the_same_width_and_nothing_else() -> None:
    drawn = "━━── ▼▲▶ └├│ ╭╮ ▁▅█ “x”… é 世"
    text = to_ascii(drawn)
    assert text == '##-- v^> `|| ++ _=# "x"~ ? ??'


def test_the_age_of_a_decision_s_clock_is_told() -> None:
    doubtful = decision(3, "move", 5, clock="wrong", at=Moment(5.0))
    assert "(clock wrong)" in cycles.decision_rows([doubtful])[0].title
