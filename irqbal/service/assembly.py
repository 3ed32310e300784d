"""From a configuration to things that work: where state lies, which policies are installed, and a
balancer of it all.
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
from irqbal.plugins import discovery
from irqbal.plugins.protocol import PolicyEntry
from irqbal.plugins.supervisor import PolicySupervisor
from irqbal.state.folders import RUN_DIR, Folders

if TYPE_CHECKING:
    from irqbal.simulated.host import SimulatedHost
    from irqbal.simulated.spec import HostSpec

log = logging.getLogger(__name__)


def folders(config: Config, root: Path, made_up: bool = False) -> Folders:
    """Where this daemon keeps its files: /run/irqbal for the live host, below the state folder for
    another root or a made-up host.
    """
    if made_up and not config.state_dir:
        # What a made-up host did must not stand in the real one's history; nor where other users
        # could put files before us.
        state = Path("/run/irqbal-simulated") if os.geteuid() == 0 else _home() / "irqbal-simulated"
    elif config.state_dir:
        state = Path(config.state_dir)
    elif os.geteuid() == 0:
        state = Path("/var/lib/irqbal")
    else:
        state = _home() / "irqbal"
    return Folders(state, RUN_DIR if is_live(root) and not made_up else state / "run")


def _home() -> Path:
    """Where programs of a user keep their state."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")


def is_live(root: Path) -> bool:
    """Whether the root is this very host."""
    return root.resolve() == Path("/")


def host_of(root: Path, made_up: HostSpec | None, interval: float) -> KernelHost | SimulatedHost:
    """The machine's own kernel, a tree of its files, or a made-up host that lives in real time.
    Raises HostError.
    """
    if made_up is None:
        return KernelHost(root)
    from irqbal.simulated.host import SimulatedHost

    return SimulatedHost.live(made_up, None, interval)


def settings(config: Config, cooldown_intervals: int) -> Settings:
    """What the planner needs of the configuration."""
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
    """The installed policy behind each name in the YAML. Raises ConfigError for names that nothing
    installed has.
    """
    found = discovery.find() if installed is None else installed
    problems = []
    bound = []
    for index, item in enumerate(items):
        if item.name in found:
            bound.append(PolicyEntry(found[item.name], index, item.options))
            continue
        known = ", ".join(found) or "none"
        problems.append(
            f"{name}:{item.options.line}: {key}[{index}].{item.name}: no installed package "
            "provides this policy; "
            f"installed are {known}"
        )
    if problems:
        raise ConfigError(problems)
    return bound


def spawn(config: Config, name: str) -> PolicySupervisor:
    """Start the policy host, which is to be bound by `bound` when it had time to get ready. Raises
    ConfigError for unknown names.
    """
    policies = PolicySupervisor(entries(config.policies, name))
    policies.spawn()
    return policies


def bind(config: Config, name: str) -> PolicySupervisor:
    """The policy host with what the configuration names. Raises ConfigError if names or options are
    wrong.

    A policy that is installed but cannot be used is set aside and logged: the others go on.
    """
    return bound(spawn(config, name), name)


def bound(policies: PolicySupervisor, name: str) -> PolicySupervisor:
    """The second half of `bind`."""
    problems = policies.bind()
    if problems:
        policies.close()
        raise ConfigError([format_problem(name, problem) for problem in problems])
    return policies


def bind_observers(config: Config, name: str) -> PolicySupervisor:
    """The same for observers, in a child of their own, with the network."""
    observers = PolicySupervisor(entries(config.observers, name, "observers"), "observers")
    problems = observers.bind() if config.observers else []
    if problems:
        observers.close()
        raise ConfigError([format_problem(name, problem) for problem in problems])
    return observers


def refuse_irqbalance(root: Path, force: bool) -> None:
    """Two balancers undo each other's work without end. Raises LockError unless `force`."""
    others = [text for text in running(root) if text.startswith("irqbalance")]
    if others and not force:
        raise LockError(
            f"{others[0]}; irqbal and irqbalance would undo each other's moves, so irqbal did not "
            "start: "
            "stop it (systemctl disable --now irqbalance), or use --force"
        )
    if others:
        log.warning("%s, and --force was given: expect drift", others[0])
