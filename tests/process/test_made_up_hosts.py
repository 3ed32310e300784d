"""Whole programs on made-up hosts: a plan for 512 CPUs in time, and balance on 64 CPUs whose
interrupts another process moves.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from machine import daemon, irqbal, wait_for
from places import TESTS
from trees import Nic, Tree, TreeSpec, big_host, make_tree

CPUS, NICS, QUEUES = 64, 5, 64
INTERVAL = 2.0
"""Seconds. A CPU's time comes in jiffies of 10 ms: shorter intervals see costs more coarsely than
the 10 s of a real host.
"""
TRIES = 4
"""Seeds are new in each run, ten jiffies more or less on one CPU are chance, and a crowded machine
moves the trees late: of four seeds one must do.
"""
REST = 40
DRIVERS = ("mlx5_core", "ice", "ena", "igb", "bnxt_en")


class MovingTraffic(msgspec.Struct, frozen=True):
    """How much each IRQ brings, and what an interrupt of each costs (relative; both are scaled to
    keep CPUs 40 % busy).
    """

    name: str
    weight: Callable[[random.Random, int], float]
    cost: Callable[[random.Random, int], float]


def _even(source: random.Random, index: int) -> float:
    return source.uniform(0.5, 1.5)


def _skewed(source: random.Random, index: int) -> float:
    return source.expovariate(1.0)


def _same(source: random.Random, index: int) -> float:
    return 1.0


def _by_driver(source: random.Random, index: int) -> float:
    return (1.0, 2.0, 4.0, 7.0, 10.0)[index // QUEUES]


def _each(source: random.Random, index: int) -> float:
    return float(10 ** source.uniform(0, 1))


TRAFFIC = (
    MovingTraffic("even", _even, _same),
    MovingTraffic("skewed", _skewed, _same),
    MovingTraffic("even, costs differ tenfold between drivers", _even, _by_driver),
    MovingTraffic("skewed, costs differ tenfold between IRQs", _skewed, _each),
)


class MovingHost:
    """A tree, the process that moves it, and the daemon on it."""

    def __init__(
        self, folder: Path, traffic: MovingTraffic, seed: int, stack: contextlib.ExitStack
    ) -> None:
        self.traffic = traffic
        source = random.Random(seed)
        nics = tuple(
            Nic(driver, f"eth{index}", queues=QUEUES, node=-1)
            for index, driver in enumerate(DRIVERS)
        )
        self.tree: Tree = make_tree(
            folder / "tree", TreeSpec(sockets=2, cores=CPUS // 2, l3_cores=8, devices=nics)
        )
        numbers = sorted(self.tree.queues())
        assert len(numbers) == NICS * QUEUES
        weights = {number: traffic.weight(source, index) for index, number in enumerate(numbers)}
        costs = {number: 4e-6 * traffic.cost(source, index) for index, number in enumerate(numbers)}
        scale = 0.4 * CPUS / sum(weights[number] * costs[number] for number in numbers)
        self.loads = {number: weights[number] * costs[number] * scale for number in numbers}
        rates = {number: weight * scale for number, weight in weights.items()}
        spec = folder / "spec.json"
        spec.write_text(
            json.dumps({"rates": rates, "costs": costs, "cpus": CPUS, "noise": 0.1, "seed": seed})
        )
        mover = subprocess.Popen(
            [
                sys.executable,
                str(TESTS / "fakes/mover.py"),
                str(folder / "tree"),
                str(spec),
            ],
            stdout=subprocess.PIPE,
        )
        stack.callback(mover.wait, 90)
        stack.callback(mover.terminate)
        assert mover.stdout is not None and mover.stdout.readline() == b"moving\n"
        stack.callback(mover.stdout.close)
        config = folder / "irqbal.yaml"
        config.write_text(f"interval: {INTERVAL:g}s\nstate_dir: {folder / 'state'}\n")
        self.log = folder / "log"
        stack.enter_context(
            daemon("--root", str(folder / "tree"), "-c", str(config), "--debug", log=self.log)
        )

    def cycles(self) -> list[int]:
        """Moves of each cycle so far."""
        return [
            int(moves)
            for moves in re.findall(r"cycle \d+ \([^)]*\): (\d+) moves", self.log.read_text())
        ]

    def ratio(self) -> float:
        """The busiest CPU's true load over the lower bound: the larger of the mean and the hottest
        single IRQ.
        """
        on = [0.0] * CPUS
        for number, load in self.loads.items():
            on[self.tree.effective(number).first] += load
        return max(on) / max(sum(on) / CPUS, *self.loads.values())


@pytest.mark.long
@pytest.mark.timeout(400)
def test_balanced_within_three_cycles_and_then_at_rest_for_forty(tmp_path: Path) -> None:
    for attempt in range(TRIES):
        if _balances_and_rests(tmp_path / str(attempt), last=attempt == TRIES - 1):
            return


def _balances_and_rests(tmp_path: Path, last: bool) -> bool:
    """Whether all hosts were balanced in time; on the last try that is asserted. Rest is asserted
    in any case.
    """
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}")
    with contextlib.ExitStack() as stack:
        hosts = []
        for index, traffic in enumerate(TRAFFIC):
            folder = tmp_path / str(index)
            folder.mkdir(parents=True)
            hosts.append(MovingHost(folder, traffic, seed + index, stack))
        for host in hosts:
            wait_for(lambda host=host: len(host.cycles()) >= 3 and _after(host, 3), host.log)
        found = {host.traffic.name: host.ratio() for host in hosts}
        print({name: round(ratio, 3) for name, ratio in found.items()})
        if not last and max(found.values()) > 1.05:
            return False
        assert all(ratio <= 1.05 for ratio in found.values()), found
        for host in hosts:
            wait_for(
                lambda host=host: len(host.cycles()) >= 3 + REST, host.log, 10 * REST * INTERVAL
            )
        later = {host.traffic.name: host.cycles()[3 : 3 + REST] for host in hosts}
        assert all(sum(moves) == 0 for moves in later.values()), later
        assert all(host.ratio() <= 1.05 for host in hosts)
        return True


def _after(host: MovingHost, cycles: int) -> bool:
    """The mover needs a tick to follow the last cycle's masks."""
    time.sleep(0.3)
    return True


def test_a_plan_for_512_cpus_and_2049_irqs_takes_seconds(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", big_host())
    assert len(tree.lines) == 2049 and tree.spec.cpus == 512
    for number in tree.lines:
        tree.count(number, 1000 + number)
    tree.flush()
    started = time.monotonic()
    done = irqbal("--root", str(tmp_path / "tree"), "plan", "--seconds", "0.3", "--json")
    seconds = time.monotonic() - started
    moves = json.loads(done.stdout)["plan"]["moves"]
    print(f"{len(moves)} moves in {seconds:.2f} s")
    assert len(moves) > 1000
    # Some three seconds on an idle machine.
    assert seconds < 60
