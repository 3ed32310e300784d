"""Everything that a daemon finds on its host stands in the list on Now, and its link leads to where
it is mended; verdict and list are the same wherever they are shown.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import machine
from chromium import WatchedPage, watched
from irqbal.findings.finding import SEVERITIES as RANKED
from irqbal.render.disturbance_texts import DISTURBANCE_TEXTS
from served import free_port
from trees import make_tree
from treespecs import Disk, Nic, TreeSpec
from troubled import PINNED, TroubledHost, killed_planner, on_tree, troubled

CLIENT = str(Path(machine.IRQBAL).with_name("irqbal-client"))
SMALL = TreeSpec(cores=4, devices=(Nic("ice", "eth0", queues=4),))
"""A host whose cards and CPUs need nothing."""
WITH_DISK = TreeSpec(
    cores=4, devices=(Nic("ice", "eth0", queues=4), Disk("nvme", "nvme0", queues=2))
)
"""The same with a disk, whose queues' IRQs nobody can move."""
SEVERITIES = {str(code): str(severity) for code, severity in RANKED.items()}
FOCUSED = """wanted => [document.activeElement.textContent,
  document.activeElement.matches(wanted)]"""
OF_VERIFY = frozenset({"mask", "steering", *map(str, DISTURBANCE_TEXTS)})
"""What `irqbal verify` alone finds: where masks are not those of the plan that it makes, and what
disturbs isolated CPUs.
"""


class Lead(msgspec.Struct, frozen=True):
    """Where an item of the list leads: the link's text, the heading of the page, and words that
    stand there, in sight. `part`: where on the page; `button`: what it offers. `{...}` are IRQs'
    numbers by name.
    """

    code: str
    subject: str
    link: str
    heading: str
    words: tuple[str, ...]
    part: str = "main"
    button: str = ""


TODO = "[aria-label='What to do']"
QUEUE = "ice-eth0-TxRx-"
LEADS = (
    Lead(
        "saturated",
        "1",
        f"IRQ {{{QUEUE}0}}",
        f"IRQ {{{QUEUE}0}}",
        ("ethtool -X eth0", "CPU 1"),
        TODO,
    ),
    Lead("saturated", "1", "CPU 1", "Now", ("CPU 1", f"{{{QUEUE}0}}"), ".detail"),
    Lead(
        "policy-failed",
        "licensed",
        "licensed",
        "Policy licensed",
        ("its licence has ended", "systemctl reload irqbal", "journalctl -u irqbal -g licensed"),
    ),
    Lead(
        "policy-failed",
        "newer",
        "newer",
        "Policy newer",
        ("is written for irqbal's API 9", "upgrade irqbal", "systemctl reload irqbal"),
    ),
    Lead(
        "writer",
        "irqbalance",
        "What others changed",
        "Decisions",
        ("irqbalance is running", "leave this work to one of the two"),
        TODO,
    ),
    Lead(
        "isolated",
        f"{{{QUEUE}2}}",
        f"IRQ {{{QUEUE}2}}",
        f"IRQ {{{QUEUE}2}}",
        ("fires on isolated CPU 3", "enable isolate_cores"),
        TODO,
    ),
    Lead(
        "isolated-thread",
        "77",
        f"IRQ {{{QUEUE}0}}",
        f"IRQ {{{QUEUE}0}}",
        ("taskset -pc 0-2,4-15 77",),
        TODO,
    ),
    Lead("isolated-thread", "78", "eth0", "NIC eth0", ("taskset -pc 0-2,4-15 78",), TODO),
    Lead(
        "unknown-queues", "eth9", "eth9", "NIC eth9", ("2 active queues", "irqbal_identify"), TODO
    ),
    Lead(
        "remote-queue",
        f"{{{QUEUE}1}}",
        f"IRQ {{{QUEUE}1}}",
        f"IRQ {{{QUEUE}1}}",
        ("off its NIC's node", "enable pin_nic_queues"),
        TODO,
    ),
    Lead(
        "paused",
        "pause",
        "Decisions",
        "Decisions",
        ("paused until resumed", "token admin"),
        "[aria-label=Decisions]",
        "Resume",
    ),
    Lead(
        "override-ends",
        "strange-a",
        "Overrides",
        "Overrides",
        ("strange-a", "a measurement"),
        "tbody tr",
        "Clear the override of strange-a",
    ),
    Lead(
        "override-ends",
        "strange-a",
        "IRQ {strange-a}",
        "IRQ {strange-a}",
        ("set it again if it is to stay",),
        TODO,
        "Set the override",
    ),
    Lead(
        "drift",
        "drift",
        "What others changed",
        "Decisions",
        (PINNED, "another program changed the mask"),
        "[aria-label=Decisions]",
    ),
    Lead("shared-core", "1", "CPU 1", "Now", ("CPU 1", "threads 1,9"), ".detail"),
    Lead(
        "beside-disk",
        f"{{{QUEUE}4}}",
        f"IRQ {{{QUEUE}4}}",
        f"IRQ {{{QUEUE}4}}",
        ("nvme0q1", "enable spread_by_rate"),
        TODO,
    ),
    Lead("queue-count", "eth0", "eth0", "NIC eth0", ("ethtool -L eth0 combined 4",), TODO),
)
LEADS_WITHOUT_PLAN = (
    Lead(
        "no-plan",
        "plan",
        "The plan",
        "Plan",
        ("There is no plan: the policy host failed",),
        ".verdict",
    ),
    Lead(
        "no-plan",
        "plan",
        "Policies",
        "Policies",
        ("ended by signal 9", "journalctl -u irqbal -p warning"),
        TODO,
    ),
    Lead(
        "outbox",
        "outbox",
        "History",
        "History",
        ("wait for MongoDB", "the log says why they are not shipped"),
        TODO,
    ),
)
LEADS_OF_DRY_RUN = (
    Lead(
        "dry-run",
        "dry run",
        "The plan",
        "Plan",
        ("started without --dry-run and with dry_run: false",),
        TODO,
    ),
    Lead(
        "policy-note",
        "pin_irqs",
        "pin_irqs",
        "Policy pin_irqs",
        ("rule 1 (irq: nobody) does nothing", "irqbal topology lists the names"),
        TODO,
    ),
    Lead(
        "refused",
        "refused",
        "The plan",
        "Plan",
        ("1 IRQ is not where a policy or a person wants them", "irqbal plan has each"),
        TODO,
    ),
    Lead(
        "possible-writer",
        "tuned",
        "Decisions",
        "Decisions",
        ("tuned is running", "if masks change, irqbal decisions says which and when"),
        TODO,
    ),
    Lead(
        "no-history",
        "history",
        "History",
        "History",
        ("no history is recorded", "until that is changed"),
        TODO,
    ),
)


