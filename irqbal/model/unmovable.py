"""Why an IRQ cannot be moved: sentences, and the cause behind one."""

from __future__ import annotations

from typing import Literal

Cannot = Literal["managed", "per-CPU", ""]
"""Why an IRQ cannot be moved: its driver left its affinity to the kernel; each CPU has its own; not
known, or another reason.
"""
MANAGED = "its driver left its affinity to the kernel (managed)"
PER_CPU = "every CPU has an interrupt of its own under this number (per-CPU)"
OWNED = "the kernel owns its affinity (managed, per-CPU or no-balance)"
REFUSED = "the kernel refused a write in this boot (managed, per-CPU or no-balance)"
NO_FILE = "it has no affinity file"


def cannot(unmovable: str) -> Cannot:
    """The cause behind one of these sentences."""
    if unmovable == PER_CPU:
        return "per-CPU"
    return "managed" if unmovable in (MANAGED, OWNED, REFUSED) else ""


def advice(unmovable: str, cpus: str = "CPUS") -> str:
    """What helps against an unmovable IRQ that fires on CPUs where it should not."""
    return {
        "managed": f"boot with `isolcpus=managed_irq,{cpus}` (best effort), or give its driver "
        "fewer queues",
        "per-CPU": "nothing can be done with affinity: see what fires it, such as timers or perf",
    }.get(cannot(unmovable), "see its driver's documentation")
