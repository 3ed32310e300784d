"""`irqbal switch`."""

from __future__ import annotations

import select
import sys
import time
from pathlib import Path

import click

from irqbal.cli.common import Common, Seconds, command_options, is_root
from irqbal.cli.import_irqbalance import converted
from irqbal.cli.switch_report import forecast_of, print_observed, print_outcome
from irqbal.client.cli.values import LENGTH
from irqbal.config.reader import DEFAULT_CONFIG, parse
from irqbal.errors import HostError
from irqbal.imported.script import TIMEOUT
from irqbal.kernel.host import KernelHost
from irqbal.render.console import echo
from irqbal.render.progress import working
from irqbal.service.assembly import folders
from irqbal.switching.observation import HostObserver, Observed
from irqbal.switching.record import CONFIRMED_FILE, FILE, SwitchRecord, UnitBefore
from irqbal.switching.steps import BEAT, IRQBAL, IRQBALANCE, Switch
from irqbal.switching.units import RUNNER, Units
from irqbal.wire import Duration

PROGRAM = [sys.executable, "-m", "irqbal", "switch"]
POLL = 0.5
"""Seconds between two looks at how far the switch has come."""


@click.command("switch")
@command_options
@click.option(
    "--watch",
    type=LENGTH,
    default="1m",
    show_default=True,
    help="How long the running irqbalance is watched before, and irqbal after; 0s: not at all.",
)
@click.option("--yes", is_flag=True, help="Keep irqbal without a question, unless it is worse.")
@click.option(
    "--confirm-within",
    type=Seconds(1, 86400),
    default=120.0,
    show_default=True,
    help="Seconds in which somebody must say that irqbal is to stay; else everything goes back.",
)
@click.option("--keep", is_flag=True, help="Say that irqbal is to stay: confirm a switch.")
@click.option("--back", is_flag=True, help="Go back to irqbalance: units, configuration and masks.")
@click.option("--run", is_flag=True, hidden=True)
@click.option("--recover", is_flag=True, hidden=True)
def command(
    common: Common,
    watch: Duration,
    yes: bool,
    confirm_within: float,
    keep: bool,
    back: bool,
    run: bool,
    recover: bool,
) -> int:
    """Change from irqbalance to irqbal, and go back if that is no good.

    The running irqbalance is watched, and what irqbal would do is shown. Then irqbalance's
    configuration is converted, irqbalance is stopped and disabled, and irqbal started and watched.
    Everything goes back by itself if the busiest CPU or drops get worse, if irqbal does not run, or
    if nobody confirms. A kill or a power cut at any step leaves one of the two.

    Exit status 1 if the host is back at irqbalance.
    """
    if not is_root():
        raise HostError("only root can switch the balancer; nothing was changed")
    switch = _switch(common)
    if recover:
        switch.recover()
        return 0
    if run:
        return int(switch.run().phase != "confirmed")
    if keep:
        return _keep(common, switch)
    if back:
        return _go_back(common, switch)
    return _forth(common, switch, watch, 0.0 if yes else confirm_within)


def _switch(common: Common) -> Switch:
    places = folders(parse("", ""), common.root)
    return Switch(Units(), places.state, places.run, common.root, PROGRAM)


def _forth(common: Common, switch: Switch, watch: Duration, confirm: float) -> int:
    units = Units()
    for unit, remedy in (
        (IRQBAL, "install irqbal as a service first (etc/setup_service.sh, or the package)"),
        (IRQBALANCE, "irqbal needs no switch here: `systemctl enable --now irqbal`"),
    ):
        if not units.exists(unit):
            raise HostError(f"systemd knows no {unit}: {remedy}; nothing was changed")
    irqbalance, irqbal = (units.before(unit) for unit in (IRQBALANCE, IRQBAL))
    if not irqbalance.active and not irqbalance.enabled:
        raise HostError(
            "irqbalance neither runs nor starts at boot: irqbal needs no switch here, "
            "`systemctl enable --now irqbal`; nothing was changed"
        )
    if irqbal.active:
        raise HostError("irqbal runs already; nothing was changed")
    text = new_configuration(common)
    present = text or DEFAULT_CONFIG.read_text()
    parse(present, str(DEFAULT_CONFIG))
    before = _observe(common, irqbalance, watch, present)
    host = KernelHost(common.root)
    record = SwitchRecord(
        phase="prepared",
        config=str(DEFAULT_CONFIG),
        written=text,
        irqbalance=irqbalance,
        irqbal=irqbal,
        boot=host.boot_id,
        before=before,
        watch=float(watch),
        confirm=confirm,
    )
    host.close()
    switch.prepare(record)
    units.run_in_background(PROGRAM, "--run")
    return _follow(common, switch)


