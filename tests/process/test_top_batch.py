"""`irqbal-client top -b`: readings as text and JSON, in a pipe, without Textual."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import machine
import served
from calls import CLIENT, call, process


@pytest.fixture(scope="module")
def daemon() -> Iterator[served.Served]:
    with served.serve_quick() as found:
        yield found


@pytest.fixture
def without_textual(tmp_path: Path) -> dict[str, str]:
    """An environment in which the extra `top` is not installed."""
    (tmp_path / "textual").mkdir()
    (tmp_path / "textual/__init__.py").write_text("raise ImportError('not here')\n")
    return {"PYTHONPATH": str(tmp_path)}


def test_one_reading_as_text(daemon: served.Served, without_textual: dict[str, str]) -> None:
    where = ("127.0.0.1", str(daemon.port))
    done = process(*where, "top", "-b", "-n", "1", env=without_textual, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, "")
    head, cpus, irqs = done.stdout.rstrip("\n").split("\n\n")
    lines = head.split("\n")
    assert "balancing   16 CPUs, 28 IRQs" in lines[0]
    assert lines[1].startswith("busiest CPU ")
    assert lines[2].split()[0] in ("WELL", "LOOK", "ACT")
    loads = [float(line.split()[4]) for line in cpus.split("\n")[1:]]
    assert len(loads) == 16 and loads == sorted(loads, reverse=True)
    assert float(lines[1].split()[2]) == pytest.approx(loads[0], abs=0.1001)
    rows = irqs.split("\n")
    assert rows[0].split() == [
        *("IRQ", "NAME", "QUEUE", "RATE/S", "LOAD", "%", "CPUS", "ON", "DEVICE", "POLICY"),
        "REASON",
    ]
    assert len(rows) == 29 and "eth1/rxtx-3" in rows[1]
    assert "\x1b" not in done.stdout
    # The screen needs it, and says what does not.
    missing = process(*where, "top", env=without_textual)
    assert missing.returncode == 2 and "`top -b` does without" in missing.stderr


def test_a_json_object_a_reading(daemon: served.Served) -> None:
    done = call("127.0.0.1", str(daemon.port), "-o", "json", "top", "-b", "-n", "2", "-d", "0.4")
    assert done.status == 0
    readings = [json.loads(line) for line in done.out.splitlines()]
    assert [list(one) for one in readings] == [["status", "findings", "cpus", "irqs"]] * 2
    for one in readings:
        assert len(one["irqs"]) == 28 and len(one["cpus"]) == 16
        busiest = one["status"]["last"]["busiest"]
        assert busiest == pytest.approx(one["cpus"][0]["load"], abs=0.001)
    first, second = (one["status"]["last"]["measured"] for one in readings)
    assert first < second


@pytest.mark.parametrize(
    "words", [("-o", "csv", "top", "-b"), ("-o", "json", "top"), ("top", "-d", "0"), ("top", "-n0")]
)
def test_what_makes_no_sense_is_refused(daemon: served.Served, words: tuple[str, ...]) -> None:
    assert call("127.0.0.1", str(daemon.port), *words).status == 2


def test_a_stale_token_is_told_once(daemon: served.Served) -> None:
    words = ("127.0.0.1", str(daemon.port), "top", "-b", "-n", "2", "-d", "0.1")
    done = call(*words, env={"IRQBAL_TOKEN": "stale"})
    assert done.status == 0
    assert done.err.count("your token is not valid any more: reading goes on without one") == 1


def test_nobody_answers() -> None:
    assert call("127.0.0.1", "1", "top", "-b").status == 3


def test_it_ends_with_its_reader_and_goes_on_over_a_restart(tmp_path: Path) -> None:
    config = tmp_path / "irqbal.yaml"
    config.write_text(
        f"state_dir: {tmp_path / 'state'}\ninterval: 300ms\nhistory: off\napi: {{listen: []}}\n"
    )
    words = ("--simulate", served.SPEC, "-c", str(config))
    where = (f"unix:{tmp_path / 'state/run/irqbal.sock'}", "-")
    with machine.daemon(*words, log=tmp_path / "log"):
        machine.wait_for(lambda: call(*where, "status").status == 0)
        reader = subprocess.Popen(
            [CLIENT, *where, "top", "-b", "-o", "json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert reader.stdout is not None and reader.stderr is not None
        first = json.loads(reader.stdout.readline())["status"]["started"]
    try:
        assert "waiting for it to come back" in reader.stderr.readline()
        with machine.daemon(*words, log=tmp_path / "log2"):
            while json.loads(reader.stdout.readline())["status"]["started"] == first:
                pass
            reader.stdout.close()
            assert reader.wait(machine.WAIT) == 141
            assert reader.stderr.read() == ""
    finally:
        machine.kill(reader)
        reader.stderr.close()
