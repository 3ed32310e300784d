"""Why each IRQ is where it is: all are explained at once and kept until the next cycle, so that
many readers cost what one costs.
"""

from __future__ import annotations

import asyncio

from irqbal.model.plan import Step
from irqbal.service.cycle import Balancer
from irqbal.service.kernel_thread import KernelThread


class Explanations:
    """The chains of the present cycle, made when somebody first asks."""

    def __init__(self, balancer: Balancer, kernel: KernelThread) -> None:
        self._balancer, self._kernel = balancer, kernel
        self._lock = asyncio.Lock()
        self._chains: dict[int, tuple[Step, ...]] | None = None

    def forget(self) -> None:
        """Another cycle was run."""
        self._chains = None

    async def of(self, number: int) -> tuple[Step, ...]:
        """One IRQ's chain; empty if nothing concerns it."""
        async with self._lock:
            chains = self._chains
            if chains is None:
                record, _ = await self._kernel.ask(self._balancer.preview)
                chains = self._chains = record.plan.explanations
            return chains.get(number, ())
