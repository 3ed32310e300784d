"""Finding, loading and binding policies: everything that is wrong with a package is told at start,
with its name.
"""

from __future__ import annotations

import importlib.metadata
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from installed import InstalledSite
from irqbal.errors import PluginError
from irqbal.model.policy import Options
from irqbal.plugins.binding import BoundPolicy, bind, load
from irqbal.plugins.discovery import BUNDLED, InstalledPlugin, find
from irqbal.plugins.protocol import PolicyEntry
from irqbal.problems import LocatedProblem, Node
from places import TOP

GOOD = """
    class Mine(Options, frozen=True):
        depth: int = 3

    @hookimpl
    def irqbal_options():
        return Mine

    @hookimpl
    def irqbal_place(snapshot, options):
        return [snapshot, options.depth]
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InstalledSite]:
    """An installation whose packages this process finds too; what it imports is forgotten
    afterwards.
    """
    made = InstalledSite(tmp_path)
    monkeypatch.syspath_prepend(made.packages)
    before = set(sys.modules)
    yield made
    for name in set(sys.modules) - before:
        if name.startswith("irqbal_"):
            del sys.modules[name]


def bound(found: InstalledPlugin, **options: str) -> BoundPolicy:
    problems: list[LocatedProblem] = []
    node = Node(1, {key: Node(2, value) for key, value in options.items()})
    policy = bind(PolicyEntry(found, 4, node), problems)
    assert policy is not None and not problems
    return policy


def refused(site: InstalledSite, source: str) -> str:
    """Why a package with this module cannot be used. The text begins with the distribution's name
    and version.
    """
    with pytest.raises(PluginError) as caught:
        bind(PolicyEntry(site.install("probe", source).found()["probe"], 0, Node(1, {})), [])
    text = str(caught.value)
    assert text.startswith("irqbal-probe 0.1: "), text
    return text


# Finding


def test_installed_policies_are_found_by_name_with_module_and_distribution(
    site: InstalledSite,
) -> None:
    site.install("probe", GOOD, version="1.2")
    found = find()  # as the daemon does: from the path, beside the bundled ones
    assert found["probe"] == InstalledPlugin(
        "probe", "irqbal_probe_policy", ("irqbal-probe 1.2",), str(site.packages)
    )
    assert found["spread_by_rate"].module == "irqbal_policies.spread_by_rate"
    assert list(found) == sorted(found)


def test_finding_imports_nothing(site: InstalledSite) -> None:
    site.install("probe", "raise SystemExit('imported')")
    assert "probe" in find()
    assert "irqbal_probe_policy" not in sys.modules


def test_a_name_that_two_distributions_claim_can_not_be_used_and_both_are_named(
    site: InstalledSite,
) -> None:
    site.install("probe", GOOD).install("probe", GOOD, distribution="other-probe", version="2")
    found = site.found()["probe"]
    assert sorted(found.distributions) == ["irqbal-probe 0.1", "other-probe 2"]
    with pytest.raises(
        PluginError, match=r"the policy probe is claimed by .* and .*: uninstall one of them"
    ) as caught:
        load(found)
    assert "irqbal-probe 0.1" in str(caught.value) and "other-probe 2" in str(caught.value)
    assert "irqbal_probe_policy" not in sys.modules


def test_one_distribution_seen_twice_is_no_clash(site: InstalledSite) -> None:
    site.install("probe", GOOD)
    (entry,) = [entry for entry in _entry_points(site) if entry.name == "probe"]
    assert find([entry, entry])["probe"].clash == ""


def _entry_points(site: InstalledSite) -> list[importlib.metadata.EntryPoint]:
    return [
        e
        for d in importlib.metadata.distributions(path=[str(site.packages)])
        for e in d.entry_points
    ]


def test_a_distribution_that_calls_itself_irqbal_hides_nothing_and_owns_nothing(
    site: InstalledSite,
) -> None:
    """importlib.metadata shows one distribution of each name."""
    site.install("probe", GOOD, distribution="irqbal", version="99")
    found = find()
    assert not found["probe"].own and found["probe"].distributions == ("irqbal 99",)
    assert all(found[name].own for name in BUNDLED)


def test_files_in_irqbals_package_are_not_irqbals_own(site: InstalledSite) -> None:
    site.install("probe", GOOD, value="irqbal_policies.evil")
    assert not site.found()["probe"].own


def test_the_bundled_policies_are_those_that_the_project_names() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    names = project["entry-points"]["irqbal"]
    assert names == {name: f"irqbal_policies.{name}" for name in BUNDLED}


def test_the_name_of_a_bundled_policy_stays_irqbals(site: InstalledSite) -> None:
    site.install("pin_irqs", GOOD)
    found = find()["pin_irqs"]
    assert found.own and found.module == "irqbal_policies.pin_irqs" and not found.clash
    assert found.rivals == ("irqbal-pin-irqs 0.1",)


# Loading


def test_a_module_that_does_not_import_is_refused_with_its_file_and_line(
    site: InstalledSite,
) -> None:
    text = refused(site, "x = 1\nraise RuntimeError('no licence')")
    assert "the policy probe does not import: RuntimeError: no licence" in text
    assert "irqbal_probe_policy.py:4)" in text  # the header has two lines


def test_the_line_at_fault_is_named_below_a_folder_of_irqbals_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """irqbal is installed in /opt/irqbal, and so are its plugins."""
    made = InstalledSite(tmp_path / "irqbal")
    monkeypatch.syspath_prepend(made.packages)
    made.install("located", "x = 1\nraise RuntimeError('no licence')")
    with pytest.raises(PluginError, match=r"irqbal/.*irqbal_located_policy\.py:4\)"):
        load(made.found()["located"])


def test_a_module_that_is_not_python_is_refused_with_its_line(site: InstalledSite) -> None:
    text = refused(site, "def irqbal_place(:")
    assert "SyntaxError" in text and "irqbal_probe_policy.py, line 3" in text


@pytest.mark.parametrize(
    "source", ["raise SystemExit(1)", "import nothing_of_this_name", "1 / 0", "assert False"]
)
def test_whatever_an_import_raises_is_a_refusal(site: InstalledSite, source: str) -> None:
    assert "does not import" in refused(site, source)


def test_a_module_that_is_not_there_is_refused(site: InstalledSite) -> None:
    site.install("probe", GOOD, value="no_such_module")
    with pytest.raises(
        PluginError,
        match=r"irqbal-probe 0\.1: the policy probe does not import: ModuleNotFoundError",
    ):
        load(site.found()["probe"])


def test_an_entry_point_that_names_a_class_is_refused(site: InstalledSite) -> None:
    site.install("probe", GOOD, value="irqbal_probe_policy:Mine")
    with pytest.raises(PluginError, match=r"irqbal-probe 0\.1: .*must name a module"):
        load(site.found()["probe"])


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "@hookimpl\ndef irqbal_plase(snapshot): ...",
            "irqbal_plase is no hook of irqbal; hooks are irqbal_options, ",
        ),
        ("def irqbal_plase(snapshot): ...", "irqbal_plase is no hook of irqbal"),
        ("@hookimpl\ndef irqba_place(snapshot): ...", "irqba_place is no hook of irqbal"),
        ("def irqbal_place(snapshot): ...", "irqbal_place lacks @irqbal.hookimpl"),
        (
            "@hookimpl\ndef irqbal_place(snapshot, clock): ...",
            "irqbal_place(clock): this hook has no such argument",
        ),
        (
            "@hookimpl\ndef irqbal_limit(snapshot, draft): ...",
            "irqbal_limit(draft): this hook has no such argument",
        ),
        (
            "@hookimpl\ndef irqbal_place(**arguments): ...",
            "irqbal_place(arguments): this hook has no such argument",
        ),
        (
            "@hookimpl\ndef irqbal_place(snapshot, draft=None): ...",
            "irqbal_place(draft) has a default",
        ),
        (
            "@hookimpl\ndef irqbal_options(depth=3): ...",
            "irqbal_options(depth): this hook has no such argument",
        ),
        ("x = 3", "implements no hook of irqbal"),
        (
            "@hookimpl\ndef irqbal_options(): return 5",
            "irqbal_options must return a subclass of irqbal.Options",
        ),
        (
            "@hookimpl\ndef irqbal_options(): return dict",
            "irqbal_options must return a subclass of irqbal.Options",
        ),
        (
            "@hookimpl\ndef irqbal_options(): raise ValueError('x')",
            "irqbal_options failed: ValueError: x (",
        ),
    ],
)
def test_a_hook_that_would_not_be_called_right_is_refused(
    site: InstalledSite, source: str, says: str
) -> None:
    assert says in refused(site, source)


def test_a_hook_of_another_policy_may_be_imported_under_another_name(site: InstalledSite) -> None:
    site.install(
        "probe",
        """
        from irqbal_policies.spread_by_rate import irqbal_place as spread

        @hookimpl
        def irqbal_place(snapshot, draft, options):
            yield from spread(snapshot, draft, options)
        """,
    )
    assert bound(site.found()["probe"]).has("irqbal_place")


def test_the_arguments_that_a_hook_does_have_are_named(site: InstalledSite) -> None:
    assert "it has draft, options, snapshot" in refused(
        site, "@hookimpl\ndef irqbal_place(clock): ..."
    )


# Binding


def test_a_hook_gets_the_arguments_that_it_takes_and_its_options(site: InstalledSite) -> None:
    policy = bound(site.install("probe", GOOD).found()["probe"], depth="7")
    assert (policy.name, policy.index) == ("probe", 4)
    assert policy.has("irqbal_place") and not policy.has("irqbal_limit")
    assert policy.call(
        "irqbal_place", snapshot="the snapshot", draft="not taken", options=policy.options
    ) == [
        "the snapshot",
        7,
    ]


def test_one_policy_bound_twice_keeps_its_options_apart(site: InstalledSite) -> None:
    found = site.install("probe", GOOD).found()["probe"]
    first, second = bound(found, depth="1"), bound(found, depth="2")
    assert (first.options.depth, second.options.depth) == (1, 2)


def test_a_policy_without_options_takes_none(site: InstalledSite) -> None:
    site.install("probe", "@hookimpl\ndef irqbal_place(): return []")
    assert isinstance(bound(site.found()["probe"]).options, Options)


def test_options_that_are_wrong_are_problems_with_line_and_key_not_a_refusal(
    site: InstalledSite,
) -> None:
    problems: list[LocatedProblem] = []
    node = Node(8, {"depth": Node(9, "deep"), "debth": Node(10, "3")})
    entry = PolicyEntry(site.install("probe", GOOD).found()["probe"], 2, node)
    assert bind(entry, problems) is None
    assert [(problem.line, problem.key) for problem in problems] == [
        (9, "policies[2].probe.depth"),
        (10, "policies[2].probe.debth"),
    ]
    assert "did you mean depth?" in problems[1].text


def test_every_bundled_policy_loads_and_documents_each_of_its_options() -> None:
    bundled = {
        name: item for name, item in find().items() if item.module.startswith("irqbal_policies.")
    }
    assert sorted(bundled) == ["isolate_cores", "pin_irqs", "pin_nic_queues", "spread_by_rate"]
    for item in bundled.values():
        policy = bound(item)
        for field in msgspec.structs.fields(type(policy.options)):
            meta = getattr(field.type, "__metadata__", ())
            assert any(isinstance(part, msgspec.Meta) and part.description for part in meta), (
                field.name
            )
            assert not field.required
