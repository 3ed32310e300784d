"""The kernel's command line as people write it, and other programs' files."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqbal.kernel.isolation import boot_affinity, parse_cmdline
from irqbal.kernel.other_writers import configured


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("isolcpus=2-3", {"isolcpus=": "2-3"}),
        ("isolcpus=io_queue,managed_irq,2-3", {"isolcpus=managed_irq": "2-3"}),
        ("isolcpus=nohz,domain,managed_irq,2-3", {"isolcpus=nohz,domain,managed_irq": "2-3"}),
        ('isolcpus="managed_irq,2-3" quiet', {"isolcpus=managed_irq": "2-3"}),
        ('"isolcpus=2-3" quiet', {"isolcpus=": "2-3"}),
        ('dyndbg="file a.c +p; isolcpus=9" isolcpus=1', {"isolcpus=": "1"}),
        ("isolcpus=nonsense,", {}),
        ("isolcpus=managed_irq", {}),
        ("isolcpus=1 isolcpus=2", {"isolcpus=": "1-2"}),
        ("nohz_full=1-3 -- isolcpus=2", {"nohz_full=": "1-3"}),
        ("nohz-full=1", {"nohz_full=": "1"}),
        ("isolcpus=managed_irq,2,,3,", {"isolcpus=managed_irq": "2-3"}),
        ("isolcpus=1-7:1/2", {"isolcpus=": "1,3,5,7"}),
        ("xisolcpus=2", {}),
    ],
)
def test_isolation_on_the_command_line(text: str, found: dict[str, str]) -> None:
    assert {source: str(cpus) for source, cpus in parse_cmdline(text).items()} == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("irqaffinity=0-1", "0-1"),
        ('irqaffinity="0,2" quiet', "0,2"),
        ("irqaffinity=0 irqaffinity=1", "1"),
        ("irqaffinity=none", ""),
        ("quiet", ""),
    ],
)
def test_where_interrupts_start_at_boot(text: str, found: str) -> None:
    assert str(boot_affinity(text)) == found


def test_link_files_of_all_three_folders(tmp_path: Path) -> None:
    """An earlier folder's file hides those of its name in later ones."""
    files = {
        "etc/systemd/network/10-a.link": "[Link]\nName=x\n",
        "run/systemd/network/10-b.link": "[Link]\nIRQAffinityPolicy=spread\n",
        "usr/lib/systemd/network/10-a.link": "[Link]\nIRQAffinityPolicy=single\n",
        "usr/lib/systemd/network/20-c.link": "[Link]\n ReceivePacketSteeringCPUMask = 3\n",
        "usr/lib/systemd/network/99-default.link": "[Link]\nNamePolicy=keep\n",
        "usr/lib/systemd/network/30-d.link": "[Link]\nReceivePacketSteeringCPUMask=\n",
        "etc/systemd/network/30-d.link.d/x.conf": "[Link]\nIRQAffinityPolicy=single\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = configured(tmp_path)
    assert [text.rpartition("/")[2] for text in found] == ["x.conf", "10-b.link", "20-c.link"]
    found = found[1:]
    assert "IRQAffinityPolicy" in found[0] and "ReceivePacketSteeringCPUMask" in found[1]
