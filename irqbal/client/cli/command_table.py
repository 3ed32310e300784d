"""The commands of `irqbal-client`: in which section of the help each stands, its line there, and
its examples.
"""

from __future__ import annotations

from irqbal.client.cli.command_help import CommandInfo, Sections

_AT = "irqbal-client localhost 8080"
_SOCKET = "irqbal-client unix:/run/irqbal/irqbal.sock -"
_CENTRAL = "irqbal-client central 8080"

SECTIONS: Sections = {
    "Look": {
        "status": CommandInfo(
            about="Show the daemon's state in a few lines, and what to do.",
            examples=(f"{_AT} status", f"{_CENTRAL} status --on db1"),
        ),
        "findings": CommandInfo(
            about="Say whether the host is well, and list what to do.",
            examples=(f"{_AT} findings", f"{_AT} findings -o csv"),
        ),
        "irqs": CommandInfo(
            about="List IRQs: affinity, load, and who placed each.",
            examples=(
                f"{_AT} irqs",
                f"{_AT} irqs --device eth0 --movable",
                "irqbal-client db1 8080 --tls -o csv irqs --cpu 3",
            ),
        ),
        "cpus": CommandInfo(
            about="List CPUs: topology and interrupt load.",
            examples=(f"{_AT} cpus", f"{_AT} cpus -o json"),
        ),
        "devices": CommandInfo(
            about="List PCI devices with their interfaces, disks and IRQs.",
            examples=(f"{_AT} devices",),
        ),
        "explain": CommandInfo(
            about="Explain why an IRQ is where it is.",
            examples=(f"{_AT} explain 24", f"{_AT} explain eth0-TxRx-3 --now"),
        ),
        "policies": CommandInfo(
            about="List installed policies, the enabled ones first.",
            examples=(f"{_AT} policies",),
        ),
        "metrics": CommandInfo(
            about="Print the daemon's metrics.",
            examples=(f"{_AT} metrics", f"{_AT} metrics -o json"),
        ),
    },
    "Watch": {
        "top": CommandInfo(
            about="Show CPUs and IRQs on the whole terminal, live.",
            examples=(f"{_AT} top", f"{_AT} top -b -n 1"),
        ),
        "watch": CommandInfo(
            about="Print each cycle of the daemon, and its moves.",
            examples=(f"{_AT} watch", f"{_AT} watch --cycles 5 --json"),
        ),
    },
    "Try": {
        "plan": CommandInfo(
            about="Show the last plan, or make a new one, without writing.",
            examples=(f"{_AT} plan", f"{_AT} plan --now", f"{_AT} plan -c new.yaml"),
        ),
        "trials": CommandInfo(
            about="List trials of two placements, or show one.",
            examples=(
                f"{_AT} trials",
                f"{_AT} trials 1f2e3d4c",
                f"{_SOCKET} trials 1f2e3d4c --end",
            ),
        ),
    },
    "Change": {
        "override": CommandInfo(
            about="Place an IRQ by hand.",
            examples=(
                f"{_SOCKET} override set 24 0-3 --for 2h",
                f"{_SOCKET} override list",
            ),
            below={
                "set": CommandInfo(
                    about="Put an IRQ on these CPUs.",
                    examples=(
                        f"{_SOCKET} override set 24 0-3,8",
                        f'{_SOCKET} override set 24 0 --for 2h --reason "a trial"',
                    ),
                ),
                "clear": CommandInfo(
                    about="Remove an override; the policies place the IRQ again.",
                    examples=(f"{_SOCKET} override clear 24",),
                ),
                "list": CommandInfo(
                    about="List all overrides.", examples=(f"{_SOCKET} override list",)
                ),
            },
        ),
        "pause": CommandInfo(
            about="Stop writing masks until `resume`.",
            examples=(f"{_SOCKET} pause", f"{_SOCKET} pause --for 10m"),
        ),
        "resume": CommandInfo(
            about="Write masks again after a pause or a restore.",
            examples=(f"{_SOCKET} resume",),
        ),
        "cycle": CommandInfo(
            about="Run a cycle now, and show its plan and results.",
            examples=(f"{_SOCKET} cycle",),
        ),
        "restore": CommandInfo(
            about="Put back all that irqbal changed since boot, and pause.",
            examples=(f"{_SOCKET} restore", f"{_SOCKET} restore --yes"),
        ),
    },
    "Record": {
        "decisions": CommandInfo(
            about="List what was decided, when, by whom, and why.",
            examples=(f"{_AT} decisions", f"{_AT} decisions --irq 24 --kind move --start 7d"),
        ),
        "history": CommandInfo(
            about="Show interrupts over time, with a sparkline on each line.",
            examples=(
                f"{_AT} history all --start 2h --show load",
                f"{_AT} history eth0 --by irq",
                f"{_AT} history all --show softirqs --by kind",
            ),
        ),
        "export": CommandInfo(
            about="Write history, decisions or IRQs to a file: JSON or CSV.",
            examples=(
                f"{_AT} export history.csv",
                f"{_AT} export --what decisions decisions.jsonl.gz",
            ),
        ),
    },
    "Many hosts": {
        "hosts": CommandInfo(
            about="List the hosts of a central server.", examples=(f"{_CENTRAL} hosts",)
        ),
        "fleet": CommandInfo(
            about="List what is wrong or could be faster, on all hosts.",
            examples=(f"{_CENTRAL} fleet", f"{_CENTRAL} fleet --code remote-queue"),
        ),
    },
    "Commands of irq_manager's client": {
        "list_devices": CommandInfo(
            about="List devices, by their names in /proc/interrupts.",
            examples=(f"{_AT} list_devices",),
        ),
        "cpu_count": CommandInfo(
            about="Print how many CPUs are online.", examples=(f"{_AT} cpu_count",)
        ),
        "device_detail": CommandInfo(
            about="Show the interrupt totals of a device over time.",
            examples=(f"{_AT} device_detail 24 --start-datetime 2h",),
        ),
        "cpu_affinity": CommandInfo(
            about="Show the CPU affinity of a device, or set it.",
            examples=(f"{_AT} cpu_affinity 24", f"{_SOCKET} cpu_affinity 24 --cpus 0-3"),
        ),
    },
    "Set up": {
        "completion": CommandInfo(
            about="Print a script for shell completion.",
            examples=("irqbal-client completion bash > /etc/bash_completion.d/irqbal-client",),
        ),
    },
}
