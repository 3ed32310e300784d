"""What is handed out: the wheel holds all that runs, the source distribution all that a packager
wants.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from places import TOP
from wheels import PIP_WHEEL


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy to build in: builds leave folders behind."""
    folder = tmp_path_factory.mktemp("packaging") / "irqbal"
    left_out = shutil.ignore_patterns(
        "__pycache__", ".*", "*.egg-info", "build", "dist", "screenshots", "hosts", "axe.min.js"
    )
    shutil.copytree(TOP, folder, ignore=left_out, symlinks=True)
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path) -> set[str]:
    """Names of the files in the wheel."""
    done = subprocess.run(
        [*PIP_WHEEL, "out", "."], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (found,) = (source / "out").glob("irqbal-*.whl")
    return set(zipfile.ZipFile(found).namelist())


@pytest.fixture(scope="module")
def sdist(source: Path, wheel: set[str]) -> set[str]:
    """Names of the files in the source distribution, without its own folder."""
    code = "import setuptools.build_meta as b; print(b.build_sdist('out'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with tarfile.open(source / "out" / done.stdout.split()[-1]) as archive:
        return {member.name.partition("/")[2] for member in archive if member.isfile()}


def files(*folders: str) -> set[str]:
    """Files of the working copy that are no leftovers."""
    found = set()
    for folder in folders:
        for path in (TOP / folder).rglob("*"):
            parts = path.relative_to(TOP).parts
            if path.is_file() and not any(
                part.startswith(".") or part in ("__pycache__", "screenshots") for part in parts
            ):
                found.add(str(path.relative_to(TOP)))
    return {name for name in found if ".egg-info/" not in name}


def test_the_wheel_has_every_module_and_every_file_that_the_dashboard_serves(
    wheel: set[str],
) -> None:
    wanted = set(files("irqbal")) | {
        name.removeprefix("policies/") for name in files("policies/irqbal_policies")
    }
    assert not wanted - wheel
    assert {
        "irqbal/py.typed",
        "irqbal_policies/py.typed",
        "irqbal/api/dashboard/index.html",
    } <= wheel


def test_the_wheel_brings_the_manual_pages_the_units_and_the_configuration(wheel: set[str]) -> None:
    data = {name.partition(".data/data/share/")[2] for name in wheel}
    assert {
        f"man/man{name[-1]}/{name}" for name in ("irqbal.8", "irqbal-client.1", "irqbal.yaml.5")
    } <= data
    units = {name.removeprefix("etc/") for name in files("etc") if name.count("/") > 1}
    started = {
        f"systemd/irqbal-{kind}{suffix}"
        for kind in ("planner", "policies", "observers")
        for suffix in (".socket", "@.service")
    }
    assert (
        units
        == {
            "systemd/irqbal.service",
            "systemd/irqbal-hosts.slice",
            "sysusers.d/irqbal.conf",
            "tmpfiles.d/irqbal.conf",
        }
        | started
    )
    assert {f"irqbal/{name}" for name in {"irqbal.yaml", *units}} <= data


def test_the_wheel_has_nothing_else(wheel: set[str]) -> None:
    assert {name.partition("/")[0].partition("-")[0] for name in wheel} == {
        "irqbal",
        "irqbal_policies",
    }


def test_the_licence_is_in_both(wheel: set[str], sdist: set[str]) -> None:
    assert [name for name in wheel if name.endswith("LICENSE") and ".dist-info/" in name]
    assert "LICENSE" in sdist
    text = (TOP / "LICENSE").read_text()
    assert (
        "Apache License" in text and "Version 2.0" in text and "END OF TERMS AND CONDITIONS" in text
    )


def test_the_source_distribution_has_what_a_packager_wants(sdist: set[str]) -> None:
    wanted = files("etc", "contrib", "docs", "man", "packaging") | {
        "policies/README.md",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "Vagrantfile",
        "Makefile",
        "pyproject.toml",
    }
    assert not wanted - sdist
    assert {"tests/process/test_packaging.py", "tests/needs.sh"} <= sdist
    assert not [name for name in sdist if "__pycache__" in name or name.endswith(".pyc")]


def test_the_source_distribution_builds_the_same_wheel(
    source: Path, sdist: set[str], wheel: set[str], tmp_path: Path
) -> None:
    (found,) = (source / "out").glob("irqbal-*.tar.gz")
    command = [*PIP_WHEEL, str(tmp_path), str(found)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (again,) = tmp_path.glob("irqbal-*.whl")
    assert set(zipfile.ZipFile(again).namelist()) == wheel
