"""What each finding's code means, its sentence, and what to do: one table.

Everything that shows, stores or ships findings takes its words from here, and
`python tests/tools/finding_codes.py` writes the list of codes in docs/operating.md from it. The
daemon imports this module, so neither it nor what it imports of this room imports rich.
"""

from __future__ import annotations

from irqbal.findings.finding import SEVERITIES, DescribedFinding, Finding, FindingCode
from irqbal.findings.host_state import Verdict
from irqbal.model.unmovable import MANAGED
from irqbal.model.unmovable import advice as unmovable_advice
from irqbal.render.disturbance_texts import DISTURBANCE_TEXTS
from irqbal.render.finding_text import FindingText

_APPLY = "run `irqbal apply`, or start the daemon"
_EXPLAIN = "; if it is enabled, see the reason in `irqbal explain {irq}`"
"""Findings do not know which policies are enabled, nor the reasons of one that is."""

TEXTS: dict[FindingCode, FindingText] = {
    "mask": FindingText(
        meaning="an IRQ's affinity is not the one that the policies plan",
        sentence="IRQ {irq} ({action}) is on {before}; the plan is {after} ({policy}: {reason})",
        advice=_APPLY,
    ),
    "steering": FindingText(
        meaning="an XPS, RPS or RFS setting is not the one that the policies plan",
        sentence="{setting} of {interface} queue {queue} is {before}; the plan is {after}",
        advice=_APPLY,
    ),
    "writer": FindingText(
        meaning="another program writes IRQ masks or steering, or will at the next boot",
        sentence="{program}",
        advice="leave this work to one of the two programs",
    ),
    "possible-writer": FindingText(
        meaning="another program that may write IRQ masks or steering runs, or will at the next "
        "boot; no mask was changed by others in the last 24 hours",
        sentence="{program}",
        advice="if masks change, `irqbal decisions` says which and when; until then nothing needs "
        "to be done",
    ),
    "remote-queue": FindingText(
        meaning="a NIC queue's interrupts are handled on another NUMA node than the NIC's",
        sentence="{queue} (IRQ {irq}) is handled on CPU {effective}, off its NIC's node "
        "(CPUs {local})",
        advice="enable pin_nic_queues, which keeps it on that node" + _EXPLAIN,
        enabled_advice="pin_nic_queues does not claim it: see its options `interfaces` and "
        "`exclude`, and `irqbal explain {irq}`",
    ),
    "isolated": FindingText(
        meaning="an IRQ fires on an isolated CPU",
        sentence="IRQ {irq} ({action}) fires on isolated CPU {cpus}",
        advice="enable isolate_cores, which moves it away" + _EXPLAIN,
        unmovable_sentence="IRQ {irq} ({action}) fires on isolated CPU {cpus}: {unmovable}",
    ),
    "isolated-thread": FindingText(
        meaning="a kernel thread that handles interrupts last ran on an isolated CPU",
        sentence="the thread {thread} (pid {pid}) last ran on isolated CPU {cpu}",
        advice="run `taskset -pc {others} {pid}`",
    ),
    "shared-core": FindingText(
        meaning="two or more busy NIC queues share one physical core",
        sentence="hot queues share the core of CPU {core}: {queues}",
        advice="enable spread_by_rate, which separates them where that pays",
    ),
    "beside-disk": FindingText(
        meaning="a busy NIC queue shares its CPU with a busy disk queue",
        sentence="{queue} (IRQ {irq}) shares CPU {effective} with the hot {disk}",
        advice="enable spread_by_rate, which counts the disk's load and moves the queue where "
        "that pays",
    ),
    "unknown-queues": FindingText(
        meaning="a NIC has active queues, and irqbal does not know which IRQs serve them",
        sentence="{interface} ({driver}) has {queues} active queues, and irqbal does not know "
        "which IRQ serves {unknown} of them; its device's other IRQs: {irqs}",
        advice="see docs/queues.md: a policy can tell (irqbal_identify); send a capture "
        "(`irqbal capture`), so that the names of {driver} can be added",
    ),
    "saturated": FindingText(
        meaning="a CPU spends 80 % of its time or more on interrupts",
        sentence="CPU {cpu} spends {load} % of its time on interrupts; the heaviest: IRQ {irqs}",
        advice="",
        ways={
            "queues": "raise the number of queues, so that its flows reach more CPUs: {interface} "
            "has {queues}, its node {cpus} usable cores; `ethtool -l {interface}` shows the most "
            "it can have, `ethtool -L {interface} combined N` sets it and interrupts its traffic "
            "for a moment",
            "rps": "{interface} has one queue: the option `rps` of pin_nic_queues, with the CPUs "
            "that it may use, spreads its packets",
            "flows": "each core of its node has a queue already: spread its flows (`ethtool -X "
            "{interface}`), or let other nodes serve some of its queues",
            "device": "one device takes most of it: give it more queues, or less to do",
            "many": "many IRQs share the load, and spread_by_rate has placed them: fewer "
            "interrupts (`ethtool -C`), more CPUs, or less to do",
            "spread": "enable spread_by_rate, which moves some of its IRQs to other CPUs",
        },
    ),
    "policy-failed": FindingText(
        meaning="a policy failed, and is skipped",
        sentence="the policy {policy} failed: {reason}",
        advice="the other policies work on without it; it is tried again by itself, and by "
        "`systemctl reload irqbal`",
    ),
    "no-plan": FindingText(
        meaning="there is no plan, and nothing is moved",
        sentence="there is no plan: {problem}",
        advice="the log says more: `journalctl -u irqbal -p warning`",
    ),
    "dry-run": FindingText(
        meaning="this is a dry run, which does not make what is planned",
        sentence="{moves} and {settings} would be made; this is a dry run",
        advice="see them with `irqbal plan`; they are made by a daemon that is started without "
        "--dry-run and with `dry_run: false`",
    ),
    "paused": FindingText(
        meaning="balancing is paused",
        sentence="balancing is paused: nothing is moved but by overrides",
        advice="the button Resume goes on, or `irqbal-client HOST PORT resume`",
    ),
    "trial": FindingText(
        meaning="a trial compares two placements; balancing is paused until it ends",
        sentence="the trial {trial} runs: balancing is paused, and the masks are by turns those of "
        "its two sides",
        advice="it ends by itself; `irqbal-client HOST PORT trials` says when",
    ),
    "override-ends": FindingText(
        meaning="an override ends within 15 minutes; the policies then place its IRQ",
        sentence="the override of IRQ {irq} ({name}) ends in {minutes}",
        advice="set it again if it is to stay",
    ),
    "drift": FindingText(
        meaning="another program changed masks in the last 24 hours",
        sentence="another program changed {masks} in the last 24 hours",
        advice="`irqbal decisions` says which and when; leave this work to one of the two programs",
    ),
    "outbox": FindingText(
        meaning="more and more records wait for MongoDB",
        sentence="{records} wait for MongoDB, and they become more",
        advice="the log says why they are not shipped; nothing is lost meanwhile",
    ),
    "no-history": FindingText(
        meaning="nothing is recorded",
        sentence="no history is recorded: {problem}",
        advice="`irqbal history` and `irqbal decisions` show nothing new until that is changed",
    ),
    "refused": FindingText(
        meaning="IRQs are not where a policy or a person wants them: the kernel, a limit or "
        "another program is against it",
        sentence="{irqs} {is} not where a policy or a person wants them, such as {example}: "
        "{reason}",
        advice="`irqbal plan` has each with its reason and what can be done",
    ),
    "policy-note": FindingText(
        meaning="a policy remarks something: a rule that matches nothing, an IRQ that still fires "
        "on isolated CPUs",
        sentence="{policy}: {text}",
        advice="{advice}",
    ),
    "queue-count": FindingText(
        meaning="a NIC does not have one queue for each usable core of its NUMA node (with "
        "`smt: use`, for each CPU)",
        sentence="{interface} has {queues} queues for {cpus} usable {unit} of its node (CPUs "
        "{usable}): {comparison}",
        advice="if that is too few or too many for its traffic, `ethtool -l {interface}` shows how "
        "many it can have, and `ethtool -L {interface} combined {cpus}` sets them",
    ),
    **DISTURBANCE_TEXTS,
}


