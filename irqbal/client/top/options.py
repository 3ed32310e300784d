"""What `top` was asked for on the command line."""

from __future__ import annotations

import msgspec


class TopOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`delay`: seconds between two readings; None: by the daemon's interval. `count`: end after so
    many readings; None: run until the user ends it. `ascii_only`: the terminal shows nothing else.
    """

    delay: float | None = None
    count: int | None = None
    ascii_only: bool = False
