"""`irqbal simulate --history`: what a recorded time would have been with other settings."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irqbal.errors import HistoryError
from irqbal.history.recorder import Recorder
from irqbal.history.samples import Decision, Sample
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import SqliteHistory, WritableSqliteHistory
from irqbal.planner.ledger import Ledger
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.spec import parse_spec
from irqbal.simulated.tree import write_tree
from irqbal.tracking.tracker import HostTracker
from machine import daemon, irqbal, wait_for

SPEC = "1x8,nodes=2,nic=6x2,nvme=4x1,traffic=skewed"


SECONDS = 40


NOW = 1_800_000_000.0


def record(path: Path, spec: str = SPEC, seconds: int = SECONDS) -> list[float]:
    """A history of a made-up host that nobody balances, a sample a second; returns the true ratio
    of each interval.
    """
    host = SimulatedHost(parse_spec(spec), beat=10.0)
    watch, recorder, store = HostTracker(host, 1.0), Recorder(), WritableSqliteHistory(path)
    ratios = []
    recorder.take(host.counts(), watch.look(Ledger()), NOW)
    for second in range(1, seconds + 1):
        host.advance(1.0)
        ratios.append(host.truth().ratio)
        taken = recorder.take(host.counts(), watch.look(Ledger()), NOW + second)
        assert taken is not None
        store.add_sample(
            Sample(
                store.next_sequence(), "boot", taken.wall, taken.seconds, taken.values, taken.states
            )
        )
    store.close()
    return ratios


def _recorded(folder: Path) -> int:
    """How many samples a history has."""
    try:
        store = SqliteHistory(folder / FILE)
    except HistoryError:
        return 0
    found = len(list(store.samples(0, 1e12)))
    store.close()
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history, a tree of the host that recorded it, and three configurations."""
    folder = tmp_path_factory.mktemp("replay")
    write_tree(SimulatedHost(parse_spec(SPEC)), folder / "tree")
    (folder / "some.yaml").write_text("interval: 2s\n")
    (folder / "none.yaml").write_text("interval: 2s\npolicies: []\n")
    (folder / "slow.yaml").write_text("interval: 10m\n")
    return folder


@pytest.fixture(scope="module")
def ratios(folder: Path) -> Iterator[list[float]]:
    """The history's true ratios, while it lies in the folder."""
    yield record(folder / FILE)
    (folder / FILE).unlink()


def window(folder: Path, *more: str, root: str = "tree") -> tuple[str, ...]:
    """The command's words for all of the history."""
    begin, end = (time.strftime("%Y%m%d-%H%M%S", time.gmtime(NOW + at)) for at in (0, SECONDS + 1))
    return (
        "simulate",
        "--history",
        str(folder / FILE),
        "--root",
        str(folder / root),
        "--start",
        begin,
        "--end",
        end,
        *more,
    )


def test_two_configurations_beside_what_was_done(folder: Path, ratios: list[float]) -> None:
    words = window(folder, "-c", str(folder / "none.yaml"), "-c", str(folder / "some.yaml"))
    done = irqbal(*words, "--json")
    was, none, some = json.loads(done.stdout)
    assert was["config"] == "(as recorded)" and was["cycles"] == some["cycles"] == SECONDS // 2 - 1
    # So short a window, in which nothing moved, leaves some doubt.
    assert (
        done.stderr.startswith(
            "what single IRQs cost is known roughly: the window's halves disagree about "
        )
        and len(done.stderr) < 200
    )
    for name in ("start", "mean", "final", "locality", "poor"):
        assert was[name] == pytest.approx(none[name]), (
            "without a policy everything stays where it was"
        )
    assert was["mean"] == pytest.approx(sum(ratios[3:]) / len(ratios[3:]), rel=0.15), (
        "costs are found again"
    )
    assert some["moves"] > 8 and some["failures"] == [] and some["moves_at_rest"] == 0
    assert some["final"] < was["final"] - 0.1 and some["final"] < 1.2 and some["locality"] == 1.0
    table = irqbal(*words, "--cycles", "5").stdout.splitlines()
    assert table[0].startswith(
        f"{SECONDS} samples, {SECONDS} s between 2027-01-15T08:00:00Z and "
    ) and table[0].endswith(", 5 cycles")
    assert table[1].split() == [
        "(as",
        "recorded)",
        str(folder / "none.yaml"),
        str(folder / "some.yaml"),
    ]
    assert next(line for line in table if line.startswith("ms a cycle")).split()[3] == "-"
    assert (
        "known roughly"
        in table[table.index(next(line for line in table if line.startswith("ms a cycle"))) + 1]
    )


