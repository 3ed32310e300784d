"""`python -m irqbal.manpages [DIR]`: write the pages that have changed into DIR, by default into
man/ of the source tree.
"""

from __future__ import annotations

import sys
from pathlib import Path

from irqbal.manpages.pages import pages


def main() -> None:
    """Write the pages that have changed."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "man"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"{path} written\n")


if __name__ == "__main__":
    main()
