"""From a configuration to running parts: state folders, the host, and the processes of policies and
observers.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from irqbal.config.reader import format_problem
from irqbal.config.schema import Config, ConfiguredPolicy
from irqbal.errors import ConfigError, LockError
from irqbal.kernel.host import KernelHost
from irqbal.kernel.other_writers import running
from irqbal.planner.draft import Settings
from irqbal.plugins import bounds, discovery
from irqbal.plugins.observer_supervisor import ObserverSupervisor
from irqbal.plugins.protocol import PolicyEntry
from irqbal.plugins.supervisor import PolicySupervisor
from irqbal.problems import LocatedProblem
from irqbal.state.folders import RUN_DIR, Folders

if TYPE_CHECKING:
    from irqbal.simulated.host import SimulatedHost
    from irqbal.simulated.spec import HostSpec

log = logging.getLogger(__name__)


def folders(config: Config, root: Path, made_up: bool = False) -> Folders:
    """The folders of this daemon's files. Run-time files lie in /run/irqbal for the live host, and
    below the state folder for another root or a simulated host (`made_up`).
    """
    if made_up and not config.state_dir:
        # The history of a simulated host must not mix with the real host's, nor lie where other
        # users can create files first.
        state = Path("/run/irqbal-simulated") if os.geteuid() == 0 else _home() / "irqbal-simulated"
    elif config.state_dir:
        state = Path(config.state_dir)
    elif os.geteuid() == 0:
        state = Path("/var/lib/irqbal")
    else:
        state = _home() / "irqbal"
    return Folders(state, RUN_DIR if is_live(root) and not made_up else state / "run")


def _home() -> Path:
    """The folder for the state of this user's programs."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")


def is_live(root: Path) -> bool:
    """Whether the root is that of this machine."""
    return root.resolve() == Path("/")


def host_of(root: Path, made_up: HostSpec | None, interval: float) -> KernelHost | SimulatedHost:
    """This machine's kernel, a tree of its files, or a simulated host (`made_up`) that runs in real
    time. `interval` is seconds between two cycles. Raises HostError.
    """
    if made_up is None:
        return KernelHost(root)
    from irqbal.simulated.host import SimulatedHost

    return SimulatedHost.live(made_up, None, interval)


def settings(config: Config, cooldown_intervals: int) -> Settings:
    """The planner's settings from the configuration. `cooldown_intervals` is in cycles."""
    return Settings(
        banned=config.banned_cpus,
        max_moves=config.max_moves,
        respect_drift=config.on_drift == "respect",
        cooldown=float(config.interval) * cooldown_intervals,
    )


def entries(
    items: tuple[ConfiguredPolicy, ...],
    name: str,
    key: str = "policies",
    installed: dict[str, discovery.InstalledPlugin] | None = None,
) -> list[PolicyEntry]:
    """The installed policy of each name in the YAML file `name`, under this key. Raises ConfigError
    for names that no installed package provides.
    """
    found = discovery.find() if installed is None else installed
    if problems := unknown(items, name, key, found):
        raise ConfigError(problems)
    return known(items, found)


def known(
    items: tuple[ConfiguredPolicy, ...], installed: dict[str, discovery.InstalledPlugin]
) -> list[PolicyEntry]:
    """The policies of these items that are installed."""
    found = []
    for index, item in enumerate(items):
        if plugin := installed.get(item.name):
            if plugin.rivals:
                log.warning(
                    "%s: %s claims irqbal's own name in vain", item.name, ", ".join(plugin.rivals)
                )
            found.append(PolicyEntry(plugin, index, item.options))
    return found


def unknown(
    items: tuple[ConfiguredPolicy, ...],
    name: str,
    key: str,
    installed: dict[str, discovery.InstalledPlugin],
) -> list[str]:
    """A problem for each name in the YAML file `name` that no installed package provides."""
    return [
        f"{name}:{item.options.line}: {key}[{index}].{item.name}: no installed package "
        f"provides this policy; installed are {', '.join(installed) or 'none'}"
        for index, item in enumerate(items)
        if item.name not in installed
    ]


def spawn(config: Config, name: str, starting_at_once: int | None = None) -> PolicySupervisor:
    """Start the policies' processes without waiting for them; `bound` completes the start. Raises
    ConfigError for unknown names. `starting_at_once`: how many strangers' processes may be
    starting at the same time.
    """
    policies = PolicySupervisor(entries(config.policies, name), starting_at_once)
    policies.spawn()
    return policies


def bind(config: Config, name: str, patience: float = bounds.READY_DEADLINE) -> PolicySupervisor:
    """Start the policies' processes with the policies that the configuration names. Raises
    ConfigError if names or options are wrong.

    A policy that is installed but cannot be used is set aside and logged; the others work without
    it. Strangers' policies may take `patience` seconds longer than irqbal's own, and are ready
    later if they do not.
    """
    return bound(spawn(config, name), name, patience)


def bound(
    policies: PolicySupervisor,
    name: str,
    patience: float = bounds.READY_DEADLINE,
    lenient: bool = False,
) -> PolicySupervisor:
    """Wait for started processes, and give their policies their options. Raises ConfigError if
    options are wrong; with `lenient`, if those of irqbal's own policies are. Strangers' policies
    are then set aside, and the problems logged: what a stranger says keeps no daemon from starting.
    """
    try:
        problems = policies.bind(patience)
    except BaseException:
        policies.close()
        raise
    if lenient:
        problems, others = (
            [problem for problem in problems if policies.is_own(problem) == own]
            for own in (True, False)
        )
        _log(name, others)
    if problems:
        policies.close()
        raise ConfigError([format_problem(name, problem) for problem in problems])
    return policies


def _log(name: str, problems: list[LocatedProblem]) -> None:
    for problem in problems:
        log.error("%s; irqbal goes on without this one", format_problem(name, problem))


def bind_observers(config: Config, name: str, lenient: bool = False) -> ObserverSupervisor:
    """The same for observers, in processes of their own that may use the network."""
    observers = ObserverSupervisor(entries(config.observers, name, "observers"))
    problems = observers.bind() if config.observers else []
    if lenient:
        _log(name, problems)
    elif problems:
        observers.close()
        raise ConfigError([format_problem(name, problem) for problem in problems])
    return observers


def refuse_irqbalance(root: Path, force: bool) -> None:
    """Raises LockError if irqbalance runs, since the two would undo each other's moves. With
    `force` it only logs a warning.
    """
    others = [text for text in running(root) if text.startswith("irqbalance")]
    if others and not force:
        raise LockError(
            f"{others[0]}; irqbal and irqbalance would undo each other's moves, so irqbal did not "
            "start: "
            "stop irqbalance (systemctl disable --now irqbalance), or use --force"
        )
    if others:
        log.warning("%s, and --force was given: expect drift", others[0])
