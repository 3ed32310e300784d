"""click parameter types for names of IRQs, devices and policies, which the shell completes with
what the daemon answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from irqbal.api.contract import responses
from irqbal.client.cli.session import COMPLETION_TIMEOUT, session_of
from irqbal.client.cli.shell_script import matching
from irqbal.client.http import Client
from irqbal.errors import IrqbalError


class CompletedName(click.ParamType):  # type: ignore[type-arg]
    """A name. `names` asks the daemon for all names, each with a help text, when Tab is pressed."""

    def __init__(self, name: str, names: Callable[[Client], Iterable[tuple[str, str]]]) -> None:
        self.name, self._names = name, names

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            session = session_of(ctx, COMPLETION_TIMEOUT)
            return matching(self._names(session.client), incomplete)
        except (IrqbalError, click.UsageError):
            return []


def irq_names(client: Client) -> Iterable[tuple[str, str]]:
    """Numbers and names of the host's IRQs, each with a word about it."""
    for irq in client.ask("irqs", tuple[responses.IrqView, ...]):
        yield str(irq.number), irq.name
        yield irq.name, f"IRQ {irq.number}"


def device_names(client: Client) -> Iterable[tuple[str, str]]:
    """Interfaces, disks and addresses of the host's devices, each with its driver."""
    for device in client.ask("devices", tuple[responses.DeviceView, ...]):
        for name in (
            *(interface.name for interface in device.interfaces),
            *device.disks,
            device.address,
        ):
            yield name, device.driver


def _irqs_and_devices(client: Client) -> Iterable[tuple[str, str]]:
    yield "all", "every IRQ"
    yield from device_names(client)
    yield from irq_names(client)


def _policies(client: Client) -> Iterable[tuple[str, str]]:
    for policy in client.ask("policies", tuple[responses.PolicyView, ...]):
        yield policy.name, policy.about


IRQ = CompletedName("irq", irq_names)
DEVICE = CompletedName("device", device_names)
IRQ_OR_DEVICE = CompletedName("irq", _irqs_and_devices)
POLICY = CompletedName("policy", _policies)
