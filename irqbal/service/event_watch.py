"""Events from the kernel (hotplug, links, channels), as causes of a cycle."""

from __future__ import annotations

import logging
import socket

from tornado.ioloop import IOLoop

from irqbal.kernel.events import Events
from irqbal.service.scheduler import Scheduler

log = logging.getLogger(__name__)


class EventWatch:
    """Watches netlink sockets on the loop. Each event requests a cycle that reads everything."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._events = Events()
        for sock in self._events.sockets:
            IOLoop.current().add_handler(sock, self._on_event, IOLoop.READ)
        for missing in self._events.missing:
            log.warning("no %s events; irqbal finds such changes within one interval", missing)

    def close(self) -> None:
        """Close the sockets."""
        for sock in self._events.sockets:
            IOLoop.current().remove_handler(sock)
        self._events.close()

    def _on_event(self, sock: int | socket.socket, _events: int) -> None:
        for known in self._events.sockets:
            if known is sock:
                for cause in self._events.drain(known):
                    self._scheduler.ask(cause)
