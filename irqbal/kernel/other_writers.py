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
    "scx_layered": "scx_layered is running: it may steer network interrupts to its layers' CPUs",
}
_FILES = (
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


_LINK_FOLDERS = (
    "etc/systemd/network",
    "run/systemd/network",
    "usr/local/lib/systemd/network",
    "usr/lib/systemd/network",
    "lib/systemd/network",
)
"""Where systemd looks for .link files; a name in an earlier folder hides it in the later ones
(systemd.link(5)).
"""
_LINK = re.compile(
    r"^\s*(IRQAffinity\w*|ReceivePacketSteeringCPUMask|TransmitPacketSteering\w*)\s*=\s*\S",
    re.M,
)
"""Settings of a .link file that write masks or steering (IRQAffinityPolicy: systemd 261)."""


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
    found = _link_files(root)
    for pattern, regex, sentence in _FILES:
        for path in sorted(root.glob(pattern)):
            if path.is_file() and regex.search(text_or(path)):
                found.append(f"{sentence}: {path}")
    return tuple(found)


def _link_files(root: Path) -> list[str]:
    """.link files, and the drop-ins of each (`X.link.d/*.conf`)."""
    found: list[str] = []
    seen: set[str] = set()
    for folder in _LINK_FOLDERS:
        base = root / folder
        files = [base / name for name in names(base) if name.endswith(".link")]
        for name in names(base):
            if name.endswith(".link.d"):
                files += [
                    base / name / part for part in names(base / name) if part.endswith(".conf")
                ]
        for path in files:
            name = str(path.relative_to(base))
            settings = sorted(set(_LINK.findall(text_or(path)))) if name not in seen else []
            seen.add(name)
            if settings:
                found.append(f"a systemd .link file sets {' and '.join(settings)}: {path}")
    return found