def describe(finding: Finding) -> DescribedFinding:
    """A finding's sentence and advice."""
    text = TEXTS[finding.code]
    sentence, advice = text.sentence, text.advice
    if text.enabled_advice and finding.args.get("enabled"):
        advice = text.enabled_advice
    if text.ways:
        advice = text.ways[finding.args["help"]]
    if text.sentences:
        sentence = text.sentences[finding.args["help"]]
    if text.causes and finding.args["who"]:
        sentence += text.causes
    if text.unmovable_sentence and finding.args["unmovable"]:
        sentence = text.unmovable_sentence
        advice = unmovable_advice(finding.args["unmovable"], finding.args["isolated"])
    return DescribedFinding(
        finding.code,
        sentence.format_map(finding.args),
        advice.format_map(finding.args),
        finding.subject.irq,
        finding.severity,
        finding.subject.kind,
        finding.subject.name,
    )


def verdict_sentence(verdict: Verdict, urgent: int, others: int) -> str:
    """The verdict on a host with so many warnings and other findings, in one sentence."""
    if verdict == "well":
        rest = f"; {others} {_things(others)} worth a thought" if others else ", with nothing to do"
        return f"This host is well{rest}."
    if verdict == "look":
        return f"This host works; {others} {_things(others)} worth a look."
    rest = f", {others} more {_things(others)} worth a look" if others else ""
    need = "thing needs" if urgent == 1 else "things need"
    return f"{urgent} {need} to be fixed on this host{rest}."


def _things(count: int) -> str:
    return "thing is" if count == 1 else "things are"


def table_of_codes() -> str:
    """All codes as a table in Markdown."""
    rows = ["| code | severity | meaning | what to do |", "| --- | --- | --- | --- |"]
    for code in SEVERITIES:
        text = TEXTS[code]
        advice = text.advice
        if text.ways:
            advice = "; or: ".join(text.ways.values())
        if code in DISTURBANCE_TEXTS and text.ways:
            advice = "see [what still disturbs an isolated CPU](isolation.md#what-to-do)"
        if text.unmovable_sentence:
            advice += f"; where the IRQ is managed: {unmovable_advice(MANAGED)}"
        words = {name: name.upper() for name in _PLACEHOLDERS} | {
            "advice": "what the policy advises"
        }
        rows.append(
            f"| `{code}` | {SEVERITIES[code]} | {text.meaning} | {advice.format_map(words)} |"
        )
    return "\n".join(rows) + "\n"


def table_of_disturbances() -> str:
    """What `irqbal verify --isolation` finds, by kind, as a table in Markdown."""
    rows = ["| code | of | what to do |", "| --- | --- | --- |"]
    words = {name: name.upper() for name in _PLACEHOLDERS}
    for code, text in DISTURBANCE_TEXTS.items():
        for way, advice in (text.ways or {"": text.advice}).items():
            rows.append(f"| `{code}` | {way} | {advice.format_map(words)} |")
    return "\n".join(rows) + "\n"


_PLACEHOLDERS = (
    "irq",
    "isolated",
    "others",
    "pid",
    "interface",
    "cpus",
    "driver",
    "queues",
    "name",
    "cpu",
)
"""Values that an advice may name; the documents show them in capitals."""
