"""Policies that break a rule: what they do, and the finding that names it."""

from __future__ import annotations

import textwrap
import types
from pathlib import Path

from irqbal.testing.probe import SLOW

HEADER = """
import datetime, os, random, re, socket, subprocess, sys, threading, time
from typing import Annotated, Any
import msgspec
from msgspec.structs import force_setattr as setattr_
from irqbal import CpuSet, Draft, Irq, Limit, Meta, Note, Options, Placement, Queue, Snapshot, Steering, hookimpl
"""  # noqa: E501


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


def on_large_host(runs: int) -> str:
    """The body of a hook that does the reference work so many times on a large host."""
    return (
        f"for _ in range({runs} if len(snapshot.cpus) > 100 else 0): reference_work()\n"
        "yield from ()"
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
        "two calls with the same arguments give two answers",
    ),
    "counts its calls": (
        "n = []\n" + placing("n.append(1)\nyield Note(str(len(n)))"),
        "impure",
        "give two answers",
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
        placing("draft.claims.clear()\nyield from ()"),
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
    "takes long on a large host": (
        "from irqbal.testing.reference import reference_work\n" + placing(on_large_host(2 * SLOW)),
        "slow",
        "irqbal_place on 512 CPUs with 2049 IRQs takes ",
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
