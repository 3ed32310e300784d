"""The real kernel (or a tree of its files): one module for each of its files; `affinity` alone
writes masks and steering.
"""

from __future__ import annotations

from irqbal.kernel.host import KernelHost

__all__ = ["KernelHost"]
