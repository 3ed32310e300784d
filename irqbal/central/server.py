"""A central server as a process: its tokens, its listeners, its end."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from pathlib import Path

from irqbal.api.http.listeners import Listeners
from irqbal.central.fleet import Fleet
from irqbal.central.stores import FleetStore
from irqbal.config.schema import ApiOptions
from irqbal.errors import HistoryError, IrqbalError
from irqbal.process import log_limits, systemd
from irqbal.state.folders import Folders
from irqbal.state.tokens import Token, Tokens, digest

log = logging.getLogger(__name__)


class CentralTokens(Tokens):
    """The tokens of a state folder, and the one in --token-file, which has the scope `read`. That
    file is read at each request, so that it can be replaced.
    """

    def __init__(self, folder: Path, file: Path | None) -> None:
        """Raises IrqbalError if the file is unreadable or empty."""
        super().__init__(folder)
        self._file = file
        if file is not None and not self._read_token(file):
            raise IrqbalError(f"{file} is empty: write a token into it; its scope will be read")

    @property
    def where(self) -> str:
        """How a user gets a token, as part of a sentence."""
        file = f", and {self._file} holds one that may read" if self._file else ""
        return f"on the central server, `irqbal token add NAME` creates one{file}"

    @staticmethod
    def _read_token(file: Path) -> str:
        try:
            return file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise IrqbalError(f"{file} cannot be read: {error}") from error

    def find(self, text: str, now: float) -> Token | None:
        """The token with this text; `now` is seconds since the epoch. Raises IrqbalError if a file
        is unreadable.
        """
        token = super().find(text, now)
        if token is not None or self._file is None:
            return token
        own = self._read_token(self._file)
        if own and digest(own) == digest(text):
            return Token("token-file", "read", digest(own), now)
        return None


class CentralServer:
    """Serves a store over the API until a signal ends it.

    `since` is the age in seconds beyond which a host's last contact is too old to list it.
    """

    def __init__(
        self,
        store: FleetStore,
        since: float,
        options: ApiOptions,
        places: Folders,
        token_file: Path | None,
    ) -> None:
        self._store, self._since, self._options = store, since, options
        self._places, self._tokens = places, CentralTokens(places.state, token_file)

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; returns the exit status. Raises ConfigError if the
        certificate cannot be used, IrqbalError if an address cannot be listened on.
        """
        log_limits.install()
        asyncio.run(self.serve())
        return 0

    async def serve(self, stop: asyncio.Event | None = None) -> None:
        """Serve on the running loop until `stop` is set; by default until SIGTERM or SIGINT."""
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
                    "serving on %s; the store cannot be read yet, each request tries again",
                    ", ".join(self._options.listen),
                )
            systemd.notify("READY=1")
            await done.wait()
        finally:
            systemd.notify("STOPPING=1")
            fleet.close()
            await listeners.close()
