"""Other programs that write the same masks: those that run now (`/proc/PID/comm`), and those that
are configured to run at the next ifup or boot.
"""

from __future__ import annotations

import re
from pathlib import Path

from irqbal.kernel.files import names, text_or

_PROCESSES = {
    "irqbalance": "irqbalance is running: it moves IRQs every ten seconds",
    "tuned": "tuned is running: its irqbalance and scheduler plugins set masks",
    "crio": "CRI-O is running: it sets masks for pods with exclusive CPUs "
    "(irq-load-balancing.crio.io)",
}
_FILES = (
    (
        "etc/systemd/network/*.link",
        re.compile(r"^\s*(ReceivePacketSteeringCPUMask|TransmitPacketSteering\w*)\s*=", re.M),
        "a systemd .link file sets packet steering",
    ),
    (
        "etc/NetworkManager/dispatcher.d/*",
        re.compile(r"smp_affinity|xps_cpus|rps_cpus|set_irq_affinity"),
        "a NetworkManager dispatcher script writes masks or steering",
    ),
    (
        "etc/udev/rules.d/*.rules",
        re.compile(r"smp_affinity|xps_cpus|rps_cpus|set_irq_affinity"),
        "a udev rule writes masks or steering",
    ),
    (
        "etc/rc.local",
        re.compile(r"smp_affinity|xps_cpus|rps_cpus|set_irq_affinity"),
        "rc.local writes masks or steering",
    ),
    (
        "usr/bin/google_set_multiqueue",
        re.compile(""),
        "Google's guest agent sets queue masks at boot",
    ),
    ("usr/sbin/ec2-net-utils", re.compile(""), "Amazon's ec2-net-utils may set queue masks"),
)


def running(root: Path) -> tuple[str, ...]:
    """One sentence for each process that is a known writer."""
    found = set()
    for name in names(root / "proc"):
        if name.isdigit():
            comm = text_or(root / "proc" / name / "comm")
            if comm in _PROCESSES:
                found.add(f"{_PROCESSES[comm]} (pid {name})")
    return tuple(sorted(found))


def configured(root: Path) -> tuple[str, ...]:
    """One sentence for each file that makes another program write masks or steering."""
    found = []
    for pattern, regex, sentence in _FILES:
        for path in sorted(root.glob(pattern)):
            if path.is_file() and regex.search(text_or(path)):
                found.append(f"{sentence}: {path}")
    return tuple(found)
