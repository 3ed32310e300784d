"""Whether a host is well, from a daemon that runs: API, client and metrics say the same."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from machine import IRQBAL, irqbal, wait_for
from served import Served, serve
from trees import Nic, TreeSpec, make_tree

CLIENT = str(Path(IRQBAL).with_name("irqbal-client"))


def _codes(served: Served) -> set[str]:
    return {item["code"] for item in served.get("/api/v1/findings")["findings"]}


def _client(served: Served, *words: str) -> str:
    done = subprocess.run(
        [CLIENT, f"unix:{served.socket}", "-", *words], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_dry_run_says_what_it_would_do() -> None:
    with serve(words=("--dry-run",), rest="interval: 500ms\nhistory: off\n") as served:
        wait_for(lambda: "dry-run" in _codes(served), served.log)
        found = served.get("/api/v1/findings")
        assert found["verdict"] in ("look", "act") and found["count"] == len(found["findings"])
        assert {"dry-run", "no-history"} <= _codes(served)
        text = next(item["text"] for item in found["findings"] if item["code"] == "dry-run")
        assert re.fullmatch(r"\d+ moves? and \d+ settings? would be made; this is a dry run", text)
        for words in ("status", "findings"):
            assert "would be made" in _client(served, words)
            # What is found may change between two questions.
            wait_for(
                lambda words=words: (
                    served.get("/api/v1/findings")["sentence"] in _client(served, words)
                )
            )
        plan = _client(served, "plan")
        assert "What would be changed; nothing is written:" in plan and "would be made" in plan
        assert re.search(r"the busiest CPU would", plan)
        metrics = served.ask("GET", "/metrics", where="unix").body.decode()
        assert 'irqbal_findings{code="dry-run",severity="notice"} 1.0' in metrics


def test_a_pause_and_an_override_that_ends_are_told_until_they_are_over() -> None:
    with serve(rest="interval: 500ms\nhistory: {every: 500ms}\n") as served:
        irq = next(item["number"] for item in served.get("/api/v1/irqs") if item["movable"])
        body = {"cpus": "1", "expires_in": "12m", "reason": "a measurement"}
        assert served.ask("PUT", f"/api/v1/irqs/{irq}/override", body, where="unix").status == 200
        assert served.ask("POST", "/api/v1/pause", where="unix").status == 200
        assert {"paused", "override-ends"} <= _codes(served)
        found = next(
            item
            for item in served.get("/api/v1/findings")["findings"]
            if item["code"] == "override-ends"
        )
        assert found["irq"] == irq and "12 minutes" in found["text"]
        assert served.ask("POST", "/api/v1/resume", where="unix").status == 200
        assert served.ask("DELETE", f"/api/v1/irqs/{irq}/override", where="unix").status == 200
        time.sleep(0.1)
        assert not {"paused", "override-ends"} & _codes(served)


@pytest.mark.parametrize(("smt", "unit"), [("avoid", "cores"), ("use", "")])
def test_threads_that_queues_may_share_are_no_reason_for_fewer_queues(
    tmp_path: Path, smt: str, unit: str
) -> None:
    nic = Nic("ice", "eth0", queues=4)
    tree = make_tree(tmp_path / "tree", TreeSpec(cores=2, threads=2, devices=(nic,)))
    rest = f"interval: 500ms\npolicies: [pin_nic_queues: {{smt: {smt}}}]\n"
    with serve(rest=rest, root=tree.folder) as served:
        config = served.state.parent / "irqbal.yaml"
        wait_for(lambda: served.get("/api/v1/status")["last"]["cycle"] > 2, served.log)
        listed = _codes(served)
        done = irqbal("verify", "--root", str(tree.folder), "-c", str(config))
        assert ("queue-count" in listed) == bool(unit) == (f"usable {unit} of" in done.stdout)
        assert ("queue-count" in done.stdout) == ("queue-count" in listed)
