"""What other policies would do: planned in a throw-away child, with what the host is like now."""

from __future__ import annotations

import msgspec

from irqbal.api.backend import ApiError
from irqbal.api.requests import MOST_POLICIES
from irqbal.config.reader import parse
from irqbal.config.schema import Config
from irqbal.errors import ConfigError, IrqbalError
from irqbal.model.plan import Plan
from irqbal.model.view import Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.plugins.supervisor import SupervisorStopped
from irqbal.service.assembly import bind


def policies_of(text: str) -> Config:
    """YAML text with a `policies:` section. Raises ApiError with every problem."""
    try:
        config = parse(text, "policies")
    except ConfigError as error:
        raise ApiError(
            422,
            "config",
            "the policies were refused whole; nothing was planned",
            problems=error.problems,
        ) from error
    if len(config.policies) > MOST_POLICIES:
        raise ApiError(
            422,
            "config",
            f"these are {len(config.policies)} policies, more than {MOST_POLICIES}; nothing was "
            "planned",
        )
    return config


def plan_with(config: Config, snapshot: Snapshot, ledger: Ledger, settings: Settings) -> Plan:
    """A plan of other policies, in a throw-away child. Raises ApiError."""
    try:
        policies = bind(config, "policies")
    except ConfigError as error:
        raise ApiError(
            422,
            "config",
            "the policies were refused whole; nothing was planned",
            problems=error.problems,
        ) from error
    try:
        answer, failures = policies.plan(
            snapshot,
            ledger,
            msgspec.structs.replace(settings, banned=config.banned_cpus or settings.banned),
        )
        return msgspec.structs.replace(answer.plan, failures=(*policies.aside.values(), *failures))
    except SupervisorStopped as error:
        raise IrqbalError("the daemon is ending") from error
    finally:
        policies.close()
