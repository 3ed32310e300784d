"""Limiting the memory that glibc's malloc holds back (mallopt(3)), and what is garbage-collected.

glibc gives each thread an arena of its own, so that threads need not wait for each other. Python's
threads hold the interpreter lock while they allocate, so the arenas gain nothing, and free memory
in one cannot be used by another: several megabytes.
"""

from __future__ import annotations

import ctypes
import gc

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
LARGE = 128 << 10
"""Bytes of an allocation that goes back to the kernel as soon as it is freed, such as the text of
/proc/interrupts. This is glibc's initial threshold, too, but setting it keeps it from rising.
"""


def limit_arenas() -> None:
    """Use one arena; call this before the first thread starts. Without effect on other C libraries
    than glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, LARGE)


def freeze_heap() -> None:
    """Exclude all present objects from garbage collection: call this when the daemon has started,
    since they live as long as it does.
    """
    gc.collect()
    gc.freeze()