def new_configuration(common: Common) -> str:
    """The configuration to write where the service reads it: the file that `-c` names, else
    irqbalance's, converted. Empty if there is one already, which is used as it is. Raises HostError
    if `-c` names another than that.
    """
    named = None if common.path in (None, DEFAULT_CONFIG) else common.path
    if DEFAULT_CONFIG.exists():
        if named is not None:
            raise HostError(
                f"the service reads {DEFAULT_CONFIG}, which is there already: move it away to "
                f"switch with {named}, or leave -c out; nothing was changed"
            )
        return ""
    if named is not None:
        try:
            return named.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise HostError(f"{named} cannot be read: {error}; nothing was changed") from error
    try:
        text, whole = converted(common.root, None, TIMEOUT)
    except HostError as error:
        echo(f"irqbal: {error}; irqbal starts with its defaults", err=True)
        return "# irqbal's defaults: irqbalance had no configuration\n"
    if not whole:
        echo(
            "irqbal: not all of irqbalance's configuration could be converted; the new file says "
            "what is missing",
            err=True,
        )
    return text


def _observe(common: Common, irqbalance: UnitBefore, watch: Duration, text: str) -> Observed | None:
    """What irqbalance has to show, and what irqbal would do."""
    if not irqbalance.active or watch <= 0:
        return None
    host = KernelHost(common.root)
    try:
        observer = HostObserver(host, BEAT)
        ends = time.monotonic() + watch
        with working("watching irqbalance") as progress:
            while True:
                left = ends - time.monotonic()
                progress.wait(
                    max(0.5, min(BEAT, left)), f"watching irqbalance: {max(0.0, left):.0f} s left"
                )
                seen = observer.look()
                if time.monotonic() >= ends:
                    break
        print_observed("irqbalance", seen)
        assert observer.snapshot is not None
        echo(forecast_of(text, observer.snapshot))
        return seen
    finally:
        host.close()


def _follow(common: Common, switch: Switch) -> int:
    """Show how far it is, ask whether irqbal is to stay, and return the exit status."""
    asked = False
    told = ""
    while True:
        record = switch.record
        if record is None or record.phase in ("confirmed", "back"):
            break
        said = _stage(record)
        if said != told:
            told = said
            echo(said, err=True)
        asks = record.phase == "watching" and record.confirm > 0 and not _confirmed(common).exists()
        if asks and sys.stdin.isatty():
            if not asked:
                asked = True
                echo("Keep irqbal? Type yes; anything else, or nothing, goes back: ", err=True)
            if select.select([sys.stdin], [], [], POLL)[0]:
                if sys.stdin.readline().strip().lower() in ("y", "yes"):
                    _confirmed(common).touch()
                    continue
                _go_back(common, switch)
                return 1
        else:
            time.sleep(POLL)
    # The last step is done, and the unit removes what is left of the switch.
    while Units().is_active(f"{RUNNER}.service"):
        time.sleep(POLL)
    print_outcome(record)
    return int(record is None or record.phase != "confirmed")


def _stage(record: SwitchRecord) -> str:
    if record.phase == "watching":
        until = time.strftime("%H:%M:%S", time.localtime(record.deadline))
        how = (
            "it stays unless the host gets worse"
            if record.confirm <= 0
            else f"confirm with `irqbal switch --keep` until {until}, or it goes back"
        )
        return f"irqbal runs and is watched: {how}"
    return {
        "prepared": "the switch begins",
        "switching": "irqbalance is stopped, irqbal is started",
        "going-back": f"going back: {record.reason}",
    }.get(record.phase, record.phase)


def _confirmed(common: Common) -> Path:
    """The file that says that irqbal is to stay."""
    return folders(parse("", ""), common.root).state / CONFIRMED_FILE


def _keep(common: Common, switch: Switch) -> int:
    record = switch.record
    if record is None or record.phase != "watching":
        raise HostError(f"no switch waits to be confirmed ({FILE}); nothing was changed")
    _confirmed(common).touch()
    return _follow(common, switch)


def _go_back(common: Common, switch: Switch) -> int:
    """Go back by hand, from whatever phase. Returns 0 if everything is as before."""
    record = switch.record
    if record is None or record.phase == "back":
        raise HostError("there was no switch from irqbalance to go back from; nothing was changed")
    units = Units()
    if units.is_active(f"{RUNNER}.service"):
        # Its end runs the recovery, which goes back.
        units.start(f"{RUNNER}.service", False)
    else:
        switch.prepare_back("somebody asked for it")
        units.run_in_background(PROGRAM, "--recover")
    _follow(common, switch)
    record = switch.record
    return int(record is None or record.phase != "back" or bool(record.left))
