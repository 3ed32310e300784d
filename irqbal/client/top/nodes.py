"""The tree of nodes, L3 caches and cores, each with its load."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from irqbal.api.contract import responses
from irqbal.client.top.bars import bar, style_of

Cpu = responses.CpuView
Key = tuple[int, ...]
UNFOLDED = 32
"""CPUs: hosts with no more are unfolded to every core at the start."""
BAR = 8
"""Characters of a bar."""


class NodeTree(Tree[Key]):
    """Rebuilt only when the host's CPUs change, so that folded branches stay folded."""

    def __init__(self, id: str) -> None:
        super().__init__("host", id=id)
        self.show_root = False
        self.guide_depth = 2
        self._shape: list[Key] = []
        self._known: dict[Key, TreeNode[Key]] = {}
        self._texts: dict[Key, str] = {}

    def fill(self, cpus: Sequence[Cpu]) -> None:
        """Show these CPUs."""
        inside: dict[Key, list[Cpu]] = {}
        for cpu in sorted(cpus, key=lambda cpu: (cpu.node, cpu.l3, cpu.core, cpu.number)):
            whole: Key = (cpu.node, cpu.l3, cpu.package, cpu.core)
            for key in (whole[:1], whole[:2], whole):
                inside.setdefault(key, []).append(cpu)
        if list(inside) != self._shape:
            self._rebuild(inside, len(cpus))
        for key, found in inside.items():
            label = _label(key, found)
            # Setting a label redraws it, so unchanged ones are left alone.
            if self._texts.get(key) != label.plain:
                self._texts[key] = label.plain
                self._known[key].set_label(label)

    def _rebuild(self, inside: dict[Key, list[Cpu]], count: int) -> None:
        self.clear()
        self._shape, self._known, self._texts = list(inside), {}, {}
        for key in inside:
            if len(key) == 1:
                self._known[key] = self.root.add(Text(), key, expand=True)
            elif len(key) == 2:
                self._known[key] = self._known[key[:1]].add(Text(), key, expand=count <= UNFOLDED)
            else:
                self._known[key] = self._known[key[:2]].add_leaf(Text(), key)
        # Put the cursor on a node, so that Enter folds one before the cursor was moved.
        self.cursor_line = 0


def _label(key: Key, cpus: Sequence[Cpu]) -> Text:
    online = [cpu for cpu in cpus if cpu.online]
    load = sum(cpu.load for cpu in online) / len(online) if online else 0.0
    if len(key) == 4:
        names = ",".join(
            str(cpu.number) + ("" if cpu.online else " off") + ("!" if cpu.isolated else "")
            for cpu in cpus
        )
        loads = " ".join(f"{cpu.load * 100:.1f}" for cpu in online)
        return Text.assemble(
            (f"CPU {names} ", "bold"), bar(load, BAR), (f" {loads} %", style_of(load)), no_wrap=True
        )
    most = max((cpu.load for cpu in online), default=0.0)
    name = f"node {key[0]}" if len(key) == 1 else f"L3 {key[1]}"
    text = f" {load * 100:.1f} % of {len(online)}, most {most * 100:.1f} %"
    return Text.assemble((f"{name} ", "bold"), bar(load, BAR), text, no_wrap=True)
