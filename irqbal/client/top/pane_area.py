"""The middle of the screen: a pane with rows (IRQs, NICs or decisions), and the tree of nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget

from irqbal.api.contract import responses
from irqbal.client.top import cycles, head, nics
from irqbal.client.top.cursor_pane import CursorPane
from irqbal.client.top.grouped_pane import GroupedPane
from irqbal.client.top.nodes import NodeTree
from irqbal.client.top.reading import Extra, Reading
from irqbal.client.top.table import IrqTable
from irqbal.render.console import plain

PaneName = Literal["irqs", "nics", "decisions"]
NEEDED: Mapping[PaneName, frozenset[Extra]] = {
    "irqs": frozenset(),
    "nics": frozenset({"devices"}),
    "decisions": frozenset({"decisions"}),
}
"""What a reading has for each pane, besides status, CPUs and IRQs."""
WIDE = 130
"""Columns: from this width on the tree stands beside the pane by default."""
TREE_WIDTH = 48


class PaneArea(Horizontal):
    """Shows the pane `pane_name`. On a narrow terminal the tree stands in its place."""

    DEFAULT_CSS = """
    PaneArea CursorPane {
        width: 1fr; height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;
    }
    PaneArea NodeTree { height: 1fr; padding: 0; border: none; scrollbar-size: 1 1; }
    PaneArea NodeTree:focus { border: none; }
    """

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.pane_name: PaneName = "irqs"
        self._tree_chosen: bool | None = None
        """Whether the user wants the tree; None: by the terminal's width."""

    def compose(self) -> ComposeResult:
        yield IrqTable(id="irqs")
        yield GroupedPane("nics", nics.COLUMNS)
        yield GroupedPane("decisions", cycles.COLUMNS)
        yield NodeTree(id="nodes")

    @property
    def table(self) -> IrqTable:
        """The IRQs."""
        return self.query_one(IrqTable)

    @property
    def tree_of_nodes(self) -> NodeTree:
        """The tree."""
        return self.query_one(NodeTree)

    @property
    def pane(self) -> CursorPane:
        """The pane that is chosen."""
        return self.query_one(f"#{self.pane_name}", CursorPane)

    def divide(self, width: int) -> Widget | None:
        """Divide so many columns between pane and tree. Returns what should have the focus if only
        one of them is shown.
        """
        wide = width >= WIDE
        show_tree = wide if self._tree_chosen is None else self._tree_chosen
        tree = self.tree_of_nodes
        tree.display = show_tree
        tree.styles.width = TREE_WIDTH if wide else "1fr"
        for pane in self.query(CursorPane):
            pane.display = pane is self.pane and (wide or not show_tree)
        if wide:
            return None
        return tree if show_tree else self.pane

    def show_pane(self, name: PaneName, width: int) -> None:
        """Show this pane, on a narrow terminal instead of the tree."""
        self.pane_name = name
        if self._tree_chosen and width < WIDE:
            self._tree_chosen = False
        self.divide(width)
        self.pane.focus()

    def flip_tree(self, width: int) -> None:
        """Show the tree, or hide it."""
        self._tree_chosen = not self.tree_of_nodes.display
        if not self._tree_chosen:
            self.pane.focus()
        self.divide(width)

    def fill(self, reading: Reading) -> None:
        """Show a reading."""
        self.table.fill(reading.irqs)
        self.tree_of_nodes.fill(reading.cpus)
        if reading.devices is not None:
            pane = self.query_one("#nics", GroupedPane)
            pane.fill(nics.nic_rows(reading), "there is no NIC")
        if reading.decisions is not None or reading.no_decisions:
            pane = self.query_one("#decisions", GroupedPane)
            none = plain(reading.no_decisions) or "no decisions in the last 24 hours"
            pane.fill(cycles.decision_rows(reading.decisions or ()), none)

    @property
    def current(self) -> responses.IrqView | None:
        """The IRQ of the row below the cursor."""
        pane = self.pane
        if not isinstance(pane, GroupedPane):
            return self.table.current
        number = pane.current_irq
        return None if number is None else self.table.find(number)

    def about(self, reading: Reading | None) -> Text:
        """What the pane shows."""
        if self.pane_name == "irqs" or reading is None:
            table = self.table
            return head.about(
                head.ShownRows(
                    shown=len(table.shown),
                    count=table.count,
                    words=table.words,
                    key=table.key,
                    reverse=table.reverse,
                )
            )
        if self.pane_name == "nics":
            known = reading.devices is not None
            text = nics.nics_summary(reading) if known else "reading the NICs"
        elif reading.decisions is None:
            text = reading.no_decisions or "reading the decisions"
        else:
            text = cycles.decisions_summary(reading.decisions)
        return Text(f"{plain(text)}; i or escape: IRQs", "dim", no_wrap=True, overflow="ellipsis")
