"""What authors of plugins may rest on: the document, the names, the versions, and what the daemon
does where a plugin breaks its part.
"""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import irqbal
import irqbal.testing
from bad_policies import BAD
from installed import InstalledSite
from irqbal.errors import PluginError
from irqbal.model import policy
from irqbal.model.plan import Plan, Record
from irqbal.planner.draft import Settings
from irqbal.plugins import bounds, hookspecs
from irqbal.plugins.binding import check_api
from irqbal.plugins.discovery import InstalledPlugin
from irqbal.plugins.observer_supervisor import ObserverSupervisor
from irqbal.plugins.protocol import PolicyEntry
from irqbal.plugins.supervisor import PATIENCE, PolicySupervisor
from irqbal.problems import Node
from irqbal.service.cycle import Balancer
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.spec import parse_spec
from irqbal.testing.probe import SLOW
from plugin_names import BEGIN, DOCUMENT, END, everything, reference

TEXT = DOCUMENT.read_text()


# The document


def test_every_public_name_stands_in_the_document_with_its_signature() -> None:
    """A difference is a change of the promise: the document says how that is done. `python
    tests/tools/plugin_names.py` writes the list anew.
    """
    assert TEXT.partition(BEGIN)[2].partition(END)[0] == reference()
    for module in (irqbal, irqbal.testing):
        assert list(module.__all__) == sorted(set(module.__all__))


def test_the_promise_as_it_was_made_for_1_0_is_kept() -> None:
    """Names may be added; none of these goes away within API 1."""
    now = everything()
    for line in (Path(__file__).parent / "promise-1.0.txt").read_text().splitlines():
        name, _, first = line.partition(" ")
        assert name in now, f"{name} is gone"
        assert now[name].startswith(first), f"{name} was {first} and is {now[name]}"


def test_every_hook_stands_in_the_document_with_its_signature() -> None:
    for name in hookspecs.HOOKS:
        spec = getattr(hookspecs, name)
        text = f"def {name}{inspect.signature(spec)}: ...".replace("'", "")
        assert text in TEXT
        assert f"| `{name}` |" in TEXT


def test_every_number_in_the_document_is_the_codes() -> None:
    for name in (
        "FIRST_DEADLINE",
        "HOOK_DEADLINE",
        "IMPORT_DEADLINE",
        "PLANNER_DEADLINE",
        "STRANGERS_DEADLINE",
        "START_DEADLINE",
    ):
        (seconds,) = re.findall(rf"\| (\d+) \| `bounds\.{name}` \|", TEXT)
        assert float(seconds) == getattr(bounds, name)
    limits = re.findall(r"(\d+)\s[^(.;]*\(`bounds\.([A-Z_]+)`\)", TEXT)
    for number, name in limits:
        assert getattr(bounds, name) == int(number), name
    assert len(limits) == TEXT.count("(`bounds.") == 11
    assert f"a call may\ntake {SLOW} times as much" in TEXT


def test_every_finding_stands_in_the_document() -> None:
    for code in {code for _, code, _ in BAD.values()}:
        assert f"`{code}`" in TEXT, code


# Versions


def api(value: object) -> None:
    module = types.ModuleType("probe")
    module.IRQBAL_API = value  # type: ignore[attr-defined]
    check_api(InstalledPlugin("probe", "probe", ("irqbal-probe 3.1",)), module)


def test_the_version_has_two_numbers_and_a_module_may_ask_for_it() -> None:
    assert irqbal.API_VERSION == policy.API_VERSION and re.fullmatch(
        r"\d+\.\d+", irqbal.API_VERSION
    )
    for wanted in ("1", "1.0"):
        api(wanted)
    check_api(InstalledPlugin("probe", "probe", ("x 1",)), types.ModuleType("probe"))


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (
            "2",
            "irqbal-probe 3.1: the policy probe is written for irqbal's API 2, and this irqbal has "
            "1.0: upgrade irqbal",
        ),
        ("1.1", "API 1.1, and this irqbal has 1.0: upgrade irqbal"),
        ("0.9", "API 0.9, and this irqbal has 1.0: install a version of irqbal-probe for API 1.0"),
        (1, "IRQBAL_API is 1; it must be text such as '1'"),
        ("one", "IRQBAL_API is 'one'; it must be text"),
    ],
)
def test_another_version_is_refused_and_the_side_to_upgrade_is_named(
    wanted: object, says: str
) -> None:
    with pytest.raises(PluginError) as caught:
        api(wanted)
    assert says in str(caught.value)


# The daemon


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[InstalledSite]:
    folder = Path(tempfile.mkdtemp(prefix="irqbal-test-"))
    folder.chmod(0o755)
    made = InstalledSite(folder)
    monkeypatch.setattr(sys, "executable", str(made.python))
    yield made
    shutil.rmtree(folder)


GOOD = """
@hookimpl
def irqbal_place(snapshot):
    for irq in snapshot.irqs:
        if irq.queue: yield Placement(irq.number, CpuSet.of(1), 'good')
"""
WORST = {
    "backtracks": ("re.match(r'(a+)+$', 'a' * 64 + 'b')", "deadline"),
    "sleeps an hour": ("time.sleep(3600)", "deadline"),
    "ends the process": ("sys.exit()", "crashed"),
    "crashes": ("os.abort()", "crashed"),
    "eats memory": ("hog = bytearray(2 << 30)", "raised"),
    "starts a thread": ("threading.Thread(target=threading.Event().wait).start()", "raised"),
    "reads what concerns it not": ("open('/proc/uptime').read()", "raised"),
    "asks the clock, reads its own and prints": ("print(time.time(), open(__file__).read())", ""),
}


