"""The daemon's own history: the queue, the writer on its thread, and the shipper to MongoDB."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import platform
import time
from typing import TYPE_CHECKING

import msgspec

from irqbal.config.mongodb_options import MongodbOptions
from irqbal.config.schema import Config
from irqbal.errors import ConfigError, HostError
from irqbal.history.recorder import Recorder
from irqbal.history.write_queue import WriteQueue
from irqbal.history.writer import HistoryWriter
from irqbal.service.cycle import Balancer
from irqbal.service.cycle_result import CycleResult
from irqbal.service.history_claim import HistoryClaim
from irqbal.service.history_thread import HistoryThread
from irqbal.state.folders import Folders

if TYPE_CHECKING:
    from irqbal.history.mongodb.shipper import Shipper

log = logging.getLogger(__name__)

EARLY = 0.99
"""Share of the time between two samples after which the next is due: a cycle that begins a little
early must not delay its sample by a whole interval.
"""


class HistorySampler:
    """Takes the history's samples, on the kernel thread, in the cycle to which they belong."""

    def __init__(self, every: float, refresh: bool) -> None:
        """`every`: seconds between two samples. `refresh`: make a new snapshot for each sample,
        also after a cycle that reused the last plan, so that MongoDB gets the current state.
        """
        self.every = every
        self._refresh = refresh
        self._recorder = Recorder()
        self._sampled = -math.inf

    def totals_of(self, identity: str) -> dict[int, int]:
        """Interrupts of the IRQ with this identity by CPU, as of the last sample."""
        return self._recorder.totals_of(identity)

    def run(self, balancer: Balancer, cause: str, full: bool) -> CycleResult:
        """Run a cycle, and take a sample if one is due. A sample that cannot be read is logged and
        left out: the cycle is done. Raises HostError if the cycle cannot be run.
        """
        result = balancer.run_cycle(cause, full)
        now = time.monotonic()
        if now - self._sampled < self.every * EARLY:
            return result
        self._sampled = now
        try:
            return self._with_sample(balancer, result)
        except HostError as error:
            log.warning("the counts for the history cannot be read: %s; no sample now", error)
            return result

    def _with_sample(self, balancer: Balancer, result: CycleResult) -> CycleResult:
        if self._refresh and not result.fresh:
            # Ship the current state even if the plan was reused.
            result = msgspec.structs.replace(result, after=balancer.current_snapshot(), fresh=True)
        counts = balancer.tracker.counts()
        sample = self._recorder.take(
            counts, result.after, time.time(), balancer.tracker.times_per_interrupt()
        )
        return msgspec.structs.replace(result, sample=sample)


class HistoryService:
    """Records one daemon's history, and ships it to MongoDB if the configuration says so."""

    def __init__(
        self,
        config: Config,
        folders: Folders,
        thread: HistoryThread,
        claim: HistoryClaim,
        *,
        ships: bool,
    ) -> None:
        """`ships`: this daemon is the one of its host, which MongoDB knows by its name. Raises
        ConfigError, HistoryError.
        """
        options = config.history.mongodb if ships else None
        self.writer = HistoryWriter(
            folders.state,
            config.history.keep,
            outbox=options is not None if ships else None,
            claim=claim,
        )
        self.queue = WriteQueue(self.writer, thread.executor)
        self.sampler = HistorySampler(float(config.history.every), options is not None)
        self.shipper = None if options is None else _shipper(options, self.writer, thread)
        self._shipping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ship, if the configuration says so."""
        if self.shipper is not None:
            self._shipping = asyncio.create_task(self.shipper.serve())

    async def close(self) -> None:
        """Stop shipping, write what the queue holds, and close the file."""
        if self._shipping is not None:
            self._shipping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._shipping
        await self.queue.close()


def _shipper(options: MongodbOptions, writer: HistoryWriter, thread: HistoryThread) -> Shipper:
    """The shipper. MongoDB's driver takes much memory, so it is imported only here. Raises
    ConfigError.
    """
    try:
        from irqbal.history.mongodb import shipper
    except ImportError as error:
        raise ConfigError(
            [f"history.mongodb needs pymongo ({error}): pip install 'irqbal[mongodb]'"]
        ) from error
    shipper.check(options)
    return shipper.Shipper(options, platform.node(), writer, thread.run)
