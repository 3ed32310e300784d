"""One arena of memory for all threads (mallopt(3), M_ARENA_MAX).

glibc gives each thread an arena of its own, so that many threads that allocate at once need not wait for each other. Python's never
do, and what one arena holds back in gaps no other can use: megabytes.
"""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8


def share_one_arena() -> None:
    """To be called before the first thread is started; without effect on other C libraries."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
