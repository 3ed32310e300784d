"""`--json` of commands that print what the API answers: the same shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqbal.api.contract import responses
from irqbal.wire import from_json
from machine import irqbal
from places import TESTS

TREE = str(TESTS / "hosts/vm-8cpus")


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "irqbal.yaml"
    path.write_text(
        f"state_dir: {tmp_path / 'state'}\npolicies:\n  - spread_by_rate: {{min_gain: 7%}}\n"
        "  - not_installed\n"
    )
    return str(path)


def test_explain_has_the_apis_answer(tmp_path: Path) -> None:
    path = tmp_path / "irqbal.yaml"
    path.write_text(f"state_dir: {tmp_path / 'state'}\n")
    done = irqbal("explain", "31", "--json", "--root", TREE, "-c", str(path))
    answer = from_json(done.stdout.encode(), responses.Explanation)
    assert answer.irq.number == 31 and answer.irq.name == "virtio2-input.0"
    assert answer.steps and answer.cycle is None
    text = irqbal("explain", "31", "--root", TREE, "-c", str(path)).stdout
    assert answer.steps[-1].reason in text


def test_policies_has_the_apis_list_the_enabled_ones_in_their_place(config: str) -> None:
    done = irqbal("policies", "--json", "-c", config)
    found = {
        item.name: item
        for item in from_json(done.stdout.encode(), tuple[responses.PolicyView, ...])
    }
    spread = found["spread_by_rate"]
    assert spread.enabled and spread.position == 0 and spread.options == {"min_gain": "7%"}
    assert spread.options_schema and "min_gain" in spread.options_schema["properties"]
    assert not found["pin_irqs"].enabled and found["pin_irqs"].position is None
    missing = found["not_installed"]
    assert missing.position == 1 and "no installed package provides it" in missing.problem
    assert "not_installed (not installed): enabled" in irqbal("policies", "-c", config).stdout
