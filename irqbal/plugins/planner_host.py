"""The planner's host: irqbal's own policies, and the planner, which also takes in what strangers'
policies say. The daemon asks those in their own hosts.

Before each call of a policy's code the host reports the policy's index, so that the daemon knows
which one to blame if no more messages come. Its word counts, since it runs irqbal's own code alone.
"""

from __future__ import annotations

import socket
from typing import Any

from irqbal import wire
from irqbal.model.view import Snapshot
from irqbal.planner.decide import decide
from irqbal.planner.draft import DraftBuilder
from irqbal.planner.drift import find_changes
from irqbal.planner.ledger import holding
from irqbal.plugins import protocol
from irqbal.plugins.policy_host import MessageSink, PolicyHost


class PlannerHost(PolicyHost):
    """A policy host that makes plans."""

    def __init__(self, sink: MessageSink) -> None:
        super().__init__(sink)
        self._sock: socket.socket | None = None

    def serve(self, sock: socket.socket) -> None:
        """See PolicyHost."""
        self._sock = sock
        super().serve(sock)

    def _before(self, index: int, hook: str) -> None:
        self._send(protocol.HookStarted(index, hook))

    def _answer_about(
        self, request: protocol.HostRequest, snapshot: Snapshot
    ) -> protocol.HostReply:
        if isinstance(request, protocol.PlanRequest):
            return self.plan(request, snapshot)
        return super()._answer_about(request, snapshot)

    def plan(self, request: protocol.PlanRequest, snapshot: Snapshot) -> protocol.PlanResult:
        """Make a plan: all limits, then all placements, each in the YAML's order."""
        self._raised = []
        changes, ledger = find_changes(snapshot, request.ledger)
        draft = DraftBuilder(snapshot, ledger, request.settings)
        strangers = request.strangers
        order = sorted({*self._policies, *strangers})
        for index in order:
            if index in strangers:
                stated = strangers[index].limits
                draft.limit(strangers[index].name, (*stated.limits, *stated.notes))
            else:
                draft.limit(self._policies[index].name, self.limits(index, snapshot))
        for index in order:
            if index in strangers:
                if strangers[index].places:
                    draft.place(strangers[index].name, self._ask_stranger(index, draft))
            else:
                view = draft.view()
                draft.place(self._policies[index].name, self.placements(index, snapshot, view))
        self._before(protocol.PLANNER, "decide")
        plan = decide(draft, changes)
        return protocol.PlanResult(
            plan, holding(ledger, plan, snapshot), tuple(self._raised), draft.limits.limits
        )

    def _ask_stranger(self, index: int, draft: DraftBuilder) -> tuple[Any, ...]:
        """What the policy of this index in another host places, through the daemon."""
        if self._sock is None:
            raise ValueError("nobody answers for strangers here")
        self._before(protocol.PLANNER, "draft")
        self._send(protocol.Next(index, protocol.encode_draft(draft.view())))
        items = _ITEMS.decode(protocol.read_frame(self._sock))
        return (*items.placements, *items.steering, *items.notes)


_ITEMS = wire.msgpack_decoder(protocol.HookItems)
