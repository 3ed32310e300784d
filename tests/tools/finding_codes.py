"""The list of findings in docs/operating.md, from the table of `irqbal.render.finding_texts`:
`python tests/tools/finding_codes.py` writes it. A test compares the two.
"""

from __future__ import annotations

from irqbal.render.finding_texts import table_of_codes
from places import TOP

DOCUMENT = TOP / "docs/operating.md"
BEGIN, END = (
    "<!-- findings: written by `python tests/tools/finding_codes.py` -->\n",
    "<!-- end of findings -->",
)


def main() -> None:
    """Rewrite the list."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(before + BEGIN + table_of_codes() + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
