"""Debian 13's irqbalance, to be run on any machine beside the one that is installed.

It is unpacked with the libraries it needs, its own C library included, and started by that
library's loader. The loader's copy bears the program's name, so that the process is called
`irqbalance` as everywhere.
"""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

from vm.image import cache_folder
from vm.packages import newest_kept, suite

PACKAGE, SUITE = "irqbalance", "trixie"


def prepare() -> str:
    """The path of a program that takes irqbalance's options; downloaded once, then kept."""
    with cache_folder() as cache:
        kept = newest_kept(cache, f"{PACKAGE}-{SUITE}_*")
        if kept is not None:
            return str(kept / "run")
        apt = suite(SUITE, cache)
        apt.update()
        tree = cache / f"{PACKAGE}-{SUITE}_{apt.version(PACKAGE).replace(':', '%')}"
        apt.unpack([PACKAGE, *apt.depends(PACKAGE, recurse=True)], tree, finish=_make_runnable)
        return str(tree / "run")


def _make_runnable(files: Path) -> None:
    loader = next(files.glob("**/ld-linux-*.so.*")).resolve()
    libraries = ":".join(
        f'"$here"/{path.relative_to(files)}'
        for path in sorted({found.parent for found in files.glob("**/x86_64-linux-gnu/*.so.*")})
    )
    copy = files / "loader" / PACKAGE
    copy.parent.mkdir()
    shutil.copy2(loader, copy)
    run = files / "run"
    run.write_text(
        '#!/bin/sh\nhere=$(dirname "$(readlink -f "$0")")\n'
        f'exec "$here"/loader/{PACKAGE} --library-path {libraries} '
        f'"$here"/usr/sbin/{PACKAGE} "$@"\n'
    )
    run.chmod(run.stat().st_mode | stat.S_IXUSR)


if __name__ == "__main__":
    print(prepare())
