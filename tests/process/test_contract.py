"""What irqbal gives to policies' authors: a check of the contract that suffers nothing, and a
made-up host to balance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import irqbal_policies.pin_nic_queues as bundled
from bad_policies import BAD, FIRST, module, on_large_host, placing
from irqbal.cpuset import CpuSet
from irqbal.errors import IrqbalError
from irqbal.testing import (
    BrokenPromise,
    ContractFinding,
    Simulated,
    ask,
    check_policy,
    cpus,
    examine,
    host,
    irq_of,
    moves_of,
    nic,
    refusals,
)
from irqbal.testing.probe import SLOW

DEADLINE = 0.7


@pytest.mark.parametrize("what", BAD)
def test_every_breach_of_the_contract_is_a_finding(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, code, text = BAD[what]
    monkeypatch.setattr("irqbal.plugins.bounds.IMPORT_DEADLINE", 1.5)
    with pytest.raises(BrokenPromise) as caught:
        check_policy(module(tmp_path, source), deadline=DEADLINE)
    found = [
        finding
        for finding in caught.value.findings
        if finding.code == code and text in finding.text
    ]
    assert found, str(caught.value)
    assert str(caught.value).startswith("the policy irqbal_probe breaks its contract:\n  ")


def test_the_line_at_fault_is_named(tmp_path: Path) -> None:
    (finding,) = [
        f
        for f in examine(module(tmp_path, placing("time.time()\nyield from ()")))
        if "an ordinary" not in f.text
    ]
    assert finding == ContractFinding(
        "clock", f"irqbal_place calls time.time ({tmp_path}/irqbal_probe.py:9)"
    )


def test_a_policy_that_keeps_its_promise_passes_and_imports_inside_a_function_are_no_offence(
    tmp_path: Path,
) -> None:
    good = placing(FIRST + "import colorsys\nfrom fractions import Fraction\nyield Note('x')")
    check_policy(module(tmp_path, good))


def test_a_policy_that_takes_half_of_the_budget_on_a_large_host_passes(tmp_path: Path) -> None:
    """The budget is counted in runs of the reference work, so this holds on every machine."""
    source = "from irqbal.testing.reference import reference_work\n"
    check_policy(module(tmp_path, source + placing(on_large_host(SLOW // 2))))


OPTIONS: dict[str, dict[str, Any]] = {
    "isolate_cores": {"cpus": "3", "except": {"i8042": "3"}},
    "pin_irqs": {
        "rules": [
            {"irq": "i8042", "cpus": "0,3"},
            {"driver": "igb", "node": "local"},
            {"irq": "acpi", "leave": True},
        ]
    },
    "pin_nic_queues": {
        "cpus": "all",
        "rps": "off",
        "rfs": "4096",
        "rebalance": False,
        "exclude": ["eth1"],
    },
    "spread_by_rate": {"min_gain": "1%"},
}


@pytest.mark.parametrize("options", [False, True], ids=["defaults", "options"])
@pytest.mark.parametrize("name", OPTIONS)
def test_every_bundled_policy_keeps_the_contract(name: str, options: bool) -> None:
    check_policy(f"irqbal_policies.{name}", OPTIONS[name] if options else None)


def test_options_that_are_wrong_are_findings() -> None:
    (finding,) = examine("irqbal_policies.spread_by_rate", {"min_gain": "much"})
    assert finding.code == "options" and "spread_by_rate.min_gain: 'much'" in finding.text


def test_a_module_that_is_not_there_is_a_finding() -> None:
    (finding,) = examine("no_such_module")
    assert finding.code == "import" and "ModuleNotFoundError" in finding.text


# Snapshots and the made-up host


def test_a_policy_is_asked_in_one_expression() -> None:
    snapshot = host(cpus(4, nodes=2, offline="1"), nic("eth0", 2, node=1))
    plan = ask(snapshot, (bundled, {"rebalance": False}))
    assert moves_of(plan, snapshot) == {"eth0-TxRx-0": "2", "eth0-TxRx-1": "3"}
    assert "queue 0 of eth0" in str(plan.explanations[irq_of(snapshot, "eth0-TxRx-0").number])
    rules = {"rules": [{"irq": "eth0-*", "cpus": "1"}]}
    assert refusals(ask(snapshot, ("pin_irqs", rules)), snapshot) == {
        "eth0-TxRx-0": "offline",
        "eth0-TxRx-1": "offline",
    }
    banned = ask(snapshot, "spread_by_rate", banned=CpuSet.of(3))
    assert moves_of(banned, snapshot) == {"eth0-TxRx-0": "0,2", "eth0-TxRx-1": "0,2"}


def test_the_fixture_balances_a_made_up_host(irqbal_host: type[Simulated]) -> None:
    made = irqbal_host(
        "1x4,nic=8,traffic=skewed", "pin_nic_queues", ("spread_by_rate", {"min_gain": "2%"})
    )
    records = made.balance(8)
    assert records[0].plan.moves and not records[-1].plan.moves
    assert made.truth().ratio < 1.2
    queues = [cpus for action, cpus in made.places.items() if "TxRx" in action]
    assert (
        len(queues) == 8
        and all(len(cpus) == 1 for cpus in queues)
        and made.snapshot.online == CpuSet.parse("0-3")
    )


def test_a_policy_that_raises_fails_the_authors_test(tmp_path: Path) -> None:
    made = module(tmp_path, placing("raise ValueError('my fault')\nyield"), "irqbal_raises")
    exec(compile(Path(str(made.__file__)).read_text(), str(made.__file__), "exec"), made.__dict__)
    with pytest.raises(
        AssertionError, match=r"irqbal_raises: irqbal_place: ValueError: my fault \("
    ):
        ask(host(cpus(2)), made)
    with pytest.raises(AssertionError, match="my fault"):
        Simulated("1x2", made).balance(1)


def test_options_and_names_that_are_wrong_are_errors_at_once() -> None:
    with pytest.raises(
        IrqbalError,
        match=r"policies\[0\]\.spread_by_rate\.min_gian: unknown key; did you mean min_gain\?",
    ):
        Simulated("1x2", ("spread_by_rate", {"min_gian": "5%"}))
    with pytest.raises(IrqbalError, match="no installed package provides the policy nonesuch"):
        ask(host(cpus(2)), "nonesuch")
