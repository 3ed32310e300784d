"""Wheels without a network: irqbal and the projects beside it built, and what is installed here
packed up again.
"""

from __future__ import annotations

import csv
import importlib.metadata
import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from places import TOP

HERE = TOP
_BUILT = ("irqbal", "policies", "pyproject.toml", "README.md")
_PIP_WHEEL = "-m pip wheel --quiet --no-build-isolation --no-deps --no-index -w"
PIP_WHEEL = (sys.executable, *_PIP_WHEEL.split())
"""The command that builds wheels with what is installed; the folder for them comes next."""
ROOTS = ("irqbal", "pytest", "setuptools")
"""What a clean environment may ask for; what these need comes along."""


def wheelhouse(folder: Path, projects: Iterable[Path] = ()) -> Path:
    """A folder that `pip --no-index --find-links` is content with: irqbal, its dependencies,
    pytest, setuptools and these projects.
    """
    folder.mkdir(parents=True)
    source = folder.parent / "source"
    source.mkdir()
    for name in _BUILT:
        # A build leaves files beside its source, and that belongs to nobody's checkout.
        origin = HERE / name
        if origin.is_dir():
            shutil.copytree(
                origin, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        else:
            shutil.copyfile(origin, source / name)
    copies = [source]
    for project in projects:
        copy = folder.parent / "projects" / project.name
        shutil.copytree(
            project, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
        )
        copies.append(copy)
    run([*PIP_WHEEL, str(folder), *map(str, copies)], folder)
    for name in needed(ROOTS):
        if name != "irqbal":
            _pack(importlib.metadata.distribution(name), folder)
    return folder


def needed(names: Iterable[str]) -> set[str]:
    """These distributions and everything that they need, by normalised name."""
    todo, found = [canonicalize_name(name) for name in names], set[str]()
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        for text in importlib.metadata.distribution(name).requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(canonicalize_name(requirement.name))
    return found


def _pack(distribution: importlib.metadata.Distribution, folder: Path) -> None:
    """An installed distribution as a wheel; scripts are made anew from its entry points."""
    tag = next(
        line.split(": ")[1]
        for line in (distribution.read_text("WHEEL") or "").splitlines()
        if line.startswith("Tag: ")
    )
    name = canonicalize_name(distribution.metadata["Name"]).replace("-", "_")
    files = [
        file
        for file in distribution.files or ()
        if ".." not in file.parts and "__pycache__" not in file.parts
    ]
    with zipfile.ZipFile(folder / f"{name}-{distribution.version}-{tag}.whl", "w") as wheel:
        rows = io.StringIO()
        for file in files:
            if file.name == "RECORD" and len(file.parts) == 2:
                record = str(file)
            elif file.name not in ("INSTALLER", "REQUESTED", "direct_url.json"):
                wheel.write(str(distribution.locate_file(file)), str(file))
                csv.writer(rows).writerow([str(file), "", ""])
        csv.writer(rows).writerow([record, "", ""])
        wheel.writestr(record, rows.getvalue())


def environment(wheels: Path) -> dict[str, str]:
    """What makes a plain `pip install` in a fresh shell take these wheels and ask nobody."""
    return {
        "PATH": f"{Path(sys.base_exec_prefix) / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(wheels.parent),
        "LC_ALL": "C.UTF-8",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_QUIET": "1",
        "PIP_NO_COMPILE": "1",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
    }


def run(command: list[str], cwd: Path, env: dict[str, str] | None = None, check: int = 0) -> str:
    """A command's output, both streams; it must end with this status."""
    done = subprocess.run(
        command, check=False, cwd=cwd, env=env, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == check, (
        f"{' '.join(command)}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout + done.stderr
