"""What each finding's code means, its sentence, and what to do: one table.

Everything that shows, stores or ships findings takes its words from here, and
`python tests/tools/finding_codes.py` writes the list of codes in docs/operating.md from it. The
daemon imports this module, so it imports neither rich nor anything else of this room.
"""

from __future__ import annotations

import msgspec

from irqbal.findings.finding import SEVERITIES, DescribedFinding, Finding, FindingCode
from irqbal.model.unmovable import MANAGED
from irqbal.model.unmovable import advice as unmovable_advice


class FindingText(msgspec.Struct, frozen=True, kw_only=True):
    """The words of one code. `sentence` and `advice` are templates over the finding's `args`; the
    `unmovable_sentence` replaces the sentence where the IRQ cannot be moved, and `enabled_advice`
    the advice where the policy that would help is enabled. `meaning` stands in the documents.
    """

    meaning: str
    sentence: str
    advice: str
    unmovable_sentence: str = ""
    enabled_advice: str = ""


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
        advice="enable spread_by_rate, which separates them where that pays" + _EXPLAIN,
    ),
    "beside-disk": FindingText(
        meaning="a busy NIC queue shares its CPU with a busy disk queue",
        sentence="{queue} (IRQ {irq}) shares CPU {effective} with the hot {disk}",
        advice="enable spread_by_rate, which counts the disk's load and moves the queue where "
        "that pays" + _EXPLAIN,
    ),
    "unknown-queues": FindingText(
        meaning="a NIC has active queues, and irqbal does not know which IRQs serve them",
        sentence="{interface} ({driver}) has {queues} active queues, and irqbal does not know "
        "which IRQ serves {unknown} of them; its device's other IRQs: {irqs}",
        advice="see docs/queues.md: a policy can tell (irqbal_identify); send a capture "
        "(`irqbal capture`), so that the names of {driver} can be added",
    ),
    "queue-count": FindingText(
        meaning="a NIC does not have one queue for each usable core of its NUMA node (with "
        "`smt: use`, for each CPU)",
        sentence="{interface} has {queues} queues for {cpus} usable {unit} of its node (CPUs "
        "{usable}): {comparison}",
        advice="if that is too few or too many for its traffic, `ethtool -l {interface}` shows how "
        "many it can have, and `ethtool -L {interface} combined {cpus}` sets them",
    ),
}


def describe(finding: Finding) -> DescribedFinding:
    """A finding's sentence and advice."""
    text = TEXTS[finding.code]
    sentence, advice = text.sentence, text.advice
    if text.enabled_advice and finding.args.get("enabled"):
        advice = text.enabled_advice
    if text.unmovable_sentence and finding.args["unmovable"]:
        sentence = text.unmovable_sentence
        advice = unmovable_advice(finding.args["unmovable"], finding.args["isolated"])
    return DescribedFinding(
        finding.code,
        sentence.format_map(finding.args),
        advice.format_map(finding.args),
        finding.subject.irq,
        finding.severity,
    )


def table_of_codes() -> str:
    """All codes as a table in Markdown."""
    rows = ["| code | severity | meaning | what to do |", "| --- | --- | --- | --- |"]
    for code, text in TEXTS.items():
        advice = text.advice
        if text.unmovable_sentence:
            advice += f"; where the IRQ is managed: {unmovable_advice(MANAGED)}"
        words = {name: name.upper() for name in _PLACEHOLDERS}
        rows.append(
            f"| `{code}` | {SEVERITIES[code]} | {text.meaning} | {advice.format_map(words)} |"
        )
    return "\n".join(rows) + "\n"


_PLACEHOLDERS = ("irq", "isolated", "others", "pid", "interface", "cpus", "driver")
"""Values that an advice may name; the documents show them in capitals."""
