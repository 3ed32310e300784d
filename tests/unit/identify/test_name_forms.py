"""The table of names: every form can be matched, and the document shows it."""

from __future__ import annotations

import re

import pytest

from irqbal.identify.name_forms import DISK_FORMS, NIC_FORMS, Form
from irqbal.identify.vector_orders import ordered
from queue_names import BEGIN, DOCUMENT, END, table

EXAMPLES = {
    "{if}": "eth0",
    "{pci}": "0000:01:00.0",
    "{dev}": "30be0000.ethernet",
    "{vif}": "vif3",
    "{vifback}": "vif3.0",
    "{disk}": "nvme0",
    "{n}": "7",
    "{m}": "0",
    "{text}": "x",
}


def test_the_document_has_the_table() -> None:
    """Failed? `python tests/tools/queue_names.py` writes it anew."""
    assert DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0] == table()


@pytest.mark.parametrize(
    "form", [*NIC_FORMS, *DISK_FORMS], ids=lambda form: f"{form.drivers[0]} {form.template}"
)
def test_every_form_matches_a_name_that_it_builds(form: Form) -> None:
    name = re.sub(r"\{\w+\}", lambda hole: EXAMPLES[hole[0]], form.template)
    address = "30be0000.ethernet"
    if "{vif" in form.template:
        address = "vif-3-0" if "{vifback}" in form.template else "vif-3"
    match = form.match(name, address)
    assert match is not None
    if "{n}" in form.template:
        assert match["index"] == "7"
    if form.order and form.order not in ("halves", "each"):
        for vectors in (1, 2, 25):
            for rank in range(vectors):
                ordered(form.order, rank, vectors, 2, 2)


def test_an_interface_in_a_name_holds_no_colon_and_no_slash() -> None:
    form = next(form for form in NIC_FORMS if form.template == "i40e-{if}-TxRx-{n}")
    assert form.match("i40e-eth0-TxRx-0", "") is not None
    assert form.match("i40e-0000:01:00.0:fdir-TxRx-0", "") is None
    assert form.match("i40e-a/b-TxRx-0", "") is None
