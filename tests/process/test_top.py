"""`irqbal-client top` on terminals of two sizes, key by key, against a whole daemon on a made-up
host.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from rich.cells import cell_len
from textual import events

import machine
import served
from irqbal.api.contract import responses
from irqbal.client.http import Client, DaemonUnreachable, Target
from irqbal.cpuset import CpuSet

if TYPE_CHECKING:
    # Not at once: other tests look at a client without Textual.
    from textual.message_pump import MessagePump
    from textual.pilot import Pilot

    from irqbal.client.top.app import Top
    from irqbal.client.top.options import TopOptions

NARROW, WIDE = (80, 24), (200, 60)
CHARACTERS = {
    "space": " ",
    "minus": "-",
    "colon": ":",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "slash": "/",
    "comma": ",",
    "question_mark": "?",
}
NAMES = {char: key for key, char in CHARACTERS.items()}


@pytest.fixture(scope="module")
def daemon() -> Iterator[served.Served]:
    with served.serve_quick() as found:
        yield found


class DrawnScreen:
    """A screen that runs, and what can be read on it."""

    def __init__(self, app: Top, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    def text(self) -> str:
        """All that is on the screen, line by line."""
        lines = [strip.text for strip in self.app.screen._compositor.render_strips()]
        assert all(cell_len(line) <= self.app.size.width for line in lines)
        return "\n".join(line.rstrip() for line in lines)

    def line(self, index: int) -> str:
        return self.text().split("\n")[index]

    async def press(self, *keys: str) -> None:
        for key in keys:
            character = CHARACTERS.get(key, key if len(key) == 1 else None)
            # The pilot's own way waits for a process that has nothing to do, which on a busy
            # machine takes long.
            self.app.post_message(events.Key(key, character))
            await self._processed()

    async def open(self, key: str) -> None:
        """Press a key that opens a dialog."""
        await self.press(key)
        await self.until(lambda: len(self.app.screen_stack) == 2)

    async def leave(self, key: str) -> None:
        """Press a key that closes the dialog."""
        await self.leave_to(1, key)

    async def leave_to(self, screens: int, key: str) -> None:
        """Press a key after which so many screens are left."""
        await self.press(key)
        await self.until(lambda: len(self.app.screen_stack) == screens)

    async def _processed(self) -> None:
        """Wait until the key went its whole way: from the app to what has the focus, and up again
        as long as nobody takes it.
        """
        await self._idle(self.app)
        if self.app.is_running:
            for node in (self.app.focused or self.app.screen).ancestors_with_self:
                await self._idle(node)

    async def _idle(self, node: MessagePump) -> None:
        """Wait until a widget has processed all that waits for it now, or is gone."""
        done = asyncio.Event()
        if node.call_later(done.set):
            end = time.monotonic() + machine.WAIT
            while node.is_running and not done.is_set():
                assert time.monotonic() < end, self.text()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(done.wait(), 0.1)

    async def write(self, text: str) -> None:
        """Type it."""
        await self.press(*[NAMES.get(char, char) for char in text])

    async def until(self, condition: Callable[[], object], seconds: float = machine.WAIT) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.text()
            await asyncio.sleep(0.02)

    async def has(self, *words: str) -> None:
        """Wait until all of these are on the screen."""
        await self.until(lambda: all(word in self.text() for word in words))

    def numbers(self) -> list[int]:
        return [irq.number for irq in self.app.table.shown]

    async def choose(self, number: int) -> None:
        """Go to an IRQ with the keys."""
        await self.press("home")
        for _ in range(100):
            current = self.app.table.current
            assert current is not None
            if current.number == number:
                return
            await self.press("down")
        raise AssertionError(f"no IRQ {number}: {self.text()}")


@contextlib.asynccontextmanager
async def opened(
    client: Client, size: tuple[int, int], options: TopOptions | None, wait: bool
) -> AsyncIterator[DrawnScreen]:
    from irqbal.client.top.app import Top

    app = Top(client, options)
    async with app.run_test(size=size) as pilot:
        seen = DrawnScreen(app, pilot)
        await seen.until(lambda: app.table.shown or not wait)
        yield seen


def screen(
    where: served.Served | Client,
    size: tuple[int, int],
    act: Callable[[DrawnScreen], Coroutine[Any, Any, None]],
    options: TopOptions | None = None,
    wait: bool = True,
) -> None:
    """Open the screen, over the socket where this user may do everything, wait for a reading, and
    act.
    """

    async def run() -> None:
        async with opened(
            Client(Target(path=str(where.socket))) if isinstance(where, served.Served) else where,
            size,
            options,
            wait,
        ) as seen:
            await act(seen)

    asyncio.run(run())


def irq_of(daemon: served.Served, number: int) -> dict[str, Any]:
    found: dict[str, Any] = daemon.get(f"/api/v1/irqs/{number}")
    return found


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["80x24", "200x60"])
def test_all_at_a_glance(daemon: served.Served, size: tuple[int, int]) -> None:
    async def act(seen: DrawnScreen) -> None:
        await seen.has(
            "balancing",
            "16 CPUs, 28 IRQs",
            "busiest CPU",
            "RATE/S",
            "LOAD %▼",
            "CPUS",
            "ON",
            "POLICY",
            "q quit",
        )
        # Which IRQs have most to do is known only after a few of the daemon's cycles.
        await seen.has("ice-eth1-TxRx-3", "eth1/rxtx-3", "pin_nic_queues", "nvme0")
        text = seen.text()
        assert len(text.split("\n")) == size[1]
        loads = [irq.load for irq in seen.app.table.shown]
        assert loads == sorted(loads, reverse=True)
        if size == WIDE:
            # The tree stands beside the table, and every CPU has its bar.
            assert (
                "node 1 " in text
                and "L3 8 " in text
                and "CPU 15 " in text
                and "queue 3 of eth1" in text
            )
        else:
            assert "node 0  8 CPUs" in text and "node 1  8 CPUs" in text

    screen(daemon, size, act)


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["80x24", "200x60"])
def test_filter_and_sort(daemon: served.Served, size: tuple[int, int]) -> None:
    async def act(seen: DrawnScreen) -> None:
        await seen.press("slash")
        await seen.write("eth1 rxtx")
        assert len(seen.numbers()) == 8
        await seen.press("enter")
        await seen.has("8 of 28 IRQs contain “eth1 rxtx”")
        keys = []
        for _ in range(8):
            keys.append(seen.app.table.key)
            await seen.press("s")
        assert keys == ["load", "cpus", "on", "policy", "irq", "name", "queue", "rate"]
        await seen.press("S", "S", "S", "S")
        assert seen.app.table.key == "irq"
        await seen.has("by IRQ, smallest first", "IRQ▲")
        assert seen.numbers() == sorted(seen.numbers())
        await seen.press("r")
        assert seen.numbers() == sorted(seen.numbers(), reverse=True)
        await seen.press("escape")
        assert len(seen.numbers()) == 28
        await seen.press("slash")
        await seen.write("cpu:3 nvme")
        assert [irq.name for irq in seen.app.table.shown] == [
            irq.name for irq in seen.app.table.shown if irq.name.startswith("nvme")
        ]
        await seen.press("ctrl+u")
        await seen.write("[b]x")
        await seen.press("enter")
        await seen.has("no IRQ matches", "0 of 28 IRQs contain “[b]x”")
        await seen.press("o", "c", "enter")
        await seen.has("there is no IRQ to choose")
        # The head of a column sorts, and again turns it round.
        await seen.press("escape")
        await seen.pilot.click("#irqs", offset=(1, 0))
        assert seen.app.table.key == "irq"

    screen(daemon, size, act)


def test_the_cursor_stays_on_its_irq(daemon: served.Served) -> None:
    async def act(seen: DrawnScreen) -> None:
        await seen.press("down", "j", "down", "up", "k", "down")
        chosen = seen.app.table.current
        assert chosen is not None and chosen.number == seen.numbers()[2]
        await seen.press("s", "s", "r")
        now = seen.app.table.current
        assert now is not None and now.number == chosen.number
        assert chosen.name[-7:] in seen.text()
        await seen.press("end")
        assert seen.app.table.current == seen.app.table.shown[-1]
        assert f"{seen.numbers()[-1]} " in seen.line(21)
        await seen.press("pageup", "pagedown", "space", "home")
        assert seen.app.table.current == seen.app.table.shown[0]

    screen(daemon, NARROW, act)


def test_tree_help_and_why(daemon: served.Served) -> None:
    async def act(seen: DrawnScreen) -> None:
        await seen.press("t")
        await seen.has("▼ node 0", "▼ L3 0", "CPU 5 ")
        assert "POLICY" not in seen.text()
        await seen.press("enter")
        await seen.has("▶ node 0")
        await seen.press("slash", "enter")
        await seen.has("POLICY")
        await seen.press("question_mark")
        # All of it fits in 24 lines.
        await seen.has("up down j k", "sort by the next column", "isolated.")
        await seen.press("j", "k")
        await seen.leave("q")
        await seen.press("home", "enter")
        await seen.has("identity", "pin_nic_queues", "queue 3 of eth1")
        await seen.leave("escape")
        await seen.until(lambda: "identity" not in seen.text())

    screen(daemon, NARROW, act)


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["80x24", "200x60"])
def test_an_override_is_set_and_cleared(daemon: served.Served, size: tuple[int, int]) -> None:
    number = daemon.irq(index=4)["number"]

    async def act(seen: DrawnScreen) -> None:
        await seen.choose(number)
        await seen.press("c")
        await seen.has(f"IRQ {number} has no override")
        await seen.press("o")
        await seen.has("Override the policies for IRQ")
        # What is wrong is said, by us or by the daemon, and can be mended.
        await seen.press("ctrl+u")
        await seen.write("x")
        await seen.press("enter")
        await seen.has("'x' is not a CPU set")
        await seen.press("ctrl+u")
        await seen.write("900")
        await seen.press("enter")
        await seen.has("900", "online")
        await seen.press("ctrl+u", "5", "comma", "6", "tab")
        await seen.write("1h")
        await seen.press("tab")
        await seen.write("why [b]not[/b]")
        await seen.press("enter")
        await seen.has(f"IRQ {number} is on CPUs 5-6 by your override")
        await seen.has("1 override")
        assert daemon.masks()[number] == "5-6"
        noted = daemon.get("/api/v1/overrides")
        assert [(one["irq"], one["reason"], one["expires"] is None) for one in noted] == [
            (number, "why [b]not[/b]", False)
        ]
        await seen.until(
            lambda: (current := seen.app.table.current) is not None and current.override
        )
        await seen.open("enter")
        await seen.has("why [b]not[/b]")
        await seen.leave("q")
        await seen.open("c")
        await seen.has(f"Clear the override of IRQ {number}", "on CPUs 5-6.", "y clears it")
        # Whoever pressed it by mistake has changed nothing.
        await seen.leave("escape")
        assert len(daemon.get("/api/v1/overrides")) == 1
        await seen.press("c")
        await seen.has("y clears it")
        await seen.press("y")
        await seen.has(f"IRQ {number}: the override is removed", "o sets one again")
        assert daemon.get("/api/v1/overrides") == []
        assert daemon.masks()[number] != "5-6"
        # Escape leaves the form, and nothing is done.
        await seen.open("o")
        await seen.leave("escape")
        await seen.until(lambda: "Override the policies" not in seen.text())

    screen(daemon, size, act)


def test_what_cannot_be_moved_is_said(daemon: served.Served) -> None:
    number = daemon.irq(movable=False)["number"]

    async def act(seen: DrawnScreen) -> None:
        await seen.choose(number)
        await seen.press("o")
        await seen.has(f"IRQ {number} cannot be moved")

    screen(daemon, NARROW, act)


def test_pause_and_resume(daemon: served.Served) -> None:
    async def act(seen: DrawnScreen) -> None:
        await seen.press("p")
        await seen.has("Pause irqbal on ", "until it is resumed.", "y pauses it")
        await seen.press("n")
        await seen.until(lambda: "y pauses it" not in seen.text())
        assert not daemon.get("/api/v1/status")["paused"]
        await seen.press("p", "y")
        await seen.has("paused: the daemon writes nothing; p resumes it", "p resume", "q quit")
        assert daemon.get("/api/v1/status")["paused"]
        await seen.press("p")
        await seen.has("resumed", "p pause", "balancing")
        assert not daemon.get("/api/v1/status")["paused"]

    screen(daemon, NARROW, act)


def test_p_means_resume_as_soon_as_the_daemon_said_that_it_is_paused(daemon: served.Served) -> None:
    async def act(seen: DrawnScreen) -> None:
        # No reading comes any more that could tell.
        seen.app.feed.stop()
        await seen.press("p", "y")
        await seen.has("paused: the daemon writes nothing; p resumes it", "p resume")
        await seen.press("p")
        await seen.has("resumed: the daemon balances again", "p pause")
        assert not daemon.get("/api/v1/status")["paused"]

    screen(daemon, NARROW, act)


def test_who_may_only_read_is_asked_for_a_token(daemon: served.Served) -> None:
    number = daemon.irq(index=4)["number"]

    async def act(seen: DrawnScreen) -> None:
        await seen.press("p", "y")
        await seen.has("A token for the daemon at 127.0.0.1", "a token with the scope admin")
        # Whoever has none goes on reading.
        await seen.leave("escape")
        await seen.has("this needs a token with the scope admin", "p pause")
        assert not daemon.get("/api/v1/status")["paused"]
        await seen.press("p", "y")
        await seen.has("enter sends it")
        await seen.press("enter")
        await seen.has("no token was typed")
        await seen.write("wrong")
        await seen.press("enter")
        await seen.has("this token is not valid", "enter sends it")
        assert "wrong" not in seen.text()
        await seen.press("ctrl+u")
        await seen.write(daemon.token("override", "override"))
        await seen.press("enter")
        await seen.has("token override has the scope override")
        await seen.press("ctrl+u")
        await seen.write(daemon.admin)
        await seen.press("enter")
        await seen.has("paused: the daemon writes nothing", "p resume")
        # It is not asked for again.
        await seen.press("p")
        await seen.has("resumed", "balancing")

    screen(Client(Target("127.0.0.1", daemon.port)), WIDE, act)

    async def override(seen: DrawnScreen) -> None:
        # The form of the override stays below, with what was typed.
        await seen.choose(number)
        await seen.open("o")
        await seen.press("ctrl+u")
        await seen.write("5")
        await seen.press("enter")
        await seen.has("a token with the scope override")
        await seen.leave_to(2, "escape")
        await seen.has("Override the policies", "a token with the scope override")
        await seen.press("enter")
        await seen.has("enter sends it")
        await seen.write(daemon.admin)
        await seen.press("enter")
        await seen.has(f"IRQ {number} is on CPUs 5 by your override")
        await seen.until(
            lambda: (current := seen.app.table.current) is not None and current.override
        )
        await seen.press("c")
        await seen.has("y clears it")
        await seen.press("y")
        await seen.has("the override is removed")

    screen(Client(Target("127.0.0.1", daemon.port)), WIDE, override)


def test_a_stale_token_is_dropped_and_a_change_asks(daemon: served.Served) -> None:
    async def act(seen: DrawnScreen) -> None:
        await seen.has("your token is not valid any more: reading goes on without one", "balancing")
        await seen.press("p", "y")
        await seen.has("a token with the scope admin")
        await seen.write(daemon.admin)
        await seen.press("enter")
        await seen.has("p resume")
        await seen.press("p")
        await seen.has("balancing")

    screen(Client(Target("127.0.0.1", daemon.port), "stale"), WIDE, act)


def test_where_reading_needs_a_token_it_is_asked_for() -> None:
    with served.serve(api="anonymous: none", rest="interval: 300ms\nhistory: off\n") as closed:

        async def act(seen: DrawnScreen) -> None:
            await seen.has("A token for the daemon", "with the scope read")
            await seen.leave("escape")
            await seen.has("NO TOKEN for ", "T asks for one")
            await seen.open("T")
            await seen.write(closed.admin)
            await seen.press("enter")
            await seen.has("ice-eth1-TxRx-3", "balancing", "LOAD %▼")
            # A daemon without a history says so.
            await seen.press("d")
            await seen.has("history")

        screen(Client(Target("127.0.0.1", closed.port)), WIDE, act, wait=False)


def test_the_verdict_and_the_way_to_what_it_is_about(daemon: served.Served) -> None:
    number = daemon.irq(index=3)["number"]
    path = f"/api/v1/irqs/{number}/override"
    body = {"cpus": "6", "expires_in": "10m", "reason": "trying"}
    assert daemon.ask("PUT", path, body, where="unix").status == 200

    async def act(seen: DrawnScreen) -> None:
        answer = daemon.get("/api/v1/findings")
        assert answer["verdict"] in ("look", "act")
        await seen.until(lambda: seen.line(2).split()[0] in ("LOOK", "ACT"))
        # The filter hides the IRQ that the finding is about.
        await seen.press("slash")
        await seen.write("nvme")
        await seen.press("enter")
        assert number not in seen.numbers()
        await seen.open("f")
        await seen.has(f"IRQ {number}", "[override-ends]", "enter goes to the item's IRQ")
        await seen.press("k", "end")
        await seen.leave("enter")
        current = seen.app.table.current
        assert current is not None and current.number == number
        await seen.has("28 IRQs by LOAD %")
        # The list is of now.
        await seen.open("f")
        await seen.has("[override-ends]")
        assert daemon.ask("DELETE", path, where="unix").status == 200
        await seen.until(lambda: "[override-ends]" not in seen.text())
        await seen.leave("f")

    try:
        screen(daemon, NARROW, act)
    finally:
        daemon.ask("DELETE", path, where="unix")


def test_a_dialog_that_closes_holds_no_reading_up(
    daemon: served.Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Textual was to call after the dialog's next refresh is lost with it."""

    async def act(seen: DrawnScreen) -> None:
        seen.app.feed.stop()
        await seen.open("question_mark")
        shown: list[bool] = []
        monkeypatch.setattr(seen.app.feed, "shown", lambda: shown.append(True))
        await seen.leave("q")
        assert shown

    screen(daemon, NARROW, act)


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["80x24", "200x60"])
def test_nics_with_their_queues(daemon: served.Served, size: tuple[int, int]) -> None:
    number = next(
        irq["number"] for irq in daemon.get("/api/v1/irqs") if irq["name"] == "ice-eth1-TxRx-0"
    )
    path = f"/api/v1/irqs/{number}/override"
    assert daemon.ask("PUT", path, {"cpus": "0"}, where="unix").status == 200

    async def act(seen: DrawnScreen) -> None:
        await seen.press("n")
        await seen.has("eth0  node 0  ", "8 rx and 8 tx queues, 8 IRQs", "rxtx-7", "XPS")
        await seen.has("2 interfaces, 16 queues", "i IRQs")
        assert "POLICY" not in seen.text()
        if size == WIDE:
            await seen.has("! remote: its NIC is on node 1; override", "3,11", "CPU 15 ")
        # The cursor follows its queue, the keys act on its IRQ, and Enter goes there.
        await seen.press("end", "up")
        for _ in range(7):
            await seen.press("up")
        await seen.has(f"rxtx-0  {number}")
        await seen.press("o")
        await seen.has(f"Override the policies for IRQ {number}")
        await seen.leave("escape")
        await seen.press("enter")
        await seen.has("POLICY")
        current = seen.app.table.current
        assert current is not None and current.number == number
        for key in ("i", "escape"):
            await seen.press("n")
            await seen.has("REMARKS")
            await seen.press(key)
            await seen.has("POLICY")

    try:
        screen(daemon, size, act)
    finally:
        assert daemon.ask("DELETE", path, where="unix").status == 200


