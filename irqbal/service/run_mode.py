"""How a daemon was started: the options of the command line, and what follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from irqbal.config.reader import DEFAULT_CONFIG
from irqbal.config.schema import Config
from irqbal.service.assembly import folders, is_live
from irqbal.state.folders import Folders
from irqbal.wire import Duration

if TYPE_CHECKING:
    from irqbal.simulated.spec import HostSpec

POLL_READ_ONLY = (
    "`irqbal poll` only looks and records: to write masks, stop it and start `irqbal daemon`"
)
"""Why `irqbal poll` refuses changes; the API's error shows it."""


class RunMode(msgspec.Struct, frozen=True, kw_only=True):
    """The options of one run. `path` is the configuration's file, None for the defaults. `force`:
    start although irqbalance runs. `made_up`: balance this simulated host instead of `root`.

    `poll`: only observe and record; refuse every request to write. Policies plan as in a dry run,
    and the decisions show what they would do. The daemon holds the host's lock, since two processes
    must not write one history; irqbalance may run at the same time. `every` is then the time
    between samples in seconds (None: as the configuration says). `owns_run_dir`: this user may use
    /run/irqbal; for other users, lock and socket lie in the state folder.
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
        """Whether this daemon balances the machine on which it runs."""
        return self.made_up is None and is_live(self.root)

    @property
    def restore_command(self) -> str:
        """The command that puts the originals back once this daemon has ended."""
        words = ["irqbal restore"]
        if self.path not in (None, DEFAULT_CONFIG):
            words += ["-c", str(self.path)]
        if not self.is_live:
            words += ["--root", str(self.root)]
        return " ".join(words)

    @property
    def simulated(self) -> str:
        """The specification of the simulated host; empty if there is none."""
        return "" if self.made_up is None else str(self.made_up)

    @property
    def read_only_reason(self) -> str:
        """Why this daemon refuses all writes; empty if it does not."""
        return POLL_READ_ONLY if self.poll else ""

    def is_dry_run(self, config: Config) -> bool:
        """Whether this daemon starts as a dry run."""
        return self.poll or self.dry_run or config.dry_run

    def holds_lock(self, config: Config) -> bool:
        """Whether this daemon holds the host's lock: two processes must not write masks."""
        return self.poll or not self.is_dry_run(config)

    def is_the_hosts(self, config: Config) -> bool:
        """Whether this daemon is the one of its host, rather than somebody's dry run: it may ship
        under the host's name.
        """
        return self.holds_lock(config) or (self.is_live and self.owns_run_dir)

    def is_guest(self, config: Config) -> bool:
        """Whether this is a dry run of another root whose state folder is this host's own."""
        own = self.is_live or self.made_up or config.state_dir
        return not self.holds_lock(config) and not own

    def adapt(self, config: Config) -> Config:
        """The configuration with the changes of this mode."""
        if self.every is None:
            return config
        history = msgspec.structs.replace(config.history, every=Duration(self.every))
        interval = Duration(min(float(config.interval), self.every))
        return msgspec.structs.replace(config, history=history, interval=interval)

    def folders(self, config: Config) -> Folders:
        """The folders of this daemon's files."""
        places = folders(config, self.root, self.made_up is not None)
        if self.is_live and not self.owns_run_dir:
            return Folders(places.state, places.state / "run")
        return places
