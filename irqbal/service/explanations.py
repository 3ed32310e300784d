"""Why each IRQ is where it is: by the plan that placed it, or by a plan that is made for the
question. One such plan explains all IRQs and serves all readers until the next cycle.
"""

from __future__ import annotations

import asyncio

from irqbal.model.plan import Explained, Step
from irqbal.model.view import Irq
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

    async def of(self, irq: Irq, now: bool) -> Explained:
        """Why this IRQ is where it is; without steps if nothing concerns it. `now`, or if no plan
        has placed it yet: by a new plan. Raises HostBusyError, HostError, PolicyHostError.
        """
        placed = None if now else self._balancer.placements.of(irq.identity)
        if placed is not None:
            return placed
        async with self._lock:
            chains = self._chains
            if chains is None:
                record, _ = await self._kernel.ask(self._balancer.preview)
                chains = self._chains = record.plan.explanations
            return Explained(chains.get(irq.number, ()))