def test_decisions_by_cycle_and_new_ones_come(daemon: served.Served) -> None:
    number = daemon.irq(index=5)["number"]
    path = f"/api/v1/irqs/{number}/override"

    async def act(seen: DrawnScreen) -> None:
        await seen.press("d")
        await seen.has("cycle ", "CHANGE", "newest", "i IRQs")
        body = {"cpus": "7", "reason": "seen by top"}
        assert daemon.ask("PUT", path, body, where="unix").status == 200
        await seen.has("seen by top", "1 override")
        await seen.press("home", "down", "enter")
        await seen.has("POLICY")
        # What is typed for the table shows the table.
        await seen.press("d", "s")
        await seen.has("POLICY", "by CPUS")

    try:
        screen(daemon, WIDE, act)
    finally:
        assert daemon.ask("DELETE", path, where="unix").status == 200


def test_the_headline_is_the_largest_bar(daemon: served.Served) -> None:
    async def act(seen: DrawnScreen) -> None:
        moments: set[float] = set()
        while len(moments) < 5:
            await seen.until(lambda: seen.app.last_reading is not None)
            reading = seen.app.last_reading
            assert reading is not None and reading.status.last is not None
            if reading.status.last.measured in moments:
                await asyncio.sleep(0.05)
                continue
            moments.add(reading.status.last.measured or 0.0)
            largest = max(cpu.load for cpu in reading.cpus)
            assert reading.status.last.busiest == pytest.approx(largest, abs=0.001)
            parts = dict.fromkeys((cpu.number for cpu in reading.cpus), 0.0)
            for irq in reading.irqs:
                if len(irq.effective) == 1:
                    parts[irq.effective.first] += irq.load
            assert all(parts[cpu.number] <= cpu.load + 1e-5 for cpu in reading.cpus)
        # … and the screen shows these very figures.
        text = seen.text()
        head = float(text.partition("busiest CPU ")[2].split()[0])
        bar = float(seen.line(3).partition(" %")[0].split()[-1])
        assert head == pytest.approx(bar, abs=0.1001)

    screen(daemon, NARROW, act)


