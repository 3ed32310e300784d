"""irqbal's own policies and the planner in their process: it is replaced whenever one of them makes
it fail.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from irqbal.errors import PolicyHostError
from irqbal.model.plan import Failure
from irqbal.plugins import bounds, protocol
from irqbal.plugins.budgets import PlannerClock
from irqbal.plugins.channel import HostBlamed, HostChannel
from irqbal.plugins.retries import Retries, in_words
from irqbal.wire import Moment

log = logging.getLogger(__name__)
Result = TypeVar("Result")


class SupervisorStopped(Exception):
    """The daemon is stopping and has ended the host."""


class PlannerProcess:
    """The planner's host and the policies in it. All methods but `kill` belong to one thread."""

    def __init__(self, entries: Iterable[protocol.PolicyEntry]) -> None:
        self._entries = {entry.index: entry for entry in entries}
        self._channel: HostChannel | None = None
        self._is_bound = False
        # Guards `_channel` and `_stopped` against `kill` from another thread.
        self._lock = threading.Lock()
        self._stopped = False
        self._retries: dict[int, Retries] = {}
        self._raises: dict[int, int] = {}
        self._failures: list[Failure] = []
        self.aside: dict[int, Failure] = {}
        """Policies that are not called until the next try, by index, with the reason."""
        self.bound = protocol.BindResult()
        """What the policies said when they were bound last."""

    @property
    def pid(self) -> int | None:
        """The process id; None: there is no process, or it is not known yet."""
        return None if self._channel is None else self._channel.pid

    def has(self, index: int, hook: str) -> bool:
        """Whether the policy of this index has this hook."""
        return index not in self.aside and hook in self.bound.hooks.get(index, ())

    def due(self) -> tuple[str, ...]:
        """The policies that the next plan tries again."""
        return tuple(
            self.aside[index].policy
            for index, retries in self._retries.items()
            if index in self.aside and retries.is_due
        )

    def spawn(self) -> HostChannel:
        """Start the process unless it runs, without waiting until it is ready. Raises
        PolicyHostError, or SupervisorStopped after `kill`.
        """
        with self._lock:
            if self._stopped:
                raise SupervisorStopped
            if self._channel is None:
                packages = {
                    entry.plugin.module.partition(".")[0] for entry in self._entries.values()
                }
                self._channel = HostChannel("planner", packages)
                self._is_bound = False
            return self._channel

    def bind(self) -> None:
        """Start the process and import all policies, unless that is done. A policy that cannot be
        imported is set aside. Raises PolicyHostError, SupervisorStopped.
        """
        self._until_success(self._bound_channel)

    def request(
        self,
        frames: Callable[[], Sequence[bytes]],
        result: type[Result],
        most: int = bounds.MAX_ANSWER_SIZE,
        answer: Callable[[protocol.Next], bytes] | None = None,
    ) -> Result:
        """Send a request, and return its result, of at most so many bytes; `answer` gives
        strangers' placements. A policy that hangs or crashes is set aside, and the request made
        again without it: `frames` makes it.

        Raises PolicyHostError, SupervisorStopped.
        """

        def ask() -> Result:
            channel = self._bound_channel()
            return self._ask(channel, frames(), result, most, answer)

        return self._until_success(ask)

    def count_raises(self, raised: Iterable[protocol.HookRaised]) -> None:
        """Count the policies whose hooks raised in this cycle. One that has done so in several
        consecutive cycles is set aside.
        """
        counts: dict[int, int] = {}
        for item in raised:
            if item.index not in self._entries or item.index in counts:
                continue
            counts[item.index] = self._raises.get(item.index, 0) + 1
            if counts[item.index] >= bounds.RAISES_UNTIL_ASIDE:
                self._set_aside(item.index, "raised", item.reason)
                self.close()
            else:
                name = self._entries[item.index].plugin.name
                self._failures.append(Failure(name, "raised", item.reason))
        self._raises = counts

    def take_failures(self) -> tuple[Failure, ...]:
        """The failures since the last call."""
        taken, self._failures = tuple(self._failures), []
        return taken

    def kill(self) -> None:
        """End the process for good, from any thread; a request under way raises
        SupervisorStopped.
        """
        with self._lock:
            self._stopped = True
            if self._channel is not None:
                self._channel.kill()

    def close(self) -> None:
        """End the process; the next request starts a new one."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()
                self._channel = None

    def _until_success(self, work: Callable[[], Result]) -> Result:
        """Do the work; while it fails because of a policy, set that one aside and try again."""
        unblamed = 0
        while True:
            try:
                return work()
            except HostBlamed as blamed:
                self.close()
                if self._stopped:
                    raise SupervisorStopped from None
                if blamed.index is not None and blamed.index in self._entries:
                    self._set_aside(blamed.index, blamed.code, blamed.reason)
                    continue
                unblamed += 1
                if unblamed > 1:
                    raise PolicyHostError(
                        f"the policy host failed twice: {blamed.reason}"
                    ) from None

    def _bound_channel(self) -> HostChannel:
        for index, retries in self._retries.items():
            if index in self.aside and retries.take_due():
                del self.aside[index]
                self.close()
        channel = self.spawn()
        if not self._is_bound:
            channel.await_hello()
            active = tuple(
                entry for index, entry in self._entries.items() if index not in self.aside
            )
            frame = protocol.pack(protocol.BindRequest(active))
            self.bound = self._ask(channel, (frame,), protocol.BindResult)
            self._is_bound = True
            for refusal in self.bound.refused:
                if not refusal.config:
                    self._set_aside(refusal.index, "unusable", refusal.reason)
        return channel

    def _ask(
        self,
        channel: HostChannel,
        frames: Sequence[bytes],
        result: type[Result],
        most: int = bounds.MAX_ANSWER_SIZE,
        answer: Callable[[protocol.Next], bytes] | None = None,
    ) -> Result:
        clock = PlannerClock(self._entries.keys(), channel.pid)
        return channel.request(frames, result, clock, most, answer or _no_answer)

    def _set_aside(self, index: int, code: str, reason: str) -> None:
        plugin = self._entries[index].plugin
        delay = self._retries.setdefault(index, Retries()).failed()
        text = f"{reason} ({', '.join(plugin.distributions)})"
        failure = Failure(plugin.name, code, text, aside=True, again=Moment(time.time() + delay))
        self.aside[index] = failure
        self._failures.append(failure)
        log.error(
            "the policy %s failed (%s): %s; irqbal goes on without it, and tries again in %s",
            plugin.name,
            code,
            failure.reason,
            in_words(delay),
        )


def _no_answer(question: protocol.Next) -> bytes:
    return protocol.pack(protocol.HookItems())
