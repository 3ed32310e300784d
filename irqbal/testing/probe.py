"""The process in which a policy's contract is checked: `python -m irqbal.testing.probe FD JOB`. It
says what it is at before it does it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import random
import resource
import sys
import time
from functools import cached_property
from typing import Any, get_args

import msgspec

from irqbal import wire
from irqbal.errors import PluginError
from irqbal.model.draft import Draft
from irqbal.model.plan import Limit, Placement, Steering
from irqbal.model.policy import Options
from irqbal.model.view import Snapshot
from irqbal.planner.decide import decide
from irqbal.planner.drift import find_changes
from irqbal.planner.ledger import Ledger
from irqbal.plugins import bounds
from irqbal.plugins.binding import BoundPolicy, bind, describe_error
from irqbal.plugins.check_items import check_items, is_queue
from irqbal.plugins.discovery import InstalledPlugin
from irqbal.plugins.policy_host import own
from irqbal.plugins.protocol import PolicyEntry
from irqbal.problems import LocatedProblem, Node, decode, node_of
from irqbal.testing.build import applied, changed
from irqbal.testing.cases import Case, cases, large, noisy, record
from irqbal.testing.purity import PurityWatch

HOG = 256 << 20
"""Bytes that a policy may grow the process by."""
ROUNDS, BALANCED = 16, 6
"""Cycles on a steady host, and after how many of them nothing may move any more."""
NOISE = 0.03
_CPU_TIME = time.process_time
_SAYS_NO = {
    "offline": "asks for CPUs of which none is online",
    "unmovable": "asks to move an IRQ that nobody can move: look at irq.movable",
    "unknown": "names what is not there",
    "empty": "names no CPU",
    "limited": "asks for CPUs that limits keep from the IRQ: take those of draft.allowed(irq)",
}


class Probe:
    """Checks one policy, telling the parent what it finds."""

    def __init__(self, pipe: int, job: dict[str, Any]) -> None:
        self._pipe, self._job = pipe, job
        self._watch = PurityWatch(self.tell)
        self._policy: BoundPolicy
        self._started = 0

    def send(self, **message: str) -> None:
        """One line to the parent."""
        os.write(self._pipe, json.dumps(message).encode() + b"\n")

    def tell(self, code: str, text: str) -> None:
        """A finding."""
        self.send(code=code, text=text)

    def run(self) -> None:
        """Everything, in order; what follows from an earlier finding is left out."""
        self.send(at="its import")
        policy = self._load()
        if policy is None:
            return
        self._policy = policy
        self._started = _peak()
        if not self._job.get("only_cases"):
            self.send(at="irqbal_options")
            _check_options(type(policy.options), self.tell)
        for case in cases():
            if not self._case(case):
                return
        # Threads take so much address space each that irqbal's own part would run out of it.
        if self._watch.threads():
            return
        if not self._job.get("only_cases"):
            if not self._hogs():
                self._rest(next(cases()))
            if not self._hogs():
                self._speed(large())
            self._observer()

    def _hogs(self) -> bool:
        """Whether it has grown so much that going on could end in irqbal's own code."""
        grown = _peak() - self._started
        if grown > HOG:
            self.tell(
                "memory",
                f"it takes {grown >> 20} MiB; all policies together have "
                f"{bounds.HOST_MEMORY >> 20} MiB",
            )
        return grown > HOG

    def _load(self) -> BoundPolicy | None:
        name, file = self._job["module"], self._job["file"]
        problems: list[LocatedProblem] = []
        try:
            _importable(name, file)
            plugin = InstalledPlugin(name.rpartition(".")[2], name, ("it",))
            policy = bind(PolicyEntry(plugin, 0, node_of(self._job["options"])), problems)
        except PluginError as error:
            self.tell("import", str(error).removeprefix("it: "))
            return None
        for problem in problems:
            self.tell("options", f"{problem.key.partition('.')[2]}: {problem.text}")
        return policy

    def _call(self, hook: str, where: str, **arguments: Any) -> tuple[Any, ...] | None:
        """What a hook gives, watched and checked; None after it failed."""
        self.send(at=f"{hook} on {where}")
        try:
            with self._watch.watching(hook):
                result = self._policy.call(hook, **arguments)
                items = () if result is None else tuple(result)
            return tuple(check_items(hook, items))
        except Exception as error:
            self.tell("raised", f"{hook} on {where}: {describe_error(error)}")
        except BaseException as error:
            self.tell(
                "exits",
                f"{hook} on {where} raises {type(error).__name__}, which ends the process; the "
                "daemon would set it aside",
            )
        return None

    def _asked(self, case: Case, snapshot: Snapshot) -> tuple[Any, ...] | None:
        """All that the policy says of a case, in one tuple: limits, placements, queues."""
        policy, given = self._policy, []
        mine, options = own(snapshot), policy.options
        draft = case.draft(snapshot)
        if policy.has("irqbal_limit"):
            limits = self._call("irqbal_limit", case.name, snapshot=mine, options=options)
            if limits is None:
                return None
            given.append(limits)
            draft.limit(policy.name, limits)
        if policy.has("irqbal_place"):
            seen = draft.view()
            before = _state(seen)
            places = self._call(
                "irqbal_place", case.name, snapshot=mine, draft=seen, options=options
            )
            if places is None:
                return None
            if _state(seen) != before:
                self.tell(
                    "mutates", f"irqbal_place on {case.name} changes the draft that it is given"
                )
            given.append(places)
        if policy.has("irqbal_identify"):
            given.append(self._identified(case, mine))
        self._same(case, snapshot, mine)
        return tuple(given)

    def _identified(self, case: Case, snapshot: Snapshot) -> tuple[Any, ...]:
        found = []
        self.send(at=f"irqbal_identify on {case.name}")
        for irq in snapshot.irqs:
            device = snapshot.device_of(irq)
            if device is None:
                continue
            try:
                with self._watch.watching("irqbal_identify"):
                    queue = self._policy.call("irqbal_identify", irq=irq, device=device)
            except Exception as error:
                self.tell("raised", f"irqbal_identify on {irq.action}: {describe_error(error)}")
                return ()
            if queue is not None and not is_queue(queue):
                self.tell(
                    "raised",
                    f"irqbal_identify on {irq.action} gives {queue!r:.80}, which is no Queue",
                )
                return ()
            found.append(queue)
        return tuple(found)

    def _same(self, case: Case, snapshot: Snapshot, mine: Snapshot) -> None:
        """Whether the policy left its snapshot as it was, the look-up tables included."""
        fresh = own(snapshot)
        tables = {
            key for key, value in vars(Snapshot).items() if isinstance(value, cached_property)
        }
        for key, value in vars(mine).items():
            if key not in tables or value != getattr(fresh, key):
                self.tell("mutates", f"it changes snapshot.{key} on {case.name}")
        if wire.to_msgpack(mine) != wire.to_msgpack(fresh):
            self.tell("mutates", f"it changes the snapshot on {case.name}")

    def _case(self, case: Case) -> bool:
        """One host, twice: the same answer, and none that the planner has to refuse."""
        options = _digest(self._policy.options)
        first = self._asked(case, case.snapshot)
        again = None if first is None else self._asked(case, case.snapshot)
        if first is None or again is None:
            return False
        if first != again:
            self.tell("impure", f"{case.name}: asked twice the same, it gives two answers")
        if options != _digest(self._policy.options):
            self.tell("mutates", f"it changes its options on {case.name}")
        self.send(case=case.name, digest=_digest(first))
        for code, text in self._refusals(case, first):
            self.tell(code, text)
        return True

    def _refusals(self, case: Case, given: tuple[Any, ...]) -> list[tuple[str, str]]:
        draft = case.draft(case.snapshot)
        items = [item for group in given for item in group]
        name = self._policy.name
        draft.limit(name, [item for item in items if isinstance(item, Limit)])
        draft.place(name, [item for item in items if isinstance(item, Placement | Steering)])
        left = case.snapshot.online - draft.forbidden(-1)
        found = [
            (no.code, no.reason)
            for no in draft.refused
            if no.policy == name and no.code in _SAYS_NO
        ]
        if not left and case.snapshot.online:
            found.append(("limited", "its limits leave no CPU at all"))
        return [
            (code, f"{case.name}: it {_SAYS_NO[code]} ({reason})") for code, reason in found[:3]
        ]

    def _rest(self, case: Case) -> None:
        """A steady host is left alone: after a few cycles, nothing moves any more."""
        if not self._policy.has("irqbal_place"):
            return
        base, dice = {irq.action: irq.load for irq in case.snapshot.irqs}, random.Random(7)
        snapshot, ledger = changed(case.snapshot, settling=True), Ledger()
        for cycle in range(ROUNDS):
            irqs = [
                msgspec.structs.replace(irq, load=base[irq.action], rate=base[irq.action] * 1e4)
                for irq in snapshot.irqs
            ]
            snapshot = noisy(changed(snapshot, irqs=tuple(irqs), settling=cycle < 3), dice, NOISE)
            changes, ledger = find_changes(snapshot, ledger)
            given = self._asked(Case("a steady host", snapshot), snapshot)
            if given is None:
                return
            draft = Case("", snapshot).draft(snapshot)
            items = [item for group in given for item in group]
            draft.limit(self._policy.name, [item for item in items if isinstance(item, Limit)])
            draft.place(
                self._policy.name,
                [item for item in items if isinstance(item, Placement | Steering)],
            )
            plan = decide(draft, changes)
            if cycle >= BALANCED and (plan.moves or plan.steering):
                count = len(plan.moves) + len(plan.steering)
                why = plan.moves[0].reason if plan.moves else plan.steering[0].reason
                self.tell(
                    "restless",
                    f"in cycle {cycle + 1} on a steady host it still moves {count} ({why})",
                )
                return
            snapshot, ledger = applied(snapshot, plan, ledger)

    def _speed(self, case: Case) -> None:
        for hook in ("irqbal_limit", "irqbal_place"):
            if not self._policy.has(hook):
                continue
            snapshot = own(case.snapshot)
            draft = case.draft(case.snapshot).view()
            started = _CPU_TIME()
            given = self._call(
                hook, case.name, snapshot=snapshot, draft=draft, options=self._policy.options
            )
            took = _CPU_TIME() - started
            if given is not None and took > self._job["budget"]:
                self.tell(
                    "slow",
                    f"{hook} takes {took:.2f} s on {case.name}; more than {self._job['budget']:g} "
                    "s is too near the deadline",
                )

    def _observer(self) -> None:
        if not self._policy.has("irqbal_cycle_done"):
            return
        self.send(at="irqbal_cycle_done")
        try:
            self._policy.call("irqbal_cycle_done", record=record(), options=self._policy.options)
        except Exception as error:
            self.tell("raised", f"irqbal_cycle_done: {describe_error(error)}")


