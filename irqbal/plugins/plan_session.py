"""One plan: strangers are asked in their own processes, irqbal's own policies and the planner in
another, and the daemon passes on what one says to the other after its checks.

The order: queues are identified; all limits are gathered, those of strangers at the same time; then
placements in the YAML's order, where the planner's host asks for each stranger's when its turn has
come. Who depends on nothing that has changed is not asked again (`answer_reuse`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import CancelledError, Future
from functools import cached_property
from typing import Any

import msgspec

from irqbal import wire
from irqbal.model.draft import Draft
from irqbal.model.plan import Failure
from irqbal.model.policy import Needs
from irqbal.model.queues import Queue
from irqbal.model.view import Snapshot
from irqbal.plugins import bounds, protocol
from irqbal.plugins.answer_reuse import (
    NOTHING,
    SeenHost,
    StrangersWord,
    draft_without_loads,
    is_lasting,
    without_loads,
)
from irqbal.plugins.channel import HostBlamed
from irqbal.plugins.check_items import HookRoom, check_items, is_queue
from irqbal.plugins.hosted import HostedDistribution
from irqbal.plugins.identification import Identification, with_queues

PLACES = "irqbal_place"
LIMITS = "irqbal_limit"
IDENTIFIES = "irqbal_identify"


class PlanSession:
    """The strangers' side of one plan.

    `strangers` are all distributions, `names` the policies' names by index, `words` what each
    stranger's policy said last. All strangers together may take `seconds`.
    """

    def __init__(
        self,
        strangers: Iterable[HostedDistribution],
        names: Mapping[int, str],
        words: dict[int, StrangersWord],
        snapshot: Snapshot,
        seconds: float,
    ) -> None:
        strangers = list(strangers)
        self._homes = {index: host for host in strangers for index in host.indexes}
        self._names, self._words = names, words
        self._left = seconds
        self._spent: dict[int, float] = {}
        self._told: set[tuple[int, int | None]] = set()
        self._late: dict[int, None] = {}
        self._unasked: dict[int, None] = {}
        self._refused: dict[int, HostedDistribution] = {}
        self._share = seconds / max(1, len(strangers))
        # Who still works on an earlier request is not asked.
        self._busy = {index for index, host in self._homes.items() if host.busy}
        self._placed: dict[int, bytes] = {}
        self._raised: dict[int, protocol.HookRaised] = {}
        self._snapshot = snapshot
        self._frame = b""

    @property
    def frame(self) -> bytes:
        """The snapshot as a frame; it is encoded once."""
        if not self._frame:
            self._frame = protocol.pack(protocol.SnapshotMessage(self._snapshot))
        return self._frame

    # Identification

    def ask_queues(self, identification: Identification) -> None:
        """Ask each policy about the IRQs that it has not been asked about."""
        asked = {}
        pending = {}
        for index in self._able(IDENTIFIES):
            items = identification.unasked(index, self._snapshot)
            if items:
                asked[index] = items
                frame = protocol.pack(protocol.IdentifyRequest(index, items))
                most = bounds.MAX_REASON_LENGTH + len(items) * bounds.QUEUE_SIZE
                pending[index] = self._homes[index].ask(
                    (frame,), protocol.IdentifyResult, bounds.HOOK_DEADLINE, most
                )
        for index, found in self._collected(pending):
            if all(is_queue(queue) for queue in found.queues.values()):
                identification.note(index, asked[index], found.queues)
                self._note_raised(index, found.raised)
            else:
                self._refuse(index, f"{IDENTIFIES}: it gave no queue")

    def identified(self, queues: Mapping[int, Queue]) -> None:
        """Make the snapshot that the plan is made from."""
        self._snapshot = with_queues(self._snapshot, queues)

    # Limits and placements

    def ask_limits(self) -> dict[int, protocol.Stranger]:
        """Every stranger with its limits, by index; all are asked at the same time."""
        able = self._able(LIMITS)
        holding = {index for index in able if self._limits_hold(index)}
        pending = {
            index: self._ask(index, protocol.pack(protocol.LimitRequest(index)))
            for index in able
            if index not in holding
        }
        limits = {
            index: self._checked(index, LIMITS, found) for index, found in self._collected(pending)
        }
        strangers = {}
        for index, host in self._homes.items():
            word = self._word(index)
            if index in limits:
                word.limits = limits[index]
                word.identities = self._identities
                word.limited = self._seen(index, word.limits)
            elif not (index in holding or self._keeps_word(index, host, LIMITS)):
                word.limits, word.limited = NOTHING, None
            # Whoever was late with its limits is not asked again.
            strangers[index] = protocol.Stranger(
                self._names[index],
                word.limits,
                host.has(index, PLACES) or self._keeps_word(index, host, PLACES),
            )
        return strangers

    def answer(self, question: protocol.Next) -> bytes:
        """The frame with a stranger's placements. If the planner's host has to start over, it gets
        the same ones.
        """
        index = question.index
        if index not in self._placed:
            items = self._placements(index, question.draft) if index in self._homes else NOTHING
            self._placed[index] = protocol.pack(items)
        return self._placed[index]

    def _placements(self, index: int, draft: msgspec.Raw) -> protocol.HookItems:
        host, word = self._homes[index], self._word(index)
        seen_draft = None
        if self._is_able(index, PLACES):
            if self._is_lasting(index):
                seen_draft = draft_without_loads(wire.from_msgpack(bytes(draft), Draft))
                if word.placed == SeenHost(self._lasting, seen_draft):
                    return word.placements
            frame = protocol.pack(protocol.PlaceRequest(index, draft))
            for _, found in self._collected({index: self._ask(index, frame)}):
                word.placements = self._checked(index, PLACES, found)
                word.identities = self._identities
                word.placed = self._seen(index, word.placements, seen_draft)
                return word.placements
        if not self._keeps_word(index, host, PLACES):
            word.placements, word.placed = NOTHING, None
        return word.placements

    def _is_lasting(self, index: int) -> bool:
        bound = self._homes[index].bound
        return bound is not None and is_lasting(bound.needs.get(index, Needs()))

    def _limits_hold(self, index: int) -> bool:
        """Whether the policy would be shown what it has stated its limits on."""
        return self._is_lasting(index) and self._word(index).limited == SeenHost(self._lasting)

    def _seen(
        self, index: int, items: protocol.HookItems, draft: Draft | None = None
    ) -> SeenHost | None:
        """What the policy has answered about; None if it is to be asked again in any case."""
        if items.raised or index in self._refused or not self._is_lasting(index):
            return None
        return SeenHost(self._lasting, draft)

    @cached_property
    def _lasting(self) -> Snapshot:
        return without_loads(self._snapshot)

    def _word(self, index: int) -> StrangersWord:
        """What this policy said last, as far as it still holds."""
        word = self._words.get(index, StrangersWord()).still_holding(self._snapshot)
        self._words[index] = word
        return word

    @cached_property
    def _identities(self) -> dict[int, str]:
        return {irq.number: irq.identity for irq in self._snapshot.irqs}

    def failures(self) -> tuple[Failure, ...]:
        """Everything that went wrong with strangers since the last plan. Called once, at the end of
        the plan.
        """
        failures: list[Failure] = []
        for host in self._refused.values():
            host.wait(bounds.EXIT_GRACE)
        for host in dict.fromkeys(self._homes.values()):
            used = sum(self._spent.get(index, 0.0) for index in host.indexes)
            host.count_slow(used if self._unasked and used > self._share else None)
            host.count_raises(
                item for index, item in self._raised.items() if self._homes[index] is host
            )
            failures += host.take_failures()
        failures += [
            Failure(
                self._names[index],
                "late",
                "the others left no time to ask it; what it said last still holds"
                if index in self._unasked
                else "it has not answered in time; what it said last still holds",
            )
            for index in self._late
            if index not in self._homes[index].aside and index not in self._refused
        ]
        return tuple(failures)

    def _able(self, hook: str) -> list[int]:
        """The policies that can be asked for this hook now."""
        return [index for index in self._homes if self._is_able(index, hook)]

    def _is_able(self, index: int, hook: str) -> bool:
        """Whether this policy can be asked for this hook now; who has no time left is late."""
        if not self._homes[index].has(index, hook) or index in self._late:
            return False
        if index in self._busy or self._left <= 0:
            self._late[index] = None
            if index not in self._busy:
                self._unasked[index] = None
            return False
        return True

    def _keeps_word(self, index: int, host: HostedDistribution, hook: str) -> bool:
        """Whether what the policy said last holds, though it did not answer: it is only late."""
        bound = host.bound
        crowded = bound is None and host.busy and index not in host.aside
        return index in self._late or crowded

    def _ask(self, index: int, frame: bytes) -> Future[tuple[protocol.HookItems, float]]:
        host = self._homes[index]
        frames = [frame]
        process = (id(host), host.pid)
        if process not in self._told:
            frames.insert(0, self.frame)
            self._told.add(process)
        left = bounds.HOOK_DEADLINE - self._spent.get(index, 0.0)
        return host.ask(frames, protocol.HookItems, left, HookRoom.on(self._snapshot).frame)

    def _collected(self, pending: Mapping[int, Future[tuple[Any, float]]]) -> list[tuple[int, Any]]:
        """(index, result) of those that answer in the time that is left; the others are late, or
        have failed.
        """
        begun = time.monotonic()
        found = []
        for index, future in pending.items():
            try:
                result, seconds = future.result(max(0.0, self._left - (time.monotonic() - begun)))
            except TimeoutError:
                self._late[index] = None
                self._busy.add(index)
                waited = time.monotonic() - begun
                self._spent[index] = self._spent.get(index, 0.0) + waited
            except (HostBlamed, CancelledError):
                pass
            else:
                self._spent[index] = self._spent.get(index, 0.0) + seconds
                found.append((index, result))
        self._left -= time.monotonic() - begun
        return found

    def _checked(self, index: int, hook: str, found: protocol.HookItems) -> protocol.HookItems:
        """The items, if they are what the hook may return; else the host is ended."""
        if hook == LIMITS:
            items: tuple[Any, ...] = (*found.limits, *found.notes)
            surplus: tuple[Any, ...] = (*found.placements, *found.steering)
        else:
            items = (*found.placements, *found.steering, *found.notes)
            surplus = found.limits
        try:
            if surplus:
                raise TypeError(f"{type(surplus[0]).__name__} is not for {hook}")
            for _ in check_items(hook, items, HookRoom.on(self._snapshot)):
                pass
        except (TypeError, ValueError) as error:
            self._refuse(index, f"{hook}: {error}")
            return NOTHING
        self._note_raised(index, found.raised)
        return found

    def _refuse(self, index: int, reason: str) -> None:
        """End the host because of what it answered."""
        host = self._homes[index]
        host.refuse(reason)
        self._refused |= dict.fromkeys(host.indexes, host)

    def _note_raised(self, index: int, raised: tuple[protocol.HookRaised, ...]) -> None:
        for item in raised[:1]:
            self._raised.setdefault(index, protocol.HookRaised(index, item.reason))
