"""The process in which a policy's contract is checked: `python -m irqbal.testing.probe FD JOB`.

It reports each step before it does it, so that its parent knows what hangs or crashes.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import random
import resource
import sys
from functools import partial
from typing import Any

import msgspec

from irqbal import wire
from irqbal.errors import PluginError
from irqbal.planner.decide import decide
from irqbal.planner.drift import find_changes
from irqbal.planner.ledger import Ledger
from irqbal.plugins import bounds
from irqbal.plugins.binding import BoundPolicy, bind, describe_error
from irqbal.plugins.confinement import lower_limit
from irqbal.plugins.discovery import InstalledPlugin
from irqbal.plugins.policy_host import own
from irqbal.plugins.protocol import PolicyEntry
from irqbal.problems import LocatedProblem, node_of
from irqbal.testing.build import applied, changed
from irqbal.testing.cases import Case, cases, large, noisy, record
from irqbal.testing.messages import ProbeDigest, ProbeDone, ProbeJob, ProbeReporter, ProbeStep
from irqbal.testing.option_checks import check_options
from irqbal.testing.purity import PurityWatch
from irqbal.testing.reference import CpuCost, ReferenceClock
from irqbal.testing.watched_policy import HookFailed, PolicyAnswers, WatchedPolicy

MAX_GROWTH = 256 << 20
"""Bytes that a policy may add to the process: a quarter of what all policies have together."""
STEADY_CYCLES, BALANCED = 16, 6
"""Cycles on a steady host, and after how many of them nothing may move any more."""
NOISE = 0.03
"""Share by which loads waver on the steady host: what smoothing leaves of a real host's noise."""
SLOW = 64
"""Runs of the reference work whose CPU time a call on the large host may take: about half of the
daemon's deadline on a common server.
"""
ATTEMPTS = 3
"""Calls that must all take longer: a virtual machine's CPU time holds what its host took away."""
PATIENCE = 4
"""Multiple of that time after which such a call is ended."""

_REFUSALS = {
    "offline": "asks for CPUs of which none is online",
    "unmovable": "asks to move an IRQ that cannot be moved: look at irq.movable",
    "unknown": "names what is not there",
    "empty": "names no CPU",
    "limited": "asks for CPUs that limits keep from the IRQ: take those of draft.allowed(irq)",
}
"""The codes of the planner's refusals that a policy must avoid, and what it does wrong."""