@pytest.mark.parametrize("what", WORST)
def test_a_cycle_with_a_bad_policy_is_on_time_and_does_the_others_moves(
    site: InstalledSite, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    body, code = WORST[what]
    monkeypatch.setattr(bounds, "HOOK_DEADLINE", 0.5)
    monkeypatch.setattr(bounds, "FIRST_DEADLINE", 60.0)
    source = (
        "import os, re, sys, threading, time\n@hookimpl\ndef irqbal_place(snapshot):\n    "
        f"{body}\n    yield Note('still here')"
    )
    site.install("worst", source, version="6.6").install("good", GOOD)
    found = site.found()
    asked = PolicySupervisor(
        PolicyEntry(found[name], index, Node(1, {})) for index, name in enumerate(("worst", "good"))
    )
    host = SimulatedHost(parse_spec("1x4,nic=4"), lambda originals: None)
    balancer = Balancer(host, asked, Settings(), 10.0, dry_run=False)
    try:
        assert asked.bind(PATIENCE) == []
        balancer.first_look()
        host.advance(10.0)
        started = time.monotonic()
        record = balancer.run_cycle("tick").record
        assert time.monotonic() - started < 60, "it is ended, and not waited for"
    finally:
        asked.close()
    assert (
        len(
            [
                outcome
                for outcome in record.outcomes
                if outcome.irq is not None and outcome.result == "written"
            ]
        )
        == 4
    )
    failures = [(item.policy, item.code, item.aside) for item in record.plan.failures]
    assert failures == ([("worst", code, code != "raised")] if code else [])
    assert not code or code == "raised" or "(irqbal-worst 6.6)" in record.plan.failures[0].reason


def test_an_observer_is_given_its_options(site: InstalledSite) -> None:
    source = """
    class Told(Options, frozen=True):
        word: str = ""

    @hookimpl
    def irqbal_options():
        return Told

    @hookimpl
    def irqbal_cycle_done(record, options):
        raise ValueError(f"{options.word} {record.cycle}")
    """
    found = site.install("told", source).found()["told"]
    asked = ObserverSupervisor([PolicyEntry(found, 0, Node(1, {"word": Node(1, "cycle")}))])
    assert asked.bind(PATIENCE) == []
    (failure,) = asked.observe(Record(7, 0.0, 0.0, "test", False, Plan()))
    asked.close()
    assert "ValueError: cycle 7" in failure.reason


# irqbal policies --doctor


def doctor(site: InstalledSite, yaml: str, status: int) -> dict[str, str]:
    """What the doctor says of each plugin."""
    path = site.packages / "irqbal.yaml"
    path.write_text(yaml)
    done = subprocess.run(
        [str(site.python), "-m", "irqbal", "policies", "--doctor", "-c", str(path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return dict(line.split(" (", 1) for line in done.stdout.splitlines())


def test_the_doctor_reports_for_every_plugin_whether_it_is_used_and_why_not(
    site: InstalledSite,
) -> None:
    site.install("good", GOOD, version="2").install("idle", GOOD)
    site.install("raises", "x = 1\nraise RuntimeError('no licence')").install(
        "misspelt", "@hookimpl\ndef irqbal_plase(): ..."
    )
    site.install("naked", "def irqbal_place(): ...").install("newer", "IRQBAL_API = '7'\n" + GOOD)
    site.install("twice", GOOD).install("twice", GOOD, distribution="other-twice", version="9")
    site.install("watcher", "@hookimpl\ndef irqbal_cycle_done(record): ...")
    names = [
        "good",
        "raises",
        "misspelt",
        "naked",
        "newer",
        "twice",
        "watcher",
        "nonesuch",
        "spread_by_rate: {min_gain: x}",
    ]
    yaml = (
        "policies:\n" + "".join(f"  - {name}\n" for name in names) + "observers: [watcher, idle]\n"
    )
    said = doctor(site, yaml, 1)
    assert said["good"].startswith("irqbal-good 2, module irqbal_good_policy): used (policies[0], ")
    for name, text in {
        "raises": "the policy raises does not import: RuntimeError: no licence (",
        "misspelt": "irqbal_plase is no hook of irqbal",
        "naked": "irqbal_place lacks @irqbal.hookimpl",
        "newer": "irqbal's API 7, and this irqbal has",
        "twice": ": uninstall one of them",
        "nonesuch": "no installed package provides it; installed are good",
        "spread_by_rate": "min_gain: 'x' is not a share",
        "idle": "none of its hooks (irqbal_place) is called there; name it under `policies`",
    }.items():
        assert "): BROKEN (" in said[name] and text in said[name], name
    assert "irqbal_raises_policy.py:4)" in said["raises"], "the line at fault"
    assert re.search(
        r"irqbal-twice 0.1 and other-twice 9|other-twice 9 and irqbal-twice 0.1", said["twice"]
    )
    assert "not used: " in said["pin_irqs"] and "does not name it" in said["pin_irqs"]


def test_a_broken_plugin_that_is_not_enabled_is_reported_without_an_error_status(
    site: InstalledSite,
) -> None:
    site.install("raises", "raise RuntimeError('no licence')")
    said = doctor(site, "policies: [spread_by_rate]\n", 0)
    assert (
        "does not name it; and it could not be: irqbal-raises 0.1: the policy raises does not "
        "import" in said["raises"]
    )