class TroubledHosts(msgspec.Struct, frozen=True):
    """`sick` has most of what can be found; on `planless` the planner's process dies, and MongoDB
    is away; `dry` only plans, and records nothing.
    """

    sick: TroubledHost
    planless: TroubledHost
    dry: TroubledHost


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TroubledHosts]:
    with contextlib.ExitStack() as stack:
        folder = tmp_path_factory.mktemp("planless")
        away = f"mongodb://127.0.0.1:{free_port()}"
        planless = stack.enter_context(
            on_tree(
                folder,
                make_tree(folder / "tree", SMALL),
                f"interval: 1s\nhistory: {{every: 200ms, mongodb: {{url: '{away}'}}}}\n",
            )
        )
        folder = tmp_path_factory.mktemp("dry")
        rest = (
            "interval: 1s\nhistory: off\npolicies:\n  - pin_irqs: {rules: [{irq: nobody, "
            "cpus: '0'}, {irq: nvme0q1, cpus: '1'}]}\n  - pin_nic_queues\n"
        )
        tree = make_tree(folder / "tree", WITH_DISK)
        tree.say("proc/4243/comm", "tuned\n")
        dry = stack.enter_context(on_tree(folder, tree, rest, "--dry-run"))
        sick = stack.enter_context(troubled(tmp_path_factory.mktemp("sick")))
        _make_sick(sick)
        machine.wait_for(lambda: "outbox" in planless.codes(), planless.log)
        stack.enter_context(killed_planner(planless))
        planless.ask("POST", "/cycle")
        machine.wait_for(lambda: planless.codes() == {"no-plan", "outbox"}, planless.log)
        yield TroubledHosts(sick, planless, dry)


def _make_sick(host: TroubledHost) -> None:
    """What comes after the start: another program's write, an override, a pause."""
    machine.wait_for(lambda: host.site.cycles() >= 3, host.log)
    host.tree.say("proc/4242/comm", "irqbalance\n")
    # It takes effect with the next interrupt; irqbal may be faster.
    host.tree.place(PINNED, "6", effective=8)
    _override(host, "12m")
    machine.wait_for(lambda: {"drift", "writer"} <= host.codes(), host.log)
    host.ask("POST", "/pause", {"for": None})
    wanted = {lead.code for lead in LEADS}
    machine.wait_for(lambda: host.codes() == wanted, host.log)


def _override(host: TroubledHost, time: str) -> None:
    body = {"cpus": "1", "expires_in": time, "reason": "a measurement"}
    host.ask("PUT", f"/irqs/{host.tree.number('strange-a')}/override", body)