def _check_options(kind: type[Options], tell: Any) -> None:
    """Every field is described and has a default; what makes no sense is refused."""
    for field in msgspec.structs.fields(kind):
        metas = [
            part
            for part in getattr(field.type, "__metadata__", ())
            if isinstance(part, msgspec.Meta)
        ]
        if not any(meta.description for meta in metas):
            tell(
                "options",
                f"{field.encode_name} has no description: Annotated[…, Meta(description=…)]",
            )
        bare = get_args(field.type)[0] if metas else field.type
        problems: list[LocatedProblem] = []
        try:
            decode(Node(1, {field.encode_name: Node(1, "\x01 no value")}), kind, "", problems)
        except NotImplementedError as error:
            tell(
                "options", f"{field.encode_name} has a type that cannot be read from YAML: {error}"
            )
            continue
        if not problems and bare is not str:
            tell("options", f"{field.encode_name} takes any text for a value")
    problems = []
    decode(Node(1, {"no such option": Node(1, "1")}), kind, "", problems)
    if not any("no such option" in problem.key for problem in problems):
        tell("options", "an unknown option is not refused: leave out forbid_unknown_fields=False")
    if not kind.__struct_config__.frozen:
        tell(
            "options",
            f"{kind.__name__} can be changed: class {kind.__name__}(Options, frozen=True)",
        )


def _importable(name: str, file: str) -> None:
    """A module that lies on no path (a test's own) is loaded from its file."""
    try:
        if importlib.util.find_spec(name) is not None:
            return
    except (ImportError, ValueError):
        pass
    spec = importlib.util.spec_from_file_location(name, file) if file else None
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        raise PluginError(f"it does not import: {describe_error(error)}") from error


def _peak() -> int:
    """Bytes of memory that this process had at its largest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _state(draft: Draft) -> str:
    """All that a draft holds."""
    return repr(draft)


def _digest(value: Any) -> str:
    return hashlib.sha256(wire.to_msgpack(value)).hexdigest()


def main() -> None:
    """Check what the arguments say; the process ends at once, whatever threads the policy left."""
    resource.setrlimit(resource.RLIMIT_AS, (bounds.HOST_MEMORY, bounds.HOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    probe = Probe(int(sys.argv[1]), json.loads(sys.argv[2]))
    probe.run()
    probe.send(done="")
    os._exit(0)


if __name__ == "__main__":
    main()
