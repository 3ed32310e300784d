"""docs/queues.md's table of drivers and their interrupts' names, from `irqbal.identify.name_forms`:
`python tests/tools/queue_names.py` writes it. A test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable

from irqbal.identify.name_forms import DISK_FORMS, NIC_FORMS, Form
from places import TOP

DOCUMENT = TOP / "docs/queues.md"
BEGIN, END = (
    "<!-- names: written by `python tests/tools/queue_names.py` -->\n",
    "<!-- end of names -->",
)
_SERVES = {
    "rxtx": "an Rx and a Tx queue",
    "rx": "an Rx queue",
    "tx": "a Tx queue",
    "all": "every queue",
    "io": "a disk's queue",
    "none": "none",
    "elsewhere": "none",
}


_ORDERS = {
    "gve": "the first half Tx, the second Rx",
    "lan743x": "none, then Tx, then Rx",
    "sxgbe": "none, then 8 Tx, then 16 Rx",
    "qede": "Rx alone, then both, then Tx alone",
}
"""Rules of `identify.vector_orders` in words."""


def _evidence(form: Form) -> str:
    """What irqbal rests on where the kernel does not name the IRQ."""
    if form.serves in ("none", "elsewhere"):
        return ""
    if form.order in ("halves", "each"):
        return "number, else rank; " + {"halves": "the ports one after the other"}.get(
            form.order, "of every port"
        )
    if form.order == "shared":
        return "none: each may serve any queue"
    if form.order:
        words = {"-": "none", "rxtx": "all", "rx": "all Rx", "tx": "all Tx"}
        shown = _ORDERS.get(form.order) or ", ".join(words[word] for word in form.order.split())
        return f"rank: {shown}"
    if form.serves == "io":
        return "number"
    return "number, else rank" if "{n}" in form.template else "only vector, else rank"


def rows(forms: Iterable[Form]) -> list[str]:
    """The rows of the table. Drivers whose names are the interface's alone share one."""
    lines = []
    plain: list[Form] = []
    for form in forms:
        if form.template == "{if}" and not form.order:
            plain.append(form)
            continue
        counts = "; ".join(
            part for part in (form.number, form.spread and f"fewer vectors: {form.spread}") if part
        )
        name = f"`{form.template}`" if form.template else ""
        lines.append(
            f"| {', '.join(form.drivers)} | {name} | {_SERVES[form.serves]} | {counts} | "
            f"{_evidence(form)} | {form.source} |"
        )
    if plain:
        lines.append(
            "| "
            + ", ".join(f"{driver} ({form.source})" for form in plain for driver in form.drivers)
            + " | `{if}` | every queue; beside interrupts with a queue's name, none | | "
            "only vector, else rank | see the first column |"
        )
    return lines


def table() -> str:
    """The whole table, as Markdown."""
    head = (
        "| driver | name | serves | `{n}` counts | evidence | source file |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
    )
    return head + "\n".join([*rows(NIC_FORMS), *rows(DISK_FORMS)]) + "\n"


def main() -> None:
    """Rewrite the table."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(before + BEGIN + table() + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
