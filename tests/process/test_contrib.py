"""What authors of policies start from, as they meet it: the guide word for word, and the projects
in contrib/, in clean environments.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from irqbal.cli.policy import project
from machine import irqbal
from wheels import HERE, environment, run, wheelhouse

GUIDE = HERE / "policies/README.md"
PROJECTS = ("irqbal-example", "irqbal-power", "irqbal-webhook")
_BLOCK = re.compile(
    r"(?:Save this as `(?P<file>[^`]+)`[^\n]*\n+)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL
)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheelhouse(
        tmp_path_factory.mktemp("wheels") / "house", [HERE / "contrib" / name for name in PROJECTS]
    )


def test_the_guide_works_word_for_word_in_an_empty_folder(wheels: Path, tmp_path: Path) -> None:
    """Each block is saved or run as the guide says, in one shell; nothing of this checkout is in
    reach.
    """
    steps, last = ["set -e"], ""
    for number, block in enumerate(_BLOCK.finditer(GUIDE.read_text())):
        text = block["text"]
        if block["kind"] == "sh":
            steps.append(text)
            continue
        last = text
        name = block["file"] or ("final.yaml" if block["kind"] == "yaml" else "")
        assert name, f"block {number} is neither saved nor run"
        steps.append(f"echo '--- {name}'; printf %s {shlex.quote(text)} > {name}")
    assert "spread_by_rate" in last
    steps.append("irqbal check -c final.yaml; command -v irqbal")
    said = run(["sh", "-c", "\n".join(steps)], tmp_path, environment(wheels))
    assert "odd (irqbal-odd 0.1.0, module irqbal_odd): used" in said
    assert "3 passed" in said and "final.yaml: valid; 3 policies" in said
    assert str(tmp_path / "irqbal-odd/.venv/bin/irqbal") in said.splitlines()
    assert re.search(r"^moves +8$", said, re.MULTILINE) and re.search(
        r"^moves at rest +0$", said, re.MULTILINE
    )


@pytest.fixture(scope="module")
def everything(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with irqbal and all projects, from wheels alone."""
    folder = tmp_path_factory.mktemp("everything")
    run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], folder)
    python = str(folder / "venv/bin/python")
    run(
        [sys.executable, "-m", "pip", "--python", python, "install", "pytest", *PROJECTS],
        folder,
        environment(wheels),
    )
    return folder / "venv/bin"


@pytest.mark.parametrize("name", PROJECTS)
def test_a_projects_own_tests_pass_where_only_its_wheel_is_installed(
    everything: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(HERE / "contrib" / name / "tests", tmp_path / "tests")
    said = run(
        [str(everything / "python"), "-m", "pytest", "-q", "-W", "error"],
        tmp_path,
        {"PATH": "/usr/bin:/bin"},
    )
    assert re.search(r"\d+ passed", said) and "failed" not in said


@pytest.mark.parametrize(
    ("policies", "busy", "moves"),
    [
        ('[{example: {irqs: "*TxRx*", keep_free: "0"}}]', "30%", 8),
        ("[power, spread_by_rate]", "0.2%", 8),
        ("[power, pin_nic_queues, spread_by_rate]", "30%", 8),
    ],
)
def test_a_made_up_host_is_balanced_with_it(
    everything: Path, tmp_path: Path, policies: str, busy: str, moves: int
) -> None:
    (tmp_path / "x.yaml").write_text(f"policies: {policies}\n")
    command = [
        "simulate",
        "--host",
        "1x4",
        "--nic",
        "8",
        "--busy",
        busy,
        "--cycles",
        "8",
        "-c",
        "x.yaml",
        "--json",
    ]
    (result,) = json.loads(
        run([str(everything / "irqbal"), *command], tmp_path, {"PATH": "/usr/bin:/bin"})
    )
    assert result["failures"] == [] and result["moves_at_rest"] == 0 and result["moves"] >= moves


def test_an_observer_is_good_where_it_is_named_as_one(everything: Path, tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin:/bin"}
    (tmp_path / "x.yaml").write_text('observers: [{webhook: {url: "http://127.0.0.1:9/"}}]\n')
    assert "valid; 4 policies, 1 observers" in run(
        [str(everything / "irqbal"), "check", "-c", "x.yaml"], tmp_path, env
    )
    (tmp_path / "y.yaml").write_text("observers: [{webhook: {uri: 1}}]\n")
    assert "observers[0].webhook" in run(
        [str(everything / "irqbal"), "check", "-c", "y.yaml"], tmp_path, env, check=2
    )
    doctor = [str(everything / "irqbal"), "policies", "--doctor", "-c", "x.yaml"]
    assert "webhook (irqbal-webhook 0.1.0, module irqbal_webhook): used" in run(
        doctor, tmp_path, env
    )
    (tmp_path / "x.yaml").write_text(
        'policies: [{webhook: {url: "http://127.0.0.1:9/"}}, example]\n'
    )
    said = run(doctor, tmp_path, env, check=1)
    assert (
        "webhook (irqbal-webhook 0.1.0, module irqbal_webhook): BROKEN (policies[0], x.yaml:1): "
        "none of its hooks" in said
    )
    assert "(irqbal_cycle_done) is called there; name it under `observers`" in said
    assert (
        "power (irqbal-power 0.1.0, module irqbal_power): not used: x.yaml does not name it" in said
    )


# irqbal policy new


def test_the_example_is_what_policy_new_makes() -> None:
    folder = HERE / "contrib/irqbal-example"
    made = project("example")
    assert {path: (folder / path).read_text() for path in made} == made


@pytest.fixture
def new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_a_new_policy_passes_its_own_tests(new: Path) -> None:
    said = irqbal("policy", "new", "irqbal-my-own").stdout
    assert "irqbal-my-own: a policy named my_own" in said
    made = new / "irqbal-my-own"
    assert 'my_own = "irqbal_my_own"' in (made / "pyproject.toml").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=made,
        env={"PYTHONPATH": str(made), "PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "5 passed" in done.stdout, done.stdout + done.stderr


def test_a_name_that_is_taken_or_none_is_refused(new: Path) -> None:
    (new / "mine").mkdir()
    (new / "mine/precious").write_text("x")
    for name, said in (
        ("mine", "mine exists already"),
        ("spread-by-rate", "is installed already, by irqbal"),
        ("policies", "a module irqbal_policies exists already"),
        ("../x", "is no name for a policy"),
        ("Mine", "is no name for a policy"),
        ("x--y", "is no name for a policy"),
    ):
        assert said in irqbal("policy", "new", name, check=2).stderr
    assert sorted(path.name for path in new.rglob("*")) == ["mine", "precious"]
