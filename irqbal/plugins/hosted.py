"""The policies (or observers) of one stranger's distribution, in a process of their own.

All that concerns the process runs on a thread of its own, so that strangers are started and asked
at the same time, and nobody waits longer than they want to. Who failed is never taken on the word
of such a process: all policies of the distribution share its fate.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import msgspec

from irqbal.errors import PolicyHostError
from irqbal.model.plan import Failure
from irqbal.model.policy import Needs
from irqbal.plugins import bounds, process, protocol
from irqbal.plugins.budgets import HookClock
from irqbal.plugins.channel import HostBlamed, HostChannel
from irqbal.plugins.check_items import check_needs
from irqbal.plugins.descriptions import checked, plain
from irqbal.plugins.hookspecs import HOOKS
from irqbal.plugins.retries import Retries, in_words
from irqbal.problems import LocatedProblem
from irqbal.wire import Moment

log = logging.getLogger(__name__)
Result = TypeVar("Result")


def by_distribution(
    entries: Iterable[protocol.PolicyEntry],
) -> list[list[protocol.PolicyEntry]]:
    """The entries of each distribution; the folder tells apart those of one name."""
    grouped: dict[tuple[bool, str, str], list[protocol.PolicyEntry]] = {}
    for entry in entries:
        plugin = entry.plugin
        grouped.setdefault((plugin.own, plugin.distributions[0], plugin.folder), []).append(entry)
    return list(grouped.values())


def at_once(work: Iterable[Callable[[], None]]) -> None:
    """Do all of this at the same time: to end a process that hangs may take a second."""
    threads = [threading.Thread(target=item, daemon=True) for item in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Bound(msgspec.Struct, frozen=True):
    """What a host's plugins said when they were bound, by index."""

    needs: dict[int, Needs] = {}
    hooks: dict[int, tuple[str, ...]] = {}
    problems: tuple[LocatedProblem, ...] = ()
    described: protocol.DescribeResult = protocol.DescribeResult()


def _trimmed(problems: Iterable[LocatedProblem], where: str) -> list[LocatedProblem]:
    """The problems with the options of one entry, of a bearable number and length. `where` is the
    entry's own path of keys.
    """
    found: list[LocatedProblem] = []
    for item in problems:
        if item.key.startswith(where) and len(found) < bounds.MAX_PROBLEMS:
            key = plain(item.key, bounds.MAX_KEY_LENGTH)
            found.append(LocatedProblem(item.line, key, plain(item.text, bounds.MAX_LOGGED_LENGTH)))
    return found


def _unforeseen(error: Exception) -> HostBlamed:
    """An error that nobody thought of, as a failure of the host in whose conversation it came."""
    log.exception("the conversation with a policy host failed")
    return HostBlamed(None, "garbage", f"the conversation with it failed: {error}")


