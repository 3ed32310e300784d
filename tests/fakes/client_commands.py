"""The commands of irqbal-client that read, each with words that a daemon on the made-up host
answers.
"""

from __future__ import annotations

from irqbal.api.contract import PREFIX

READING = {
    "trials": ("There was no trial", "/api/v1/trials", "id"),
    "status": ("last cycle", f"{PREFIX}/status", "host"),
    "findings": ("his host", f"{PREFIX}/findings", "code"),
    "irqs": ("RATE/S", f"{PREFIX}/irqs", "number"),
    "cpus": ("SOFTIRQ %", f"{PREFIX}/cpus", "number"),
    "devices": ("INTERFACES", f"{PREFIX}/devices", "address"),
    "explain 25": ("IRQ 25", f"{PREFIX}/irqs/25/explain", "irq"),
    "plan": ("right already", f"{PREFIX}/plan", "what"),
    "policies": ("spread_by_rate", f"{PREFIX}/policies", "name"),
    "override list": ("no overrides", f"{PREFIX}/overrides", "identity"),
    "decisions": ("TIME", f"{PREFIX}/decisions", "at"),
    "history all": ("█", f"{PREFIX}/cpus/history?by=cpu", "time"),
    "history eth0 --by irq": ("ice-eth0-TxRx-0", f"{PREFIX}/devices/eth0/history?by=irq", "time"),
    "history 25": ("MEAN/S", f"{PREFIX}/irqs/25/history?by=cpu", "time"),
    "hosts": ("LAST SEEN", f"{PREFIX}/hosts", "host"),
    "fleet --code remote-queue": (
        "No findings of that kind.",
        f"{PREFIX}/fleet/findings?code=remote-queue",
        "host",
    ),
    "list_devices": ("devices on '127.0.0.1:", "/devices", "device"),
    "cpu_count": ("Number of CPUs on 127.0.0.1 is: 16", "/cpu_count", "cpu_count"),
    "device_detail 24": ("irq_no", "/devices/24/", "irq_no"),
    "cpu_affinity 25": ("CPU affinity of '25' is: ", "/devices/25/affinity/", "affinity"),
}
"""Command -> what stands in its table, where its answer comes from, a column of its CSV."""
