from __future__ import annotations

import irqbal_example
import pytest

from irqbal.errors import IrqbalError
from irqbal.testing import Simulated, ask, check_policy, cpus, host, moves_of, nic


@pytest.mark.parametrize("options", [{}, {"irqs": "eth*", "keep_free": "0"}])
def test_it_keeps_the_contract(options: dict[str, str]) -> None:
    check_policy(irqbal_example, options)


def test_queues_are_dealt_out_over_their_own_node() -> None:
    snapshot = host(cpus(4, nodes=2), nic("eth0", 3, node=1))
    assert moves_of(ask(snapshot, irqbal_example), snapshot) == {
        "eth0-TxRx-0": "2",
        "eth0-TxRx-1": "3",
        "eth0-TxRx-2": "2",
    }


def test_a_cpu_is_kept_free_on_a_made_up_host(irqbal_host: type[Simulated]) -> None:
    made = irqbal_host("1x4,nic=8,traffic=skewed", (irqbal_example, {"keep_free": "0"}))
    first, *_, last = made.balance(6)
    assert first.plan.moves and not last.plan.moves
    assert all(0 not in cpus for cpus in made.places.values())


def test_wrong_options_are_refused() -> None:
    with pytest.raises(IrqbalError, match="did you mean irqs"):
        ask(host(cpus(2)), (irqbal_example, {"irq": "*"}))
