"""Each thing that a person should know or do about a host, and the verdict that follows."""

from __future__ import annotations

import msgspec
import pytest

import builders as b
from irqbal.findings.finding import Finding, Subject
from irqbal.findings.host_state import EndingOverride, HostState, look_at, verdict_of
from irqbal.model.plan import Note, Refusal
from irqbal.model.view import Snapshot
from irqbal.render.finding_texts import describe, verdict_sentence
from irqbal.service.outbox_watch import FEW, SAMPLES, OutboxWatch

STATES: dict[str, HostState] = {
    "no-plan": HostState(problem="the planner's process cannot be started"),
    "policy-failed": HostState(failed={"night": "it took too long"}),
    "dry-run": HostState(dry_run=True, moves=4, settings=1),
    "paused": HostState(paused=True, problem="paused"),
    "override-ends": HostState(ending=(EndingOverride(24, "eth0-TxRx-0", 600.0),)),
    "drift": HostState(drifted=3),
    "outbox": HostState(outbox=5000, outbox_grows=True),
    "refused": HostState(refused=(Refusal(24, "pin_irqs", "managed", "its driver has it"),)),
    "policy-note": HostState(notes=(("pin_irqs", Note("rule 1 does nothing", advice="drop it")),)),
    "no-history": HostState(no_history="the configuration says `history: off`"),
}


@pytest.mark.parametrize("code", STATES)
def test_each_state_is_one_finding_with_words(code: str) -> None:
    (finding,) = look_at(Snapshot(), STATES[code])
    assert finding.code == code
    words = describe(finding)
    assert words.text and words.advice and "{" not in words.text + words.advice
    assert verdict_of([finding]) == ("act" if finding.severity == "warning" else "look")


def test_a_dry_run_counts_what_it_does_not_make() -> None:
    (finding,) = look_at(Snapshot(), STATES["dry-run"])
    assert describe(finding).text == "4 moves and 1 setting would be made; this is a dry run"
    assert look_at(Snapshot(), HostState(dry_run=True)) == []


def test_a_host_without_findings_is_well() -> None:
    assert look_at(b.host(b.cpus(4), b.nic("eth0", 4)), HostState()) == []
    assert verdict_of([]) == "well" and "well" in verdict_sentence("well", 0, 0)
    late = HostState(ending=(EndingOverride(24, "eth0-TxRx-0", 7200.0),))
    assert look_at(Snapshot(), late) == []
    count = Finding("queue-count", Subject(kind="interface", name="eth0"), {})
    assert verdict_of([count]) == "well"


@pytest.mark.parametrize(
    ("queues", "cpus", "way"), [(1, 4, "option `rps`"), (2, 4, "ethtool -L"), (4, 4, "ethtool -X")]
)
def test_a_cpu_near_saturation_comes_with_what_would_help(queues: int, cpus: int, way: str) -> None:
    at = {f"eth0-TxRx-{index}": str(index) for index in range(queues)}
    made = b.host(
        b.cpus(cpus),
        b.nic("eth0", queues),
        at=at,
        loads={"eth0-TxRx-0": 0.9} | dict.fromkeys(list(at)[1:], 0.01),
    )
    hot = b.changed(
        made,
        cpus=tuple(
            msgspec.structs.replace(cpu, softirq_time=0.9 if cpu.number == 0 else 0.01)
            for cpu in made.cpus
        ),
    )
    (finding,) = look_at(hot, HostState())
    words = describe(finding)
    assert finding.code == "saturated" and finding.subject.name == "0"
    assert "CPU 0 spends 90 %" in words.text and "eth0-TxRx-0" in words.text
    assert way in words.advice, words


def test_an_outbox_that_grows_is_told_after_a_while() -> None:
    watch = OutboxWatch(60.0)
    for minute in range(30):
        watch.note(FEW + 10 * minute, minute * 60.0)
        assert watch.grows == (minute * 60.0 >= 60.0 * SAMPLES), minute
    watch.note(50, 31 * 60.0)
    assert not watch.grows


def test_a_refusal_that_ends_by_itself_or_is_remarked_upon_is_not_told_twice() -> None:
    passing = Refusal(24, "spread_by_rate", "cooldown", "moved a moment ago")
    remarked = Refusal(25, "isolate_cores", "managed", "its driver has it")
    note = ("isolate_cores", Note("IRQ 25 fires on CPU 3", irq=25))
    found = look_at(Snapshot(), HostState(refused=(passing, remarked), notes=(note,)))
    assert [finding.code for finding in found] == ["policy-note"]


def test_many_irqs_that_are_spread_already_get_another_advice() -> None:
    names = [f"eth0-TxRx-{index}" for index in range(4)]
    made = b.host(
        b.cpus(4), b.nic("eth0", 4), at=dict.fromkeys(names, "0"), loads=dict.fromkeys(names, 0.22)
    )
    full = tuple(
        msgspec.structs.replace(cpu, softirq_time=0.88 if cpu.number == 0 else 0.0)
        for cpu in made.cpus
    )
    made = msgspec.structs.replace(made, cpus=full)
    for spreading, way in ((False, "enable spread_by_rate"), (True, "spread_by_rate has placed")):
        (finding,) = look_at(made, HostState(spreading=spreading))
        assert way in describe(finding).advice
