"""Vectors as drivers name them, with the queue that each really serves: facts, not irqbal's words
(queue-names.json).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from looking import queues_of
from trees import NamedNic

CASES: dict[str, Any] = json.loads((Path(__file__).parent / "queue-names.json").read_text())


@pytest.mark.parametrize("kernel", [(6, 1), (6, 18)], ids=["6.1", "6.18"])
@pytest.mark.parametrize("driver", ["unknown", "known"])
@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["name"])
def test_every_vector_is_taken_for_its_queue(
    case: dict[str, Any], driver: str, kernel: tuple[int, int], tmp_path: Path
) -> None:
    module = DRIVERS.get(case["source"].split(",")[0], "") if driver == "known" else "mystery"
    nic = NamedNic(
        module,
        tuple(case["truth"]),
        interface=CASES["interface"],
        rx=case["rx"],
        tx=case["tx"],
        address=CASES["address"],
    )
    assert queues_of(nic, tmp_path, kernel) == case["truth"]


DRIVERS = {
    "hns3_enet.c": "hns3",
    "i40e_main.c": "i40e",
    "ice_main.c": "ice",
    "tg3.c": "tg3",
    "idpf_txrx.c": "idpf",
    "efx_channels.c": "sfc",
    "cxgb4_main.c": "cxgb4",
    "be_main.c": "be2net",
    "stmmac_main.c": "intel-eth-pci",
    "hinic_rx.c": "hinic",
    "r8169": "r8169",
}
"""Source file -> the driver's name in /sys."""


def test_there_are_61_vectors() -> None:
    assert sum(len(case["truth"]) for case in CASES["cases"]) == 61
