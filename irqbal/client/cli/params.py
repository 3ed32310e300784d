"""Kinds of argument: times, lengths, CPU sets, and names that the daemon itself completes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem

from irqbal.api.contract import responses
from irqbal.client.cli.session import TAB, session_of
from irqbal.client.http import Client
from irqbal.cpuset import CpuSet
from irqbal.errors import IrqbalError
from irqbal.wire import Duration, When


class Parsed(click.ParamType):  # type: ignore[type-arg]
    """Text that one of irqbal's own types reads; what it says of wrong text is what the person
    sees.
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


WHEN = Parsed("time", When.parse, When)
LENGTH = Parsed("duration", Duration.parse, Duration)
CPUS = Parsed("cpus", CpuSet.parse, CpuSet)
MASK = Parsed("mask", CpuSet.from_mask, CpuSet)


class Known(click.ParamType):  # type: ignore[type-arg]
    """A name; Tab offers those that the daemon knows."""

    def __init__(self, name: str, ask: Callable[[Client], Iterable[tuple[str, str]]]) -> None:
        self.name, self._ask = name, ask

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            session = session_of(ctx, TAB)
            known = list(self._ask(session.client))
        except (IrqbalError, click.UsageError):
            return []
        return [
            CompletionItem(value, help=about)
            for value, about in known
            if value.startswith(incomplete)
        ]


def _irqs(client: Client) -> Iterable[tuple[str, str]]:
    for irq in client.ask("irqs", tuple[responses.IrqView, ...]):
        yield str(irq.number), irq.name
        yield irq.name, f"IRQ {irq.number}"


def _devices(client: Client) -> Iterable[tuple[str, str]]:
    for device in client.ask("devices", tuple[responses.DeviceView, ...]):
        for name in (
            *(interface.name for interface in device.interfaces),
            *device.disks,
            device.address,
        ):
            yield name, device.driver


def _irqs_and_devices(client: Client) -> Iterable[tuple[str, str]]:
    yield "all", "every IRQ"
    yield from _devices(client)
    yield from _irqs(client)


def _policies(client: Client) -> Iterable[tuple[str, str]]:
    for policy in client.ask("policies", tuple[responses.PolicyView, ...]):
        yield policy.name, policy.about


IRQ = Known("irq", _irqs)
DEVICE = Known("device", _devices)
IRQ_OR_DEVICE = Known("irq", _irqs_and_devices)
POLICY = Known("policy", _policies)
