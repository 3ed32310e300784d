"""Rows in groups, as the panes of NICs and of decisions show them. Pure."""

from __future__ import annotations

from collections.abc import Hashable

import msgspec


class GroupedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row: `cells`, one a column, or the `title` of the group that follows. `key` names it from
    one reading to the next, `irq` is the number of the IRQ that it is about, `style` rich's.
    """

    key: Hashable
    title: str = ""
    cells: tuple[str, ...] = ()
    irq: int | None = None
    style: str = ""
