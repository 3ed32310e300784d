"""What else than the policies needs to know of their options, as written in the YAML."""

from __future__ import annotations

from irqbal.config.schema import Config
from irqbal.cpuset import CpuSet


def queues_may_share_cores(config: Config) -> bool:
    """Whether pin_nic_queues is told to put queues on both threads of a core (`smt: use`)."""
    return any(
        item.name == "pin_nic_queues"
        and isinstance(item.options.value, dict)
        and "smt" in item.options.value
        and item.options.value["smt"].value == "use"
        for item in config.policies
    )


def isolated_cpus(config: Config) -> CpuSet:
    """The CPUs that isolate_cores isolates besides the kernel's (`cpus`)."""
    found = CpuSet()
    for item in config.policies:
        options = item.options.value
        if item.name == "isolate_cores" and isinstance(options, dict) and "cpus" in options:
            try:
                found |= CpuSet.parse(str(options["cpus"].value))
            except ValueError:
                # `irqbal check` reports it.
                continue
    return found
