"""The six questions of docs/operating.md: each in at most three clicks from Now, and by the command
that stands beside it.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import machine
from chromium import DashboardSite, configure, watched
from installed import InstalledSite
from places import TOP

TEXT = (TOP / "docs/operating.md").read_text()
TABLE = re.search(r"<!-- questions.*?-->\n(.*?)<!-- end of questions -->", TEXT, re.S)
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (TABLE[1] if TABLE else "").splitlines()[2:]
]
ANSWERS = {
    "Is this host well?": ("well|look|act", "WELL|LOOK|ACT"),
    "Why is this IRQ here?": ("Why it is there", "pin_nic_queues"),
    "What changed last night at 3?": ("moved", "pin_nic_queues"),
    "Which policy failed?": ("It failed, and is skipped", "broken"),
    "What would this YAML do?": ("The plan beside today’s", "would be made"),
    "Which queue is about to saturate?": ("rxtx", "ice-eth0-TxRx"),
}
"""Question -> what the page and the terminal then say."""
BROKEN = """
@hookimpl
def irqbal_place(snapshot, draft):
    raise RuntimeError("it is broken on purpose")
    yield
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardSite]:
    """A daemon one of whose policies fails."""
    folder = tmp_path_factory.mktemp("questions")
    config, found = configure(
        folder,
        "interval: 1s\nhistory: {every: 1s}\npolicies: [broken, isolate_cores, pin_nic_queues, "
        "spread_by_rate]\n",
    )
    python = InstalledSite(folder / "site").install("broken", BROKEN).python
    words = ("--simulate", "2x4x2,nodes=2,nic=4x2,traffic=skewed", "-c", str(config))
    command = (str(python), "-m", "irqbal")
    with machine.daemon(*words, log=folder / "log", command=command):
        machine.wait_for(lambda: found.cycles() >= 4)
        yield found


def named(page: Page, word: str) -> Locator:
    """What a person would click on to follow this word."""
    return page.locator("nav a, main a, main button, main summary").filter(has_text=word).first


def test_there_are_six() -> None:
    assert [row[0] for row in ROWS] == list(ANSWERS)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_at_most_three_clicks(chromium: Browser, host: DashboardSite, row: list[str]) -> None:
    clicks = re.findall(r"\*\*(.*?)\*\*", row[1])
    assert len(clicks) <= 3
    with watched(chromium, host, token=host.token) as shown:
        shown.open("now")
        for word in clicks:
            target = named(shown.page, word)
            expect(target).to_be_visible()
            # The only cycle that there is has unfolded by itself.
            if target.evaluate("node => !node.parentElement.open"):
                target.click()
            shown.wait()
        expect(shown.page.locator("main")).to_contain_text(re.compile(ANSWERS[row[0]][0]))
        assert shown.problems == []


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_one_command(host: DashboardSite, tmp_path: Path, row: list[str]) -> None:
    (tmp_path / "new.yaml").write_text("policies: [pin_nic_queues]\n")
    command = row[2].strip("`").replace("HOST PORT", f"127.0.0.1 {host.base.rpartition(':')[2]}")
    program, *words = shlex.split(command)
    token = tmp_path / "token"
    token.write_text(host.token)
    done = subprocess.run(
        [str(Path(machine.IRQBAL).with_name(program)), *words, "--token-file", str(token)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(ANSWERS[row[0]][1], done.stdout), done.stdout
