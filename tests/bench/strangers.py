"""What strangers' policies cost: the time of a plan, and the private memory of all processes, with
0, 1 and 5 distributions besides irqbal's own policies.

`python tests/bench/strangers.py [--irqs N] [--rounds N]`. Ratios are to no strangers, in one run.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "fakes")]

import pytest  # noqa: E402

from builders import cpus, host, lone, nic  # noqa: E402
from installed import InstalledSite, installation  # noqa: E402
from irqbal.model.view import Snapshot  # noqa: E402
from irqbal.planner.draft import Settings  # noqa: E402
from irqbal.planner.ledger import Ledger  # noqa: E402
from irqbal.plugins.discovery import find  # noqa: E402
from irqbal.plugins.protocol import PolicyEntry  # noqa: E402
from irqbal.plugins.supervisor import PATIENCE, PolicySupervisor  # noqa: E402
from irqbal.problems import Node  # noqa: E402

STRANGER = """
@hookimpl
def irqbal_limit(snapshot):
    yield Note("nothing to forbid")
@hookimpl
def irqbal_place(snapshot, draft):
    for irq in snapshot.irqs:
        if draft.claim(irq) is None and irq.action == "i8042":
            yield Placement(irq.number, snapshot.online, "anywhere")
"""


@contextlib.contextmanager
def supervisor(site: InstalledSite, strangers: int) -> Iterator[PolicySupervisor]:
    """The bundled policies, and so many of strangers before them."""
    found = {**find(), **site.found()}
    names = [f"stranger{number}" for number in range(strangers)]
    names += ["isolate_cores", "pin_irqs", "pin_nic_queues", "spread_by_rate"]
    asked = PolicySupervisor(
        [PolicyEntry(found[name], index, Node(1, {})) for index, name in enumerate(names)]
    )
    try:
        assert asked.bind(PATIENCE) == []
        yield asked
    finally:
        asked.close()


def private_memory(pid: int | None) -> int:
    """Bytes of a process that no other one shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines[1:])
    return sum(int(fields[key].split()[0]) for key in ("Private_Clean", "Private_Dirty")) << 10


def plan_seconds(asked: PolicySupervisor, snapshot: Snapshot, rounds: int) -> float:
    """The median time of a plan."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        _, failures = asked.plan(snapshot, Ledger(), Settings())
        times.append(time.perf_counter() - begin)
        assert not failures, failures
    return statistics.median(times)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--queues", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    snapshot = host(
        cpus(64), nic("eth0", options.queues), nic("eth1", options.queues), lone("i8042")
    )
    print(f"64 CPUs, {len(snapshot.irqs)} IRQs, median of {options.rounds} plans")
    first: tuple[float, int] | None = None
    with pytest.MonkeyPatch.context() as patch, installation(patch) as site:
        for number in range(5):
            site.install(f"stranger{number}", STRANGER)
        for strangers in (0, 1, 5):
            with supervisor(site, strangers) as asked:
                seconds = plan_seconds(asked, snapshot, options.rounds)
                memory = sum(private_memory(pid) for pid in (asked.pid, *asked.pids.values()))
            first = first or (seconds, memory)
            print(
                f"{strangers} strangers: {seconds * 1000:.1f} ms a plan "
                f"({seconds / first[0]:.2f}), {memory / 1e6:.1f} MB private "
                f"({memory / first[1]:.2f})"
            )


if __name__ == "__main__":
    main()