class HostedDistribution:
    """One distribution's entries of the YAML and their process. Its state may be read from any
    thread.
    """

    def __init__(
        self,
        kind: process.HostKind,
        entries: Iterable[protocol.PolicyEntry],
        gate: threading.Semaphore,
    ) -> None:
        """`gate` is held while the process starts."""
        self._kind, self._gate = kind, gate
        self._entries = {entry.index: entry for entry in entries}
        self.name = next(iter(self._entries.values())).plugin.distributions[0]
        """Name and version of the distribution."""
        self._thread = ThreadPoolExecutor(1, f"host of {self.name}")
        self._work: list[Future[Any]] = []
        self._channel: HostChannel | None = None
        self._ended: list[HostChannel] = []
        """Channels of processes that failed and are still to be ended."""
        # Guards `_channel` and `_stopped` against `kill` from another thread.
        self._lock = threading.Lock()
        self._stopped = False
        # Guards what both this thread and the caller's change: all of the state below.
        self._state = threading.RLock()
        self._retries = Retries()
        self._logged: tuple[str, str] | None = None
        self._since = 0.0
        self._gone = -bounds.RECOVERED_AFTER
        self._crowded = self._slow = 0
        self._crowded_now = False
        self._failures: list[Failure] = []
        self._raises: dict[int, int] = {}
        self.bound: Bound | None = None
        """What the plugins said when they were bound; None: the process is not ready."""
        self.aside: dict[int, Failure] = {}
        """The policies that are not called until the next try, by index, with the reason."""

    @property
    def indexes(self) -> tuple[int, ...]:
        """The positions of its entries in the YAML."""
        return tuple(self._entries)

    @property
    def pid(self) -> int | None:
        """The process id; None: there is no process, or it is not known yet."""
        channel = self._channel
        return None if channel is None else channel.pid

    @property
    def busy(self) -> bool:
        """Whether the process is being started, or an answer has not arrived yet."""
        return any(not item.done() for item in self._work)

    def starting(self) -> tuple[str, ...]:
        """The policies that are not ready yet, and have not failed."""
        if self.bound is not None or len(self.aside) == len(self._entries):
            return ()
        return tuple(entry.plugin.name for entry in self._entries.values())

    def has(self, index: int, hook: str) -> bool:
        """Whether the policy of this index is ready, and has this hook."""
        bound = self.bound
        return bound is not None and index not in self.aside and hook in bound.hooks.get(index, ())

    def start(self) -> None:
        """Start the process and bind its plugins, without waiting."""
        if not self._stopped:
            self._submit(self._start)

    def tend(self) -> None:
        """Start again what has failed, if its time has come."""
        if not self._stopped and not self.busy and self._retries.take_due():
            self._submit(self._restart)

    def wait(self, seconds: float) -> None:
        """Wait for what is under way, so many seconds at most, or until `kill`."""
        with self._state:
            work = list(self._work)
        end = time.monotonic() + seconds
        while not self._stopped and (left := end - time.monotonic()) > 0:
            # A future that is cancelled wakes nobody up.
            if not wait(work, min(left, bounds.STOP_POLL)).not_done:
                return

    def ask(
        self,
        frames: Sequence[bytes],
        result: type[Result],
        seconds: float,
        most: int = bounds.MAX_ANSWER_SIZE,
    ) -> Future[tuple[Result, float]]:
        """Send a request. The future holds the result, of at most so many bytes, and the seconds
        that it took; or HostBlamed, and then the process was ended and its policies set aside.
        """
        return self._submit(self._ask, frames, result, seconds, most)

    def take_failures(self) -> tuple[Failure, ...]:
        """The failures since the last call."""
        with self._state:
            taken, self._failures = tuple(self._failures), []
        return taken

    def refuse(self, reason: str) -> None:
        """End the process because of what it answered, without waiting."""
        self._submit(self._refuse, self._channel, reason)

    def count_raises(self, raised: Iterable[protocol.HookRaised]) -> None:
        """Called once a cycle: count the policies whose hooks raised. One that has done so in
        several consecutive cycles is set aside.
        """
        with self._state:
            if not self._crowded_now:
                self._crowded = 0
            self._crowded_now = False
            counts: dict[int, int] = {}
            for item in raised:
                index = item.index
                if index not in self._entries or index in counts or index in self.aside:
                    continue
                counts[index] = self._raises.get(index, 0) + 1
                reason = plain(item.reason, bounds.MAX_REASON_LENGTH)
                if counts[index] < bounds.RAISES_UNTIL_ASIDE:
                    self._report(Failure(self._entries[index].plugin.name, "raised", reason))
                else:
                    self._set_aside([index], "raised", reason)
            self._raises = counts

    def count_slow(self, used: float | None) -> None:
        """Count a plan in which this distribution used so many seconds, more than its share, so
        that others could not be asked; None: it did not. Who does so again and again is set aside.
        """
        with self._state:
            self._slow = 0 if used is None else self._slow + 1
            able = [index for index in self._entries if index not in self.aside]
            if used is not None and able and self._slow >= bounds.SLOW_UNTIL_ASIDE:
                self._slow = 0
                text = f"it used {used:.1f} s of a plan, and others could not be asked"
                self._set_aside(able, "slow", text)

    def kill(self) -> None:
        """End the process now and for good; safe from any thread, and more than once."""
        with self._lock:
            self._stopped = True
            if self._channel is not None:
                self._channel.kill()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End the process for good, and wait until it is gone."""
        self.kill()
        self._thread.shutdown(wait=True)
        self._close()
        self._close_ended()

    # On the thread

    def _report(self, failure: Failure) -> None:
        with self._state:
            self._failures.append(failure)

    def _submit(self, work: Any, *arguments: Any) -> Future[Any]:
        with self._state:
            self._work = [item for item in self._work if not item.done()]
            try:
                future = self._thread.submit(work, *arguments)
            except RuntimeError:  # it was killed meanwhile
                future = Future()
                future.cancel()
                return future
            self._work.append(future)
        return future

    def _restart(self) -> None:
        self._close()
        self._start()

    def _start(self) -> None:
        try:
            with self._gate:
                self.bound = self._bind(self._spawn())
        except HostBlamed as blamed:
            self._failed(self._channel, blamed)
        except PolicyHostError as error:
            self._failed(self._channel, HostBlamed(None, "unavailable", str(error)))
        except Exception as error:
            self._failed(self._channel, _unforeseen(error))

    def _spawn(self) -> HostChannel:
        packages = {entry.plugin.module.partition(".")[0] for entry in self._entries.values()}
        with self._lock:
            if self._stopped:
                raise HostBlamed(None, "stopped", "irqbal is ending")
            self._channel = HostChannel(self._kind, packages)
        self._channel.await_hello()
        return self._channel

    def _bind(self, channel: HostChannel) -> Bound:
        """Bind the plugins one by one, so that the clock knows whose import it measures."""
        needs: dict[int, Needs] = {}
        hooks: dict[int, tuple[str, ...]] = {}
        problems: list[LocatedProblem] = []
        aside: dict[int, tuple[str, bool]] = {}
        for index, entry in self._entries.items():
            clock = HookClock(bounds.IMPORT_DEADLINE, channel.pid)
            frame = protocol.pack(protocol.BindRequest((entry,)))
            found = channel.request((frame,), protocol.BindResult, clock)
            for refusal in found.refused[:1]:
                aside[index] = plain(refusal.reason, bounds.MAX_REASON_LENGTH), refusal.config
                if refusal.config:
                    where = f"{self._kind}[{index}].{entry.plugin.name}"
                    problems += _trimmed(found.problems, where)
            if index not in aside:
                try:
                    needs[index] = check_needs(found.needs.get(index))
                except ValueError as error:
                    raise channel.refuse(f"irqbal_needs: {error}") from None
                named = found.hooks.get(index, ())
                hooks[index] = tuple(name for name in HOOKS if name in named)
        frame = protocol.pack(protocol.DescribeRequest())
        clock = HookClock(bounds.HOOK_DEADLINE, channel.pid)
        described = channel.request((frame,), protocol.DescribeResult, clock)
        self.aside = {}
        self._since = time.monotonic()
        for index, (reason, config) in aside.items():
            texts = [item.text for item in problems if item.key.find(f"[{index}]") >= 0]
            told = "; ".join([reason, *texts])[: bounds.MAX_REASON_LENGTH]
            self._set_aside([index], "options" if config else "unusable", told)
        return Bound(needs, hooks, tuple(problems), checked(described, needs))

    def _ask(
        self, frames: Sequence[bytes], result: type[Result], seconds: float, most: int
    ) -> tuple[Result, float]:
        channel = self._channel
        if channel is None:
            raise HostBlamed(None, "gone", "its process has ended")
        clock = HookClock(seconds, channel.pid)
        try:
            reply = channel.request(frames, result, clock, most)
        except HostBlamed as blamed:
            self._failed(channel, blamed)
            raise
        except Exception as error:
            failure = _unforeseen(error)
            self._failed(channel, failure)
            raise failure from error
        if self._logged is not None and time.monotonic() - self._since > bounds.RETRY_DELAYS[0]:
            self._logged = None
            log.info("%s of %s works again", self._who(self._entries), self.name)
        return reply, clock.spent

    def _refuse(self, channel: HostChannel | None, reason: str) -> None:
        if channel is not None and channel is self._channel:
            self._failed(channel, channel.refuse(reason))

    def _failed(self, channel: HostChannel | None, blamed: HostBlamed) -> None:
        """The process behind this channel failed and was ended: set its policies aside. Who only
        had no CPU to run on, or was ended by somebody else, is started again at once, unless that
        happens again and again.
        """
        if channel is not self._channel:
            return
        self.bound = None
        with self._lock:
            self._channel = None
        if channel is not None:
            # Afterwards: to end a process that hangs takes time, and somebody waits for the news.
            self._ended.append(channel)
            self._submit(self._close_ended)
        if self._stopped:
            return
        again = False
        if blamed.code == "gone":
            again = time.monotonic() - self._gone > bounds.RECOVERED_AFTER
            self._gone = time.monotonic()
        elif blamed.code == "crowded":
            self._crowded += 1
            self._crowded_now = True
            again = self._crowded < bounds.CROWDED_UNTIL_ASIDE
        if again:
            log.warning("%s of %s: %s; started again", self._who(self._entries), self.name, blamed)
            self._submit(self._start)
        else:
            self._set_aside(list(self._entries), blamed.code, blamed.reason)

    def _set_aside(self, indexes: Sequence[int], code: str, reason: str) -> None:
        with self._state:
            delay = self._retries.failed()
            again = Moment(time.time() + delay)
            aside = dict(self.aside)
            for index in indexes:
                name = self._entries[index].plugin.name
                text = reason if self.name in reason else f"{reason} ({self.name})"
                aside[index] = Failure(name, code, text, aside=True, again=again)
                self._report(aside[index])
            self.aside = aside
        # A failure that repeats itself at each try is logged once.
        if self._logged != (code, reason):
            self._logged = (code, reason)
            log.error(
                "%s of %s failed (%s): %s; irqbal goes on without, tries again in %s, and reports "
                "only what changes",
                self._who(indexes),
                self.name,
                code,
                reason,
                in_words(delay),
            )

    def _who(self, indexes: Iterable[int]) -> str:
        names = [self._entries[index].plugin.name for index in indexes]
        what = "observer" if self._kind == "observers" else "policy"
        if len(names) > 1:
            what = "observers" if self._kind == "observers" else "policies"
        return f"the {what} {', '.join(names)}"

    def _close(self) -> None:
        self.bound = None
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _close_ended(self) -> None:
        while self._ended:
            self._ended.pop().close()
