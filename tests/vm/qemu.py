"""QEMU 10, which emulates what Debian 12's own QEMU lacks: igb, a NIC with eight queues."""

from __future__ import annotations

from pathlib import Path

from vm.image import cache_folder
from vm.packages import newest_kept, suite

SUITE = "bookworm-backports"
PACKAGE = "qemu-system-x86"


def newer_qemu(cache: Path | None = None) -> tuple[str, ...]:
    """The words that start it. It is unpacked into the cache with those of its libraries that the
    suite has; what is there already is not fetched again.
    """
    with cache_folder(cache) as folder:
        tree = newest_kept(folder, f"{PACKAGE}_*")
        if tree is None:
            apt = suite(SUITE, folder)
            apt.update()
            tree = folder / f"{PACKAGE}_{apt.version(PACKAGE).replace(':', '%')}"
            apt.unpack([PACKAGE, *apt.depends(PACKAGE, recurse=True)], tree)
    libraries = ":".join(str(tree / place / "x86_64-linux-gnu") for place in ("usr/lib", "lib"))
    # seabios is a package of its own; QEMU finds its firmware in folders that are named only.
    firmware = [word for name in ("qemu", "seabios") for word in ("-L", f"{tree}/usr/share/{name}")]
    program = f"{tree}/usr/bin/qemu-system-x86_64"
    return ("env", f"LD_LIBRARY_PATH={libraries}", program, *firmware)
