"""What a kernel's errno means when irqbal writes a mask or a steering setting.

Sources: kernel/irq/proc.c and lib/bitmap.c for masks, net/core/net-sysfs.c for XPS and RPS; seen on
Linux 6.1 and 6.18. Which kernel gives which errno in which situation is not known here: the
simulated kernel has a table of its own (`irqbal.simulated.kernel_errnos`).
"""

from __future__ import annotations

import errno
from typing import Literal

import msgspec


class WriteRefusal(msgspec.Struct, frozen=True):
    """One refused write: the outcome's result, its code (documented in docs/operating.md) and a
    sentence that ends with the errno's name.
    """

    result: Literal["gone", "transient", "refused"]
    code: str
    detail: str


REFUSED = {
    errno.EPERM: ("managed", "refused by the kernel: managed, per-CPU or no-balance"),
    errno.EIO: ("managed", "refused by the kernel: managed, per-CPU or no-balance"),
    errno.EINVAL: ("no-cpu", "the kernel found no online CPU in the set"),
    errno.EOVERFLOW: ("beyond", "the set names CPUs that this kernel cannot have"),
    errno.ERANGE: ("beyond", "the set names CPUs that this kernel cannot have"),
    errno.ENOSPC: ("no-vector", "no free interrupt vector on that CPU"),
    errno.EROFS: ("no-permission", "the file system is mounted read-only"),
    errno.EACCES: ("no-permission", "no permission to write: irqbal must run as root"),
}
"""Code and sentence of each errno that a further attempt would meet again.

EIO is the answer for managed IRQs before Linux 6.12, EPERM since. EOVERFLOW is a hex mask that is
too long (bitmap_parse), ERANGE a list that is (bitmap_parselist).
"""
_TRANSIENT = (errno.EBUSY, errno.EAGAIN, errno.ENOMEM, errno.EINTR)
_GONE = (errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.ENXIO)


def refusal_of(error: OSError, steering: bool) -> WriteRefusal:
    """Classify what a write raised. `steering`: the file belongs to XPS, RPS or RFS, where EPERM is
    a missing capability.
    """
    number = error.errno or 0
    name = errno.errorcode.get(number, str(number))
    if number in _GONE:
        return WriteRefusal("gone", "gone", f"the file is gone ({name})")
    if number in _TRANSIENT:
        sentence = f"the kernel is busy ({name}); irqbal tries again in the next cycle"
        return WriteRefusal("transient", "transient", sentence)
    if steering and number == errno.EPERM:
        return WriteRefusal("refused", "no-permission", "CAP_NET_ADMIN is missing (EPERM)")
    code, text = REFUSED.get(number, ("unknown", error.strerror or "refused"))
    return WriteRefusal("refused", code, f"{text} ({name})")
