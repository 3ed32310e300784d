"""The thread for slow work that does not touch the kernel's files: the disk, plugins' metadata,
`systemctl`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class HistoryThread:
    """Runs one piece of work at a time, in order."""

    def __init__(self) -> None:
        self.executor = ThreadPoolExecutor(1, "history")

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Run this on the thread, and return its result."""
        return await asyncio.get_running_loop().run_in_executor(
            self.executor, lambda: work(*arguments)
        )

    def shutdown(self) -> None:
        """End the thread once its present work is done."""
        self.executor.shutdown()
