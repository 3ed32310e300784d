"""The loop of a central server: listen, answer, end."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from pathlib import Path

from irqbal.api.http.listeners import Listeners
from irqbal.central.fleet import Fleet
from irqbal.central.stores import FleetStore
from irqbal.config.reader import ApiOptions
from irqbal.errors import HistoryError, IrqbalError
from irqbal.process import systemd
from irqbal.state.originals import Folders
from irqbal.state.tokens import Token, Tokens, digest

log = logging.getLogger(__name__)


class WithFile(Tokens):
    """Besides the tokens of a folder, the one in a file: it may read. The file is read each time,
    so that it can be replaced.
    """

    def __init__(self, folder: Path, file: Path | None) -> None:
        """Raises IrqbalError if the file holds none now."""
        super().__init__(folder)
        self._file = file
        if file is not None and not self._mine(file):
            raise IrqbalError(f"{file} is empty: it is to hold the token that may read")

    @property
    def where(self) -> str:
        """Where somebody who has none gets one."""
        file = f", and {self._file} holds one that reads" if self._file else ""
        return f"on the central server, `irqbal token add NAME` makes one{file}"

    @staticmethod
    def _mine(file: Path) -> str:
        try:
            return file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise IrqbalError(f"{file} cannot be read: {error}") from error

    def find(self, text: str, now: float) -> Token | None:
        """The token with this text. Raises IrqbalError."""
        found = super().find(text, now)
        if found is not None or self._file is None:
            return found
        mine = self._mine(self._file)
        return (
            Token("token-file", "read", digest(mine), now)
            if mine and digest(mine) == digest(text)
            else None
        )


class Central:
    """Serves a store until told to stop."""

    def __init__(
        self,
        store: FleetStore,
        since: float,
        options: ApiOptions,
        places: Folders,
        token_file: Path | None,
    ) -> None:
        self._store, self._since, self._options = store, since, options
        self._places, self._tokens = places, WithFile(places.state, token_file)

    def run(self) -> int:
        """Run until SIGTERM or SIGINT. Raises ConfigError if the certificate cannot be used,
        IrqbalError if the address cannot be had.
        """
        asyncio.run(self.serve())
        return 0

    async def serve(self, stop: asyncio.Event | None = None) -> None:
        """The same on a loop that runs already, until `stop`."""
        done = asyncio.Event() if stop is None else stop
        if stop is None:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, done.set)
        fleet = Fleet(self._store, self._since)
        listeners = Listeners(
            fleet,
            self._options,
            self._places,
            owns_socket=False,
            tokens=self._tokens,
            required=True,
        )
        fleet.auth_failures = listeners.auth_failures
        try:
            await listeners.open()
            began = time.monotonic()
            try:
                known = len(await fleet.facts())
                log.info(
                    "serving %d hosts, listed in %.2f s, on %s",
                    known,
                    time.monotonic() - began,
                    ", ".join(self._options.listen),
                )
            except HistoryError:
                log.warning(
                    "serving on %s; the store is asked again with each request",
                    ", ".join(self._options.listen),
                )
            systemd.notify("READY=1")
            await done.wait()
        finally:
            systemd.notify("STOPPING=1")
            fleet.close()
            await listeners.close()
