"""Changes to the balancer that other threads request: pause, resume, overrides, restore.

Only the kernel thread sets attributes of the balancer. Requests wait in a queue that a cycle
empties before it plans, and again before it writes. A request that waits too long is withdrawn: its
caller gets an error, and the change is not made later.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from irqbal.errors import IrqbalError
from irqbal.model.plan import Outcome
from irqbal.model.view import Override
from irqbal.service.cycle_result import CycleResult

if TYPE_CHECKING:
    from irqbal.service.cycle import Balancer

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that a request may wait for the kernel thread: users who wait longer try again."""


class KernelRequest:
    """One change. Its `future` holds the result of the cycle that carried it out, or an
    IrqbalError.
    """

    cause = "request"
    """The cause of the cycle that is run for the request."""
    places: str = ""
    """Identity of an IRQ to place even while balancing is paused, or empty."""

    def __init__(self) -> None:
        self.future: Future[CycleResult] = Future()
        self._created = time.monotonic()
        self._lock = threading.Lock()
        self._taken = self._withdrawn = False
        self._result: CycleResult | IrqbalError | None = None

    def take(self) -> bool:
        """Begin, unless the request was withdrawn or waited too long. Returns whether it began."""
        with self._lock:
            if not self._withdrawn and time.monotonic() - self._created < PATIENCE:
                self._taken = True
            return self._taken

    def withdraw(self) -> bool:
        """Withdraw the request. Returns false if it has already begun."""
        with self._lock:
            self._withdrawn = not self._taken
            return self._withdrawn

    def apply(self, balancer: Balancer) -> None:
        """Change the balancer. If it raises IrqbalError, nothing was changed."""

    def conclude(self, balancer: Balancer, result: CycleResult) -> None:
        """Called after the cycle that planned with this change, for the newest request first.
        Raises IrqbalError.
        """

    def abandon(self, balancer: Balancer) -> None:
        """Undo this change and no other, since the cycle with it failed; called for the newest
        request first. Raises IrqbalError.
        """

    def finish(self, result: CycleResult | IrqbalError) -> None:
        """Store the outcome until `release`."""
        self._result = result

    def release(self) -> None:
        """Pass the outcome to the caller; all sinks have received the cycle's result."""
        if self._result is None or not self.future.set_running_or_notify_cancel():
            return  # nobody waits any more
        if isinstance(self._result, IrqbalError):
            self.future.set_exception(self._result)
        else:
            self.future.set_result(self._result)


class SetOverride(KernelRequest):
    """Set a user's override of one IRQ. An override that the kernel refuses is not stored."""

    cause = "override"

    def __init__(self, override: Override) -> None:
        super().__init__()
        self._override = override
        self._before: Override | None = None
        self.places = override.identity
        self.refusal: Outcome | None = None
        """Why the override was not carried out; valid once `future` is done."""

    def apply(self, balancer: Balancer) -> None:
        self._before = balancer.overrides.of(self._override.identity)
        balancer.overrides.put(self._override)

    def conclude(self, balancer: Balancer, result: CycleResult) -> None:
        self.refusal = refusal_of(result, self._override.identity)
        if self.refusal is not None:
            self.abandon(balancer)

    def abandon(self, balancer: Balancer) -> None:
        overrides, identity = balancer.overrides, self._override.identity
        if overrides.of(identity) is not self._override:
            return  # a later request replaced or cleared it
        if self._before is None:
            overrides.remove(identity)
        else:
            overrides.put(self._before)


class ClearOverride(KernelRequest):
    """Remove an override: the policies place the IRQ at once."""

    cause = "override cleared"

    def __init__(self, identity: str) -> None:
        super().__init__()
        self._identity = identity
        self._before: Override | None = None

    def apply(self, balancer: Balancer) -> None:
        self._before = balancer.overrides.of(self._identity)
        balancer.overrides.remove(self._identity)
        balancer.end_cooldown(self._identity)

    def abandon(self, balancer: Balancer) -> None:
        if self._before is not None and balancer.overrides.of(self._identity) is None:
            balancer.overrides.put(self._before)


