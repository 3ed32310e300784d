"""Debian's packages for the test machine: downloaded, authenticated and unpacked into a folder.
Nothing is installed.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from vm.programs import VmError, command, three_tries

ARCHIVE = "http://deb.debian.org/debian"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_ALONE = tuple(
    f"--no-{kind}"
    for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
)


class Apt:
    """What apt can download. `options` are words for each of its commands."""

    def __init__(self, name: str, options: Sequence[str] = ()) -> None:
        self.name, self._options = name, tuple(options)

    def update(self) -> None:
        """Fetch the lists."""
        # Without the option, apt-get warns of a source that it could not fetch and succeeds.
        words = ("apt-get", *self._options, "-o", "APT::Update::Error-Mode=any", "update")
        three_tries(lambda: command(*words, timeout=300))

    def depends(self, package: str, recurse: bool = False) -> list[str]:
        """The packages that are there and that a package depends on, with or without what these
        depend on in turn. It is empty if there is no such package.
        """
        words = [*_ALONE, *(["--recurse"] if recurse else []), package]
        try:
            said = command("apt-cache", *self._options, "depends", *words)
        except VmError:
            return []
        # Those in angle brackets are not there.
        return list(dict.fromkeys(re.findall(r"Depends: ([^<\s]+)", said)))

    def version(self, package: str) -> str:
        """The version that would be downloaded. Raises VmError if there is none."""
        shown = command("apt-cache", *self._options, "show", "--no-all-versions", package)
        found = re.search(r"^Version: (\S+)", shown, re.MULTILINE)
        if found is None:
            raise VmError(f"{self.name} has no package {package}")
        return found[1]

    def unpack(
        self, packages: Sequence[str], tree: Path, finish: Callable[[Path], None] | None = None
    ) -> None:
        """Fill `tree` with the files of packages, and let `finish` add to it; it appears only when
        it is complete.
        """
        with tempfile.TemporaryDirectory(dir=tree.parent) as folder:
            words = ["apt-get", *self._options, "download"]
            words += [f"{name}={self.version(name)}" for name in packages]
            three_tries(lambda: command(*words, cwd=Path(folder), timeout=300))
            files = Path(folder) / "files"
            for package in sorted(Path(folder).glob("*.deb")):
                command("dpkg", "-x", package, files)
            if finish is not None:
                finish(files)
            files.rename(tree)


def newest_kept(cache: Path, pattern: str) -> Path | None:
    """What was unpacked last of the folders with such a name; None if there is none."""
    kept = [path for path in cache.glob(pattern) if path.is_dir()]
    return max(kept, key=lambda path: path.stat().st_mtime, default=None)


def this_machine() -> Apt:
    """What this machine's own apt knows."""
    return Apt("this machine's apt")


def suite(name: str, cache: Path) -> Apt:
    """A suite of Debian's archive that this machine's apt need not know. The list of sources, the
    lists and apt's own cache are in the folder `cache`; this machine's apt stays as it is.
    """
    folder = cache / "apt" / name
    for part in ("lists/partial", "archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(
        f"deb [arch=amd64 signed-by={KEYS}] {ARCHIVE} {name} main\n"
    )
    settings = {
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": "/nonexistent",
        # What is installed here, or preferred here, is not asked.
        "Dir::Etc::Preferences": "/nonexistent",
        "Dir::Etc::PreferencesParts": "/nonexistent",
        "Dir::State::Status": "/dev/null",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder,
        # apt's own user cannot enter root's home.
        "APT::Sandbox::User": "root",
    }
    words = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    return Apt(f"Debian's {name}", words)
