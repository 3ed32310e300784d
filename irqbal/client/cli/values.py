"""click parameter types for irqbal's own values: times, lengths of time, CPU sets. `irqbal` and
`irqbal-client` share them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click

from irqbal.cpuset import CpuSet
from irqbal.wire import Duration, When


class ParsedValue(click.ParamType):  # type: ignore[type-arg]
    """A value that `parse` reads; the text of its ValueError is the usage error that is shown.

    `name` stands for the value in the help, `kind` is the type that `parse` returns.
    """

    def __init__(self, name: str, parse: Callable[[str], Any], kind: type) -> None:
        self.name, self._parse, self._kind = name, parse, kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, self._kind):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


WHEN = ParsedValue("time", When.parse, When)
"""A moment, or a length of time before now, such as `2h`; sent to the daemon as it is written."""
SECONDS = ParsedValue("time", lambda text: When.parse(text).at(time.time()), float)
"""The same as seconds since the epoch."""
LENGTH = ParsedValue("duration", Duration.parse, Duration)
CPUS = ParsedValue("cpus", CpuSet.parse, CpuSet)
MASK = ParsedValue("mask", CpuSet.from_mask, CpuSet)
"""A CPU set as a hex mask."""
