"""Findings in words: one table, which the documents and the API follow."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from finding_codes import BEGIN, END, LISTS
from irqbal.findings.finding import SEVERITIES, Finding, FindingCode, Subject
from irqbal.findings.verify import Context, verify
from irqbal.model.unmovable import MANAGED, PER_CPU
from irqbal.model.view import Snapshot
from irqbal.render.finding_texts import TEXTS, describe
from irqbal.testing import cpus, host, nic


def test_every_code_has_a_text_and_a_severity() -> None:
    assert set(TEXTS) == set(get_args(FindingCode)) == set(SEVERITIES)


@pytest.mark.parametrize("document", LISTS, ids=lambda path: str(path.name))
def test_the_document_lists_the_codes(document: Path) -> None:
    """Failed? `python tests/tools/finding_codes.py` rewrites the list."""
    assert document.read_text().partition(BEGIN)[2].partition(END)[0] == LISTS[document]()


def test_the_texts_load_no_terminal_library() -> None:
    """The daemon imports them."""
    program = "import irqbal.render.finding_texts, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "rich" not in {name.split(".")[0] for name in done.stdout.split()}


@pytest.fixture
def remote() -> Snapshot:
    """A NIC on node 0, each of whose queues is handled on CPU 3 of node 1."""
    queues = ("eth0-TxRx-0", "eth0-TxRx-1")
    return host(
        cpus(4, nodes=2),
        nic("eth0", 2),
        at=dict.fromkeys(queues, "3"),
        loads=dict.fromkeys(queues, 0.2),
    )


def test_a_finding_names_its_subject_and_its_sentence_is_complete(remote: Snapshot) -> None:
    found = verify(remote, Context(writers=("tuned is running",), drifted=True))
    assert [item.code for item in found] == [
        *("writer", "remote-queue", "remote-queue", "shared-core")
    ]
    for item in found:
        described = describe(item)
        assert described.text and described.advice and not re.search("[{}]", described.text)
        assert (described.code, described.irq) == (item.code, item.subject.irq)
    assert found[1].subject == Subject(
        kind="irq", name=found[1].args["irq"], irq=found[1].subject.irq
    )
    assert (found[0].severity, found[3].severity) == ("warning", "notice")


def test_an_irq_that_cannot_be_moved_has_another_advice() -> None:
    args = {"irq": "9", "action": "timer", "cpus": "3", "unmovable": "", "isolated": "2-3"}
    subject = Subject(kind="irq", name="9", irq=9)
    movable = describe(Finding("isolated", subject, args))
    fixed = describe(Finding("isolated", subject, args | {"unmovable": MANAGED}))
    timer = describe(Finding("isolated", subject, args | {"unmovable": PER_CPU}))
    assert (
        "isolate_cores" in movable.advice
        and movable.text == "IRQ 9 (timer) fires on isolated CPU 3"
    )
    assert fixed.text == f"IRQ 9 (timer) fires on isolated CPU 3: {MANAGED}"
    assert fixed.advice.startswith("boot with `isolcpus=managed_irq,2-3`")
    assert "isolcpus" not in timer.advice
