"""The XPS, RPS and RFS settings to write, once the places of the IRQs are known. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Steering, SteeringMove, steering_identity
from irqbal.planner.draft import DraftBuilder
from irqbal.planner.drift import Changes
from irqbal.planner.steering import share_out


class SteeringDecision:
    """Turns the steering that policies requested into settings to write. `homes` are the CPUs of
    each IRQ that the plan moves or keeps, by number.
    """

    def __init__(self, draft: DraftBuilder, changes: Changes, homes: Mapping[int, CpuSet]) -> None:
        self._draft, self._changes, self._homes = draft, changes, homes
        self._snapshot, self._ledger = draft.snapshot, draft.ledger

    def moves(self) -> list[SteeringMove]:
        """The settings that differ from what policies requested."""
        shares = self._shares()
        moves: list[SteeringMove] = []
        for (name, direction, queue), (policy, item) in sorted(self._draft.steering.items()):
            interface = self._snapshot.interface_by_name[name]
            if direction == "tx":
                now = interface.tx[queue]
                cpus = shares.get((name, queue)) if item.near is not None else item.cpus
                if now.by_rxqs or now.xps is None or cpus is None:
                    continue
                target = cpus & self._snapshot.online
                if now.xps & self._snapshot.online != target and target:
                    self._set(
                        moves,
                        SteeringMove(
                            name, "xps", queue, str(now.xps), str(target), policy, item.reason
                        ),
                    )
                continue
            self._steer_rx(moves, name, queue, policy, item)
        return moves

    def _steer_rx(
        self, moves: list[SteeringMove], name: str, queue: int, policy: str, item: Steering
    ) -> None:
        now = self._snapshot.interface_by_name[name].rx[queue]
        if item.cpus is not None and now.rps is not None:
            # The kernel silently drops isolated and offline CPUs from RPS, so write the rest only:
            # the value read back is then the value written.
            usable = (item.cpus & self._snapshot.online) - self._snapshot.isolated
            forbidden = usable & self._draft.limits.everywhere
            target = usable - forbidden
            if usable and not target:
                by, reason = self._draft.limits.reason_everywhere(forbidden)
                self._draft.refuse(
                    None,
                    policy,
                    "limited",
                    f"{by} forbids CPUs {forbidden} to RPS of {name}/rx-{queue}: {reason}",
                )
            elif now.rps & self._snapshot.online != target:
                self._set(
                    moves,
                    SteeringMove(
                        name, "rps", queue, str(now.rps), str(target), policy, item.reason
                    ),
                )
        if item.flows is not None and now.flows is not None and now.flows != item.flows:
            self._set(
                moves,
                SteeringMove(
                    name, "flows", queue, str(now.flows), str(item.flows), policy, item.reason
                ),
            )

    def _set(self, moves: list[SteeringMove], move: SteeringMove) -> None:
        """Add this move to `moves`, or refuse it."""
        key = steering_identity(move.interface, move.setting, move.queue)
        if key in self._changes.settings_given_up:
            self._draft.refuse(
                None,
                move.policy,
                "given-up",
                f"another program changed {key} back three times in ten minutes; irqbal leaves it "
                "alone",
            )
        elif self._ledger.entry(key).refused or move.after in self._ledger.entry(key).bad_sets:
            self._draft.refuse(
                None,
                move.policy,
                "refused",
                f"the kernel does not accept {move.after or 'none'} for {key}",
            )
        else:
            moves.append(move)

    def _shares(self) -> dict[tuple[str, int], CpuSet]:
        """XPS sets of the queues whose steering names an IRQ (`near`), by (interface, queue)."""
        homes: dict[str, dict[int, CpuSet]] = {}
        for (name, direction, queue), (_, item) in self._draft.steering.items():
            if direction != "tx" or item.near is None:
                continue
            irq = self._snapshot.irq_by_number.get(item.near)
            if irq is not None:
                home = self._homes.get(irq.number) or irq.affinity & self._snapshot.online
                homes.setdefault(name, {})[queue] = home
        present = {
            interface.name: {
                at: queue.xps for at, queue in enumerate(interface.tx) if queue.xps is not None
            }
            for interface in self._snapshot.interfaces
            if interface.name in homes
        }
        shared = {
            name: share_out(self._snapshot, queues, present.get(name))
            for name, queues in homes.items()
        }
        return {
            (name, queue): cpus for name, queues in shared.items() for queue, cpus in queues.items()
        }
