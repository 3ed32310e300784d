"""Pictures of every view of the dashboard and of the terminal for the documents, from made-up
hosts: `make screenshots`.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser
from rich.console import Console
from rich.text import Text

import machine
from chromium import DashboardSite, browser, site, watched
from irqbal.client.http import Client, Target
from irqbal.client.top.app import Top
from places import TOP
from trees import Disk, Nic, Tree, TreeSpec, make_tree

SPEC = "2x16x2,nodes=2,nic=16x2,nvme=32x2,traffic=skewed"
LARGE = "8x32x2,nodes=8,l3=8,nic=63x8,nvme=128x12,traffic=skewed"
OUT = TOP / "docs/screenshots"
RECORDED = 60.0
"""Seconds of history that the charts show."""
HEAVIEST = 290_000
"""Bytes of one picture."""
PLAN = """policies:
  - isolate_cores: {cpus: "0-3,32-35"}
  - pin_nic_queues: {cpus: local, smt: use}
  - spread_by_rate: {min_gain: 20%}
"""


def take(
    chromium: Browser,
    host: DashboardSite,
    view: str,
    name: str,
    width: int = 1280,
    scheme: Literal["light", "dark"] = "light",
    tallest: int = 1800,
) -> None:
    """One view as a picture, cut at `tallest` pixels."""
    with watched(chromium, host, width, 900, scheme, host.token) as shown:
        page = shown.page
        shown.open(view, 60)
        if view == "whatif":
            page.get_by_label("Policies (YAML)").fill(PLAN)
            page.get_by_role("button", name="Plan", exact=True).click()
            page.wait_for_selector(".result .cpumap")
        if view.startswith("irq/"):
            for cpu in (5, 6):
                page.locator(f".picker [data-cpu='{cpu}']").click()
            page.get_by_label("Reason").fill("measuring latency, ask Ada")
            page.get_by_role("button", name="Set the override").click()
            page.wait_for_selector(".answer .box")
        page.wait_for_timeout(1500)
        if view.startswith("irq/"):
            shown.open(view)
            page.wait_for_timeout(2500)
        page.mouse.move(2, 2)
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        page.set_viewport_size(
            {
                "width": width,
                "height": min(tallest, page.evaluate("document.documentElement.scrollHeight")),
            }
        )
        page.wait_for_timeout(700)
        height = page.viewport_size["height"] if page.viewport_size else tallest
        picture = packed(page.screenshot())
        while len(picture) > HEAVIEST:
            # Load and so the length of tables differ each time; what stands at the end is the least
            # of it.
            height -= 80
            picture = packed(
                page.screenshot(clip={"x": 0, "y": 0, "width": width, "height": height})
            )
        (OUT / f"{name}.png").write_bytes(picture)
        if shown.problems:
            sys.exit(f"{view}: {shown.problems}")
        print(OUT / f"{name}.png")


def packed(png: bytes) -> bytes:
    """The same picture in fewer bytes: Chromium packs for speed."""
    parts, data, at = [png[:8]], b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length
        if kind == b"IDAT":
            data += body
            continue
        if kind == b"IEND":
            parts.append(_chunk(b"IDAT", zlib.compress(zlib.decompress(data), 9)))
        parts.append(_chunk(kind, body))
    return b"".join(parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def save(name: str, svg: str) -> None:
    """A picture of a terminal. Its letters are the reader's own: nothing is fetched."""
    text = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S)
    path = OUT / f"{name}.svg"
    path.write_text("\n".join(line.rstrip() for line in text.split("\n")))
    print(path)


def top(host: DashboardSite) -> None:
    """`irqbal-client top`, with the reason of the busiest IRQ not yet asked for."""

    async def run() -> None:
        app = Top(Client(Target(path=str(host.state / "run/irqbal.sock"))))
        async with app.run_test(size=(140, 36)) as pilot:
            while not app.table.shown:
                await asyncio.sleep(0.1)
            await pilot.press("down")
            await asyncio.sleep(2.5)
            await pilot.pause()
            save("top", app.export_screenshot(title="irqbal-client localhost 8080 top"))

    asyncio.run(run())