@pytest.fixture(scope="module")
def pages(chromium: Browser, hosts: TroubledHosts) -> Iterator[dict[str, WatchedPage]]:
    """A page of each host, as root."""
    with contextlib.ExitStack() as stack:
        found = {
            name: stack.enter_context(watched(chromium, host.site, token=host.site.token))
            for name, host in _named(hosts).items()
        }
        yield found
        for name, page in found.items():
            unavailable = [text for text in page.problems if "503" not in text]
            assert unavailable == [], name


def _named(hosts: TroubledHosts) -> dict[str, TroubledHost]:
    return {"sick": hosts.sick, "planless": hosts.planless, "dry": hosts.dry}


ALL_LEADS = [
    *(("sick", lead) for lead in LEADS),
    *(("planless", lead) for lead in LEADS_WITHOUT_PLAN),
    *(("dry", lead) for lead in LEADS_OF_DRY_RUN),
]


def test_every_kind_that_a_daemon_can_show_is_followed_here() -> None:
    # test_trials_view follows that of a trial.
    assert {lead.code for _, lead in ALL_LEADS} == SEVERITIES.keys() - OF_VERIFY - {"trial"}


@pytest.mark.parametrize(
    ("name", "lead"),
    ALL_LEADS,
    ids=[f"{lead.code}-{lead.subject}-{lead.link}" for _, lead in ALL_LEADS],
)
def test_a_link_of_the_list_leads_to_where_the_finding_is_mended(
    hosts: TroubledHosts, pages: dict[str, WatchedPage], name: str, lead: Lead
) -> None:
    host, shown = _named(hosts)[name], pages[name]
    names = {line.action: line.number for line in host.tree.lines.values()}
    lead = msgspec.convert(
        msgspec.json.decode(_numbered(msgspec.json.encode(lead).decode(), names)), Lead
    )
    page = shown.page
    shown.open("now")
    _unfold(page)
    link = _link(page, lead)
    link.click()
    _arrived(shown, lead)
    shown.open("now")
    _tab_to(page, lead)
    page.keyboard.press("Enter")
    _arrived(shown, lead)


def _numbered(text: str, names: dict[str, int]) -> str:
    """The text with the numbers of IRQs for `{NAME}`."""
    return re.sub(r"\{([\w-]+)\}", lambda found: str(names[found[1]]), text)


def _unfold(page: Page) -> None:
    more = page.get_by_role("button", name=re.compile(r"^Show \d+ more"))
    if more.is_visible():
        more.click()


def _item(page: Page, lead: Lead) -> Locator:
    return page.locator(f".health li[data-code='{lead.code}'][data-subject^='{lead.subject}']")


def _link(page: Page, lead: Lead) -> Locator:
    return _item(page, lead).get_by_role("link", name=lead.link, exact=True)


def _tab_to(page: Page, lead: Lead) -> None:
    """With the Tab key alone, and Enter where the list is to be unfolded."""
    wanted = f"li[data-code='{lead.code}'][data-subject^='{lead.subject}'] a"
    for _ in range(150):
        page.keyboard.press("Tab")
        text, found = page.evaluate(FOCUSED, wanted)
        if re.match(r"Show \d+ more", text):
            # The first link that was hidden has the focus then.
            page.keyboard.press("Enter")
            assert page.evaluate(FOCUSED, ".health li a")[1]
            text, found = page.evaluate(FOCUSED, wanted)
        if found and text == lead.link:
            return
    raise AssertionError(f"the Tab key never reached {lead}")


def _arrived(shown: WatchedPage, lead: Lead) -> None:
    """The page is about the finding's subject, and says there what to do."""
    page = shown.page
    expect(page.locator("main h1")).to_have_text(re.compile(rf"^{re.escape(lead.heading)}( ·.*)?$"))
    shown.wait()
    for words in lead.words:
        part = page.locator(lead.part, has_text=words)
        expect(part.first).to_be_in_viewport()
    if lead.button:
        expect(page.get_by_role("button", name=lead.button).first).to_be_enabled()


def test_the_worst_comes_first(hosts: TroubledHosts, pages: dict[str, WatchedPage]) -> None:
    for name, host in _named(hosts).items():
        pages[name].open("now")
        _unfold(pages[name].page)
        shown = (
            pages[name]
            .page.locator(".health li")
            .evaluate_all("items => items.map(item => [item.className, item.dataset.code])")
        )
        assert [code for _, code in shown] == [code for code, _ in _said(host)]
        severities = [severity for severity, _ in shown]
        assert severities == sorted(severities, key=["warning", "notice"].index), name
        ranks = [list(SEVERITIES).index(code) for _, code in shown]
        assert ranks == sorted(ranks), name


