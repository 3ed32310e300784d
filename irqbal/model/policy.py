"""What every policy shares: the version of the contract, and the base of its options."""

from __future__ import annotations

import msgspec

API_VERSION = "1.0"
"""The contract that policies rely on. A new first number removes something from it, a new second
number adds to it.
"""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of a policy's options. Give each field a default and `Annotated[T,
    Meta(description=…)]`.
    """
