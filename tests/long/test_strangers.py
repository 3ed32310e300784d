"""Strangers' policies over a longer time: they take nothing over, and delay nobody."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import machine
from installed import InstalledSite, installation
from process.test_policy_attacks import DAWDLES, HANGS, TAKES_OVER, impostor

CYCLES = 100
WITHIN = 6.0
"""Seconds after the start within which irqbal's own moves must come."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[InstalledSite]:
    with installation(monkeypatch) as made:
        yield made


def configuration(tmp_path: Path, interval: str, policies: str) -> Path:
    config = tmp_path / "irqbal.yaml"
    config.write_text(
        f"state_dir: {tmp_path / 'state'}\ninterval: {interval}\n"
        f"api: {{listen: ['unix:{tmp_path}/socket']}}\npolicies: [{policies}]\n"
    )
    tmp_path.chmod(0o755)
    return config


@pytest.mark.parametrize("who", ["stranger", "impostor"])
def test_a_hundred_cycles_with_who_takes_over_its_own_process(
    site: InstalledSite, tmp_path: Path, who: str
) -> None:
    """Traffic hops from queue to queue, so that irqbal's own policies have work to do all the
    time.
    """
    if who == "impostor":
        impostor(site, "evil", TAKES_OVER)
    else:
        site.install("evil", TAKES_OVER)
    config = configuration(tmp_path, "1s", "evil, pin_nic_queues, spread_by_rate")
    log = tmp_path / "log"
    words = ("--simulate", "2x4,nodes=2,nic=8x2,traffic=hopping", "-c", str(config))
    command = (str(site.python), "-m", "irqbal")
    with machine.daemon(*words, log=log, command=command):
        begin = time.monotonic()
        while time.monotonic() - begin < CYCLES + 2:
            time.sleep(1)
        text = log.read_text()
    assert "failed twice" not in text and "nothing is moved in this cycle" not in text
    named = [line for line in text.splitlines() if "evil" in line and "ready:" not in line]
    assert len(named) == 1, named
    assert len(re.findall("moved IRQ", text)) > 16


def test_own_moves_come_in_time_beside_two_that_dawdle_and_one_that_hangs(
    site: InstalledSite, tmp_path: Path
) -> None:
    site.install("slow", DAWDLES).install("slower", DAWDLES).install("hang", HANGS)
    config = configuration(tmp_path, "1s", "slow, hang, pin_nic_queues, slower")
    log = tmp_path / "log"
    words = ("daemon", "--simulate", "2x4,nodes=2,nic=4x2,traffic=skewed", "-c", str(config))
    begin = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(site.python), "-m", "irqbal", *words], stdout=out, stderr=out
        )
    try:
        machine.wait_for(lambda: "moved IRQ" in log.read_text(), log)
        first = time.monotonic() - begin
        time.sleep(30)
    finally:
        process.terminate()
        process.wait(machine.WAIT)
    print(f"the first move came after {first:.1f} s", file=sys.stderr)
    assert first < WITHIN * 10, log.read_text()


CROWDED = "2x72x2,nodes=2,nic=144x20,nvme=288x6,traffic=skewed"


def test_no_policy_is_lost_at_a_crowded_start_of_a_very_large_host(tmp_path: Path) -> None:
    """288 CPUs with thousands of IRQs, on a machine whose CPUs are all wanted."""
    config = configuration(tmp_path, "10s", "isolate_cores, pin_nic_queues, spread_by_rate")
    spinner = [sys.executable, "-c", "while True: pass"]
    crowd = [subprocess.Popen(spinner) for _ in range(6)]
    try:
        for number in range(5):
            log = tmp_path / f"log{number}"
            with machine.daemon("--simulate", CROWDED, "-c", str(config), log=log):
                pass
            text = log.read_text()
            assert "failed" not in text and "set aside" not in text, text[-3000:]
            assert text.count("moved ") >= 200
    finally:
        for one in crowd:
            one.kill()
            one.wait()
