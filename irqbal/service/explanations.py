"""Why each IRQ is where it is. One plan explains all IRQs and serves all readers until the next
cycle.
"""

from __future__ import annotations

import asyncio

from irqbal.model.plan import Step
from irqbal.service.cycle import Balancer
from irqbal.service.kernel_thread import KernelThread


class Explanations:
    """The explanations of the present cycle, made on the first request."""

    def __init__(self, balancer: Balancer, kernel: KernelThread) -> None:
        self._balancer, self._kernel = balancer, kernel
        self._lock = asyncio.Lock()
        self._chains: dict[int, tuple[Step, ...]] | None = None

    def forget(self) -> None:
        """Discard the explanations: another cycle was run."""
        self._chains = None

    async def of(self, number: int) -> tuple[Step, ...]:
        """The steps that explain the IRQ of this number; empty if nothing concerns it. Raises
        HostBusyError, HostError, PolicyHostError.
        """
        async with self._lock:
            chains = self._chains
            if chains is None:
                record, _ = await self._kernel.ask(self._balancer.preview)
                chains = self._chains = record.plan.explanations
            return chains.get(number, ())