def test_what_is_gone_is_made_up_and_named(folder: Path, ratios: list[float]) -> None:
    write_tree(SimulatedHost(parse_spec("1x8,nodes=2,nic=4x2,traffic=skewed")), folder / "smaller")
    done = irqbal(*window(folder, "-c", str(folder / "some.yaml"), "--json", root="smaller"))
    was, some = json.loads(done.stdout)
    assert "not on this host now, and made up from the history: " in done.stderr
    assert "(ice-eth0-TxRx-4)" in done.stderr and "(ice-eth0-TxRx-3)" not in done.stderr
    assert "(nvme0q1, of no device)" in done.stderr, "the drive is gone with its interrupts"
    assert (
        was["start"] == pytest.approx(some["start"])
        and some["final"] < was["final"]
        and some["refused"] == 0
    )


def test_windows_and_hosts_that_do_not_fit_are_sentences(folder: Path, ratios: list[float]) -> None:
    write_tree(SimulatedHost(parse_spec("1x2,nic=2x1")), folder / "tiny")
    history, tree = ("--history", str(folder / FILE)), ("--root", str(folder / "tree"))
    for words, status, said in (
        (
            (*history, *tree, "--start", "20200101-000000", "--end", "20200102-000000"),
            3,
            "no samples between 2020-01-01T00:00:00Z and",
        ),
        (
            window(folder, root="tiny")[1:],
            3,
            "which this host does not have: --root names a tree of the host",
        ),
        (
            window(folder, "-c", str(folder / "slow.yaml"))[1:],
            3,
            "less than two intervals of 600 s",
        ),
        ((*history, "--nic", "4"), 2, "--history brings its own host and traffic: leave --nic out"),
        (("--start", "1h"), 2, "--start, --end and --recorded-by are for --history"),
    ):
        done = irqbal("simulate", *words, check=None)
        assert (done.returncode, done.stdout) == (status, ""), done
        assert said in " ".join(done.stderr.split()) and "Traceback" not in done.stderr


def test_what_was_decided_then_stands_in_the_first_column(
    folder: Path, ratios: list[float], tmp_path: Path
) -> None:
    copy = tmp_path / FILE
    record(copy, seconds=20)
    store = WritableSqliteHistory(copy)
    moved = {"identity": "0000:01:00.0/1/ice-eth0-TxRx-0", "irq": 26, "result": "written"}
    for at, kind, result in (
        (2.5, "move", "written"),
        (3.5, "move", "wrote 1, the kernel kept 2"),
        (4.5, "steering", "written"),
    ):
        more: dict[str, Any] = moved | {"result": result}
        more |= {"kind": kind}
        store.add_decisions([Decision(store.next_sequence(), "boot", NOW + at, 1, **more)])
    refusal = "refused by the kernel: managed, per-CPU or no-balance (EIO)"
    refused: dict[str, Any] = moved | {"result": refusal}
    store.add_decisions([Decision(store.next_sequence(), "boot", NOW + 5, 1, "move", **refused)])
    store.close()
    words = list(window(folder, "-c", str(folder / "some.yaml"), "--json"))
    words[2] = str(copy)
    was, some = json.loads(irqbal(*words).stdout)
    assert (was["moves"], was["settings"], was["refused"]) == (2, 1, 1)
    assert some["moves"] > 8 and some["refused"] == 0, (
        "what the kernel refused then is not tried now"
    )


def test_a_daemons_own_history_can_be_replayed(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "irqbal.yaml"
    config.write_text(
        f"interval: 250ms\nstate_dir: {tmp_path}\nhistory: {{every: 250ms}}\npolicies: []\n"
    )
    with daemon("-c", str(config), "--simulate", SPEC, log=tmp_path / "log"):
        wait_for(lambda: _recorded(tmp_path) >= 6, tmp_path / "log")
    words = (
        "simulate",
        "--history",
        "--root",
        str(folder / "tree"),
        "--start",
        "1m",
        "-c",
        str(config),
        "--json",
    )
    was, same = json.loads(irqbal(*words).stdout)
    assert (
        was["cycles"] >= 4
        and was["moves"] == 0
        and was["mean"] == pytest.approx(same["mean"])
        and was["mean"] > 1
    )
