"""What all policies share: the version of the policy API, and the base class of options."""

from __future__ import annotations

import msgspec

API_VERSION = "1.0"
"""Version of the interface that policies rely on. The first number rises when something is removed
or changed, the second when something is added.
"""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base class of a policy's options. Give each field a default, and a description by
    `Annotated[T, Meta(description=…)]`.
    """
