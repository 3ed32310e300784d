"""`plan`, `explain` and `topology` of a large host, at 80 columns and wider."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from irqbal.model.plan import Record
from irqbal.model.view import Snapshot
from irqbal.render.explanation import explained, print_explanation
from irqbal.render.plan import print_plan
from irqbal.render.topology import print_topology
from irqbal.testing import ask, cpus, host, nic, nvme

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
KEPT_FREE = "0-15,32-47,64-79,96-111,128-143"


@pytest.fixture(scope="module")
def large() -> tuple[Snapshot, Record]:
    """512 CPUs, 130 IRQs, and policies that have much to say."""
    made = host(
        cpus(512, nodes=8, threads=2, l3=8, isolated="3,259"),
        nic("eth0", 64),
        nic("enp193s0f1np1", 1),
        nvme("nvme0", 65),
    )
    plan = ask(
        made,
        ("isolate_cores", {"cpus": KEPT_FREE}),
        ("pin_nic_queues", {"cpus": "local"}),
        "spread_by_rate",
    )
    return made, Record(1, 0.0, 0.0, "plan", True, plan)


def printed(width: int, show: str, large: tuple[Snapshot, Record]) -> list[str]:
    snapshot, record = large
    out = Console(
        width=width,
        file=io.StringIO(),
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=width > 1000,
    )
    if show == "plan":
        print_plan(out, record, snapshot)
    elif show == "topology":
        print_topology(out, snapshot)
    else:
        irq = snapshot.irq_by_number[int(show)]
        print_explanation(out, explained(irq, record.plan.explanations[irq.number]))
    assert isinstance(out.file, io.StringIO)
    return [line.rstrip() for line in out.file.getvalue().splitlines()]


def words(lines: list[str]) -> str:
    return re.sub(r"[\s│├└─]+", " ", " ".join(lines))


def pieces(lines: list[str]) -> set[str]:
    return set(re.split(r"[\s,│├└─]+", " ".join(lines)))


@pytest.mark.parametrize("show", ["plan", "topology", "40"])
def test_at_80_columns_nothing_is_cut_off(large: tuple[Snapshot, Record], show: str) -> None:
    lines = printed(80, show, large)
    assert max(cell_len(line) for line in lines) <= 80
    # Lines are folded at spaces and CPU sets at commas, so every word and number of the pipe's
    # stands whole on the terminal, too; names that have no space, from their 16th character on, are
    # folded where they must be.
    shown, piped = pieces(lines), pieces(printed(10_000, show, large))
    assert {piece for piece in piped if piece not in shown and piece[:16] not in shown} == set()
    assert len(piped) > 20


def test_a_plan_of_a_large_host(large: tuple[Snapshot, Record]) -> None:
    lines = printed(80, "plan", large)
    text = words(lines)
    assert "RESULT" not in text and text.endswith("refused. Nothing was written.")
    # What to do about a refusal is the same for all of them, and said once.
    advice = large[1].plan.refused[0].advice
    assert (
        advice
        and text.count(f"(1) {advice}") == 1
        and words(printed(10_000, "plan", large)).count(advice) > 1
    )
    to = [line for line in lines if re.match(r" *\d+ +eth0-TxRx-", line)]
    assert len(to) == 64 and all("pin_nic_queues" in line for line in to)


def test_a_topology_of_a_large_host(large: tuple[Snapshot, Record]) -> None:
    lines = printed(80, "topology", large)
    shown = "\n".join(lines)
    # Cores that are alike share a line, others say what they are.
    assert (
        "CPU 0,256  1,257  2,258  4,260  5,261  6,262  7,263\n" in shown
        and "CPU 3,259 (isolated by isolcpus)\n" in shown
    )
    starts = {line.index(" CPUs ") for line in lines if " eth0-TxRx-" in line}
    assert len(starts) == 1 and "eth0/rxtx-63" in shown
    assert shown.count("not movable") == 1 and "effective 0, fixed" in shown
