"""Options that commands about the stored history share, and how they print moments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from irqbal.cli.common import Common
from irqbal.client.cli.values import SECONDS
from irqbal.render.console import to_the_second

if TYPE_CHECKING:
    from irqbal.history.store import HistoryStore


def window_options(function: Any) -> Any:
    """`--start`, `--end`, `--store` and `--recorded-by`."""
    for option in (
        click.option(
            "--recorded-by",
            "recorder",
            default="",
            metavar="HOST",
            help="The host whose history to read, if a MongoDB holds several.",
        ),
        click.option(
            "--store",
            "url",
            default="",
            help="Read another history: a file, or mongodb://…. Default: this host's own.",
        ),
        click.option("--end", type=SECONDS, default=None, help="The end. Default: now."),
        click.option(
            "--start", type=SECONDS, default="24h", show_default=True, help="The beginning."
        ),
    ):
        function = option(function)
    return function


def open_history(common: Common, url: str, recorder: str) -> HistoryStore:
    """The history at `url`; for an empty one this host's own. `recorder`: the host that recorded
    it, in a MongoDB. Raises ConfigError, HistoryError.
    """
    from irqbal.history.open import open_store
    from irqbal.service.assembly import folders

    return open_store(url, folders(common.config(), common.root).state, host=recorder)


class ShownWindow(msgspec.Struct, frozen=True):
    """A part of the history: from `start` to `end`, seconds since the epoch."""

    start: float
    end: float

    def why_empty(self, store: HistoryStore, what: str, about: str = "") -> str:
        """Why nothing of the kind `what` was found in this window (`about`: of an IRQ or a device),
        and what to do.
        """
        shown = f"{to_the_second(self.start)} to {to_the_second(self.end)}"
        none = f"no {what}{about and f' of {about}'} from {shown}"
        span = store.span()
        if span is None:
            return (
                f"There are {none}: the history holds no sample yet. A daemon that runs records "
                "one every `history: every:` of its configuration"
            )
        first, last = map(to_the_second, span)
        if self.start >= self.end:
            return f"There are {none}: the window ends before it begins; --start must be earlier"
        if span[1] <= self.start or span[0] >= self.end:
            return (
                f"There are {none}: the history has samples from {first} to {last}; choose --start "
                f"and --end within that time{_DAEMON if span[1] <= self.start else ''}"
            )
        return (
            f"There are {none}. The history has samples from {first} to {last}; --start 30d, for "
            "example, looks further back"
        )


_DAEMON = ", and check that the daemon runs and records (`history: every:`)"