class Pause(KernelRequest):
    """Write nothing from now on."""

    cause = "pause"

    def __init__(self) -> None:
        super().__init__()
        self._before: object | None = None

    def apply(self, balancer: Balancer) -> None:
        self._before, balancer.paused_by = balancer.paused_by, self

    def abandon(self, balancer: Balancer) -> None:
        if balancer.paused_by is self:
            balancer.paused_by = self._before


class Resume(KernelRequest):
    """Balance again. With `pause`, only if that is the pause in force: a timer must not end a later
    one.
    """

    cause = "resume"

    def __init__(self, pause: Pause | None = None) -> None:
        super().__init__()
        self._pause = pause
        self._before: object | None = None
        self.resumed = False
        """Whether balancing was paused and goes on; valid once `future` is done."""

    def apply(self, balancer: Balancer) -> None:
        if self._pause is None or balancer.paused_by is self._pause:
            self._before, balancer.paused_by = balancer.paused_by, None
            self.resumed = self._before is not None

    def abandon(self, balancer: Balancer) -> None:
        if self.resumed and balancer.paused_by is None:
            balancer.paused_by = self._before
        self.resumed = False


class Restore(KernelRequest):
    """Write every original back, and pause. What was written back stays so, even if the cycle that
    follows fails.
    """

    cause = "restore"

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: tuple[Outcome, ...] | None = None
        """One outcome for each original; None if nothing was written back."""

    def apply(self, balancer: Balancer) -> None:
        self.outcomes = balancer.restore(self)


class RequestQueue:
    """Requests that wait for the kernel thread, and those that wait to be answered. But for `put`
    and `release`, its methods belong to the kernel thread.
    """

    def __init__(self) -> None:
        self._waiting: deque[KernelRequest] = deque()
        self._finished: deque[KernelRequest] = deque()

    def put(self, request: KernelRequest) -> None:
        """Add a request, from any thread."""
        self._waiting.append(request)

    def take(self) -> list[KernelRequest]:
        """The requests to carry out now, the oldest first."""
        taken = []
        while self._waiting:
            request = self._waiting.popleft()
            if request.take():
                taken.append(request)
        return taken

    def apply(self, balancer: Balancer) -> list[KernelRequest]:
        """Apply the waiting requests and return them. Those that fail get the error at once."""
        done = []
        for request in self.take():
            try:
                request.apply(balancer)
            except IrqbalError as error:
                self._finish(request, error)
            else:
                done.append(request)
        return done

    def conclude(
        self, balancer: Balancer, requests: Sequence[KernelRequest], result: CycleResult
    ) -> None:
        """Store the result of the cycle for these requests, given in the order of `apply`."""
        for request in reversed(requests):
            try:
                request.conclude(balancer, result)
            except IrqbalError as error:
                self._finish(request, error)
            else:
                self._finish(request, result)

    def abandon(
        self, balancer: Balancer, requests: Sequence[KernelRequest], error: IrqbalError
    ) -> None:
        """Undo these requests, given in the order of `apply`: their cycle failed."""
        for request in reversed(requests):
            try:
                request.abandon(balancer)
            except IrqbalError as worse:
                log.error("%s", worse)
            self._finish(request, error)

    def _finish(self, request: KernelRequest, result: CycleResult | IrqbalError) -> None:
        request.finish(result)
        self._finished.append(request)

    def release(self) -> None:
        """Answer the callers of finished requests; call it after their cycle was published."""
        while self._finished:
            self._finished.popleft().release()


def refusal_of(result: CycleResult, identity: str) -> Outcome | None:
    """Why this cycle did not carry out this IRQ's override; None if it did."""
    record = result.record
    outcome = next((item for item in record.outcomes if item.identity == identity), None)
    if outcome is not None:
        return outcome if outcome.result in ("refused", "unsaved", "gone") else None
    irq = next((irq for irq in result.after.irqs if irq.identity == identity), None)
    if irq is None:
        return Outcome(identity, "gone", None, "gone", "there is no such IRQ any more")
    for item in record.plan.refused:
        if item.irq == irq.number and item.policy == "override" and item.code != "warning":
            detail = f"{item.reason}; {item.advice}".rstrip("; ")
            return Outcome(identity, "refused", irq.number, item.code, detail)
    if record.problem:
        return Outcome(identity, "unsaved", irq.number, "unavailable", record.problem)
    return None
