"""The handler of every route of the contract. A new module of handlers is added to MODULES."""

from __future__ import annotations

from collections.abc import Mapping

from irqbal.api.contract import ALL
from irqbal.api.handlers import Handler, RouteHandlers
from irqbal.api.routes import changes, events, history, irq_manager, server_wide, state, trials

MODULES = (changes, events, history, irq_manager, server_wide, state, trials)


def _combined() -> dict[str, Handler]:
    """Raises ValueError unless every route has exactly one handler."""
    handlers = RouteHandlers()
    for module in MODULES:
        for name, handler in module.handlers.items():
            handlers.handles(name)(handler)
    routes = {route.name for route in ALL}
    if routes != set(handlers):
        raise ValueError(f"routes without handler, or the reverse: {routes ^ set(handlers)}")
    return handlers


HANDLERS: Mapping[str, Handler] = _combined()
"""Handlers by the name of their route."""
