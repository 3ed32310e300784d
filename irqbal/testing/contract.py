"""The check of the contract: a policy that hangs or crashes is reported and harms nothing, since it
runs in a process of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import msgspec

from irqbal.plugins import bounds
from irqbal.testing.messages import ProbeJob
from irqbal.testing.probe_run import run_probe


class ContractFinding(msgspec.Struct, frozen=True):
    """One way in which a policy breaks the contract: `code` for machines, `text` for people."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


class BrokenPromise(AssertionError):
    """A policy breaks the contract; the message lists all `findings`, one a line."""

    def __init__(self, name: str, findings: tuple[ContractFinding, ...]) -> None:
        super().__init__(
            "\n".join(
                [
                    f"the policy {name} breaks its contract:",
                    *(f"  {finding}" for finding in findings),
                ]
            )
        )
        self.findings = findings


def check_policy(
    module: ModuleType | str,
    options: Mapping[str, Any] | None = None,
    *,
    deadline: float = bounds.HOOK_DEADLINE,
) -> None:
    """Raise BrokenPromise unless the policy keeps the contract: it is pure, documents its options
    and refuses wrong ones, places no IRQ on offline CPUs and moves no unmovable one, rests once the
    host is balanced, is fast on a large host, and changes nothing of what it is given.

    `module` is the policy's module or its importable name; `options` are as the YAML would have
    them; `deadline` is seconds a call. An observer's irqbal_cycle_done is called once, and may use
    files, clock and network.
    """
    findings = examine(module, options, deadline=deadline)
    if findings:
        raise BrokenPromise(module if isinstance(module, str) else module.__name__, findings)


def examine(
    module: ModuleType | str,
    options: Mapping[str, Any] | None = None,
    *,
    deadline: float = bounds.HOOK_DEADLINE,
) -> tuple[ContractFinding, ...]:
    """The findings that check_policy would raise, in the order in which it finds them."""
    name, file = (
        (module, "")
        if isinstance(module, str)
        else (module.__name__, getattr(module, "__file__", None) or "")
    )
    job = ProbeJob(
        module=name,
        file=str(file),
        options=dict(options or {}),
        only_cases=False,
        deadline=deadline,
        import_deadline=bounds.IMPORT_DEADLINE,
    )
    first = run_probe(job, hash_seed=1)
    if first.findings:
        return tuple(ContractFinding(item.code, item.text) for item in first.findings)
    # Sets of text have another order in every process: a policy that walks one decides differently
    # after each restart.
    second = run_probe(msgspec.structs.replace(job, only_cases=True), hash_seed=2)
    if second.findings:
        return tuple(ContractFinding(item.code, item.text) for item in second.findings)
    differing = [case for case in first.digests if second.digests[case] != first.digests[case]]
    if not differing:
        return ()
    return (
        ContractFinding(
            "impure",
            f"{', '.join(differing)}: another process gives another answer: it walks a set, or "
            "uses hash() or id()",
        ),
    )
