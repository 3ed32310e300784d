"""What else than the policies needs to know of their options, as written in the YAML."""

from __future__ import annotations

from irqbal.config.schema import Config


def queues_may_share_cores(config: Config) -> bool:
    """Whether pin_nic_queues is told to put queues on both threads of a core (`smt: use`)."""
    return any(
        item.name == "pin_nic_queues"
        and isinstance(item.options.value, dict)
        and "smt" in item.options.value
        and item.options.value["smt"].value == "use"
        for item in config.policies
    )