class Probe:
    """Checks one policy, and reports to the parent what it finds."""

    def __init__(
        self, reporter: ProbeReporter, watch: PurityWatch, job: ProbeJob, policy: BoundPolicy
    ) -> None:
        self._reporter = reporter
        self._watch = watch
        self._job = job
        self._policy = policy
        self._watched = WatchedPolicy(policy, watch, reporter, job.deadline)
        self._memory = _peak_memory()

    def run(self) -> None:
        """Check everything. What could fail only because of an earlier finding is left out."""
        if not self._job.only_cases:
            self._check_options()
        try:
            for case in cases():
                self._check_case(case)
        except HookFailed:
            return
        # A thread takes so much address space that irqbal's own part would run out of it.
        if self._watch.threads() or self._job.only_cases:
            return
        if not self._has_grown():
            self._check_rest(next(cases()))
        if not self._has_grown():
            self._check_speed(large())
        self._check_observer()

    def _check_options(self) -> None:
        self._reporter.send(ProbeStep("irqbal_options", self._job.deadline))
        for text in check_options(type(self._policy.options)):
            self._reporter.finding("options", text)
        self._reporter.own_work()

    def _has_grown(self) -> bool:
        """Report it if the process has grown so much that irqbal's own code could run out of
        memory.
        """
        grown = _peak_memory() - self._memory
        if grown > MAX_GROWTH:
            self._reporter.finding(
                "memory",
                f"it takes {grown >> 20} MiB; all policies together have "
                f"{bounds.HOST_MEMORY >> 20} MiB",
            )
        return grown > MAX_GROWTH

    def _check_case(self, case: Case) -> None:
        """Ask twice about one host: the answers must be the same, and the planner accept them."""
        options = _digest(self._policy.options)
        first = self._watched.ask(case, case.snapshot)
        again = self._watched.ask(case, case.snapshot)
        if first != again:
            self._reporter.finding(
                "impure", f"{case.name}: two calls with the same arguments give two answers"
            )
        if options != _digest(self._policy.options):
            self._reporter.finding("mutates", f"it changes its options on {case.name}")
        self._reporter.send(ProbeDigest(case.name, _digest(first)))
        self._check_refusals(case, first)

    def _check_refusals(self, case: Case, answers: PolicyAnswers) -> None:
        draft = case.draft(case.snapshot)
        answers.add_to(draft, self._policy.name)
        refusals = [
            (refusal.code, refusal.reason)
            for refusal in draft.refused
            if refusal.policy == self._policy.name and refusal.code in _REFUSALS
        ]
        if case.snapshot.online and not case.snapshot.online - draft.forbidden(-1):
            refusals.append(("limited", "its limits leave no CPU at all"))
        for code, reason in refusals[:3]:
            self._reporter.finding(code, f"{case.name}: it {_REFUSALS[code]} ({reason})")

    def _check_rest(self, case: Case) -> None:
        """On a host whose loads hardly change, nothing may move after a few cycles."""
        if not self._policy.has("irqbal_place"):
            return
        base, dice = {irq.action: irq.load for irq in case.snapshot.irqs}, random.Random(7)
        snapshot, ledger = case.snapshot, Ledger()
        for cycle in range(STEADY_CYCLES):
            irqs = [
                msgspec.structs.replace(irq, load=base[irq.action], rate=base[irq.action] * 1e4)
                for irq in snapshot.irqs
            ]
            snapshot = noisy(changed(snapshot, irqs=tuple(irqs), settling=cycle < 3), dice, NOISE)
            changes, ledger = find_changes(snapshot, ledger)
            steady = Case("a steady host", snapshot)
            try:
                answers = self._watched.ask(steady, snapshot)
            except HookFailed:
                return
            draft = steady.draft(snapshot)
            answers.add_to(draft, self._policy.name)
            plan = decide(draft, changes)
            if cycle >= BALANCED and (plan.moves or plan.steering):
                count = len(plan.moves) + len(plan.steering)
                reason = plan.moves[0].reason if plan.moves else plan.steering[0].reason
                self._reporter.finding(
                    "restless",
                    f"in cycle {cycle + 1} on a steady host it still moves {count} ({reason})",
                )
                return
            snapshot, ledger = applied(snapshot, plan, ledger)

    def _check_speed(self, case: Case) -> None:
        """Compare the CPU time of a call on the large host with that of the reference work."""
        for hook in ("irqbal_limit", "irqbal_place"):
            if not self._policy.has(hook):
                continue
            costs: list[CpuCost] = []
            try:
                while len(costs) < ATTEMPTS and not any(cost.runs <= SLOW for cost in costs):
                    costs.append(self._cost(hook, case))
            except HookFailed:
                continue
            lowest = min(costs, key=lambda cost: cost.runs)
            if lowest.runs > SLOW:
                self._reporter.finding(
                    "slow",
                    f"{hook} on {case.name} takes {lowest.seconds:.2f} s of CPU, "
                    f"{lowest.runs:.0f} times as much as irqbal's reference work on this machine; "
                    f"more than {SLOW} times is too near the deadline",
                )

    def _cost(self, hook: str, case: Case) -> CpuCost:
        reference = ReferenceClock()
        call = partial(
            self._watched.call,
            hook,
            case.name,
            deadline=PATIENCE * SLOW * reference.seconds,
            snapshot=own(case.snapshot),
            draft=case.draft(case.snapshot).view(),
            options=self._policy.options,
        )
        return reference.measure(call)

    def _check_observer(self) -> None:
        if not self._policy.has("irqbal_cycle_done"):
            return
        self._reporter.send(ProbeStep("irqbal_cycle_done", self._job.deadline))
        try:
            self._policy.call("irqbal_cycle_done", record=record(), options=self._policy.options)
        except Exception as error:
            self._reporter.finding("raised", f"irqbal_cycle_done: {describe_error(error)}")


def _load(job: ProbeJob, reporter: ProbeReporter) -> BoundPolicy | None:
    """The policy with its options; None after reporting why it cannot be used."""
    problems: list[LocatedProblem] = []
    plugin = InstalledPlugin(job.module.rpartition(".")[2], job.module, ("it",))
    try:
        _make_importable(job.module, job.file)
        policy = bind(PolicyEntry(plugin, 0, node_of(dict(job.options))), problems)
    except PluginError as error:
        reporter.finding("import", str(error).removeprefix("it: "))
        return None
    for problem in problems:
        reporter.finding("options", f"{problem.key.partition('.')[2]}: {problem.text}")
    return policy


def _make_importable(name: str, file: str) -> None:
    """Import a module from its file if no path leads to it, as for one that a test wrote."""
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


def _peak_memory() -> int:
    """Bytes of memory that this process had at its largest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _digest(value: Any) -> str:
    return hashlib.sha256(wire.to_msgpack(value)).hexdigest()


def main() -> None:
    """Do the job of the second argument and report through the descriptor of the first. The process
    ends at once, whatever threads the policy left.
    """
    lower_limit(resource.RLIMIT_AS, bounds.HOST_MEMORY)
    lower_limit(resource.RLIMIT_CORE, 0)
    lower_limit(resource.RLIMIT_FSIZE, 1 << 20)
    reporter = ProbeReporter(int(sys.argv[1]))
    job = wire.from_json(sys.argv[2], ProbeJob)
    # Before the import: a policy may bind a clock's name then.
    watch = PurityWatch(reporter.finding)
    reporter.send(ProbeStep("its import", job.import_deadline))
    policy = _load(job, reporter)
    reporter.own_work()
    if policy is not None:
        Probe(reporter, watch, job, policy).run()
    reporter.send(ProbeDone())
    os._exit(0)


if __name__ == "__main__":
    main()
