"""Options that commands about the stored history share, and how they print moments."""

from __future__ import annotations

from typing import Any

import click

from irqbal.cli.common import Common
from irqbal.client.cli.values import SECONDS
from irqbal.history.open import open_store
from irqbal.history.store import HistoryStore
from irqbal.service.assembly import folders


def window_options(function: Any) -> Any:
    """`--start`, `--end` and `--store`."""
    for option in (
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


def open_history(common: Common, url: str) -> HistoryStore:
    """The history at `url`; for an empty one this host's own. Raises ConfigError, HistoryError."""
    return open_store(url, folders(common.config(), common.root).state)
