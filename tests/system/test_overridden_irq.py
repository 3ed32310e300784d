"""What people decide holds on a real IRQ: over every policy, through SIGKILL, until it is taken
away or its time is over.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import machine
from machine import daemon, masks, wait_for
from served import Served, free_port


def _put(served: Served, irq: object, **body: Any) -> Any:
    return served.ask("PUT", f"/api/v1/irqs/{irq}/override", body, served.admin)


def _clear(served: Served, irq: object) -> Any:
    return served.ask("DELETE", f"/api/v1/irqs/{irq}/override", token=served.admin)


def test_a_real_irq_stays_where_a_person_put_it(tmp_path: Path) -> None:
    """On this machine's own kernel: against a policy, over a kill, while paused; until its time is
    over, or it is cleared.
    """
    number, port = machine.movable()[0], free_port()
    config, log = tmp_path / "irqbal.yaml", tmp_path / "log"
    config.write_text(
        f"interval: 300ms\nstate_dir: {tmp_path / 'state'}\napi: {{listen: ['127.0.0.1:{port}']}}\n"
        f"policies: [{{pin_irqs: {{rules: [{{irq: '{number}', cpus: '0'}}]}}}}, spread_by_rate]\n"
    )
    served = Served(0, port, tmp_path / "state", log)

    def where() -> str:
        return masks()[number]

    with daemon("-c", str(config), log=log) as process:
        wait_for(lambda: where() == "0", log)
        _wait(served)
        found = _put(served, number, cpus="1", reason="a person's will")
        assert found.status == 200, found.body
        assert (found.json["result"], found.json["affinity"], where()) == ("written", "1", "1")
        time.sleep(1.5)
        assert where() == "1", "no policy takes it back"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert where() == "1"
    Path(f"/proc/irq/{number}/smp_affinity_list").write_text("0")
    with daemon("-c", str(config), log=log):
        wait_for(lambda: where() == "1", log)
        _wait(served)
        ours = served.ask("GET", "/api/v1/overrides").json
        assert [(item["irq"], item["cpus"], item["reason"]) for item in ours] == [
            (number, "1", "a person's will")
        ]
        assert (
            ours[0]["who"].startswith("token admin from 127.0.0.1:") and ours[0]["expires"] is None
        )
        told = served.ask("GET", f"/api/v1/irqs/{number}/explain").json
        assert told["override"]["cpus"] == "1" and told["irq"]["policy"] == "override"
        decided = served.ask("GET", f"/api/v1/decisions?kind=override&irq={number}").json
        assert decided[-1]["who"].startswith("token admin from 127.0.0.1:") and (
            decided[-1]["from"],
            decided[-1]["to"],
        ) == ("0", "1")

        assert _clear(served, number).json["result"] == "written"
        assert where() == "0", "the policy takes over at once"
        assert _put(served, number, cpus="1", expires_in="1s").status == 200
        assert where() == "1"
        wait_for(lambda: where() == "0", log)
        assert (
            served.ask("GET", "/api/v1/overrides").json == [] and "has expired" in log.read_text()
        )
        wait_for(lambda: _reasons(served, number)[0] == "the override has expired", log)

        assert served.ask("POST", "/api/v1/pause", token=served.admin).status == 200
        assert _put(served, number, cpus="1").json["result"] == "written"
        assert where() == "1", "a person's word counts while irqbal is paused"
        assert _clear(served, number).status == 200
        time.sleep(0.7)
        assert where() == "1", "a paused daemon moves nothing"
        assert served.ask("POST", "/api/v1/resume", token=served.admin).status == 200
        wait_for(lambda: where() == "0", log)


def _wait(served: Served) -> None:
    wait_for(lambda: served.ask("GET", "/readyz").status == 200, served.log)


def _reasons(served: Served, irq: object) -> list[str]:
    return [
        item["reason"]
        for item in served.ask("GET", f"/api/v1/decisions?kind=override&irq={irq}").json
    ]
