"""Memory that is not needed is not kept: one arena for all threads, and large pieces given back
(mallopt(3)).

glibc gives each thread an arena of its own, so that many threads that allocate at once need not
wait for each other. Python's never do, and what one arena holds back in gaps no other can use:
megabytes.
"""

from __future__ import annotations

import ctypes
import gc

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
LARGE = 128 << 10
"""Bytes from which a piece of memory is the kernel's again once it is free: a census's text, a long
answer. glibc's own limit starts there too, but rises with every such piece.
"""


def limit_arenas() -> None:
    """To be called before the first thread is started; without effect on other C libraries."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, LARGE)


def freeze_heap() -> None:
    """What lives now lives as long as the daemon: it need not be looked through for garbage again
    and again.
    """
    gc.collect()
    gc.freeze()