def test_in_ascii(daemon: served.Served) -> None:
    from irqbal.client.top.options import TopOptions

    async def act(seen: DrawnScreen) -> None:
        await seen.has("LOAD %v", "v node 0", "###", "`")
        for key in ("n", "d", "f"):
            assert seen.text().isascii()
            await seen.press(key)
        await seen.has("-----+")
        assert seen.text().isascii()

    screen(daemon, WIDE, act, options=TopOptions(ascii_only=True))


def test_so_many_readings_and_so_far_apart(daemon: served.Served) -> None:
    from irqbal.client.top.options import TopOptions

    async def act(seen: DrawnScreen) -> None:
        begun = time.monotonic()
        await seen.until(lambda: not seen.app.is_running)
        assert time.monotonic() - begun > 0.5

    screen(daemon, NARROW, act, options=TopOptions(delay=0.6, count=2))


def test_quit(daemon: served.Served) -> None:
    for key in ("q", "ctrl+c"):

        async def act(seen: DrawnScreen, key: str = key) -> None:
            await seen.press(key)
            await seen.until(lambda: not seen.app.is_running)
            # What comes late is nobody's.
            seen.app.run_here(lambda: pytest.fail("told"))

        screen(daemon, NARROW, act)


def test_the_daemon_goes_and_comes_back(tmp_path: Path) -> None:
    config = tmp_path / "irqbal.yaml"
    config.write_text(
        f"state_dir: {tmp_path / 'state'}\ninterval: 300ms\nhistory: {{every: 10s}}\napi: "
        f"{{listen: []}}\n"
    )
    words = ("--simulate", served.SPEC, "-c", str(config))
    client = Client(Target(path=str(tmp_path / "state/run/irqbal.sock")))

    first = contextlib.ExitStack()

    async def act(seen: DrawnScreen) -> None:
        await seen.has("balancing")
        first.close()
        await seen.has("DAEMON SILENT for", "No such file", "ice-eth1-TxRx-3")
        await seen.press("p", "enter")
        await seen.has("the daemon at unix:")
        with machine.daemon(*words, log=tmp_path / "log2"):
            await seen.has("the daemon answers again")
            assert "SILENT" not in seen.text()

    with first:
        first.enter_context(machine.daemon(*words, log=tmp_path / "log"))
        machine.wait_for(lambda: _answers(client))
        screen(client, NARROW, act)


