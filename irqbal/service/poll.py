"""`irqbal poll`: the daemon with its writer off and its history on. It never writes to the kernel,
whoever asks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from irqbal.config.schema import Config
from irqbal.service.assembly import folders, is_live
from irqbal.service.daemon import Daemon
from irqbal.state.folders import Folders
from irqbal.wire import Duration

if TYPE_CHECKING:
    from irqbal.simulated.spec import HostSpec

WHY = "`irqbal poll` only looks and records: to write masks, stop it and start `irqbal daemon`"


class Poller(Daemon):
    """Looks at the host and records a sample every so many seconds (None: as the configuration
    says), also after a reload.

    Policies are asked all the same: what they would do stands in the decisions, as a dry run's. It
    holds the host's lock, since two may not write one history; irqbalance may run beside it.
    """

    def __init__(
        self,
        config: Config,
        path: Path | None,
        root: Path,
        every: float | None,
        owner: bool = True,
        made_up: HostSpec | None = None,
    ) -> None:
        """`owner`: this user may use /run/irqbal; others keep lock and socket in their state
        folder.
        """
        self._every, self._owner = every, owner
        super().__init__(config, path, root, True, True, made_up)
        self.read_only_reason, self._records = WHY, True

    def _adapted(self, config: Config) -> Config:
        if self._every is None:
            return config
        history = msgspec.structs.replace(config.history, every=Duration(self._every))
        return msgspec.structs.replace(
            config, history=history, interval=Duration(min(float(config.interval), self._every))
        )

    def _places(self) -> Folders:
        made_up = self._made_up is not None
        places = folders(self.config, self._root, made_up)
        return (
            Folders(places.state, places.state / "run")
            if is_live(self._root) and not made_up and not self._owner
            else places
        )