def _said(host: TroubledHost) -> list[tuple[str, str]]:
    """(code, subject) of what the API lists."""
    found = host.ask("GET", "/findings")["findings"]
    return [(item["code"], item["subject"]) for item in found]


def test_who_is_about_to_follow_a_link_keeps_it_while_the_figures_change(
    hosts: TroubledHosts, pages: dict[str, WatchedPage]
) -> None:
    page = pages["sick"].page
    pages["sick"].open("now")
    _unfold(page)
    item = page.locator(".health li[data-code=override-ends]")
    item.get_by_role("link", name="Overrides").focus()
    _override(hosts.sick, "13m")
    expect(item.locator(".what")).to_contain_text("ends in 13 minutes")
    assert page.evaluate(FOCUSED, ".health li a") == ["Overrides", True]


def test_page_client_metrics_and_verify_say_the_same(
    hosts: TroubledHosts, pages: dict[str, WatchedPage]
) -> None:
    for name, host in _named(hosts).items():
        answer, said = host.ask("GET", "/findings"), _said(host)
        verdict, sentence = answer["verdict"], answer["sentence"]
        pages[name].open("now")
        expect(pages[name].page.locator(".health .verdict")).to_have_text(
            re.compile(rf"\S? ?{verdict} {re.escape(sentence)}")
        )
        assert sentence in _client(host, "status"), name
        findings = _client(host, "findings")
        assert sentence in findings, name
        listed = re.findall(r"^  [!-] .*\[([\w-]+)\]$", findings, re.M)
        assert listed == [code for code, _ in said]
        _compare_metrics(host, verdict, listed)
        if host is not hosts.dry:
            # It listens on no socket where `irqbal verify` could ask it.
            _compare_verify(host, sentence, listed)


def _client(host: TroubledHost, *words: str) -> str:
    port = host.site.base.rpartition(":")[2]
    done = subprocess.run(
        [CLIENT, "127.0.0.1", port, *words],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "1000", "PATH": ""},
    )
    return done.stdout


def _compare_metrics(host: TroubledHost, verdict: str, codes: list[str]) -> None:
    with urllib.request.urlopen(f"{host.site.base}/metrics", timeout=machine.WAIT) as answer:
        text = answer.read().decode()
    verdicts = dict(re.findall(r'^irqbal_verdict{verdict="(\w+)"} (\S+)$', text, re.M))
    assert {word for word, value in verdicts.items() if float(value)} == {verdict}
    pattern = r'^irqbal_findings{code="([\w-]+)",severity="(\w+)"} (\S+)$'
    found = {
        (code, severity): float(number)
        for code, severity, number in re.findall(pattern, text, re.M)
    }
    assert {key: number for key, number in found.items() if number} == {
        (code, SEVERITIES[code]): codes.count(code) for code in codes
    }


def _compare_verify(host: TroubledHost, sentence: str, codes: list[str]) -> None:
    done = host.irqbal("verify")
    assert done.stdout.splitlines()[0].endswith(f": {sentence}"), done.stdout + done.stderr
    assert re.findall(r"^([a-z-]+): ", done.stdout, re.M) == codes
    assert done.returncode == 1


def test_no_other_page_says_that_all_is_well_where_the_list_has_something(
    hosts: TroubledHosts, pages: dict[str, WatchedPage]
) -> None:
    page, listed = pages["sick"].page, _said(hosts.sick)
    pages["sick"].open("nics")
    for nic in ("eth0", "eth9"):
        row = page.locator("tbody tr", has=page.get_by_role("link", name=nic, exact=True))
        expect(row.locator("[data-name='To do']")).to_have_text(re.compile(r"^\d+ things?$"))
    for nic in ("eth0", "eth9"):
        pages["sick"].open(f"nics/{nic}")
        expect(page.locator(TODO)).to_be_visible()
        expect(page.locator(".box.good")).to_have_count(0)
    pages["sick"].open("policies")
    for policy in ("licensed", "newer"):
        section = page.locator(f"section[aria-label={policy}]")
        expect(section.locator("h2")).to_contain_text("(failed)")
    for code, subject in listed:
        if code in ("isolated", "remote-queue", "beside-disk"):
            pages["sick"].open(f"irq/{subject}")
            expect(page.locator(f"{TODO} li[data-code={code}]")).to_be_visible()
    planless = pages["planless"]
    planless.open("policies")
    expect(planless.page.locator(f"{TODO} li[data-code=no-plan]")).to_be_visible()
    planless.open("nics/eth0")
    expect(planless.page.locator(".box.good")).to_contain_text("NUMA node is not known")
