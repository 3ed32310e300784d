"""The routes' handlers, a module a resource. Importing this package declares them all."""

from __future__ import annotations

from irqbal.api.routes import control, events, history, irq_manager, state

__all__ = ["control", "events", "history", "irq_manager", "state"]
