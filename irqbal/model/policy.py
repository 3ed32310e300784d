"""What all policies share: the version of the policy API, and the base class of options."""

from __future__ import annotations

from typing import Literal

import msgspec

from irqbal.wire import Duration

API_VERSION = "1.0"
"""Version of the interface that policies rely on. The first number rises when something is removed
or changed, the second when something is added.
"""


Dependency = Literal["load", "queues", "topology", "time"]
"""What a policy's limits and placements may depend on: IRQs' loads; queues and their IRQs; CPUs,
nodes and devices; the time of day.
"""


class Needs(msgspec.Struct, frozen=True):
    """What a policy depends on. Without `load` and `time` in `on`, and without `again`, its last
    answer holds until something else has changed of what it is shown. `cgroups` are globs of cgroup
    paths that it wants to be told of. `again`: a new plan is made at the latest when so much time
    has passed since the last one.
    """

    on: tuple[Dependency, ...] = ("load", "queues", "topology", "time")
    cgroups: tuple[str, ...] = ()
    again: Duration | None = None


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base class of a policy's options. Give each field a default, and a description by
    `Annotated[T, Meta(description=…)]`.
    """
