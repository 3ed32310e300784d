"""Plans with other policies than the configured ones: in temporary processes, on the host's present
state.
"""

from __future__ import annotations

import msgspec

from irqbal.api.backend import ApiError
from irqbal.api.requests import MOST_POLICIES
from irqbal.config.reader import all_problems, parse
from irqbal.config.schema import Config
from irqbal.errors import ConfigError, IrqbalError
from irqbal.model.plan import Plan
from irqbal.model.view import Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.plugins import discovery
from irqbal.plugins.supervisor import PATIENCE, PolicySupervisor, SupervisorStopped
from irqbal.service.assembly import bound, known, unknown

STARTING_AT_ONCE = 2
"""Strangers' processes of a what-if plan that start at the same time: the host has other work."""


class WhatIfDraft(msgspec.Struct, frozen=True):
    """A configuration to plan with, and what is wrong with its text besides its policies' options:
    then these are only checked, so that all problems are told at once.
    """

    config: Config
    wrong: ConfigError | None = None


def policies_of(text: str) -> WhatIfDraft:
    """The configuration in this YAML text, which has a `policies:` section. Raises ApiError if
    nothing of it can be read.
    """
    wrong = None
    try:
        config = parse(text, "policies")
    except ConfigError as error:
        if not isinstance(error.readable, Config):
            raise _refused(error) from error
        config, wrong = error.readable, error
    if len(config.policies) > MOST_POLICIES:
        raise ApiError(
            422,
            "config",
            f"the text names {len(config.policies)} policies, the limit is {MOST_POLICIES}; "
            "nothing was planned",
        )
    return WhatIfDraft(config, wrong)


def plan_with(draft: WhatIfDraft, snapshot: Snapshot, ledger: Ledger, settings: Settings) -> Plan:
    """The plan of these policies, made in temporary processes. Blocks. Raises ApiError with every
    problem, IrqbalError.
    """
    config = draft.config
    installed = discovery.find()
    # A wrong name must not hide what is wrong with the others' options.
    unnamed = ConfigError(unknown(config.policies, "policies", "policies", installed))
    wrong = ConfigError(all_problems(draft.wrong, unnamed)) if draft.wrong else unnamed
    started = PolicySupervisor(known(config.policies, installed), STARTING_AT_ONCE)
    try:
        policies = bound(started, "policies", PATIENCE)
    except ConfigError as error:
        raise _refused(ConfigError(all_problems(wrong, error))) from error
    if wrong.problems:
        policies.close()
        raise _refused(wrong)
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


def _refused(error: ConfigError) -> ApiError:
    text = "the policies were refused whole; nothing was planned"
    return ApiError(422, "config", text, problems=error.problems)
