"""The screen in ASCII, for terminals that show nothing else."""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from irqbal.render.charset import to_ascii


class AsciiFilter(LineFilter):
    """Replaces bars, arrows, guides, borders and ellipses, whatever drew them."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same line in ASCII."""
        return [Segment(to_ascii(text), style, control) for text, style, control in segments]
