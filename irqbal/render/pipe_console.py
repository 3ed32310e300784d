"""rich's console, as far as irqbal's differs. Imported only where something is printed through it:
rich takes megabytes, which the daemon has no use for.
"""

from __future__ import annotations

from rich.console import Console


class PipeConsole(Console):
    """A console that leaves a closed pipe to the command, which has its own exit status for it."""

    def on_broken_pipe(self) -> None:
        """See the class."""
        raise BrokenPipeError
