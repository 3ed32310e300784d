"""What irqbal reads from /proc/interrupts, beside what util-linux' `lsirq` reads of the same text.

`lsirq` has a parser of its own (`get_irqinfo` in sys-utils/irq-common.c, from 2.38 on): it takes
eleven bytes a CPU after the colon, and everything behind them is the name, with repeated blanks as
one. So for each row both say the IRQ's number or label, the sum of its counts, and the text after
them, which ends with the actions. How it splits into chip, hwirq and trigger lsirq does not say: a
unit test holds that to the corpus' description.
"""

from __future__ import annotations

import json
import re
import subprocess
from io import BytesIO
from pathlib import Path

import msgspec
import pytest

from interrupts_corpus import TEXTS
from irqbal.kernel.interrupts import Interrupts, Row
from places import HOSTS, TESTS

TEXT_OF = {text.name: text.render() for text in TEXTS} | {
    # Of real kernels.
    **{path.parent.parent.name: path.read_bytes() for path in HOSTS.glob("*/proc/interrupts")},
    **{path.stem: path.read_bytes() for path in (TESTS / "captures").glob("interrupts-*.txt")},
}
"""Each text, by its name."""
ACTIONS_OF = {
    text.name: {row.irq: row.actions for row in text.rows if row.irq is not None} for text in TEXTS
}
"""What the corpus says of the actions of each IRQ, by text."""

LSIRQ = ("lsirq", "-J", "-o", "IRQ,TOTAL,NAME")
EACH_TEXT = f"""
set -eu
for text in "$1"/*; do
    mount --bind "$text" /proc/interrupts
    cmp "$text" /proc/interrupts
    {" ".join(LSIRQ)} > "$2/${{text##*/}}"
    umount /proc/interrupts
done
"""
"""A shell's program: one text after another takes the place of /proc/interrupts, and is read."""


class WitnessRow(msgspec.Struct, frozen=True, order=True):
    """A row as both programs can tell it: number or label, sum of the counts, text after them."""

    irq: str
    total: int
    name: str


@pytest.fixture(scope="module")
def witness(
    own_folders: None, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[WitnessRow]]:
    """What lsirq says of each text, sorted. What is mounted is gone with the mount namespace."""
    texts, said = tmp_path_factory.mktemp("texts"), tmp_path_factory.mktemp("said")
    for name, data in TEXT_OF.items():
        (texts / name).write_bytes(data)
    command = ["unshare", "-m", "sh", "-c", EACH_TEXT, "sh", str(texts), str(said)]
    subprocess.run(command, check=True, timeout=300)
    return {path.name: _lsirq_rows(path.read_bytes()) for path in said.iterdir()}


@pytest.mark.root("binds texts over /proc/interrupts in a mount namespace of its own")
@pytest.mark.parametrize("name", TEXT_OF)
def test_irqbal_reads_what_lsirq_reads(name: str, witness: dict[str, list[WitnessRow]]) -> None:
    data = TEXT_OF[name]
    rows = list(Interrupts(BytesIO(data)))
    assert _our_rows(data, rows) == witness[name]
    # The daemon's way to the counts, which leaves the text aside.
    cells = [(str(irq), sum(counts.values())) for irq, counts in Interrupts(BytesIO(data)).cells()]
    assert cells == [(row.label, sum(row.counts)) for row in rows]
    actions = {row.irq: row.action for row in rows if row.irq is not None}
    names = {row.irq: row.name for row in witness[name]}
    for irq, meant in ACTIONS_OF.get(name, {}).items():
        assert names[str(irq)].endswith(", ".join(meant)) and actions[irq] == ",".join(meant)


@pytest.mark.root("needs lsirq, as the other texts do")
def test_this_machines_own_interrupts() -> None:
    """Counts rise while three readers take their turns, so lsirq's lie between irqbal's."""
    first = _live()
    output = subprocess.run(LSIRQ, check=True, capture_output=True, timeout=60).stdout
    last = _live()
    between = _lsirq_rows(output)
    texts = [(row.irq, row.name) for row in between]
    assert texts == [(row.irq, row.name) for row in first] and len(texts) > 10
    for before, row, after in zip(first, between, last, strict=True):
        assert before.total <= row.total <= after.total, row


def _live() -> list[WitnessRow]:
    data = Path("/proc/interrupts").read_bytes()
    return _our_rows(data, list(Interrupts(BytesIO(data))))


def _lsirq_rows(output: bytes) -> list[WitnessRow]:
    rows = json.loads(output)["interrupts"]
    return sorted(WitnessRow(row["irq"], row["total"], row["name"] or "") for row in rows)


def _our_rows(data: bytes, rows: list[Row]) -> list[WitnessRow]:
    """irqbal's rows in lsirq's words, sorted. Where lsirq is known to read otherwise, it is what
    lsirq reads: there are two such cases, and each is named here.
    """
    said = [
        WitnessRow(
            row.label, sum(row.counts) + _read_into_name(data, row), " ".join(row.text.split())
        )
        for row in rows
    ]
    # 1. arch/arm/kernel/fiq.c (show_fiq_list) prints a name and no count. irqbal has nothing to
    # read there and skips the row; lsirq counts nothing where sscanf finds no number, and keeps it.
    said += [
        WitnessRow(label.decode(), 0, name.decode())
        for label, name in re.findall(rb"^ *(FIQ): +([a-z_]+)$", data, re.MULTILINE)
    ]
    return sorted(said)


def _read_into_name(data: bytes, row: Row) -> int:
    """What lsirq adds to a total where a chip's name that begins with digits follows a count
    without a blank. 2. The blanks before a number are none of the ten bytes that its sscanf
    (" %10lu") reads, so it reads on into the name; irqbal takes the field's ten bytes.
    """
    digits = re.match(r"\d+", row.text)
    if row.irq is None or digits is None:
        return 0
    at = data.index(row.text.encode())
    if not data[at - 1 : at].isdigit():
        return 0
    return int(f"{row.counts[-1]}{digits[0]}"[:10]) - row.counts[-1]
