"""What irqbal gives to policies' authors: a check of the contract that suffers nothing, and a
made-up host to balance.
"""

from __future__ import annotations

import textwrap
import time
import types
from pathlib import Path
from typing import Any

import pytest

import irqbal_policies.pin_nic_queues as bundled
from irqbal.cpuset import CpuSet
from irqbal.errors import IrqbalError
from irqbal.testing import (
    BrokenPromise,
    Finding,
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

HEADER = """
import datetime, os, random, re, socket, subprocess, sys, threading, time
from typing import Annotated, Any
import msgspec
from msgspec.structs import force_setattr as setattr_
from irqbal import CpuSet, Draft, Irq, Limit, Meta, Note, Options, Placement, Queue, Snapshot, Steering, hookimpl
"""  # noqa: E501
DEADLINE = 0.7


def module(folder: Path, source: str, name: str = "irqbal_probe") -> types.ModuleType:
    """A policy's module that this process never runs."""
    made = types.ModuleType(name)
    file = folder / f"{name}.py"
    file.write_text(HEADER + textwrap.dedent(source))
    made.__file__ = str(file)
    return made


def placing(body: str) -> str:
    return "@hookimpl\ndef irqbal_place(snapshot, draft, options):\n" + textwrap.indent(
        textwrap.dedent(body), "    "
    )


FIRST = (
    "irq = next((irq for irq in snapshot.irqs if irq.movable and draft.claim(irq) is None), "
    "None)\nif irq is None: return\n"
)

BAD: dict[str, tuple[str, str, str]] = {
    # What it does: (its code, the finding's code, a part of its text).
    "opens a file": (
        placing("open('/proc/stat').read()\nyield from ()"),
        "file",
        "opens a file '/proc/stat' (",
    ),
    "looks for a file": (
        placing("os.path.exists('/etc')\nyield from ()"),
        "file",
        "calls os.stat (",
    ),
    "swallows what is refused": (
        placing("try: os.listdir('/')\nexcept OSError: pass\nyield from ()"),
        "file",
        "lists a folder '/'",
    ),
    "asks the clock": (placing("time.time()\nyield from ()"), "clock", "calls time.time ("),
    "asks another clock": (
        placing("datetime.datetime.now()\nyield from ()"),
        "clock",
        "asks datetime for the time",
    ),
    "uses the network": (
        placing("socket.socket()\nyield from ()"),
        "network",
        "uses the network (",
    ),
    "runs a program": (
        placing("subprocess.run(['true'])\nyield from ()"),
        "program",
        "starts a program",
    ),
    "rolls dice": (
        placing("yield Note(str(random.random()))"),
        "impure",
        "asked twice the same, it gives two answers",
    ),
    "counts its calls": (
        "n = []\n" + placing("n.append(1)\nyield Note(str(len(n)))"),
        "impure",
        "it gives two answers",
    ),
    "walks a set of text": (
        placing("yield Note(' '.join({'a', 'b', 'c', 'd', 'e'}))"),
        "impure",
        "another process gives another",
    ),
    "changes the snapshot": (
        placing("setattr_(snapshot, 'irqs', ())\nyield from ()"),
        "mutates",
        "changes the snapshot",
    ),
    "changes a look-up table": (
        placing("snapshot.irq_by_number.clear()\nyield from ()"),
        "mutates",
        "changes snapshot.irq_by_number",
    ),
    "changes the draft": (
        placing("draft._claims.clear()\nyield from ()"),
        "mutates",
        "changes the draft",
    ),
    "takes an offline CPU": (
        placing(FIRST + "yield Placement(irq.number, CpuSet.of(5), 'x')"),
        "offline",
        "CPUs of which none is online",
    ),
    "moves what cannot be moved": (
        placing("for irq in snapshot.irqs: yield Placement(irq.number, draft.allowed(irq), 'x')"),
        "unmovable",
        "look at irq.movable",
    ),
    "names an IRQ that is not there": (
        placing("yield Placement(9999, CpuSet.of(0), 'x')"),
        "unknown",
        "there is no IRQ 9999",
    ),
    "ignores limits": (
        placing(FIRST + "yield Placement(irq.number, CpuSet.of(0), 'x')"),
        "limited",
        "take those of draft.allowed(irq)",
    ),
    "forbids everything": (
        "@hookimpl\ndef irqbal_limit(snapshot): yield Limit(snapshot.online, 'x')",
        "limited",
        "no CPU at all",
    ),
    "never rests": (
        placing(
            FIRST + "allowed = draft.allowed(irq) - irq.affinity or draft.allowed(irq)\n"
            "if allowed: yield Placement(irq.number, CpuSet.of(allowed.first), 'on and on')"
        ),
        "restless",
        "on a steady host it still moves 1 (on and on)",
    ),
    "sleeps": (placing("time.sleep(0)\nyield from ()"), "clock", "calls time.sleep"),
    "takes long": (
        placing("while True: yield from ()"),
        "deadline",
        "irqbal_place on an ordinary host did not return within 0.7 s",
    ),
    "backtracks in a regex": (
        placing("re.match(r'(a+)+$', 'a' * 64 + 'b')\nyield from ()"),
        "deadline",
        "did not return",
    ),
    "hangs at its import": (
        "import threading\nthreading.Event().wait()",
        "deadline",
        "its import did not return",
    ),
    "crashes at its import": (
        "os._exit(3)",
        "crashed",
        "its import ended the process, with status 3",
    ),
    "prints": (placing("print('hello')\nyield from ()"), "prints", "irqbal_place prints 'hello'"),
    "leaves a thread": (
        placing("threading.Thread(target=threading.Event().wait).start()\nyield from ()"),
        "thread",
        "starts a thread",
    ),
    "crashes the interpreter": (
        "from ctypes import string_at as read\n" + placing("os.kill = None\nos.abort()\nyield"),
        "crashed",
        "with signal 6",
    ),
    "leaves the process": (placing("os._exit(0)\nyield"), "crashed", "with status 0"),
    "exits": (placing("sys.exit(0)\nyield"), "exits", "raises SystemExit, which ends the process"),
    "eats all memory": (
        placing("hog = bytearray(2 << 30)\nyield from ()"),
        "raised",
        "MemoryError",
    ),
    "eats much memory": (
        "kept = []\n" + placing("kept.append(b'x' * (24 << 20))\nyield from ()"),
        "memory",
        "MiB; all policies together",
    ),
    "raises": (placing("raise ValueError('my fault')\nyield"), "raised", "ValueError: my fault ("),
    "yields text": (
        placing("yield 'CPU 3'"),
        "raised",
        "expected Placement or Steering or Note, got str",
    ),
    "identifies nonsense": (
        "@hookimpl\ndef irqbal_identify(irq): return 'eth0'",
        "raised",
        "which is no Queue",
    ),
    "misspells a hook": (
        "@hookimpl\ndef irqbal_plase(snapshot): ...",
        "import",
        "irqbal_plase is no hook of irqbal",
    ),
    "is written for another irqbal": (
        "IRQBAL_API = '9'\n" + placing("yield from ()"),
        "import",
        "irqbal's API 9",
    ),
    "has options without a word": (
        "class O(Options, frozen=True):\n    depth: int = 3\n@hookimpl\ndef irqbal_options(): "
        "return O\n" + placing("yield from ()"),
        "options",
        "depth has no description",
    ),
    "takes any option": (
        "class O(Options, frozen=True, forbid_unknown_fields=False):\n    a: Annotated[Any, "
        "Meta(description='x')] = 3\n"
        "@hookimpl\ndef irqbal_options(): return O\n" + placing("yield from ()"),
        "options",
        "a takes any text for a value",
    ),
    "has options that no YAML can hold": (
        "class O(Options, frozen=True):\n    a: Annotated[object, Meta(description='x')] = 3\n"
        "@hookimpl\ndef irqbal_options(): return O\n" + placing("yield from ()"),
        "options",
        "a has a type that cannot be read from YAML: object cannot be read",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_a_policy_must_not_do_is_found_and_named(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, code, text = BAD[what]
    monkeypatch.setattr("irqbal.testing.contract.IMPORT_DEADLINE", 1.5)
    started = time.monotonic()
    with pytest.raises(BrokenPromise) as caught:
        check_policy(module(tmp_path, source), deadline=DEADLINE)
    assert time.monotonic() - started < 8
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
    assert finding == Finding(
        "clock", f"irqbal_place calls time.time ({tmp_path}/irqbal_probe.py:9)"
    )


def test_a_policy_that_keeps_its_promise_passes_and_imports_inside_a_function_are_no_offence(
    tmp_path: Path,
) -> None:
    good = placing(FIRST + "import colorsys\nfrom fractions import Fraction\nyield Note('x')")
    check_policy(module(tmp_path, good))


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