def command(folder: Path, name: str, width: int, *words: str) -> None:
    """A command on a terminal. The host's files change while it looks, as a kernel's do."""
    nics = (Nic("ice", "eth0", queues=4, node=0), Nic("ice", "eth1", queues=4, node=1))
    spec = TreeSpec(
        sockets=2,
        cores=4,
        nodes=2,
        isolated="7",
        devices=(*nics, Disk("nvme", "nvme0", queues=2, node=0)),
    )
    tree = make_tree(folder / name, spec)
    config = folder / "plan.yaml"
    config.write_text(f"state_dir: {folder / 'plan-state'}\n")
    for index in range(8):
        tree.place(_queue(index), str(index % 3))
    tree.flush()
    out = Console(
        width=width, record=True, file=io.StringIO(), force_terminal=True, color_system="standard"
    )
    ran = [
        machine.IRQBAL,
        *words,
        "--root",
        str(tree.folder),
        "-c",
        str(config),
        *(() if name == "topology" else ("--seconds", "2")),
    ]
    script = [
        "script",
        "-qec",
        f"stty cols {width} rows 60; exec {' '.join(ran)} 2>/dev/null",
        "/dev/null",
    ]
    with subprocess.Popen(
        script,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm-256color"},
    ) as child:
        _work(tree, child)
        assert child.stdout is not None
        said = child.stdout.read().decode().replace("\r\n", "\n").rstrip("\n")
    out.print(Text.from_ansi(f"$ irqbal {' '.join(words)}\n{said}"))
    save(name, out.export_svg(title="irqbal", unique_id=name))


def _queue(index: int) -> str:
    return f"ice-eth{index // 4}-TxRx-{index % 4}"


def _work(tree: Tree, child: subprocess.Popen[bytes]) -> None:
    while child.poll() is None:
        for index in range(8):
            tree.count(_queue(index), 200 * (index % 4 + 1)).spend(
                index % 3, softirq=0.004 * (index % 4 + 1)
            )
        tree.flush()
        time.sleep(0.1)


def trial(chromium: Browser, host: DashboardSite) -> None:
    """The page of a trial: eth0's queues on one CPU beside where irqbal has them."""
    piled = "policies:\n  - pin_irqs: {rules: [{queue: 'eth0/*', cpus: '3'}]}\n"
    body = {"window": "2s", "settle": "200ms", "windows": 20, "against": piled}
    name = host.send("POST", "/trials", body)["id"]
    while host.send("POST", f"/trials/{name}/beat", {})["phase"] != "ended":
        time.sleep(1)
    take(chromium, host, f"trials?id={name}", "trials", tallest=1000)


def main() -> None:
    """All of them."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        root = Path(folder)
        command(root, "plan", 110, "plan")
        command(root, "explain", 110, "explain", "ice-eth1-TxRx-2")
        command(root, "topology", 110, "topology")
        (root / "large").mkdir()
        with site(root, SPEC) as host:
            time.sleep(RECORDED)
            # Playwright has a loop of its own in this thread.
            with ThreadPoolExecutor(1) as other:
                other.submit(top, host).result()
            take(chromium, host, "now", "now", tallest=1350)
            take(chromium, host, "nics/eth0", "nics")
            take(chromium, host, "whatif", "whatif")
            take(chromium, host, "irq/34", "irq")
            take(chromium, host, "decisions?kind=move", "decisions", tallest=1000)
            take(chromium, host, "history?for=60", "history")
            take(chromium, host, "now", "now-dark", scheme="dark", tallest=1350)
            take(chromium, host, "now", "now-phone", width=390, tallest=1700)
            trial(chromium, host)
        (root / "dry").mkdir()
        with site(
            root / "dry", SPEC, "interval: 1s\ndry_run: true\nhistory: {every: 1s}\n"
        ) as host:
            time.sleep(8)
            take(chromium, host, "plan", "dry-run", tallest=1000)
        with site(root / "large", LARGE, "interval: 2s\n") as host:
            time.sleep(6)
            take(chromium, host, "now", "now-512-cpus", tallest=1950)


if __name__ == "__main__":
    main()
