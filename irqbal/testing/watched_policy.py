"""Calling a policy's hooks while what they touch is watched, and comparing what they were given
with what is left of it.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec

from irqbal import wire
from irqbal.model.draft import Draft
from irqbal.model.plan import Limit, Note, Placement, Steering
from irqbal.model.queues import Queue
from irqbal.model.view import Snapshot
from irqbal.planner.draft import DraftBuilder
from irqbal.plugins.binding import BoundPolicy, describe_error
from irqbal.plugins.check_items import HookRoom, check_items, is_queue
from irqbal.plugins.policy_host import own
from irqbal.testing.cases import Case
from irqbal.testing.messages import ProbeReporter, ProbeStep
from irqbal.testing.purity import PurityWatch


class HookFailed(Exception):
    """A hook raised, or returned something invalid; it has been reported."""


class PolicyAnswers(msgspec.Struct, frozen=True):
    """All that a policy answers on one host; `queues` has an entry for each IRQ of a device."""

    limits: tuple[Limit | Note, ...] = ()
    placements: tuple[Placement | Steering | Note, ...] = ()
    queues: tuple[Queue | None, ...] = ()

    def add_to(self, draft: DraftBuilder, policy: str) -> None:
        """Put the limits and placements, without notes, into a draft."""
        draft.limit(policy, [item for item in self.limits if isinstance(item, Limit)])
        draft.place(policy, [item for item in self.placements if not isinstance(item, Note)])


class WatchedPolicy:
    """A bound policy whose hooks are watched; `deadline` is wall-clock seconds of one call."""

    def __init__(
        self, policy: BoundPolicy, watch: PurityWatch, reporter: ProbeReporter, deadline: float
    ) -> None:
        self.policy = policy
        self._watch = watch
        self._reporter = reporter
        self._deadline = deadline

    def call(self, hook: str, case: str, deadline: float = 0.0, **arguments: Any) -> Any:
        """The checked items that a hook returns; a longer `deadline` may be given for this call.
        Raises HookFailed.
        """
        where = f"{hook} on {case}"
        self._reporter.send(ProbeStep(where, max(self._deadline, deadline)))
        try:
            with self._watch.watching(hook):
                result = self.policy.call(hook, **arguments)
                items = () if result is None else tuple(result)
            room = HookRoom.on(arguments["snapshot"])
            checked = tuple(check_items(hook, items, room))
        except Exception as error:
            self._reporter.finding("raised", f"{where}: {describe_error(error)}")
            raise HookFailed from error
        except BaseException as error:
            self._reporter.finding(
                "exits",
                f"{where} raises {type(error).__name__}, which ends the process; the daemon would "
                "set it aside",
            )
            raise HookFailed from error
        finally:
            self._reporter.own_work()
        return checked

    def ask(self, case: Case, snapshot: Snapshot) -> PolicyAnswers:
        """All that the policy answers on a case's host; `snapshot` is the host as it is now.
        Reports it if the policy changes what it is given. Raises HookFailed.
        """
        given, options = own(snapshot), self.policy.options
        draft = case.draft(snapshot)
        answers = PolicyAnswers()
        if self.policy.has("irqbal_limit"):
            limits = self.call("irqbal_limit", case.name, snapshot=given, options=options)
            answers = PolicyAnswers(limits)
            draft.limit(self.policy.name, limits)
        if self.policy.has("irqbal_place"):
            view = draft.view()
            before = _state(view)
            placements = self.call(
                "irqbal_place", case.name, snapshot=given, draft=view, options=options
            )
            if _state(view) != before:
                self._reporter.finding(
                    "mutates", f"irqbal_place on {case.name} changes the draft that it is given"
                )
            answers = msgspec.structs.replace(answers, placements=placements)
        if self.policy.has("irqbal_identify"):
            answers = msgspec.structs.replace(answers, queues=self._identify(case, given))
        self._compare(case, snapshot, given)
        return answers

    def _identify(self, case: Case, snapshot: Snapshot) -> tuple[Queue | None, ...]:
        queues: list[Queue | None] = []
        for irq in snapshot.irqs:
            device = snapshot.device_of(irq)
            if device is None:
                continue
            self._reporter.send(ProbeStep(f"irqbal_identify on {case.name}", self._deadline))
            try:
                with self._watch.watching("irqbal_identify"):
                    queue = self.policy.call("irqbal_identify", irq=irq, device=device)
            except Exception as error:
                self._reporter.finding(
                    "raised", f"irqbal_identify on {irq.action}: {describe_error(error)}"
                )
                return ()
            if queue is not None and not is_queue(queue):
                self._reporter.finding(
                    "raised",
                    f"irqbal_identify on {irq.action} gives {queue!r:.80}, which is no Queue",
                )
                return ()
            queues.append(queue)
        self._reporter.own_work()
        return tuple(queues)

    def _compare(self, case: Case, snapshot: Snapshot, given: Snapshot) -> None:
        """Report it if the policy changed its snapshot, the look-up tables included."""
        fresh = own(snapshot)
        tables = {
            key for key, value in vars(Snapshot).items() if isinstance(value, cached_property)
        }
        for key, value in vars(given).items():
            if key not in tables or value != getattr(fresh, key):
                self._reporter.finding("mutates", f"it changes snapshot.{key} on {case.name}")
        if wire.to_msgpack(given) != wire.to_msgpack(fresh):
            self._reporter.finding("mutates", f"it changes the snapshot on {case.name}")


def _state(draft: Draft) -> str:
    """All that a draft holds."""
    return repr(draft)
