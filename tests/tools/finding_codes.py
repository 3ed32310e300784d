"""The lists of findings in docs/operating.md and docs/isolation.md, from the table of
`irqbal.render.finding_texts`: `python tests/tools/finding_codes.py` writes them. A test compares
them.
"""

from __future__ import annotations

from irqbal.render.finding_texts import table_of_codes, table_of_disturbances
from places import TOP

LISTS = {
    TOP / "docs/operating.md": table_of_codes,
    TOP / "docs/isolation.md": table_of_disturbances,
}
"""Each document -> what makes its list."""
BEGIN, END = (
    "<!-- findings: written by `python tests/tools/finding_codes.py` -->\n",
    "<!-- end of findings -->",
)


def main() -> None:
    """Rewrite the lists."""
    for document, table in LISTS.items():
        before, _, rest = document.read_text().partition(BEGIN)
        document.write_text(before + BEGIN + table() + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
