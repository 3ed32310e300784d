"""click options that several commands of `irqbal` and `irqbal-client` have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def limit_option(most: int, default: int, text: str) -> Callable[[F], F]:
    """`--limit`: how many items are printed; `text` is its help."""
    return click.option(
        "--limit", type=click.IntRange(1, most), default=default, show_default=True, help=text
    )


def choice_option(name: str, choices: list[str], default: str, text: str) -> Callable[[F], F]:
    """An option with a few values; `text` is its help."""
    return click.option(
        name, type=click.Choice(choices), default=default, show_default=True, help=text
    )
