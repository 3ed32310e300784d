"""Limiting the memory that glibc's malloc holds back (mallopt(3)), what is garbage-collected, and
huge pages.

glibc gives each thread an arena of its own, so that threads need not wait for each other. Python's
threads hold the interpreter lock while they allocate, so the arenas gain nothing, and free memory
in one cannot be used by another: several megabytes.
"""

from __future__ import annotations

import ctypes
import gc

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_PR_SET_THP_DISABLE = 41
"""linux/prctl.h."""
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


def refuse_huge_pages() -> None:
    """Let the kernel not join this process's memory to huge pages: khugepaged interrupts every CPU
    when it does (prctl(2), PR_SET_THP_DISABLE). Without effect where that is not known.
    """
    ctypes.CDLL(None).prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
