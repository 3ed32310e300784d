"""`irqbal trial`."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from irqbal.cli.common import Common, Seconds, command_options
from irqbal.client.cli.values import ParsedValue
from irqbal.config.reader import DEFAULT_CONFIG
from irqbal.errors import ConfigError
from irqbal.render.console import console, echo_json
from irqbal.render.trial import print_trial
from irqbal.service.assembly import folders
from irqbal.state.lock import lock_holder
from irqbal.wire import Duration, to_json

if TYPE_CHECKING:
    from irqbal.cli.trial_options import TrialOptions
    from irqbal.trials.record import TrialRecord

ORIGINALS, IRQBALANCE = "originals", "irqbalance"
BAD = frozenset({"worse", "guarded", "ended"})
"""Verdicts with which the exit status is 1."""


def _length(least: float, most: float) -> ParsedValue:
    """A duration between two numbers of seconds, such as `60s`."""

    def parse(text: str) -> Duration:
        length = Duration.parse(text)
        if not least <= length <= most:
            raise ValueError(f"{text} is not between {Duration(least)} and {Duration(most)}")
        return length

    return ParsedValue("duration", parse, Duration)


@click.command("trial")
@command_options
@click.option(
    "--against",
    default=ORIGINALS,
    show_default=True,
    metavar="originals|irqbalance|FILE",
    help="What to compare with: the masks from before irqbal, a running irqbalance, or the "
    "policies of another configuration file.",
)
@click.option(
    "--window",
    type=_length(1, 3600),
    default="60s",
    show_default=True,
    help="Length of a window in which one of the two is measured.",
)
@click.option(
    "--windows",
    type=click.IntRange(2, 2000),
    default=40,
    show_default=True,
    help="Number of windows, an even one: half of them for either.",
)
@click.option(
    "--settle",
    type=_length(0, 600),
    default="5s",
    show_default=True,
    help="Time before each window that is left out of it.",
)
@click.option(
    "--measure",
    "command",
    metavar="CMD",
    help="A command that this user runs in each window; the last number that it prints is what "
    "the verdict is about, instead of the busiest CPU.",
)
@click.option(
    "--more-is-better", is_flag=True, help="A larger number of --measure is better, not worse."
)
@click.option(
    "--learn",
    type=Seconds(0, 86400),
    default=120.0,
    show_default=True,
    help="Seconds for which irqbal balances and learns before the first window, without a daemon.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the trial as JSON.")
@click.option("--force", is_flag=True, help="Begin even if irqbalance is running.")
def command(
    common: Common,
    against: str,
    window: Duration,
    windows: int,
    settle: Duration,
    command: str | None,
    more_is_better: bool,
    learn: float,
    as_json: bool,
    force: bool,
) -> int:
    """Find out on this host whether irqbal is better, with statistics.

    The two placements take turns in pairs of windows, whose order is drawn at random. The kernel's
    counters are compared by a permutation test: better, worse, or no difference that so many
    windows could show. Afterwards everything is as it was before; Ctrl-C ends it early. A running
    daemon does it on request, and pauses balancing meanwhile.

    Exit status 1 if irqbal is worse, or if there is no verdict because the trial was ended.
    """
    from irqbal.cli.trial_options import TrialOptions

    if windows % 2:
        raise click.BadParameter(f"{windows} is odd; windows come in pairs", param_hint="--windows")
    options = TrialOptions(
        against=against,
        window=window,
        windows=windows,
        settle=settle,
        command=command or "",
        more_is_better=more_is_better,
        learn=learn,
        force=force,
        id=secrets.token_hex(4),
    )
    record = _run(common, options)
    if as_json:
        echo_json(to_json(record))
    else:
        print_trial(console(), record)
    return int(record.result is None or record.result.verdict in BAD)


def _run(common: Common, options: TrialOptions) -> TrialRecord:
    places = folders(common.config(), common.root)
    if lock_holder(places.run) is None:
        from irqbal.cli.trial_alone import run_alone

        return run_alone(common, places, options)
    from irqbal.cli.trial_client import run_with_daemon

    if options.against == IRQBALANCE:
        raise ConfigError(
            [
                "irqbalance cannot take turns with a daemon that runs: stop irqbal first "
                "(systemctl stop irqbal), and run the trial without it; nothing was changed"
            ]
        )
    sent = None if common.path in (None, DEFAULT_CONFIG) else _text(common.path)
    other = None if options.against == ORIGINALS else _text(Path(options.against))
    return run_with_daemon(places, options, sent, other)


def _text(path: Path | None) -> str:
    assert path is not None
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path} cannot be read: {error}; nothing was changed"]) from error
