"""How a daemon was started: what the command line says, and what follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from irqbal.config.schema import Config
from irqbal.service.assembly import folders, is_live
from irqbal.state.folders import Folders
from irqbal.wire import Duration

if TYPE_CHECKING:
    from irqbal.simulated.spec import HostSpec

POLL_READ_ONLY = (
    "`irqbal poll` only looks and records: to write masks, stop it and start `irqbal daemon`"
)


class RunMode(msgspec.Struct, frozen=True, kw_only=True):
    """`path` is the configuration's file, None for the defaults; `force`: start although irqbalance
    runs; `made_up`: balance this made-up host instead of `root`.

    `poll`: look and record, never write, whoever asks. Policies plan all the same: what they would
    do stands in the decisions, as a dry run's. It holds the host's lock, since two processes must
    not write one history; irqbalance may run beside it. `every` then is the time between samples in
    seconds (None: as the configuration says), and `owns_run_dir` says whether this user may use
    /run/irqbal; others keep lock and socket in their state folder.
    """

    path: Path | None = None
    root: Path = Path("/")
    dry_run: bool = False
    force: bool = False
    made_up: HostSpec | None = None
    poll: bool = False
    every: float | None = None
    owns_run_dir: bool = True

    @property
    def name(self) -> str:
        """The configuration's name in messages."""
        return "(defaults)" if self.path is None else str(self.path)

    @property
    def is_live(self) -> bool:
        """Whether this machine's own kernel is balanced."""
        return self.made_up is None and is_live(self.root)

    @property
    def simulated(self) -> str:
        """The specification of the made-up host; empty if there is none."""
        return "" if self.made_up is None else str(self.made_up)

    @property
    def read_only_reason(self) -> str:
        """Why nothing may be written, whoever asks; empty if it may."""
        return POLL_READ_ONLY if self.poll else ""

    def is_dry_run(self, config: Config) -> bool:
        """Whether this daemon starts as a dry run."""
        return self.poll or self.dry_run or config.dry_run

    def records(self, config: Config) -> bool:
        """Whether this daemon holds the lock and records the history."""
        return self.poll or not self.is_dry_run(config)

    def adapt(self, config: Config) -> Config:
        """The configuration as this mode changes it, also after a reload."""
        if self.every is None:
            return config
        history = msgspec.structs.replace(config.history, every=Duration(self.every))
        interval = Duration(min(float(config.interval), self.every))
        return msgspec.structs.replace(config, history=history, interval=interval)

    def folders(self, config: Config) -> Folders:
        """Where this daemon keeps its files."""
        places = folders(config, self.root, self.made_up is not None)
        if self.is_live and not self.owns_run_dir:
            return Folders(places.state, places.state / "run")
        return places