def _answers(client: Client) -> bool:
    with contextlib.suppress(Exception):
        return client.ask("status", responses.Status).last is not None
    return False


class MadeUpDaemon:
    """Answers of a host that no machine here has: 512 CPUs, names that look like markup and
    commands to a terminal.
    """

    target, on, clock_skew = Target("made", 1), "", 0.0

    def __init__(self, daemon: served.Served) -> None:
        client = Client(Target(path=str(daemon.socket)))
        self._status = msgspec.structs.replace(
            client.ask("status", responses.Status), cpus=512, irqs=3000
        )
        irq = client.ask("irqs", tuple[responses.IrqView, ...])[2]
        cpu = client.ask("cpus", tuple[responses.CpuView, ...])[0]
        change = msgspec.structs.replace
        self._irqs = tuple(
            change(
                irq,
                number=number,
                name=f"[red]irq-{number}[/] \x1b[31m\u202e",
                affinity=CpuSet(range(0, 512, 2)),
                load=number / 3000,
                policy="[link=x]" * 5,
                rate=1e7,
            )
            for number in range(3000)
        )
        self._cpus = tuple(
            change(
                cpu,
                number=number,
                node=number // 64,
                core=number % 256,
                l3=number // 16 * 16,
                load=(number * 37 % 512) / 512,
            )
            for number in range(512)
        )

    def ask(self, name: str, kind: object, *_: object, **__: object) -> object:
        if name == "findings":
            raise DaemonUnreachable("it has no such route")
        return {"status": self._status, "irqs": self._irqs, "cpus": self._cpus}[name]


@pytest.mark.parametrize("size", [NARROW, WIDE, (30, 8)], ids=["80x24", "200x60", "30x8"])
def test_a_host_of_512_cpus_fits_and_nothing_is_markup(
    daemon: served.Served, size: tuple[int, int]
) -> None:
    async def act(seen: DrawnScreen) -> None:
        await seen.has("512" if size != (30, 8) else "[red]")
        text = seen.text()
        assert "\x1b" not in text and "\u202e" not in text and text.count("\n") == size[1] - 1
        if size != (30, 8):
            assert "512 CPUs, 3000 IRQs" in text and ("more, less busy" in text or size == WIDE)
            assert "  99.8 %" in text and "10.0M" in text
        await seen.press("t")
        begun = time.monotonic()
        await seen.press("t", "s", "end", "home")
        assert time.monotonic() - begun < 200

    screen(cast(Client, MadeUpDaemon(daemon)), size, act)
