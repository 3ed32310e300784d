"""Sentences in place of empty tables: what was looked for, and what to do."""

from __future__ import annotations

import time

from irqbal.api.contract import Problem
from irqbal.client.cli.command_help import meant
from irqbal.client.cli.params import device_names, irq_names
from irqbal.client.http import Client, RequestRefused
from irqbal.render.console import to_the_second
from irqbal.wire import When

DAY = 86400.0
"""Seconds that the API looks back unless it is told otherwise."""


def no_irqs(client: Client, device: str | None, policy: str | None) -> str:
    """No IRQ passed the filters of `irqs`."""
    if device is not None:
        known = [word for words in device_names(client) for word in words]
        if device in known:
            return f"No IRQ of {device} passes these filters: leave one out."
        guess = meant(device, known) or "; `devices` lists those that it has"
        return f"The host has no device {device}{guess}"
    if policy is not None:
        return (
            f"No IRQ was placed by {policy} that passes these filters; `policies` lists the "
            "policies, and `plan` says what they refuse."
        )
    return "No IRQ passes these filters: leave one out."


def no_devices() -> str:
    """The host has none."""
    return "The host has no PCI devices with interrupts; `irqs` lists all IRQs."


def no_hosts() -> str:
    """A server without a host."""
    return (
        "No host has shipped its history to this server lately: check `history: mongodb:` of the "
        "hosts' configuration, and `--since` of `irqbal serve`."
    )


def no_findings(code: str | None, named: str | None) -> str:
    """Nothing is wrong, as far as it was asked for."""
    of_kind = " of that kind" if code or named else ""
    return f"No findings{of_kind}. `hosts` lists the hosts that were looked at."


def no_decisions(start: When | None, end: When | None, filtered: bool) -> str:
    """No decision in the window."""
    now = time.time()
    began = now - DAY if start is None else start.at(now)
    window = f"from {to_the_second(began)} to {to_the_second(now if end is None else end.at(now))}"
    more = "leave a filter out, or look further back" if filtered else "look further back"
    return (
        f"There are no decisions{' that match' if filtered else ''} {window}: {more} with --start "
        "30d. `status` shows whether the daemon records."
    )


def with_guess(client: Client, what: str, refusal: RequestRefused) -> RequestRefused:
    """The refusal of a name that is neither an IRQ's nor a device's, with names that are like
    it.
    """
    names = [name for named in (device_names, irq_names) for name, _ in named(client)]
    guess = meant(what, names) or "; `irqs` and `devices` list them"
    message = f"neither the host nor its history has an IRQ or a device {what}{guess}"
    return RequestRefused(refusal.status, Problem(refusal.problem.code, message))
