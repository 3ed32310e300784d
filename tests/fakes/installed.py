"""Throw-away installations: a Python of its own that sees irqbal and whatever policies a test
installs in it.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import shutil
import sys
import sysconfig
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from irqbal.plugins.discovery import InstalledPlugin, find

HEADER = """
from irqbal import CpuSet, Draft, Irq, Limit, Meta, Note, Options, Placement, Queue, Snapshot, Steering, hookimpl
"""  # noqa: E501


class InstalledSite:
    """A virtual environment made by hand: `python` runs in it, `install` puts distributions into
    it.

    Like the one that irqbal runs in, it is reached by a child that was started in isolated mode
    (`python -I`).
    """

    def __init__(self, folder: Path) -> None:
        base = Path(sys.base_exec_prefix) / "bin"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.python = folder / "bin/python"
        self.packages = folder / "lib" / version / "site-packages"
        self.python.parent.mkdir(parents=True)
        self.packages.mkdir(parents=True)
        self.python.symlink_to(base / version)
        (folder / "pyvenv.cfg").write_text(f"home = {base}\n")
        ours = sysconfig.get_path("purelib")
        (self.packages / "irqbal-base.pth").write_text(f"import site; site.addsitedir({ours!r})\n")

    def install(
        self,
        policy: str,
        source: str,
        *,
        distribution: str = "",
        version: str = "0.1",
        value: str = "",
        header: bool = True,
    ) -> InstalledSite:
        """Install a distribution `irqbal-POLICY` with a module of this source, and the policy as
        its entry point. If there is such a distribution, add both to it.

        `value`: what the entry point says instead of the module's name.
        """
        name = distribution or f"irqbal-{policy.replace('_', '-')}"
        info = self.packages / f"{name.replace('-', '_')}-{version}.dist-info"
        module = f"{name.replace('-', '_')}_policy"
        if info.exists():
            module = f"{name.replace('-', '_')}_{policy}_policy"
        (self.packages / f"{module}.py").write_text(
            (HEADER if header else "") + textwrap.dedent(source)
        )
        if not info.exists():
            info.mkdir()
            (info / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            )
            (info / "entry_points.txt").write_text("[irqbal]\n")
        with (info / "entry_points.txt").open("a") as points:
            points.write(f"{policy} = {value or module}\n")
        return self

    def found(self) -> Mapping[str, InstalledPlugin]:
        """What is installed here, from metadata alone."""
        distributions = importlib.metadata.distributions(path=[str(self.packages)])
        return find(
            entry
            for dist in distributions
            for entry in dist.entry_points
            if entry.group == "irqbal"
        )


@contextlib.contextmanager
def installation(monkeypatch: pytest.MonkeyPatch) -> Iterator[InstalledSite]:
    """An installation that anybody may read, as a system's is; policy hosts are started with its
    Python.
    """
    folder = Path(tempfile.mkdtemp(prefix="irqbal-test-"))
    folder.chmod(0o755)
    try:
        made = InstalledSite(folder)
        monkeypatch.setattr(sys, "executable", str(made.python))
        yield made
    finally:
        shutil.rmtree(folder)
