"""This machine's own interrupts, for tests that move real ones: what is there, and putting it
back.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

IRQBAL = str(Path(sys.executable).with_name("irqbal"))
RUN = Path("/run/irqbal")
WAIT = 90.0
"""Seconds until a wait is given up: for ever, so that a slow machine fails no test that would have
passed, but less than pytest's own limit.
"""


def masks() -> dict[int, str]:
    """The mask of every IRQ, as the kernel writes it."""
    return {
        int(path.parent.name): path.read_text().strip()
        for path in Path("/proc/irq").glob("[0-9]*/smp_affinity_list")
    }


def effective(number: int) -> str:
    """Where the kernel delivers this IRQ now."""
    return Path(f"/proc/irq/{number}/effective_affinity_list").read_text().strip()


def movable() -> list[int]:
    """IRQs of this machine with an action and a mask file that may be written."""
    return [number for number in sorted(masks()) if _mode(number) & 0o200 and action(number)]


def managed() -> list[int]:
    """IRQs whose affinity the kernel owns."""
    return [number for number in sorted(masks()) if not _mode(number) & 0o222 and action(number)]


def action(number: int) -> str:
    """The IRQ's action."""
    try:
        return Path(f"/sys/kernel/irq/{number}/actions").read_text().strip()
    except OSError:
        return ""


def _mode(number: int) -> int:
    return Path(f"/proc/irq/{number}/smp_affinity_list").stat().st_mode


def put_back(before: dict[int, str]) -> None:
    """Every mask as it was; only those that differ are written."""
    now = masks()
    for number, mask in before.items():
        if now.get(number, mask) != mask:
            Path(f"/proc/irq/{number}/smp_affinity_list").write_text(f"{mask}\n")


def irqbal(
    *words: str, timeout: float = 120, check: int | None = 0
) -> subprocess.CompletedProcess[str]:
    """Run the command; `check` is the exit status that it must have."""
    done = subprocess.run(
        [IRQBAL, *words], check=False, capture_output=True, text=True, timeout=timeout
    )
    if check is not None and done.returncode != check:
        raise AssertionError(f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


@contextlib.contextmanager
def daemon(
    *words: str, log: Path, env: dict[str, str] | None = None, command: tuple[str, ...] = (IRQBAL,)
) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon that is ready; ended by its pid at the end, whatever happens."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "daemon", *words], stdout=out, stderr=out, env={**os.environ, **(env or {})}
        )
    try:
        wait_for(lambda: "ready:" in log.read_text() or process.poll() is not None, log)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(WAIT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def kill(process: subprocess.Popen[Any]) -> None:
    """End a process that still runs."""
    if process.poll() is None:
        process.kill()
        process.wait()


def wait_for(
    condition: Callable[..., object], log: Path | None = None, seconds: float = WAIT
) -> None:
    """Poll until the condition holds. Fails after so many seconds with the log's end."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            tail = "" if log is None else log.read_text()[-3000:]
            raise AssertionError(f"not within {seconds:.0f} s\n{tail}")
        time.sleep(0.05)
