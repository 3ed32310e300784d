"""Which errno a kernel gives when it refuses a write, by version: kernel/irq/proc.c,
kernel/irq/manage.c and lib/bitmap.c.

What an errno then means to irqbal is `irqbal.kernel.errnos`.
"""

from __future__ import annotations

import errno

import msgspec

_MODES_SINCE = (6, 12)
"""The first version in which masks that the kernel owns have mode 0444."""
LATEST = (6, 18)
"""Version of a simulated kernel by default."""


def shows_owned(kernel: tuple[int, int]) -> bool:
    """Whether this version's file modes show which masks are its own."""
    return kernel >= _MODES_SINCE


class WriteErrnos(msgspec.Struct, frozen=True, kw_only=True):
    """One version's answers: for an IRQ whose mask the kernel owns; for a set without online CPU;
    for CPUs beyond the possible ones in a CPU list and in a hex mask; where no CPU of the set has a
    vector left; for an IRQ or a setting that does not exist.
    """

    owned: int
    no_online_cpu: int = errno.EINVAL
    beyond_list: int = errno.ERANGE
    beyond_mask: int = errno.EOVERFLOW
    no_vector: int = errno.ENOSPC
    missing: int = errno.ENOENT


def write_errnos(kernel: tuple[int, int]) -> WriteErrnos:
    """The answers of this version. 6.1 answers EIO for managed IRQs, 6.12 and later EPERM."""
    return WriteErrnos(owned=errno.EPERM if shows_owned(kernel) else errno.EIO)
